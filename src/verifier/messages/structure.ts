import { plain, row } from './row.ts';

/**
 * What the stages before and after the walk say when they refuse, one row a message, in the kernel's words without the newline: they are what
 * people search for. The words are those of 6.12; the key is farcall's name of the rule.
 *
 * Source: `kernel/bpf/verifier.c`, `kernel/bpf/btf.c: btf_distill_func_proto`.
 */
export const STRUCTURE_MESSAGES = {
  // bpf_prog_load; these refusals have no words
  programLength: plain('E2BIG', ''),

  // check_btf_info_early
  noBtf: plain('EINVAL', ''),
  funcInfoRecSize: row('EINVAL', (size: number) => `invalid func info rec size ${size}`),
  funcInfoTail: plain('E2BIG', 'nonzero tailing record in func info'),
  funcInfoCutOff: plain('EFAULT', ''),
  funcInfoFirst: row('EINVAL', (off: number) => `nonzero insn_off ${off} for the first func info record`),
  funcInfoOrder: row(
    'EINVAL',
    (off: number, prev: number) => `same or smaller insn offset (${off}) than previous func info record (${prev})`,
  ),
  funcInfoType: row('EINVAL', (id: number) => `invalid type id ${id | 0} in func info`),
  funcInfoProto: plain('EINVAL', ''),

  // add_subprog_and_kfunc
  callCapability: plain(
    'EPERM',
    'loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN',
  ),
  callDestination: plain('EINVAL', 'call to invalid destination'),
  tooManySubprograms: plain('E2BIG', 'too many subprograms'),
  exceptionCallbackMain: plain('EINVAL', 'invalid btf id for main subprog in func_info'),
  exceptionCallbackTwice: plain('EEXIST', 'multiple exception callback tags for main subprog'),
  exceptionCallbackMissing: row('ENOENT', (name: string) => `exception callback '${name}' could not be found in BTF`),
  exceptionCallbackLinkage: row('EINVAL', (name: string) => `exception callback '${name}' must have global linkage`),
  exceptionCallbackFirst: plain('EINVAL', 'invalid exception callback insn_off in func_info: 0'),
  exceptionCallbackInfo: plain('EINVAL', 'exception callback type id not found in func_info'),
  kfuncNoJit: plain('ENOTSUPP', 'JIT is required for calling kernel function'),
  kfuncJitSupport: plain('ENOTSUPP', 'JIT does not support calling kernel function'),
  kfuncLicense: plain('EINVAL', 'cannot call kernel function from non-GPL compatible program'),
  kfuncNegativeOffset: plain('EINVAL', 'negative offset disallowed for kernel module function call'),
  kfuncNoFdArray: plain('EPROTO', 'kfunc offset > 0 without fd_array is invalid'),
  kfuncBtf: row('EINVAL', () => 'failed to find BTF for kernel function'),
  kfuncTooMany: plain('E2BIG', 'too many different kernel function calls'),
  kfuncNotFunc: row('EINVAL', (id: number) => `kernel btf_id ${id >>> 0} is not a function`),
  kfuncNoAddress: row('EINVAL', (name: string) => `cannot find address for kernel function ${name}`),
  kfuncManyArgs: row(
    'EINVAL',
    (name: string, count: number) => `The function ${name} has ${count} arguments. Too many.`,
  ),
  kfuncReturn: row(
    'EINVAL',
    (name: string, kind: string) => `The function ${name} return type ${kind} is unsupported.`,
  ),
  kfuncVariadic: row('EINVAL', (name: string) => `The function ${name} with variable args is unsupported.`),
  kfuncArg: row(
    'EINVAL',
    (name: string, arg: number, kind: string) => `The function ${name} arg${arg} type ${kind} is unsupported.`,
  ),
  kfuncVoidArg: row('EINVAL', (name: string) => `The function ${name} has malformed void argument.`),

  // check_subprogs, check_cfg
  jumpOutOfRange: row('EINVAL', (from: number, to: number) => `jump out of range from insn ${from} to ${to}`),
  lastInsn: plain('EINVAL', 'last insn is not an exit or jmp'),

  // check_btf_info
  funcInfoCount: plain('EINVAL', "number of funcs in func_info doesn't match number of subprogs"),
  funcInfoLayout: plain('EINVAL', "func_info BTF section doesn't match subprog layout in BPF program"),
  ldAbsNoBtf: plain('EINVAL', 'LD_ABS is not allowed in subprogs without BTF'),
  tailCallNoBtf: plain('EINVAL', 'tail_call is not allowed in subprogs without BTF'),
  ldAbsReturn: plain('EINVAL', "LD_ABS is only allowed in functions that return 'int'."),
  tailCallReturn: plain('EINVAL', "tail_call is only allowed in functions that return 'int'."),
  lineInfoRecSize: plain('EINVAL', ''),
  lineInfoTail: plain('E2BIG', 'nonzero tailing record in line_info'),
  lineInfoCutOff: plain('EFAULT', ''),
  lineInfoOffset: row(
    'EINVAL',
    (i: number, off: number, prev: number, length: number) =>
      `Invalid line_info[${i}].insn_off:${off} (prev_offset:${prev} prog->len:${length})`,
  ),
  lineInfoCode: row('EINVAL', (i: number) => `Invalid insn code at line_info[${i}].insn_off`),
  lineInfoNames: row('EINVAL', (i: number) => `Invalid line_info[${i}].line_off or .file_name_off`),
  lineInfoMissing: row('EINVAL', (subprog: number) => `missing bpf_line_info for func#${subprog}`),
  lineInfoMissingRest: row(
    'EINVAL',
    (count: number, subprog: number) => `missing bpf_line_info for ${count} funcs starting from func#${subprog}`,
  ),
  coreReloRecSize: plain('EINVAL', ''),
  coreReloTail: plain('E2BIG', 'nonzero tailing record in core_relo'),
  coreReloCutOff: plain('EFAULT', ''),
  coreReloOffset: row(
    'EINVAL',
    (i: number, off: number, length: number) => `Invalid core_relo[${i}].insn_off:${off} prog->len:${length}`,
  ),

  // resolve_pseudo_ldimm64
  ldxReserved: plain('EINVAL', 'BPF_LDX uses reserved fields'),
  ldImm64Slot: plain('EINVAL', 'invalid bpf_ld_imm64 insn'),
  ldImm64Kind: plain('EINVAL', 'unrecognized bpf_ld_imm64 insn'),
  tooManyMaps: plain('E2BIG', 'The total number of maps per program has reached the limit of 64'),
  unknownOpcode: row('EINVAL', (code: number) => `unknown opcode ${code.toString(16).padStart(2, '0')}`),

  // check_cfg
  backEdge: row('EINVAL', (from: number, to: number) => `back-edge from insn ${from} to ${to}`),
  unreachable: row('EINVAL', (idx: number) => `unreachable insn ${idx}`),
  intoLdImm64: row('EINVAL', (idx: number) => `jump into the middle of ldimm64 insn ${idx}`),

  // do_check, as far as control flow alone decides
  callFrames: row('E2BIG', (frames: number) => `the call stack of ${frames} frames is too deep`),
  tailCallNoJit: plain('EINVAL', 'tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls'),
  kfuncExceptions: row('ENOTSUPP', (name: string, id: number) => `JIT does not support calling kfunc ${name}#${id}`),

  // check_max_stack_depth
  tailCallDepth: row(
    'EACCES',
    (depth: number) => `tail_calls are not allowed when call stack of previous frames is ${depth} bytes. Too large`,
  ),
  combinedStack: row(
    'EACCES',
    (calls: number, depth: number) => `combined stack size of ${calls} calls is ${depth}. Too large`,
  ),
  stackFrames: row('E2BIG', (frames: number) => `the call stack of ${frames} frames is too deep !`),
  throwFromCallback: row(
    'EINVAL',
    (idx: number, subprog: number) => `bpf_throw kfunc (insn ${idx}) cannot be called from callback subprog ${subprog}`,
  ),
  asyncTailCall: plain('EFAULT', 'verifier bug. subprog has tail_call and async cb'),
  callsExceptionCallback: row('EINVAL', (idx: number) => `insn ${idx} cannot call exception cb directly`),
  exceptionTailCall: plain('EINVAL', 'cannot tail call within exception cb'),
} as const;
