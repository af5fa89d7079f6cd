import { btfIsStructLike, underModifiers } from '../../btf/index.ts';
import {
  ARG_DONTCARE,
  ARG_PTR_TO_DYNPTR,
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  DYNPTR_TYPE_SKB,
  DYNPTR_TYPE_XDP,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RDONLY,
  MEM_UNINIT,
  OBJ_RELEASE,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_FUNC,
  PTR_TO_MAP_VALUE,
  SCALAR_VALUE,
  typeFlag,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { btfIsProjectionOf, findKernCtxTypeId } from '../../progtypes/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import { btfResolveSize, btfTypeStr } from '../btf/resolve-size.ts';
import { btfStructIdsMatch, btfTypeIdsNocastAlias } from '../btf/struct-access.ts';
import { tnumIsConst } from '../domain/index.ts';
import { Refusal, type VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { registerIsNull } from '../state/marks.ts';
import { BPF_DYNPTR_TYPE_INVALID, type RegState } from '../state/reg.ts';
import { dynptrGetType, dynptrId, dynptrRefObjId, dynptrTypeRefcounted, getDynptrTypeFlag } from './dynptr.ts';
import { processDynptrFunc } from './dynptr-arg.ts';
import { checkRegConstStr } from './func-arg.ts';
import { processIterArg } from './iter.ts';
import { getKfuncPtrArgType, isConstMemSize, type KfuncArgKind } from './kfunc-arg-kind.ts';
import {
  processKfArgPtrToListHead,
  processKfArgPtrToListNode,
  processKfArgPtrToRbtreeNode,
  processKfArgPtrToRbtreeRoot,
} from './kfunc-graph.ts';
import {
  isKfuncRcu,
  isKfuncRelease,
  isKfuncTrustedArgs,
  type KfuncCallArgMeta,
  type KfuncParam,
} from './kfunc-meta.ts';
import { processWqFunc } from './locks.ts';
import { checkKfuncMemSizeReg, checkMemReg } from './mem-args.ts';
import {
  BPF_REG_TRUSTED_MODIFIERS,
  bpfTypeHasUnsafeModifiers,
  inSleepable,
  isRcuReg,
  isTrustedReg,
  reg2btfId,
  reg2btfName,
  typeIsNonOwningRef,
  typeIsPtrAllocObj,
} from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { inRbtreeLockRequiredCb } from './rbtree-lock.ts';
import { regBtfRecord } from './reg-record.ts';
import { checkFuncArgRegOff } from './reg-type.ts';
import { refuseUnfinished } from './unfinished.ts';

const MAX_BPF_FUNC_REG_ARGS = 5;
const ALLOCATED = PTR_TO_BTF_ID | MEM_ALLOC;

/** A register's constant as a number; exact below 2^53, which is all that sizes need. */
const constantOf = ({ scalar }: RegState): number => (scalar.valueHi >>> 0) * 0x100000000 + (scalar.valueLo >>> 0);

function setConstant(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, regno: number): void {
  if (meta.argConstantFound) env.refuse('kfuncTwoConstants');
  if (!tnumIsConst(reg.scalar)) env.refuse('kfuncArgKnownConst', regno);
}

function keepConstant(meta: KfuncCallArgMeta, { scalar }: RegState): void {
  meta.argConstantFound = true;
  meta.argConstantHi = scalar.valueHi;
  meta.argConstantLo = scalar.valueLo;
}

function checkScalarArg(
  env: VerifierEnv,
  meta: KfuncCallArgMeta,
  param: KfuncParam,
  reg: RegState,
  regno: number,
): void {
  if (reg.type !== SCALAR_VALUE) env.refuse('kfuncArgNotScalar', regno);
  if (param.suffix === '__k') {
    setConstant(env, meta, reg, regno);
    markChainPrecision(env, regno);
    keepConstant(meta, reg);
    return;
  }
  const rdonly = param.name === 'rdonly_buf_size';
  if (!rdonly && param.name !== 'rdwr_buf_size') return;
  if (rdonly) meta.r0Rdonly = true;
  if (meta.r0Size !== 0) refuseUnfinished(env, 'kfuncTwoBufSizes');
  if (!tnumIsConst(reg.scalar)) env.refuse('kfuncArgNotConst', regno);
  meta.r0Size = constantOf(reg);
  markChainPrecision(env, regno);
}

/** Source: `process_kf_arg_ptr_to_btf_id`. */
function processKfArgPtrToBtfId(
  env: VerifierEnv,
  meta: KfuncCallArgMeta,
  reg: RegState,
  refId: number,
  argno: number,
): void {
  const { btf } = meta;
  const own = baseType(reg.type) === PTR_TO_BTF_ID;
  const regBtf = own ? (reg.info.btf ?? btf) : btf;
  const regId = own ? reg.info.btfId : reg2btfId(env, reg.type);
  const strict = (isKfuncRelease(meta) && reg.refObjId !== 0) || btfTypeIdsNocastAlias(env, regBtf, regId, btf, refId);
  const foundId = underModifiers(regBtf, regId);
  const same = btfStructIdsMatch(env, regBtf, foundId, reg.off, btf, refId, strict);
  const expectedName = btf.nameOf(refId);
  const foundName = regBtf.nameOf(foundId);
  // A function that takes a projection (__sk_buff) cannot use it as such: it casts.
  if (btfIsProjectionOf(expectedName, foundName) || same) return;
  const expected = `${btfTypeStr(btf, refId)} ${expectedName}`;
  const found = `${btfTypeStr(regBtf, foundId)} ${foundName}`;
  env.refuse('kfuncArgPointee', meta.funcName, argno, expected, argno + 1, found);
}

/** `reg->map_ptr` is not NULL: in Linux it shares its place with what other kinds of registers point to. */
const hasMapPtr = ({ info }: RegState): boolean =>
  info.map !== undefined ||
  info.btf !== undefined ||
  info.memSize !== 0 ||
  info.range !== 0 ||
  info.dynptrType !== 0 ||
  info.firstSlot ||
  info.subprogno !== 0;

function noteMap(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, regno: number): void {
  if (!hasMapPtr(reg)) env.refuse('kfuncArgNotMap', regno);
  const { map, mapUid } = reg.info;
  // The queue's map was noted by the argument before.
  if (meta.map.ptr !== undefined && (map?.record?.wqOff ?? -1) >= 0) {
    if (meta.map.ptr !== map || meta.map.uid !== mapUid) env.refuse('kfuncWqMap', meta.map.uid, mapUid);
  }
  meta.map.ptr = map;
  meta.map.uid = mapUid;
}

/** Kernel objects have to be ones that cannot go away. */
function checkTrust(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, regno: number): void {
  const rcu = isKfuncRcu(meta);
  if ((!isKfuncTrustedArgs(meta) && !rcu) || isTrustedReg(reg)) return;
  if (!rcu) env.refuse('kfuncArgUntrusted', regno);
  if (!isRcuReg(reg)) env.refuse('kfuncArgNotRcu', regno);
}

function checkCtxArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  if (reg.type !== PTR_TO_CTX) env.refuse('kfuncArgNotCtx', argno, regTypeStr(reg.type));
  if (meta.funcName !== 'bpf_cast_to_kern_ctx') return;
  const id = findKernCtxTypeId(meta.btf, env.prog.type) ?? 0;
  if (id === 0 || !btfIsStructLike(meta.btf, id)) env.refuse('kfuncCtxNotStruct', id);
  meta.retBtfId = id;
}

function checkAllocArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  if (reg.type === ALLOCATED) {
    if (meta.funcName !== 'bpf_obj_drop_impl') env.refuse('kfuncArgForObjDrop', argno);
  } else if (reg.type === (ALLOCATED | MEM_PERCPU)) {
    if (meta.funcName !== 'bpf_percpu_obj_drop_impl') env.refuse('kfuncArgForPercpuObjDrop', argno);
  } else env.refuse('graphArgObject', argno);
  if (reg.refObjId === 0) env.refuse('graphArgUnreferenced');
  meta.argBtf = reg.info.btf;
  meta.argBtfId = reg.info.btfId;
}

function checkDynptrArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number, insnIdx: number): void {
  const { funcName } = meta;
  let type = ARG_PTR_TO_DYNPTR;
  let cloneRefObjId = 0;
  if (reg.type === CONST_PTR_TO_DYNPTR) type |= MEM_RDONLY;
  if (meta.proto.params[argno].suffix === '__uninit') type |= MEM_UNINIT;
  if (funcName === 'bpf_dynptr_from_skb') type |= DYNPTR_TYPE_SKB;
  else if (funcName === 'bpf_dynptr_from_xdp') type |= DYNPTR_TYPE_XDP;
  else if (funcName === 'bpf_dynptr_clone' && (type & MEM_UNINIT) !== 0) {
    const parent = meta.dynptrType;
    if (parent === BPF_DYNPTR_TYPE_INVALID) env.refuse('kfuncCloneType');
    type |= getDynptrTypeFlag(parent);
    cloneRefObjId = meta.dynptrRefObjId;
    if (dynptrTypeRefcounted(parent) && cloneRefObjId === 0) env.refuse('kfuncCloneRef');
  }
  processDynptrFunc(env, argno + 1, insnIdx, type, cloneRefObjId);
  if ((type & MEM_UNINIT) !== 0) return;
  const id = dynptrId(env, reg);
  if (id < 0) env.refuseWith(-id, 'kfuncDynptrId');
  meta.dynptrId = id;
  meta.dynptrType = dynptrGetType(env, reg);
  meta.dynptrRefObjId = dynptrRefObjId(env, reg);
}

/** Who may go through the tasks of a css without the danger of a deadlock. Source: `check_css_task_iter_allowlist`. */
function mayIterateCssTasks(env: VerifierEnv): boolean {
  const { type, attachType } = env.prog;
  if (type === bpf_prog_type.BPF_PROG_TYPE_LSM) return true;
  if (type === bpf_prog_type.BPF_PROG_TYPE_TRACING && attachType === bpf_attach_type.BPF_TRACE_ITER) return true;
  return inSleepable(env);
}

function checkIterArg(env: VerifierEnv, meta: KfuncCallArgMeta, argno: number, insnIdx: number): void {
  if (meta.funcName === 'bpf_iter_css_task_new' && !mayIterateCssTasks(env)) env.refuse('kfuncCssTask');
  processIterArg(env, argno + 1, insnIdx, meta);
}

/** What may hold a list or tree: a map value, or an object the program owns. */
function checkHolder(env: VerifierEnv, reg: RegState, argno: number): void {
  if (reg.type !== PTR_TO_MAP_VALUE && reg.type !== ALLOCATED) env.refuse('graphArgHolder', argno);
  if (reg.type === ALLOCATED && reg.refObjId === 0) env.refuse('graphArgUnreferenced');
}

function checkOwned(env: VerifierEnv, reg: RegState, argno: number): void {
  if (reg.type !== ALLOCATED) env.refuse('graphArgObject', argno);
  if (reg.refObjId === 0) env.refuse('graphArgUnreferenced');
}

function checkRbNodeArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  if (meta.funcName === 'bpf_rbtree_remove') {
    if (!typeIsNonOwningRef(reg.type) || reg.refObjId !== 0) env.refuse('rbtreeRemoveOwning');
    if (inRbtreeLockRequiredCb(env)) env.refuse('rbtreeRemoveCallback');
  } else checkOwned(env, reg, argno);
  processKfArgPtrToRbtreeNode(env, reg, argno + 1, meta);
}

function checkBtfIdArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number, refId: number): void {
  const { type } = reg;
  const unsafe = baseType(type) !== PTR_TO_BTF_ID || (bpfTypeHasUnsafeModifiers(type) && !isRcuReg(reg));
  if (unsafe && reg2btfName(type) === undefined) {
    const safe = baseType(type) | (typeFlag(type) & BPF_REG_TRUSTED_MODIFIERS);
    env.refuse('kfuncArgIs', argno, regTypeStr(type), regTypeStr(safe));
  }
  processKfArgPtrToBtfId(env, meta, reg, refId, argno);
}

function checkMemArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  const { pointeeId } = meta.proto.params[argno];
  const size = btfResolveSize(meta.btf, pointeeId);
  if (size < 0) {
    env.refuse('kfuncArgSize', argno, btfTypeStr(meta.btf, pointeeId), meta.btf.nameOf(pointeeId), size);
  }
  checkMemReg(env, reg, argno + 1, size);
}

function checkMemSizeArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  const { params } = meta.proto;
  const sizeReg = env.regs[argno + 2];
  if (!registerIsNull(reg) || params[argno].suffix !== '__opt') {
    try {
      checkKfuncMemSizeReg(env, sizeReg, argno + 2);
    } catch (failure) {
      if (failure instanceof Refusal) env.refuseWith(failure.errno, 'kfuncMemLen', argno, argno + 1);
      throw failure;
    }
  }
  if (!isConstMemSize(params[argno + 1], sizeReg)) return;
  setConstant(env, meta, sizeReg, argno + 2);
  keepConstant(meta, sizeReg);
}

function checkRefcountedArg(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, argno: number): void {
  if (!typeIsPtrAllocObj(reg.type)) env.refuse('refcountedNoRef', argno);
  if (!typeIsNonOwningRef(reg.type)) meta.argOwningRef = true;
  const record = regBtfRecord(reg);
  if (record === undefined) env.refuse('refcountedNoRecord');
  if (record.refcountOff < 0) env.refuse('refcountedNoField', argno);
  meta.argBtf = reg.info.btf;
  meta.argBtfId = reg.info.btfId;
}

function checkPointerArg(
  env: VerifierEnv,
  meta: KfuncCallArgMeta,
  kind: KfuncArgKind,
  reg: RegState,
  argno: number,
  insnIdx: number,
): void {
  const regno = argno + 1;
  switch (kind) {
    case 'ctx':
      checkCtxArg(env, meta, reg, argno);
      break;
    case 'alloc-btf-id':
      checkAllocArg(env, meta, reg, argno);
      break;
    case 'dynptr':
      checkDynptrArg(env, meta, reg, argno, insnIdx);
      break;
    case 'iter':
      checkIterArg(env, meta, argno, insnIdx);
      break;
    case 'list-head':
      checkHolder(env, reg, argno);
      processKfArgPtrToListHead(env, reg, regno, meta);
      break;
    case 'rb-root':
      checkHolder(env, reg, argno);
      processKfArgPtrToRbtreeRoot(env, reg, regno, meta);
      break;
    case 'list-node':
      checkOwned(env, reg, argno);
      processKfArgPtrToListNode(env, reg, regno, meta);
      break;
    case 'rb-node':
      checkRbNodeArg(env, meta, reg, argno);
      break;
    case 'map':
      checkBtfIdArg(env, meta, reg, argno, reg2btfId(env, CONST_PTR_TO_MAP));
      break;
    case 'btf-id':
      checkBtfIdArg(env, meta, reg, argno, meta.proto.params[argno].pointeeId);
      break;
    case 'mem':
      checkMemArg(env, meta, reg, argno);
      break;
    case 'mem-size':
      checkMemSizeArg(env, meta, reg, argno);
      break;
    case 'callback':
      if (reg.type !== PTR_TO_FUNC) env.refuse('kfuncArgNotFunc', argno);
      meta.subprogno = reg.info.subprogno;
      break;
    case 'refcounted-kptr':
      checkRefcountedArg(env, meta, reg, argno);
      break;
    case 'const-str':
      if (reg.type !== PTR_TO_MAP_VALUE) env.refuse('kfuncArgNotConstStr', argno);
      checkRegConstStr(env, reg, regno);
      break;
    case 'wq':
      if (reg.type !== PTR_TO_MAP_VALUE) env.refuse('kfuncArgNotMapValue', argno);
      processWqFunc(env, regno, meta);
      break;
    default:
  }
}

/** Notes a reference that is passed; who gives references back takes exactly one. */
function noteReference(env: VerifierEnv, meta: KfuncCallArgMeta, reg: RegState, regno: number): void {
  if (reg.refObjId === 0) return;
  const release = isKfuncRelease(meta);
  if (release && meta.refObjId !== 0) env.refuse('kfuncTwoReleases', regno, reg.refObjId, meta.refObjId);
  meta.refObjId = reg.refObjId;
  if (release) meta.releaseRegno = regno;
}

/**
 * Checks what is passed to a kernel function against what its BTF and its flags ask for, and notes in `meta` what the
 * call's effects depend on. Refuses. Source: `kernel/bpf/verifier.c: check_kfunc_args`.
 */
export function checkKfuncArgs(env: VerifierEnv, meta: KfuncCallArgMeta, insnIdx: number): void {
  const { params } = meta.proto;
  if (params.length > MAX_BPF_FUNC_REG_ARGS) {
    env.refuse('kfuncTooManyArgs', meta.funcName, params.length, MAX_BPF_FUNC_REG_ARGS);
  }
  const trusted = isKfuncTrustedArgs(meta) || isKfuncRcu(meta);
  for (let i = 0; i < params.length; i++) {
    const param = params[i];
    const regno = i + 1;
    const reg = env.regs[regno];
    if (param.suffix === '__ign') continue;
    if (param.kind === 'scalar') {
      checkScalarArg(env, meta, param, reg, regno);
      continue;
    }
    if (param.kind !== 'ptr') env.refuse('kfuncArgType', i, btfTypeStr(meta.btf, param.typeId));
    if (trusted && param.suffix !== '__nullable' && (registerIsNull(reg) || typeMayBeNull(reg.type))) {
      if (env.rules.namesRegisters) env.refuse('kfuncRegNull', i + 1);
      env.refuse('kfuncArgNull', i);
    }
    noteReference(env, meta, reg, regno);
    const kind = getKfuncPtrArgType(env, meta, i);
    if (kind === 'null') continue;
    if (kind === 'map') noteMap(env, meta, reg, regno);
    if (kind === 'map' || kind === 'alloc-btf-id' || kind === 'btf-id') checkTrust(env, meta, reg, regno);
    const release = isKfuncRelease(meta) && reg.refObjId !== 0;
    checkFuncArgRegOff(env, reg, regno, release ? ARG_DONTCARE | OBJ_RELEASE : ARG_DONTCARE);
    checkPointerArg(env, meta, kind, reg, i, insnIdx);
    if (kind === 'mem-size') i++;
  }
  if (isKfuncRelease(meta) && meta.releaseRegno === 0) env.refuse('kfuncReleaseNone', meta.funcName);
}
