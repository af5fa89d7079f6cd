import {
  ARG_PTR_TO_CTX,
  CONST_PTR_TO_DYNPTR,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  PTR_TO_MAP_VALUE,
} from '../../helpers/index.ts';
import { BPF_B, type Insn } from '../../isa/index.ts';
import { bpf_attach_type, bpf_func_id, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { ltU64 } from '../../util/index.ts';
import { CHANGES_PKT_DATA } from '../callback-helpers.ts';
import { Refusal, type VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import { markRegInvalid, registerIsNull } from '../state/marks.ts';
import { releaseReference, releaseReferenceState } from '../state/refs.ts';
import { BPF_DYNPTR_TYPE_INVALID, BPF_DYNPTR_TYPE_SKB, type RegState } from '../state/reg.ts';
import { BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { CallArgMeta } from './call-meta.ts';
import {
  setFindVmaCallbackState,
  setLoopCallbackState,
  setMapElemCallbackState,
  setTimerCallbackState,
  setUserRingbufCallbackState,
} from './callback-state.ts';
import { argTypeIsDynptr, dynptrGetType, dynptrId, dynptrRefObjId, unmarkStackSlotsDynptr } from './dynptr.ts';
import { checkFuncArg } from './func-arg.ts';
import { clearCallerSavedRegs, pushCallbackCall } from './func-call.ts';
import { funcIdName } from './func-id-name.ts';
import { type FuncProto, funcProtoOf, MAX_BPF_FUNC_REG_ARGS } from './func-proto.ts';
import { helperContract } from './helper-availability.ts';
import { isStorageGetFunction } from './helper-func.ts';
import { recordFuncKey, recordFuncMap, updateLoopInlineState } from './helper-record.ts';
import { markHelperReturn } from './helper-return.ts';
import { checkMapFuncCompatibility } from './map-func.ts';
import { checkMemAccess } from './mem-access.ts';
import { clearAllPktPointers } from './packet-pointers.ts';
import { BPF_WRITE, inRcuCs, inSleepable } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { checkReferenceLeak, checkResourceLeak } from './return-code.ts';
import { checkBpfSnprintfCall } from './snprintf.ts';
import { fillStack } from './stack-fill.ts';

const F = bpf_func_id;
/** The contract of the helper in this program. Refuses. Source: `get_helper_proto` and what follows it. */
function helperProto(env: VerifierEnv, funcId: number): FuncProto {
  if (funcId < 0 || funcId >= env.rules.helperCount) env.refuse('helperInvalid', funcIdName(funcId), funcId);
  const proto = helperContract(env, funcId);
  if (proto === undefined && !env.rules.namesProgTypeOfHelper) env.refuse('helperUnknown', funcIdName(funcId), funcId);
  if (proto === undefined) env.refuse('helperNotForType', funcIdName(funcId), funcId);
  const fn = funcProtoOf(proto);
  if (!env.prog.gplCompatible && fn.gplOnly) env.refuse('helperGpl');
  if (fn.allowed !== undefined && !fn.allowed(env.prog)) env.refuse('helperNotAllowed');
  if (!inSleepable(env) && fn.mightSleep) env.refuse('helperSleeps');
  return fn;
}

/** Where programs must not sleep, helpers must not either. */
function checkAtomicRegions(env: VerifierEnv, fn: FuncProto, funcId: number, insnIdx: number): void {
  const state = env.curState;
  if (!state.activeRcuLock && state.activePreemptLock === 0) return;
  if (fn.mightSleep)
    env.refuse(state.activeRcuLock ? 'helperSleepsRcu' : 'helperSleepsPreempt', funcIdName(funcId), funcId);
  if (inSleepable(env) && isStorageGetFunction(funcId)) env.insnAux[insnIdx].own().storageGetFuncAtomic = true;
}

/** `bpf_kptr_xchg` takes an object over: its references end, unless RCU keeps a per-CPU one readable. */
function releaseKptr(env: VerifierEnv, refObjId: number): number {
  const inRcu = inRcuCs(env);
  const err = releaseReferenceState(env.frame, refObjId);
  if (err !== 0) return err;
  forEachRegInVstate(env.curState, (_frame, reg) => {
    if (reg.refObjId !== refObjId) return;
    if (inRcu && (reg.type & MEM_ALLOC) !== 0 && (reg.type & MEM_PERCPU) !== 0) {
      reg.refObjId = 0;
      reg.type = (reg.type & ~MEM_ALLOC) | MEM_RCU;
    } else markRegInvalid(env, reg);
  });
  return 0;
}

/** Ends what the call gives back. Refuses. */
function releaseArg(env: VerifierEnv, fn: FuncProto, funcId: number, meta: CallArgMeta): void {
  const reg = env.regs[meta.releaseRegno];
  let err = -ERRNO.EINVAL;
  if (argTypeIsDynptr(fn.argType[meta.releaseRegno - 1])) {
    if (reg.type === CONST_PTR_TO_DYNPTR) env.bug('constant dynptr released');
    err = unmarkStackSlotsDynptr(env, reg);
  } else if (meta.refObjId !== 0) {
    err = funcId === F.BPF_FUNC_kptr_xchg ? releaseKptr(env, meta.refObjId) : releaseReference(env, meta.refObjId);
  } else if (registerIsNull(reg)) err = 0;
  if (err !== 0) env.refuseWith(-err, 'releaseNotAcquired', funcIdName(funcId), funcId);
}

/** The one dynptr among the arguments. Source: `get_dynptr_arg_reg`. */
function getDynptrArgReg(env: VerifierEnv, fn: FuncProto): RegState {
  const arg = fn.argType.findIndex(argTypeIsDynptr);
  if (arg < 0) env.refuse('dynptrArgNone');
  return env.regs[arg + 1];
}

function checkTailCall(env: VerifierEnv): void {
  const state = env.curState;
  if (env.rules.checksResourceLeak) {
    checkResourceLeak(env, false, true, 'tail_call');
    return;
  }
  if (state.activeLock !== undefined) env.refuse('tailCallLocked');
  try {
    checkReferenceLeak(env, false);
  } catch (refusal) {
    if (refusal instanceof Refusal) env.refuseWith(refusal.errno, 'tailCallLeak');
    throw refusal;
  }
  if (state.activeRcuLock) env.refuse('tailCallRcu');
  if (state.activePreemptLock !== 0) env.refuse('tailCallPreempt');
}

function checkLoop(env: VerifierEnv, insn: Insn, insnIdx: number, subprogno: number): void {
  updateLoopInlineState(env, subprogno);
  // Whether the loop is over depends on it.
  markChainPrecision(env, 1);
  const { frame } = env;
  const { umaxHi, umaxLo } = env.regs[1].scalar;
  if (ltU64(0, frame.callbackDepth, umaxHi, umaxLo)) {
    pushCallbackCall(env, insn, insnIdx, subprogno, setLoopCallbackState);
    return;
  }
  frame.callbackDepth = 0;
  if ((env.log.level & BPF_LOG_LEVEL2) !== 0)
    env.verbose(`frame${env.curState.curframe} bpf_loop iteration limit reached\n`);
}

/** Programs attached to hooks that return nothing must not set what they return. */
function checkSetRetval(env: VerifierEnv): void {
  const { prog } = env;
  if (prog.type !== bpf_prog_type.BPF_PROG_TYPE_LSM || prog.attachType !== bpf_attach_type.BPF_LSM_CGROUP) return;
  const proto = prog.attachBtf?.typeById(prog.attachFuncProtoId);
  if (proto?.kind === 'FUNC_PROTO' && proto.returnTypeId === 0) env.refuse('lsmVoidRetval');
}

function checkDynptrData(env: VerifierEnv, fn: FuncProto, meta: CallArgMeta): void {
  const reg = getDynptrArgReg(env, fn);
  if (meta.dynptrId !== 0) env.refuse('dynptrIdSet');
  if (meta.refObjId !== 0) env.refuse('dynptrRefSet');
  const id = dynptrId(env, reg);
  if (id < 0) env.refuseWith(-id, 'dynptrIdNone');
  const refObjId = dynptrRefObjId(env, reg);
  if (refObjId < 0) env.refuseWith(-refObjId, 'dynptrRefNone');
  meta.dynptrId = id;
  meta.refObjId = refObjId;
}

/** What a helper does beside what its contract says: whether packet data may move, and what R0 is of. */
interface Effects {
  changesData: boolean;
  perCpuAlloc: boolean;
}

/** Rules of single helpers. Refuses. */
function checkHelperRules(
  env: VerifierEnv,
  insn: Insn,
  insnIdx: number,
  fn: FuncProto,
  meta: CallArgMeta,
  effects: Effects,
): void {
  const { regs } = env;
  switch (meta.funcId) {
    case F.BPF_FUNC_tail_call:
      checkTailCall(env);
      return;
    case F.BPF_FUNC_get_local_storage:
      if (!registerIsNull(regs[2])) env.refuse('localStorageFlags');
      return;
    case F.BPF_FUNC_for_each_map_elem:
      pushCallbackCall(env, insn, insnIdx, meta.subprogno, setMapElemCallbackState);
      return;
    case F.BPF_FUNC_timer_set_callback:
      pushCallbackCall(env, insn, insnIdx, meta.subprogno, setTimerCallbackState);
      return;
    case F.BPF_FUNC_find_vma:
      pushCallbackCall(env, insn, insnIdx, meta.subprogno, setFindVmaCallbackState);
      return;
    case F.BPF_FUNC_user_ringbuf_drain:
      pushCallbackCall(env, insn, insnIdx, meta.subprogno, setUserRingbufCallbackState);
      return;
    case F.BPF_FUNC_loop:
      checkLoop(env, insn, insnIdx, meta.subprogno);
      return;
    case F.BPF_FUNC_snprintf:
      checkBpfSnprintfCall(env);
      return;
    case F.BPF_FUNC_dynptr_from_mem:
      if (regs[1].type !== PTR_TO_MAP_VALUE) env.refuse('dynptrFromMem', regTypeStr(regs[1].type));
      return;
    case F.BPF_FUNC_set_retval:
      checkSetRetval(env);
      return;
    case F.BPF_FUNC_dynptr_data:
      checkDynptrData(env, fn, meta);
      return;
    case F.BPF_FUNC_dynptr_write: {
      const type = dynptrGetType(env, getDynptrArgReg(env, fn));
      if (type === BPF_DYNPTR_TYPE_INVALID) env.fail(ERRNO.EFAULT);
      if (type === BPF_DYNPTR_TYPE_SKB) effects.changesData = true;
      return;
    }
    case F.BPF_FUNC_per_cpu_ptr:
    case F.BPF_FUNC_this_cpu_ptr: {
      const { type, info } = regs[1];
      if ((type & MEM_RCU) === 0) return;
      const kind = info.btf?.kindOf(info.btfId);
      if (kind !== 'STRUCT' && kind !== 'UNION') env.refuse('percpuBtf');
      effects.perCpuAlloc = true;
      env.insnAux[insnIdx].own().callWithPercpuAllocPtr = true;
      return;
    }
    default:
  }
}

const TRAMPOLINE_ATTACH_TYPES: ReadonlySet<number> = new Set([
  bpf_attach_type.BPF_TRACE_FENTRY,
  bpf_attach_type.BPF_TRACE_FEXIT,
  bpf_attach_type.BPF_MODIFY_RETURN,
]);

/** Source: `kernel/bpf/verifier.c: check_get_func_ip`. */
function checkGetFuncIp(env: VerifierEnv): void {
  const { type, attachType } = env.prog;
  const id = F.BPF_FUNC_get_func_ip;
  if (type === bpf_prog_type.BPF_PROG_TYPE_TRACING) {
    if (!TRAMPOLINE_ATTACH_TYPES.has(attachType)) env.refuse('funcIpTracing', funcIdName(id), id);
  } else if (type !== bpf_prog_type.BPF_PROG_TYPE_KPROBE) env.refuse('funcIpType', funcIdName(id), id, type);
}

/**
 * A call of a helper: whether the program may make it, its arguments, what it gives back, and what R0 is afterwards.
 * Refuses. Source: `kernel/bpf/verifier.c: check_helper_call`.
 */
export function checkHelperCall(env: VerifierEnv, insn: Insn): void {
  const { insnIdx } = env;
  const funcId = insn.imm;
  const fn = helperProto(env, funcId);
  const effects: Effects = { changesData: CHANGES_PKT_DATA.has(funcId), perCpuAlloc: false };
  if (effects.changesData && fn.argType[0] !== ARG_PTR_TO_CTX) env.refuse('helperNoCtx', funcIdName(funcId), funcId);
  if (!fn.ok) env.refuse('helperMisconfigured', funcIdName(funcId), funcId);
  checkAtomicRegions(env, fn, funcId, insnIdx);

  const meta = new CallArgMeta();
  meta.pktAccess = fn.pktAccess;
  meta.funcId = funcId;
  for (let arg = 0; arg < MAX_BPF_FUNC_REG_ARGS; arg++) checkFuncArg(env, arg, meta, fn, insnIdx);
  recordFuncMap(env, meta, funcId, insnIdx);
  recordFuncKey(env, meta, funcId, insnIdx);
  // Memory the helper fills is written from now on.
  const filled = meta.accessSize > 0 && fillStack(env, meta.regno, meta.accessSize, insnIdx);
  for (let i = 0; i < meta.accessSize && !filled; i++) {
    checkMemAccess(env, insnIdx, meta.regno, i, BPF_B, BPF_WRITE, -1, false, false);
  }
  if (meta.releaseRegno !== 0) releaseArg(env, fn, funcId, meta);
  checkHelperRules(env, insn, insnIdx, fn, meta, effects);

  clearCallerSavedRegs(env, env.regs);
  markHelperReturn(env, fn, funcId, insnIdx, meta, effects.perCpuAlloc);
  checkMapFuncCompatibility(env, meta.map, funcId);
  if (funcId === F.BPF_FUNC_get_func_ip) checkGetFuncIp(env);
  if (effects.changesData) clearAllPktPointers(env);
}
