import { plain, row } from './row.ts';

/** What the verifier says of calls of kernel functions and their arguments; objects in collections are in `graph.ts`. */
export const KFUNC_MESSAGES = {
  // add_kfunc_call
  kfuncDeviceBound: plain('EINVAL', 'metadata kfuncs require device-bound program'),

  // fetch_kfunc_meta, check_kfunc_call
  kfuncNotAllowed: row('EACCES', (name: string) => `calling kernel function ${name} is not allowed`),
  kfuncDestructive: plain('EACCES', 'destructive kfunc calls require CAP_SYS_BOOT capability'),
  kfuncNotSleepable: row('EACCES', (name: string) => `program must be sleepable to call sleepable kfunc ${name}`),
  kfuncCallback: row('EINVAL', (name: string, id: number) => `kfunc ${name}#${id | 0} failed callback verification`),
  kfuncRcuInRbtreeCallback: plain('EACCES', 'Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback'),
  kfuncRcuNested: row('EINVAL', (name: string) => `nested rcu read lock (kernel function ${name})`),
  kfuncRcuSleeps: row('EACCES', (name: string) => `kernel func ${name} is sleepable within rcu_read_lock region`),
  kfuncRcuUnmatched: row('EINVAL', (name: string) => `unmatched rcu read unlock (kernel function ${name})`),
  kfuncPreemptSleeps: row('EACCES', (name: string) => `kernel func ${name} is sleepable within non-preemptible region`),
  kfuncPreemptUnmatched: row(
    'EINVAL',
    (name: string) => `unmatched attempt to enable preemption (kernel function ${name})`,
  ),
  kfuncNotAcquired: row(
    'EINVAL',
    (name: string, id: number) => `kfunc ${name}#${id | 0} reference has not been acquired before`,
  ),
  kfuncConversion: row(
    'EFAULT',
    (name: string, id: number) => `kfunc ${name}#${id | 0} conversion of owning ref to non-owning failed`,
  ),
  kfuncAcquireReturn: plain('EINVAL', 'acquire kernel function does not return PTR_TO_BTF_ID'),
  objNewTypeRange: plain('EINVAL', 'local type ID argument must be in range [0, U32_MAX]'),
  objNewNoBtf: plain('EINVAL', 'bpf_obj_new/bpf_percpu_obj_new requires prog BTF'),
  objNewNotStruct: plain('EINVAL', 'bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct'),
  percpuObjNewSize: row(
    'EINVAL',
    (size: number, max: number) => `bpf_percpu_obj_new type size (${size}) is greater than ${max}`,
  ),
  percpuObjNewScalars: plain('EINVAL', 'bpf_percpu_obj_new type ID argument must be of a struct of scalars'),
  percpuObjNewSpecial: plain('EINVAL', 'bpf_percpu_obj_new type ID argument must not contain special fields'),
  rdonlyCastNotStruct: plain('EINVAL', 'kfunc bpf_rdonly_cast type ID argument must be of a struct'),
  dynptrSliceSize: plain('EFAULT', 'verifier internal error: bpf_dynptr_slice(_rdwr) no constant size'),
  dynptrSliceWrite: plain('EINVAL', 'the prog does not allow writes to packet data'),
  dynptrSliceNoId: plain('EFAULT', 'verifier internal error: no dynptr id'),
  kfuncDynamicReturn: row('EFAULT', (name: string) => `kernel function ${name} unhandled dynamic return type`),
  kfuncReturnPointer: row(
    'EINVAL',
    (name: string, kind: string, type: string) =>
      `kernel function ${name} returns pointer type ${kind} ${type} is not supported`,
  ),

  // check_kfunc_args, get_kfunc_ptr_arg_type
  kfuncTooManyArgs: row(
    'EINVAL',
    (name: string, count: number, max: number) => `Function ${name} has ${count} > ${max} args`,
  ),
  kfuncArgNotScalar: row('EINVAL', (regno: number) => `R${regno} is not a scalar`),
  kfuncTwoConstants: plain('EFAULT', 'verifier internal error: only one constant argument permitted'),
  kfuncArgKnownConst: row('EINVAL', (regno: number) => `R${regno} must be a known constant`),
  kfuncTwoBufSizes: plain('EINVAL', '2 or more rdonly/rdwr_buf_size parameters for kfunc'),
  kfuncArgNotConst: row('EINVAL', (regno: number) => `R${regno} is not a const`),
  kfuncArgType: row('EINVAL', (arg: number, kind: string) => `Unrecognized arg#${arg} type ${kind}`),
  kfuncRegNull: row('EACCES', (regno: number) => `Possibly NULL pointer passed to trusted R${regno}`),
  kfuncArgNull: row('EACCES', (arg: number) => `Possibly NULL pointer passed to trusted arg${arg}`),
  kfuncTwoReleases: row(
    'EFAULT',
    (regno: number, id: number, other: number) =>
      `verifier internal error: more than one arg with ref_obj_id R${regno} ${id} ${other}`,
  ),
  kfuncArgNotMap: row('EINVAL', (regno: number) => `pointer in R${regno} isn't map pointer`),
  kfuncWqMap: row(
    'EINVAL',
    (uid: number, other: number) =>
      `workqueue pointer in R1 map_uid=${uid} doesn't match map pointer in R2 map_uid=${other}`,
  ),
  kfuncArgUntrusted: row('EINVAL', (regno: number) => `R${regno} must be referenced or trusted`),
  kfuncArgNotRcu: row('EINVAL', (regno: number) => `R${regno} must be a rcu pointer`),
  kfuncArgNotCtx: row('EINVAL', (arg: number, type: string) => `arg#${arg} expected pointer to ctx, but got ${type}`),
  kfuncCtxNotStruct: row('EINVAL', (id: number) => `kern ctx type id ${id} is not a struct`),
  kfuncArgForObjDrop: row('EINVAL', (arg: number) => `arg#${arg} expected for bpf_obj_drop_impl()`),
  kfuncArgForPercpuObjDrop: row('EINVAL', (arg: number) => `arg#${arg} expected for bpf_percpu_obj_drop_impl()`),
  kfuncCloneType: plain('EFAULT', 'verifier internal error: no dynptr type for parent of clone'),
  kfuncCloneRef: plain('EFAULT', 'verifier internal error: missing ref obj id for parent of clone'),
  kfuncDynptrId: plain('EINVAL', 'verifier internal error: failed to obtain dynptr id'),
  kfuncCssTask: plain('EINVAL', 'css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs'),
  kfuncArgIs: row(
    'EINVAL',
    (arg: number, type: string, expected: string) => `arg#${arg} is ${type} expected ${expected} or socket`,
  ),
  kfuncArgStruct: row(
    'EINVAL',
    (name: string, arg: number, kind: string, type: string) =>
      `kernel function ${name} args#${arg} pointer type ${kind} ${type} is not supported`,
  ),
  kfuncArgPointee: row(
    'EINVAL',
    (name: string, arg: number, expected: string, regno: number, found: string) =>
      `kernel function ${name} args#${arg} expected pointer to ${expected} but R${regno} has a pointer to ${found}`,
  ),
  kfuncArgMustPoint: row(
    'EINVAL',
    (arg: number, kind: string, type: string, alsoVoid: string) =>
      `arg#${arg} pointer type ${kind} ${type} must point to ${alsoVoid}scalar, or struct with scalar`,
  ),
  kfuncArgSize: row(
    'EINVAL',
    (arg: number, kind: string, type: string, errno: number) =>
      `arg#${arg} reference type('${kind} ${type}') size cannot be determined: ${errno}`,
  ),
  kfuncMemLen: row(
    'EINVAL',
    (arg: number, size: number) => `arg#${arg} arg#${size} memory, len pair leads to invalid memory access`,
  ),
  kfuncArgNotFunc: row('EINVAL', (arg: number) => `arg${arg} expected pointer to func`),
  kfuncArgNotConstStr: row('EINVAL', (arg: number) => `arg#${arg} doesn't point to a const string`),
  kfuncArgNotMapValue: row('EINVAL', (arg: number) => `arg#${arg} doesn't point to a map value`),
  kfuncReleaseNone: row('EINVAL', (name: string) => `release kernel function ${name} expects refcounted PTR_TO_BTF_ID`),
} as const;
