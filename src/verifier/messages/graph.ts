import { plain, row } from './row.ts';

/** What the verifier says of objects of a program's own types, and of the lists and trees that hold them. */
export const GRAPH_MESSAGES = {
  // ref_set_non_owning, ref_convert_owning_non_owning, check_reg_allocation_locked
  refNoLock: plain('EFAULT', 'verifier internal error: ref_set_non_owning w/o active lock'),
  refNonOwnTwice: plain('EFAULT', 'verifier internal error: NON_OWN_REF already set'),
  refNoObjId: plain('EFAULT', 'verifier internal error: ref_obj_id is zero for owning -> non-owning conversion'),
  refStateMissing: plain('EFAULT', 'verifier internal error: ref state missing for ref_obj_id'),
  lockRegType: plain('EFAULT', 'verifier internal error: unknown reg type for lock check'),
  lockElsewhere: plain('EINVAL', 'held lock and object are not in the same allocation'),

  // __process_kf_arg_ptr_to_graph_root, __process_kf_arg_ptr_to_graph_node
  graphUnknownKfunc: row(
    'EFAULT',
    (kind: string, part: string) => `verifier internal error: ${kind} ${part} arg for unknown kfunc`,
  ),
  graphNotConst: row(
    'EINVAL',
    (regno: number, kind: string) => `R${regno} doesn't have constant offset. ${kind} has to be at the constant offset`,
  ),
  graphNotFound: row('EINVAL', (kind: string, off: number) => `${kind} not found at offset=${off}`),
  graphLock: row('EINVAL', (off: number, kind: string) => `bpf_spin_lock at off=${off} must be held for ${kind}`),
  graphRepeated: row('EFAULT', (kind: string) => `verifier internal error: repeating ${kind} arg`),
  graphNodeStruct: row(
    'EINVAL',
    (head: string, node: string, off: number, struct: string, argOff: number, argStruct: string) =>
      `operation on ${head} expects arg#1 ${node} at offset=${off} in struct ${struct}, but arg is at offset=${argOff} in struct ${argStruct}`,
  ),
  graphNodeOffset: row(
    'EINVAL',
    (argOff: number, node: string, off: number, struct: string) =>
      `arg#1 offset=${argOff}, but expected ${node} at offset=${off} in struct ${struct}`,
  ),

  // check_kfunc_args
  graphArgObject: row('EINVAL', (arg: number) => `arg#${arg} expected pointer to allocated object`),
  graphArgHolder: row('EINVAL', (arg: number) => `arg#${arg} expected pointer to map value or allocated object`),
  graphArgUnreferenced: plain('EINVAL', 'allocated object must be referenced'),
  rbtreeRemoveOwning: plain('EINVAL', 'rbtree_remove node input must be non-owning ref'),
  rbtreeRemoveCallback: plain('EINVAL', 'rbtree_remove not allowed in rbtree cb'),
  refcountedNoRef: row('EINVAL', (arg: number) => `arg#${arg} is neither owning or non-owning ref`),
  refcountedNoRecord: plain('EFAULT', "verifier internal error: Couldn't find btf_record"),
  refcountedNoField: row('EINVAL', (arg: number) => `arg#${arg} doesn't point to a type with bpf_refcount field`),
} as const;
