import { plain, row } from './row.ts';

/** Calls of the program's own functions, their arguments, and what comes back. See `structure.ts`. */
export const FUNC_CALL_MESSAGES = {
  // btf_prepare_func_args
  globalNoBtf: plain('EFAULT', 'Global functions need valid BTF'),
  globalManyArgs: row(
    'EINVAL',
    (name: string, count: number, max: number) =>
      `Global function ${name}() with ${count} > ${max} args. Buggy compiler.`,
  ),
  globalReturn: row(
    'EINVAL',
    (name: string) => `Global function ${name}() doesn't return scalar. Only those are supported.`,
  ),
  argTagStatic: row('EOPNOTSUPP', (arg: number) => `arg#${arg} type tag is not supported in static functions`),
  argTagUnknown: row('EOPNOTSUPP', (arg: number) => `arg#${arg} has unsupported set of tags`),
  argTagCombination: row('EINVAL', (arg: number) => `arg#${arg} has invalid combination of tags`),
  argArenaCombination: row('EINVAL', (arg: number) => `arg#${arg} arena cannot be combined with any other tags`),
  argNotPointerTag: row('EINVAL', (arg: number) => `arg#${arg} has pointer tag, but is not a pointer type`),
  argReferenceSize: row(
    'EINVAL',
    (arg: number, kind: string, name: string, errno: number) =>
      `arg#${arg} reference type('${kind} ${name}') size cannot be determined: ${errno}`,
  ),
  argReferenceMatch: row(
    'ENOENT',
    (arg: number, kind: string, name: string, what: string) => `arg#${arg} reference type('${kind} ${name}') ${what}`,
  ),
  argReferenceError: row(
    'EINVAL',
    (arg: number, kind: string, name: string, errno: number) =>
      `arg#${arg} reference type('${kind} ${name}') candidate matching error: ${errno}`,
  ),
  argTypeUnsupported: row(
    'EINVAL',
    (arg: number, kind: string, name: string) => `Arg#${arg} type ${kind} in ${name}() is not supported yet.`,
  ),
  argNotPointer: row('EINVAL', (arg: number) => `arg#${arg} type isn't a pointer`),
  argTypeUnnamed: row('EINVAL', (arg: number) => `arg#${arg} type doesn't have a name`),
  argShouldBeVoid: row('EINVAL', (arg: number) => `arg#${arg} should be void pointer`),
  argShouldBe: row('EINVAL', (arg: number, name: string) => `arg#${arg} should be \`struct ${name} *\``),

  // btf_check_func_arg_match
  argNotScalar: row('EINVAL', (regno: number) => `R${regno} is not a scalar`),
  argNotCtx: row('EINVAL', (arg: number) => `arg#${arg} expects pointer to ctx`),
  argMaybeNull: row('EINVAL', (arg: number) => `arg#${arg} is expected to be non-NULL`),
  argNotArena: row('EINVAL', (regno: number) => `R${regno} is not a pointer to arena or scalar.`),

  // check_func_call, callbacks
  globalLocked: plain(
    'EINVAL',
    'global function calls are not allowed while holding a lock,\nuse static function instead',
  ),
  globalPreempt: plain(
    'EINVAL',
    'global function calls are not allowed with preemption disabled,\nuse static function instead',
  ),
  globalBadArgs: row('EINVAL', (id: number, name: string) => `Caller passes invalid args into func#${id} ('${name}')`),
  callbackNotForMap: plain('ENOTSUPP', 'callback function not allowed for map'),
  callbackGraphField: plain('EFAULT', ''),
  returnsStackPointer: plain('EINVAL', 'cannot return stack pointer to the caller'),
  callbackReturnsPointer: plain('EACCES', 'R0 not a scalar value'),
  exceptionCallbackArgs: plain('EINVAL', 'exception cb only supports single integer argument'),

  // check_return_code, exits
  leaksReturn: row('EACCES', (regno: number) => `R${regno} leaks addr as return value`),
  subprogReturn: row(
    'EINVAL',
    (regno: number, type: string) => `At subprogram exit the register R${regno} is not a scalar value (${type})`,
  ),
  returnUnknown: row(
    'EINVAL',
    (where: string, regno: number, type: string) => `${where} the register R${regno} is not a known value (${type})`,
  ),
  returnRange: row(
    'EINVAL',
    (where: string, reg: string, has: string, min: number, max: number) =>
      `${where} the register ${reg} has${has} should have been in [${min}, ${max}]`,
  ),
  returnVoidHook: plain('EINVAL', "Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!"),
  returnAttachType: plain('ENOTSUPP', ''),
  spinUnlockMissing: plain('EINVAL', 'bpf_spin_unlock is missing'),
  rcuUnlockMissing: plain('EINVAL', 'bpf_rcu_read_unlock is missing'),
  preemptEnableMissing: row(
    'EINVAL',
    (count: number) => `${count} bpf_preempt_enable${count === 1 ? ' is' : '(s) are'} missing`,
  ),
  referenceLeak: row('EINVAL', (id: number, insn: number) => `Unreleased reference id=${id} alloc_insn=${insn}`),
} as const;
