import { MEM_ALLOC, MEM_RCU, NON_OWN_REF, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE } from '../../helpers/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, type Insn } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { btfFieldTypeName } from '../btf/record.ts';
import { btfStructIdsMatch } from '../btf/struct-access.ts';
import { tnumIsConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import { BPF_LIST_HEAD, BPF_LIST_NODE, BPF_RB_NODE, BPF_RB_ROOT, type BtfField, recordFind } from '../state/record.ts';
import type { RegState } from '../state/reg.ts';
import type { KfuncCallArgMeta } from './kfunc-meta.ts';
import { regBtfRecord, regFindFieldOffset } from './reg-record.ts';

const LIST_KFUNCS: ReadonlySet<string> = new Set([
  'bpf_list_push_front_impl',
  'bpf_list_push_back_impl',
  'bpf_list_pop_front',
  'bpf_list_pop_back',
]);
const RBTREE_KFUNCS: ReadonlySet<string> = new Set(['bpf_rbtree_add_impl', 'bpf_rbtree_remove', 'bpf_rbtree_first']);
/** Functions that take what is put into, or taken out of, a collection. */
const NODE_KFUNCS: ReadonlyMap<number, ReadonlySet<string>> = new Map([
  [BPF_LIST_NODE, new Set(['bpf_list_push_front_impl', 'bpf_list_push_back_impl'])],
  [BPF_RB_NODE, new Set(['bpf_rbtree_remove', 'bpf_rbtree_add_impl'])],
]);

/** May be called under a spin lock: it works on what the lock protects. Source: `is_bpf_graph_api_kfunc`. */
export function isBpfGraphApiKfunc(env: VerifierEnv, insn: Insn): boolean {
  if (insn.src !== BPF_PSEUDO_KFUNC_CALL || insn.off !== 0) return false;
  const name = env.kfuncs.nameAt(env.insnIdx);
  return (
    name !== undefined && (LIST_KFUNCS.has(name) || RBTREE_KFUNCS.has(name) || name === 'bpf_refcount_acquire_impl')
  );
}

/** Whether `mark_reg_invalid` of references follows; 0, or a negative errno that some callers ignore, as Linux does. */
export function refSetNonOwning(env: VerifierEnv, reg: RegState): number {
  const record = regBtfRecord(reg);
  if (env.curState.activeLock === undefined) {
    env.say('refNoLock');
    return -ERRNO.EFAULT;
  }
  if ((reg.type & NON_OWN_REF) !== 0) {
    env.say('refNonOwnTwice');
    return -ERRNO.EFAULT;
  }
  reg.type |= NON_OWN_REF;
  if (record !== undefined && record.refcountOff >= 0) reg.type |= MEM_RCU;
  return 0;
}

/**
 * The program gave an object away to a collection and may still look at it while the lock is held. 0, or a negative
 * errno with its line said. Source: `ref_convert_owning_non_owning`.
 */
export function refConvertOwningNonOwning(env: VerifierEnv, refObjId: number): number {
  if (refObjId === 0) {
    env.say('refNoObjId');
    return -ERRNO.EFAULT;
  }
  const { refs } = env.frame;
  for (let i = 0; i < refs.length; i++) {
    if (refs[i].id !== refObjId) continue;
    // Releasing the reference afterwards must not wipe these registers.
    forEachRegInVstate(env.curState, (_frame, reg) => {
      if (reg.refObjId !== refObjId) return;
      reg.refObjId = 0;
      refSetNonOwning(env, reg);
    });
    return 0;
  }
  env.say('refStateMissing');
  return -ERRNO.EFAULT;
}

/**
 * Whether the lock in the allocation a register points into is held. A lock is known by what holds it (map or BTF) and
 * by the id of the pointer it was taken through. Source: `check_reg_allocation_locked`.
 */
function isAllocationLocked(env: VerifierEnv, reg: RegState): boolean {
  const ours =
    reg.type === PTR_TO_MAP_VALUE ? reg.info.map : reg.type === (PTR_TO_BTF_ID | MEM_ALLOC) ? reg.info.btf : undefined;
  if (ours === undefined) {
    env.say('lockRegType');
    return false;
  }
  const held = env.curState.activeLock;
  if (held === undefined) return false;
  if (held.ptr === ours && held.id === reg.id) return true;
  env.say('lockElsewhere');
  return false;
}

/** `reg->off + reg->var_off.value` as the kernel's u32. */
const offsetOf = (reg: RegState): number => (reg.off + reg.scalar.valueLo) >>> 0;

/** The field a list or tree argument names. Source: `__process_kf_arg_ptr_to_graph_root`. */
function graphRootField(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
  headFieldType: number,
  known: BtfField | undefined,
): BtfField {
  const name = btfFieldTypeName(headFieldType);
  const kfuncs = headFieldType === BPF_LIST_HEAD ? LIST_KFUNCS : RBTREE_KFUNCS;
  if (!kfuncs.has(meta.funcName)) env.refuse('graphUnknownKfunc', name, 'head');
  if (!tnumIsConst(reg.scalar)) env.refuse('graphNotConst', regno, name);
  const record = regBtfRecord(reg);
  const headOff = offsetOf(reg);
  const field = recordFind(record, headOff, headFieldType);
  if (record === undefined || field === undefined) return env.refuse('graphNotFound', name, headOff);
  if (!isAllocationLocked(env, reg)) env.refuse('graphLock', record.spinLockOff, name);
  if (known !== undefined) env.refuse('graphRepeated', name);
  return field;
}

export function processKfArgPtrToListHead(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
): void {
  meta.listHeadField = graphRootField(env, reg, regno, meta, BPF_LIST_HEAD, meta.listHeadField);
}

export function processKfArgPtrToRbtreeRoot(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
): void {
  meta.rbtreeRootField = graphRootField(env, reg, regno, meta, BPF_RB_ROOT, meta.rbtreeRootField);
}

/** Whether a node argument fits the collection given before it. Source: `__process_kf_arg_ptr_to_graph_node`. */
function checkGraphNode(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
  headFieldType: number,
  nodeFieldType: number,
  root: BtfField | undefined,
): void {
  const nodeName = btfFieldTypeName(nodeFieldType);
  if (NODE_KFUNCS.get(nodeFieldType)?.has(meta.funcName) !== true) env.refuse('graphUnknownKfunc', nodeName, 'node');
  if (!tnumIsConst(reg.scalar)) env.refuse('graphNotConst', regno, nodeName);
  const nodeOff = offsetOf(reg);
  if (regFindFieldOffset(reg, nodeOff, nodeFieldType) === undefined) env.refuse('graphNotFound', nodeName, nodeOff);
  const graphRoot = root?.graphRoot;
  const { btf, btfId } = reg.info;
  if (graphRoot === undefined || btf === undefined) env.bug('a node without its collection');
  const valueName = graphRoot.btf.nameOf(graphRoot.valueBtfId);
  const wantedOff = graphRoot.nodeOffBytes;
  if (!btfStructIdsMatch(env, btf, btfId, 0, graphRoot.btf, graphRoot.valueBtfId, true)) {
    const headName = btfFieldTypeName(headFieldType);
    env.refuse('graphNodeStruct', headName, nodeName, wantedOff, valueName, nodeOff | 0, btf.nameOf(btfId));
  }
  meta.argBtf = btf;
  meta.argBtfId = btfId;
  if (nodeOff !== wantedOff) env.refuse('graphNodeOffset', nodeOff | 0, nodeName, wantedOff, valueName);
}

export function processKfArgPtrToListNode(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
): void {
  checkGraphNode(env, reg, regno, meta, BPF_LIST_HEAD, BPF_LIST_NODE, meta.listHeadField);
}

export function processKfArgPtrToRbtreeNode(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  meta: KfuncCallArgMeta,
): void {
  checkGraphNode(env, reg, regno, meta, BPF_RB_ROOT, BPF_RB_NODE, meta.rbtreeRootField);
}
