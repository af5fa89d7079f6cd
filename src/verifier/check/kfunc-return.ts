import { type Btf, btfIsStructLike, underModifiers } from '../../btf/index.ts';
import {
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_MEM,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
} from '../../helpers/index.ts';
import { btfFindStructMeta } from '../btf/record.ts';
import { btfResolveSize, btfTypeStr } from '../btf/resolve-size.ts';
import { btfTypeIsScalarStruct } from '../btf/scalar-struct.ts';
import type { VerifierEnv } from '../env.ts';
import { markRegGraphNode, markRegKnownZero, markRegUnknown } from '../state/marks.ts';
import { acquireReferenceState } from '../state/refs.ts';
import { btfInfo, memInfo, type RegState } from '../state/reg.ts';
import { getDynptrTypeFlag } from './dynptr.ts';
import { getIterFromState } from './iter.ts';
import { refSetNonOwning } from './kfunc-graph.ts';
import { isIterNextKfunc, isKfuncAcquire, isKfuncRetNull, type KfuncCallArgMeta } from './kfunc-meta.ts';
import { markBtfFuncRegSize } from './liveness.ts';
import { mayAccessDirectPktData } from './packet-access.ts';
import { BPF_WRITE } from './pointer-kinds.ts';
import { regMayPointToSpinLock } from './reg-record.ts';

/** Largest object for each CPU (`BPF_GLOBAL_PERCPU_MA_MAX_SIZE`). */
const PERCPU_MAX_BYTES = 512;

function setPointer(env: VerifierEnv, type: number, btf: Btf, btfId: number): RegState {
  const { regs } = env;
  markRegKnownZero(env, regs, 0);
  regs[0].type = type;
  regs[0].info = btfInfo(btf, btfId);
  return regs[0];
}

/** A new object of one of the program's own structs. */
function returnNewObject(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  const percpu = meta.funcName === 'bpf_percpu_obj_new_impl';
  const { aux } = env;
  if (meta.argConstantHi !== 0) env.refuse('objNewTypeRange');
  // Every function is of the same BTF; a program without func_info has none here.
  const btf = env.subprogs.list[0].func?.btf;
  const btfId = meta.argConstantLo >>> 0;
  if (btf === undefined) env.refuse('objNewNoBtf');
  if (btfId >= btf.typeCount || btf.kindOf(btfId) !== 'STRUCT') env.refuse('objNewNotStruct');
  const size = btf.types.third(btfId);
  if (percpu && size > PERCPU_MAX_BYTES) env.refuse('percpuObjNewSize', size, PERCPU_MAX_BYTES);
  const record = btfFindStructMeta(btf, btfId);
  if (percpu) {
    if (!btfTypeIsScalarStruct(env, btf, btfId)) env.refuse('percpuObjNewScalars');
    if (record !== undefined) env.refuse('percpuObjNewSpecial');
  }
  setPointer(env, PTR_TO_BTF_ID | MEM_ALLOC | (percpu ? MEM_PERCPU : 0), btf, btfId);
  aux.own().objNewSize = size;
  aux.own().kptrStructRecord = record;
}

function returnSameObject(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  const { argBtf, argBtfId } = meta;
  if (argBtf === undefined) env.bug('another reference to nothing');
  setPointer(env, PTR_TO_BTF_ID | MEM_ALLOC, argBtf, argBtfId);
  env.aux.own().kptrStructRecord = btfFindStructMeta(argBtf, argBtfId);
}

function returnNode(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  const graphRoot = (meta.listHeadField ?? meta.rbtreeRootField)?.graphRoot;
  if (graphRoot === undefined) env.bug('a node of no collection');
  markRegGraphNode(env.regs, 0, graphRoot);
}

function returnCast(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  const id = meta.argConstantLo >>> 0;
  const { btf } = meta;
  if (id === 0 || id >= btf.typeCount || !btfIsStructLike(btf, id)) env.refuse('rdonlyCastNotStruct');
  setPointer(env, PTR_TO_BTF_ID | PTR_UNTRUSTED, btf, id);
}

function returnSlice(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  const { regs } = env;
  const flag = getDynptrTypeFlag(meta.dynptrType);
  markRegKnownZero(env, regs, 0);
  if (!meta.argConstantFound) env.refuse('dynptrSliceSize');
  const rdonly = meta.funcName === 'bpf_dynptr_slice';
  regs[0].type = PTR_TO_MEM | flag | (rdonly ? MEM_RDONLY : 0);
  if (!rdonly && !mayAccessDirectPktData(env, undefined, BPF_WRITE)) env.refuse('dynptrSliceWrite');
  if (meta.dynptrId === 0) env.refuse('dynptrSliceNoId');
  regs[0].info = memInfo(meta.argConstantLo >>> 0, meta.dynptrId);
}

type Return = (env: VerifierEnv, meta: KfuncCallArgMeta) => void;

/** Functions whose result BTF alone does not tell (`special_kfunc_set`). */
const SPECIAL_RETURNS: ReadonlyMap<string, Return> = new Map<string, Return>([
  ['bpf_obj_new_impl', returnNewObject],
  ['bpf_percpu_obj_new_impl', returnNewObject],
  ['bpf_refcount_acquire_impl', returnSameObject],
  ['bpf_list_pop_front', returnNode],
  ['bpf_list_pop_back', returnNode],
  ['bpf_rbtree_remove', returnNode],
  ['bpf_rbtree_first', returnNode],
  [
    'bpf_cast_to_kern_ctx',
    (env, meta) => {
      setPointer(env, PTR_TO_BTF_ID | PTR_TRUSTED, meta.btf, meta.retBtfId);
    },
  ],
  ['bpf_rdonly_cast', returnCast],
  ['bpf_dynptr_slice', returnSlice],
  ['bpf_dynptr_slice_rdwr', returnSlice],
]);

/** Memory: of a size the call named, or of the type's. */
function returnMemory(env: VerifierEnv, meta: KfuncCallArgMeta, pointeeId: number): void {
  const { regs } = env;
  if (meta.r0Size === 0) {
    const size = btfResolveSize(meta.btf, pointeeId);
    if (size >= 0) {
      meta.r0Size = size;
      meta.r0Rdonly = true;
    }
  }
  if (meta.r0Size === 0) {
    const kind = btfTypeStr(meta.btf, pointeeId);
    env.refuse('kfuncReturnPointer', meta.funcName, kind, meta.btf.nameOf(pointeeId));
  }
  markRegKnownZero(env, regs, 0);
  regs[0].type = PTR_TO_MEM | (meta.r0Rdonly ? MEM_RDONLY : 0);
  regs[0].info = memInfo(meta.r0Size >>> 0);
  // The memory goes when what it belongs to is given back.
  if (meta.refObjId !== 0) regs[0].refObjId = meta.refObjId;
}

function returnStruct(env: VerifierEnv, meta: KfuncCallArgMeta, pointeeId: number): void {
  let type = PTR_TO_BTF_ID;
  if (isIterNextKfunc(meta)) {
    type |= (getIterFromState(env.curState, meta).type & MEM_RCU) !== 0 ? MEM_RCU : PTR_TRUSTED;
  }
  setPointer(env, type, meta.btf, pointeeId);
}

function returnPointer(env: VerifierEnv, meta: KfuncCallArgMeta, insnIdx: number): void {
  const { regs } = env;
  const { btf, proto } = meta;
  const pointeeId = underModifiers(btf, btf.types.third(proto.returnId));
  const special = SPECIAL_RETURNS.get(meta.funcName);
  if (special !== undefined) special(env, meta);
  else if (pointeeId === 0) markRegUnknown(env, regs, 0);
  else if (btf.kindOf(pointeeId) === 'STRUCT') returnStruct(env, meta, pointeeId);
  else returnMemory(env, meta, pointeeId);
  const mayBeNull = isKfuncRetNull(meta);
  if (mayBeNull) {
    regs[0].type |= PTR_MAYBE_NULL;
    regs[0].id = env.newId();
  }
  markBtfFuncRegSize(env, 0, 8);
  if (isKfuncAcquire(meta)) {
    const id = acquireReferenceState(env, insnIdx);
    if (mayBeNull) regs[0].id = id;
    regs[0].refObjId = id;
  } else if (meta.funcName === 'bpf_rbtree_first') refSetNonOwning(env, regs[0]);
  if (regMayPointToSpinLock(regs[0]) && regs[0].id === 0) regs[0].id = env.newId();
}

/** Functions that acquire what BTF does not call a struct. */
const ACQUIRES_OWN: ReadonlySet<string> = new Set([
  'bpf_obj_new_impl',
  'bpf_percpu_obj_new_impl',
  'bpf_refcount_acquire_impl',
]);

/** What is in R0 after the call, by the function's BTF or its name. Source: the second half of `check_kfunc_call`. */
export function setKfuncReturn(env: VerifierEnv, meta: KfuncCallArgMeta, insnIdx: number): void {
  const { proto, btf } = meta;
  if (isKfuncAcquire(meta) && !ACQUIRES_OWN.has(meta.funcName)) {
    const pointee = proto.returns === 'ptr' ? underModifiers(btf, btf.types.third(proto.returnId)) : 0;
    if (pointee === 0 || !btfIsStructLike(btf, pointee)) env.refuse('kfuncAcquireReturn');
  }
  if (proto.returns === 'scalar') {
    markRegUnknown(env, env.regs, 0);
    markBtfFuncRegSize(env, 0, proto.returnSizeBytes);
  } else if (proto.returns === 'ptr') returnPointer(env, meta, insnIdx);
  else if (meta.funcName === 'bpf_obj_drop_impl' || meta.funcName === 'bpf_percpu_obj_drop_impl') {
    env.insnAux[insnIdx].own().kptrStructRecord = btfFindStructMeta(meta.argBtf, meta.argBtfId);
  }
}
