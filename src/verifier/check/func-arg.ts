import {
  ARG_ANYTHING,
  ARG_CONST_ALLOC_SIZE_OR_ZERO,
  ARG_CONST_MAP_PTR,
  ARG_CONST_SIZE,
  ARG_CONST_SIZE_OR_ZERO,
  ARG_DONTCARE,
  ARG_KPTR_XCHG_DEST,
  ARG_PTR_TO_BTF_ID_SOCK_COMMON,
  ARG_PTR_TO_CONST_STR,
  ARG_PTR_TO_DYNPTR,
  ARG_PTR_TO_FUNC,
  ARG_PTR_TO_MAP_KEY,
  ARG_PTR_TO_MAP_VALUE,
  ARG_PTR_TO_MEM,
  ARG_PTR_TO_PERCPU_BTF_ID,
  ARG_PTR_TO_SPIN_LOCK,
  ARG_PTR_TO_TIMER,
  baseType,
  MEM_ALIGNED,
  MEM_FIXED_SIZE,
  MEM_UNINIT,
  MEM_WRITE,
  OBJ_RELEASE,
  PTR_TO_MAP_VALUE,
  PTR_TO_STACK,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { bpf_func_id, bpf_map_type, ERRNO } from '../../uapi/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { registerIsNull } from '../state/marks.ts';
import type { RegState } from '../state/reg.ts';
import { checkPtrAlignment } from './alignment.ts';
import type { CallArgMeta } from './call-meta.ts';
import { canElideValueNullness, constantMapKey } from './constant-key.ts';
import { argTypeIsDynptr, dynptrGetSpi } from './dynptr.ts';
import { processDynptrFunc } from './dynptr-arg.ts';
import { ANY_STRUCT, type FuncProto, kernelStructId } from './func-proto.ts';
import { checkRegArg, SRC_OP } from './liveness.ts';
import { processKptrFunc, processSpinLock, processTimerFunc } from './locks.ts';
import { bpfMapIsRdonly, checkMapAccess, hasDirectValueAddr } from './map-access.ts';
import { checkHelperMemAccess, checkMemSizeReg } from './mem-args.ts';
import { mayAccessDirectPktData } from './packet-access.ts';
import { ACCESS_HELPER, BPF_READ, BPF_WRITE, func, isPointerValue, typeIsPktPointer } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { inRbtreeLockRequiredCb } from './rbtree-lock.ts';
import { ANY_BTF_ID, checkFuncArgRegOff, checkRegType } from './reg-type.ts';

export { CallArgMeta, newCallArgMeta } from './call-meta.ts';
export { checkFuncArgRegOff, checkRegType } from './reg-type.ts';

/** One register a helper takes as an argument. Source: `kernel/bpf/verifier.c: check_func_arg`. */

const argTypeIsRelease = (argType: number): boolean => (argType & OBJ_RELEASE) !== 0;
const accessOf = (argType: number): typeof BPF_READ | typeof BPF_WRITE =>
  (argType & MEM_WRITE) !== 0 ? BPF_WRITE : BPF_READ;

/** What an argument that is a map value is for maps that hold something else. Source: `resolve_map_arg_type`. */
function resolveMapArgType(env: VerifierEnv, meta: CallArgMeta, argType: number): number {
  if (meta.map === undefined) env.refuse('argMapType');
  switch (meta.map.type) {
    case bpf_map_type.BPF_MAP_TYPE_SOCKMAP:
    case bpf_map_type.BPF_MAP_TYPE_SOCKHASH:
      if (argType !== ARG_PTR_TO_MAP_VALUE) env.refuse('argSockmapValue');
      return ARG_PTR_TO_BTF_ID_SOCK_COMMON;
    case bpf_map_type.BPF_MAP_TYPE_BLOOM_FILTER:
      return meta.funcId === bpf_func_id.BPF_FUNC_map_peek_elem ? ARG_PTR_TO_MAP_VALUE : argType;
    default:
      return argType;
  }
}

/**
 * A constant string: in a map nobody writes, closed by a zero. Refuses.
 * Differs from Linux: what a map whose contents are not known holds is taken for closed.
 *
 * Source: `kernel/bpf/verifier.c: check_reg_const_str`.
 */
export function checkRegConstStr(env: VerifierEnv, reg: RegState, regno: number): void {
  const { map } = reg.info;
  if (reg.type !== PTR_TO_MAP_VALUE || map === undefined) env.fail(ERRNO.EINVAL);
  if (!bpfMapIsRdonly(map)) env.refuse('strNotReadonly', regno);
  if (!isConst(reg.scalar)) env.refuse('strNotConst', regno);
  if (!hasDirectValueAddr(map)) env.refuse('strNoDirectValue');
  checkMapAccess(env, regno, reg.off, map.valueSize - reg.off, false, ACCESS_HELPER);
  const mapOff = reg.off + reg.scalar.valueLo;
  if (map.maxEntries !== 1) env.refuseWith(ERRNO.ENOTSUPP, 'strDirectFailed');
  if (mapOff >>> 0 >= map.valueSize) env.refuse('strDirectFailed');
  if (map.data !== undefined && map.data.indexOf(0, mapOff) < 0) env.refuse('strNotClosed');
}

/** What gives a reference back has to be given one. */
function checkRelease(env: VerifierEnv, reg: RegState, regno: number, argType: number, meta: CallArgMeta): void {
  if (argTypeIsDynptr(argType)) {
    if (reg.type !== PTR_TO_STACK) env.refuse('releaseConstDynptr');
    const spi = dynptrGetSpi(env, reg);
    if (spi < 0 || func(env, reg).stack[spi].refObjId === 0) env.refuse('releaseUnacquired', regno);
  } else if (reg.refObjId === 0 && !registerIsNull(reg)) env.refuse('releaseUnreferenced', regno);
  if (meta.releaseRegno !== 0) env.refuse('releaseTwice');
  meta.releaseRegno = regno;
}

function checkConstMapPtr(env: VerifierEnv, reg: RegState, meta: CallArgMeta): void {
  const { map, mapUid } = reg.info;
  // A timer of one inner map with another one: the same template, but not the same look-up.
  if (meta.map !== undefined && (meta.map !== map || meta.mapUid !== mapUid))
    env.refuse('timerOtherMap', meta.mapUid, mapUid);
  meta.map = map;
  meta.mapUid = mapUid;
}

function checkLock(env: VerifierEnv, regno: number, meta: CallArgMeta): void {
  if (meta.funcId === bpf_func_id.BPF_FUNC_spin_lock) processSpinLock(env, regno, true);
  else if (meta.funcId === bpf_func_id.BPF_FUNC_spin_unlock) processSpinLock(env, regno, false);
  else env.refuse('lockHelper');
}

/**
 * Checks argument `arg` (from 0) of a helper and notes in `meta` what the call has to know of it. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: check_func_arg`.
 */
export function checkFuncArg(env: VerifierEnv, arg: number, meta: CallArgMeta, fn: FuncProto, insnIdx: number): void {
  const regno = arg + 1;
  const reg = env.regs[regno];
  let argType = fn.argType[arg];
  if (argType === ARG_DONTCARE) return;
  checkRegArg(env, regno, SRC_OP);
  if (argType === ARG_ANYTHING) {
    if (isPointerValue(env, regno)) env.refuse('argLeak', regno);
    return;
  }
  if (typeIsPktPointer(reg.type) && !mayAccessDirectPktData(env, meta, BPF_READ)) env.refuse('argPacket');
  if (baseType(argType) === ARG_PTR_TO_MAP_VALUE) argType = resolveMapArgType(env, meta, argType);

  // NULL is a number: there is no pointer to compare types of.
  const isNull = registerIsNull(reg);
  if (!isNull || !typeMayBeNull(argType)) {
    const struct = fn.argBtf[arg];
    const btfId = struct === undefined ? undefined : struct === ANY_STRUCT ? ANY_BTF_ID : kernelStructId(env, struct);
    checkRegType(env, regno, argType, btfId, meta);
    checkFuncArgRegOff(env, reg, regno, argType);
  }
  if (argTypeIsRelease(argType)) checkRelease(env, reg, regno, argType, meta);
  if (reg.refObjId !== 0 && baseType(argType) !== ARG_KPTR_XCHG_DEST) {
    if (meta.refObjId !== 0) env.refuse('argTwoRefs', regno, reg.refObjId, meta.refObjId);
    meta.refObjId = reg.refObjId;
  }

  switch (baseType(argType)) {
    case ARG_CONST_MAP_PTR:
      checkConstMapPtr(env, reg, meta);
      break;
    case ARG_PTR_TO_MAP_KEY:
      if (meta.map === undefined) env.refuse('argMapKey');
      checkHelperMemAccess(env, regno, meta.map.keySize, BPF_READ, false, undefined);
      if (env.rules.elidesNullOfLookups && canElideValueNullness(meta.map)) {
        meta.constMapKey = constantMapKey(env, regno, meta.map.keySize);
      }
      break;
    case ARG_PTR_TO_MAP_VALUE:
      if (typeMayBeNull(argType) && isNull) return;
      if (meta.map === undefined) env.refuse('argMapValue');
      meta.rawMode = (argType & MEM_UNINIT) !== 0;
      checkHelperMemAccess(env, regno, meta.map.valueSize, accessOf(argType), false, meta);
      break;
    case ARG_PTR_TO_PERCPU_BTF_ID:
      if (reg.info.btfId === 0) env.refuse('argPercpuBtf', regno);
      meta.retBtf = reg.info.btf;
      meta.retBtfId = reg.info.btfId;
      break;
    case ARG_PTR_TO_SPIN_LOCK:
      if (inRbtreeLockRequiredCb(env)) env.refuse('lockInRbtreeCb');
      checkLock(env, regno, meta);
      break;
    case ARG_PTR_TO_TIMER:
      processTimerFunc(env, regno, meta);
      break;
    case ARG_PTR_TO_FUNC:
      meta.subprogno = reg.info.subprogno;
      break;
    case ARG_PTR_TO_MEM:
      // Memory without a fixed size is checked with the size that follows.
      meta.rawMode = (argType & MEM_UNINIT) !== 0;
      if ((argType & MEM_FIXED_SIZE) === 0) break;
      checkHelperMemAccess(env, regno, fn.argSize[arg], accessOf(argType), false, meta);
      if ((argType & MEM_ALIGNED) !== 0) checkPtrAlignment(env, reg, 0, fn.argSize[arg], true);
      break;
    case ARG_CONST_SIZE:
      checkMemSizeReg(env, reg, regno, accessOf(fn.argType[arg - 1]), false, meta);
      break;
    case ARG_CONST_SIZE_OR_ZERO:
      checkMemSizeReg(env, reg, regno, accessOf(fn.argType[arg - 1]), true, meta);
      break;
    case ARG_PTR_TO_DYNPTR:
      processDynptrFunc(env, regno, insnIdx, argType, 0);
      break;
    case ARG_CONST_ALLOC_SIZE_OR_ZERO:
      if (!isConst(reg.scalar)) env.refuse('argNotConst', regno);
      meta.memSize = reg.scalar.valueLo;
      markChainPrecision(env, regno);
      break;
    case ARG_PTR_TO_CONST_STR:
      checkRegConstStr(env, reg, regno);
      break;
    case ARG_KPTR_XCHG_DEST:
      processKptrFunc(env, regno, meta);
      break;
    default:
  }
}
