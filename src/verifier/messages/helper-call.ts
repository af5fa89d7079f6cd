import { plain, row } from './row.ts';

/** What the verifier says of helper calls, their arguments and what stands behind them (dynptrs, locks, timers, kptrs). */
export const HELPER_CALL_MESSAGES = {
  // stack_slot_obj_get_spi
  stackObjNotConst: row('EINVAL', (kind: string) => `${kind} has to be at a constant offset`),
  stackObjAtOffset: row('EINVAL', (kind: string, off: number) => `cannot pass in ${kind} at an offset=${off}`),

  // unmark_stack_slots_dynptr, destroy_if_dynptr_stack_slot, process_dynptr_func
  dynptrRefMisconfigured: plain('EFAULT', 'verifier internal error: misconfigured ref_obj_id'),
  dynptrOverwriteReferenced: plain('EINVAL', 'cannot overwrite referenced dynptr'),
  dynptrArgPointer: row('EINVAL', (arg: number) => `arg#${arg} expected pointer to stack or const struct bpf_dynptr`),
  dynptrNotUninit: plain('EINVAL', 'Dynptr has to be an uninitialized dynptr'),
  dynptrConst: plain('EINVAL', 'cannot pass pointer to const bpf_dynptr, the helper mutates it'),
  dynptrNotInit: row('EINVAL', (arg: number) => `Expected an initialized dynptr as arg #${arg}`),
  dynptrKind: row('EINVAL', (kind: string, arg: number) => `Expected a dynptr of type ${kind} as arg #${arg}`),

  // get_helper_proto, check_helper_call
  helperInvalid: row('EINVAL', (name: string, id: number) => `invalid func ${name}#${id}`),
  helperNotForType: row('EINVAL', (name: string, id: number) => `program of this type cannot use helper ${name}#${id}`),
  helperGpl: plain('EINVAL', 'cannot call GPL-restricted function from non-GPL compatible program'),
  helperNotAllowed: plain('EINVAL', 'helper call is not allowed in probe'),
  helperSleeps: plain('EINVAL', 'helper call might sleep in a non-sleepable prog'),
  helperNoCtx: row(
    'EINVAL',
    (name: string, id: number) => `kernel subsystem misconfigured func ${name}#${id}: r1 != ctx`,
  ),
  helperMisconfigured: row('EINVAL', (name: string, id: number) => `kernel subsystem misconfigured func ${name}#${id}`),
  helperSleepsRcu: row(
    'EINVAL',
    (name: string, id: number) => `sleepable helper ${name}#${id} in rcu_read_lock region`,
  ),
  helperSleepsPreempt: row(
    'EINVAL',
    (name: string, id: number) => `sleepable helper ${name}#${id} in non-preemptible region`,
  ),
  releaseNotAcquired: row(
    'EINVAL',
    (name: string, id: number) => `func ${name}#${id} reference has not been acquired before`,
  ),
  misconfigured: plain('EINVAL', 'kernel subsystem misconfigured verifier'),
  helperWritesMap: plain('EACCES', 'write into map forbidden'),
  tailCallLocked: plain('EINVAL', 'tail_call cannot be used inside bpf_spin_lock-ed region'),
  tailCallLeak: plain('EINVAL', 'tail_call would lead to reference leak'),
  tailCallRcu: plain('EINVAL', 'tail_call cannot be used inside bpf_rcu_read_lock-ed region'),
  tailCallPreempt: plain('EINVAL', 'tail_call cannot be used inside bpf_preempt_disable-ed region'),
  localStorageFlags: plain('EINVAL', "get_local_storage() doesn't support non-zero flags"),
  dynptrFromMem: row('EACCES', (type: string) => `Unsupported reg type ${type} for bpf_dynptr_from_mem data`),
  lsmVoidRetval: plain('EINVAL', "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!"),
  dynptrArgNone: plain('EFAULT', 'verifier internal error: no dynptr arg found'),
  dynptrIdSet: plain('EFAULT', 'verifier internal error: meta.dynptr_id already set'),
  dynptrRefSet: plain('EFAULT', 'verifier internal error: meta.ref_obj_id already set'),
  dynptrIdNone: plain('EINVAL', 'verifier internal error: failed to obtain dynptr id'),
  dynptrRefNone: plain('EINVAL', 'verifier internal error: failed to obtain dynptr ref_obj_id'),
  percpuBtf: plain('EFAULT', 'Helper has invalid btf/btf_id in R1'),
  formatInvalid: plain('EINVAL', 'Invalid format string'),
  funcIpTracing: row(
    'ENOTSUPP',
    (name: string, id: number) => `func ${name}#${id} supported only for fentry/fexit/fmod_ret programs`,
  ),
  funcIpType: row(
    'ENOTSUPP',
    (name: string, id: number, type: number) => `func ${name}#${id} not supported for program type ${type}`,
  ),

  // R0 after a call
  percpuSize: row('EINVAL', (name: string, err: number) => `unable to resolve the size of type '${name}': ${err}`),
  retPoison: row(
    'EINVAL',
    (name: string) => `verifier internal error:func ${name} has non-overwritten BPF_PTR_POISON return type`,
  ),
  retType: row(
    'EINVAL',
    (type: number, name: string, id: number) => `invalid return type ${type} of func ${name}#${id}`,
  ),
  retUnknown: row(
    'EINVAL',
    (type: number, name: string, id: number) => `unknown return type ${type} of func ${name}#${id}`,
  ),

  // check_map_func_compatibility
  mapFunc: row(
    'EINVAL',
    (type: number, name: string, id: number) => `cannot pass map_type ${type} into func ${name}#${id}`,
  ),
  sockmapUpdate: plain('EINVAL', 'cannot update sockmap in this context'),
  tailCallSubprogs: plain('EINVAL', 'tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls'),

  // check_reg_type, check_func_arg_reg_off
  argUnsupported: row('EFAULT', (type: number) => `verifier internal error: unsupported arg type ${type}`),
  argRegType: row(
    'EACCES',
    (regno: number, type: string, expected: string) => `R${regno} type=${type} expected=${expected}`,
  ),
  argMayWrite: row(
    'EACCES',
    (func: string, regno: number, type: string) => `${func}() may write into memory pointed by R${regno} type=${type}`,
  ),
  helperUnknown: row('EINVAL', (name: string, id: number) => `unknown func ${name}#${id}`),
  argPossiblyNull: row('EACCES', (regno: number) => `Possibly NULL pointer passed to helper arg${regno}`),
  argNoBtfId: plain('EFAULT', 'verifier internal error: missing arg compatible BTF ID'),
  argPoison: row(
    'EACCES',
    (regno: number) => `verifier internal error:R${regno} has non-overwritten BPF_PTR_POISON type`,
  ),
  argStruct: row(
    'EACCES',
    (regno: number, is: string, expected: string) => `R${regno} is of type ${is} but ${expected} is expected`,
  ),
  argAlloc: plain('EFAULT', 'verifier internal error: unimplemented handling of MEM_ALLOC'),
  argBtfRegister: plain('EFAULT', 'verifier internal error: invalid PTR_TO_BTF_ID register for type match'),
  releaseOffset: row(
    'EINVAL',
    (regno: number) => `R${regno} must have zero offset when passed to release func or trusted arg to kfunc`,
  ),

  // check_func_arg
  argLeak: row('EACCES', (regno: number) => `R${regno} leaks addr into helper function`),
  argPacket: plain('EACCES', 'helper access to the packet is not allowed'),
  argMapType: plain('EACCES', 'invalid map_ptr to access map->type'),
  argMapKey: plain('EACCES', 'invalid map_ptr to access map->key'),
  argMapValue: plain('EACCES', 'invalid map_ptr to access map->value'),
  argSockmapValue: plain('EINVAL', 'invalid arg_type for sockmap/sockhash'),
  argPercpuBtf: row('EACCES', (regno: number) => `Helper has invalid btf_id in R${regno}`),
  argNotConst: row('EACCES', (regno: number) => `R${regno} is not a known constant'`),
  argTwoRefs: row(
    'EFAULT',
    (regno: number, id: number, other: number) =>
      `verifier internal error: more than one arg with ref_obj_id R${regno} ${id} ${other}`,
  ),
  releaseUnacquired: row('EINVAL', (regno: number) => `arg ${regno} is an unacquired reference`),
  releaseConstDynptr: plain('EINVAL', 'cannot release unowned const bpf_dynptr'),
  releaseUnreferenced: row('EINVAL', (regno: number) => `R${regno} must be referenced when passed to release function`),
  releaseTwice: plain('EFAULT', 'verifier internal error: more than one release argument'),
  lockHelper: plain('EFAULT', 'verifier internal error'),
  lockInRbtreeCb: plain('EACCES', "can't spin_{lock,unlock} in rbtree cb"),
  timerOtherMap: row(
    'EINVAL',
    (uid: number, other: number) =>
      `timer pointer in R1 map_uid=${uid} doesn't match map pointer in R2 map_uid=${other}`,
  ),

  // check_reg_const_str
  strNotReadonly: row('EACCES', (regno: number) => `R${regno} does not point to a readonly map'`),
  strNotConst: row('EACCES', (regno: number) => `R${regno} is not a constant address'`),
  strNoDirectValue: plain('EACCES', 'no direct value access support for this map type'),
  strDirectFailed: plain('EINVAL', 'direct value access on string failed'),
  strNotClosed: plain('EINVAL', 'string is not zero-terminated'),

  // process_spin_lock, process_timer_func, process_wq_func, process_kptr_func
  fieldNotConst: row(
    'EINVAL',
    (regno: number, field: string) =>
      `R${regno} doesn't have constant offset. ${field} has to be at the constant offset`,
  ),
  fieldNoBtf: row('EINVAL', (map: string, use: string) => `map '${map}' has to have BTF in order to use ${use}`),
  fieldOffset: row(
    'EINVAL',
    (off: string, field: string, at: number) => `off ${off} doesn't point to 'struct ${field}' that is at ${at}`,
  ),
  lockNone: row('EINVAL', (kind: string, name: string) => `${kind} '${name}' has no valid bpf_spin_lock`),
  lockTwo: plain('EINVAL', 'Locking two bpf_spin_locks are not allowed'),
  unlockNone: plain('EINVAL', 'bpf_spin_unlock without taking a lock'),
  unlockOther: plain('EINVAL', 'bpf_spin_unlock of different lock'),
  timerNone: row('EINVAL', (map: string) => `map '${map}' has no valid bpf_timer`),
  timerTwoMaps: plain('EFAULT', 'verifier bug. Two map pointers in a timer helper'),
  kptrNotConst: row(
    'EINVAL',
    (regno: number) => `R${regno} doesn't have constant offset. kptr has to be at the constant offset`,
  ),
  kptrNone: row('EINVAL', (regno: number) => `R${regno} has no valid kptr`),
  kptrOffset: row('EACCES', (off: number) => `off=${off} doesn't point to kptr`),
  kptrNotReferenced: row('EACCES', (off: number) => `off=${off} kptr isn't referenced kptr`),
} as const;
