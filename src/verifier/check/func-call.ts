import {
  ARG_ANYTHING,
  ARG_DONTCARE,
  ARG_PTR_TO_ARENA,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_CTX,
  ARG_PTR_TO_DYNPTR,
  ARG_PTR_TO_MEM,
  baseType,
  MEM_RDONLY,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_ARENA,
  PTR_TO_CTX,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { type Insn, MAX_CALL_FRAMES } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { btfPrepareFuncArgs } from '../btf/func-args.ts';
import { Refusal, type VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import type { FuncState } from '../state/func-state.ts';
import { initFuncState, markRegUnknown, registerIsNull } from '../state/marks.ts';
import {
  assignReg,
  DEF_NOT_SUBREG,
  REG_LIVE_READ64,
  REG_LIVE_WRITTEN,
  type RegState,
  setUnknown,
} from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { pushAsyncCb, pushStack, takeFrame } from './branches.ts';
import { isAsyncCallbackCallingInsn, isWqSetCallback } from './callback-kinds.ts';
import { processDynptrFunc } from './dynptr-arg.ts';
import { checkFuncArgRegOff, checkRegType, newCallArgMeta } from './func-arg.ts';
import { findPrevEntry, widenImpreciseScalars } from './iter.ts';
import { checkRegArgOf, DST_OP_NO_MARK, markRegRead } from './liveness.ts';
import { checkMemReg } from './mem-args.ts';
import { clearAllPktPointers } from './packet-pointers.ts';
import { markChainPrecision } from './precision.ts';
import { retvalRangeWithin, subprogIsGlobal, subprogName, verboseInvalidScalar } from './subprog-facts.ts';

/** Fills a callee's registers from its caller's (`set_callee_state_fn`). */
export type SetCalleeState = (env: VerifierEnv, caller: FuncState, callee: FuncState, insnIdx: number) => void;

/** R0 to R5 are gone after a call. Source: `clear_caller_saved_regs`. */
export function clearCallerSavedRegs(env: VerifierEnv, regs: RegState[]): void {
  // Whoever makes the call wrote their low halves, if anybody asks.
  checkRegArgOf(env, regs, 0, DST_OP_NO_MARK);
  setUnknown(regs[0], NOT_INIT, !env.bpfCapable);
  const { content } = regs[0];
  regs[0].owned = false;
  for (let regno = 1; regno <= 5; regno++) {
    const reg = regs[regno];
    reg.content = content;
    reg.owned = false;
    reg.precise = !env.bpfCapable;
    reg.live |= REG_LIVE_WRITTEN;
  }
  env.scratchedRegs |= 0x3f;
}

/** A frame for a called function on top of `state`. Source: `setup_func_entry`. */
export function setupFuncEntry(
  env: VerifierEnv,
  subprogno: number,
  callsite: number,
  setCallee: SetCalleeState,
  state: VerifierState,
): void {
  if (state.curframe + 1 >= MAX_CALL_FRAMES) env.refuse('callFrames', state.curframe + 2);
  const caller = state.frames[state.curframe];
  const callee = takeFrame(env);
  initFuncState(env, callee, callsite, state.curframe + 1, subprogno);
  callee.refs = caller.refs;
  setCallee(env, caller, callee, callsite);
  state.frames[state.curframe + 1] = callee;
  state.curframe++;
}

/** R1 to R5 go over as they are, parents included, which connects the callee to the caller's liveness. Source: `set_callee_state`. */
export const setCalleeState: SetCalleeState = (_env, caller, callee) => {
  for (let regno = 1; regno <= 5; regno++) assignReg(callee.regs[regno], caller.regs[regno]);
};

/** One argument against what the function's BTF wants. Throws a refusal, or says why and gives false. */
function checkArg(env: VerifierEnv, subprogno: number, i: number, regs: RegState[]): boolean {
  const arg = env.subprogInfo(subprogno).args?.[i];
  if (arg === undefined) return true;
  const regno = i + 1;
  const reg = regs[regno];
  const { argType } = arg;
  const refused = (say: () => void): boolean => {
    say();
    return false;
  };
  if (argType === ARG_ANYTHING) {
    return reg.type === SCALAR_VALUE || refused(() => env.say('argNotScalar', regno));
  }
  if (argType === ARG_PTR_TO_CTX) {
    checkFuncArgRegOff(env, reg, regno, ARG_DONTCARE);
    return reg.type === PTR_TO_CTX || refused(() => env.say('argNotCtx', i));
  }
  switch (baseType(argType)) {
    case ARG_PTR_TO_MEM:
      checkFuncArgRegOff(env, reg, regno, ARG_DONTCARE);
      checkMemReg(env, reg, regno, arg.memSize);
      if ((argType & PTR_MAYBE_NULL) !== 0 || (reg.type & PTR_MAYBE_NULL) === 0) return true;
      return refused(() => env.say('argMaybeNull', i));
    case ARG_PTR_TO_ARENA:
      if (reg.type === PTR_TO_ARENA || reg.type === SCALAR_VALUE) return true;
      return refused(() => env.say('argNotArena', regno));
    case ARG_PTR_TO_DYNPTR:
      if (argType !== (ARG_PTR_TO_DYNPTR | MEM_RDONLY)) break;
      checkFuncArgRegOff(env, reg, regno, ARG_PTR_TO_DYNPTR);
      processDynptrFunc(env, regno, -1, argType, 0);
      return true;
    case ARG_PTR_TO_BTF_ID:
      if (registerIsNull(reg) && (argType & PTR_MAYBE_NULL) !== 0) return true;
      checkRegType(env, regno, argType, arg.btfId, newCallArgMeta());
      checkFuncArgRegOff(env, reg, regno, argType);
      return true;
    default:
  }
  return env.bug(`argument ${i} of function ${subprogno} has type ${argType}`);
}

/** 0, or a positive errno once said. Source: `btf_check_func_arg_match`. */
function btfCheckFuncArgMatch(env: VerifierEnv, subprogno: number, regs: RegState[]): number {
  const errno = btfPrepareFuncArgs(env, subprogno);
  if (errno !== 0) return errno;
  const count = env.subprogInfo(subprogno).args?.length ?? 0;
  for (let i = 0; i < count; i++) {
    try {
      if (!checkArg(env, subprogno, i, regs)) return ERRNO.EINVAL;
    } catch (refusal) {
      // A static function is then verified with what the caller has, so this is no refusal yet.
      if (!(refusal instanceof Refusal)) throw refusal;
      const argType = env.subprogInfo(subprogno).args?.[i]?.argType ?? 0;
      return baseType(argType) === ARG_PTR_TO_MEM && refusal.errno !== ERRNO.EFAULT ? ERRNO.EINVAL : refusal.errno;
    }
  }
  return 0;
}

/** Compares the arguments of a call with the function's BTF; 0, or a positive errno. Source: `btf_check_subprog_call`. */
export function btfCheckSubprogCall(env: VerifierEnv, subprogno: number, regs: RegState[]): number {
  const sub = env.subprogInfo(subprogno);
  if (sub.func === undefined || sub.unreliable) return ERRNO.EINVAL;
  const errno = btfCheckFuncArgMatch(env, subprogno, regs);
  if (errno !== 0) sub.unreliable = true;
  return errno;
}

/** Queues the call of a callback that the helper or kernel function at `insnIdx` makes. Source: `push_callback_call`. */
export function pushCallbackCall(
  env: VerifierEnv,
  insn: Insn,
  insnIdx: number,
  subprogno: number,
  setCallee: SetCalleeState,
): void {
  const caller = env.frame;
  const errno = btfCheckSubprogCall(env, subprogno, caller.regs);
  if (errno === ERRNO.EFAULT) env.fail(errno);
  const sub = env.subprogInfo(subprogno);
  sub.isCallback = true;
  if (isAsyncCallbackCallingInsn(env, insn, insnIdx)) {
    sub.isAsyncCallback = true;
    const asyncCb = pushAsyncCb(env, sub.start, insnIdx, subprogno, isWqSetCallback(env, insn, insnIdx));
    const callee = asyncCb.frames[0];
    callee.changeHead({ asyncEntryCnt: caller.asyncEntryCnt + 1 });
    setCallee(env, caller, callee, insnIdx);
    return;
  }
  const callbackState = pushStack(env, sub.start, insnIdx, false, ERRNO.ENOMEM);
  setupFuncEntry(env, subprogno, insnIdx, setCallee, callbackState);
  callbackState.callbackUnrollDepth++;
  callbackState.frames[callbackState.curframe - 1].callbackDepth++;
  caller.callbackDepth = 0;
}

/** A call of one of the program's own functions. Source: `check_func_call`. */
export function checkFuncCall(env: VerifierEnv, insn: Insn): void {
  const state = env.curState;
  const target = env.insnIdx + insn.imm + 1;
  const subprogno = env.subprogs.at(target);
  if (subprogno < 0) env.bug(`no function starts at ${target}`);
  const caller = env.frame;
  const errno = btfCheckSubprogCall(env, subprogno, caller.regs);
  if (errno === ERRNO.EFAULT) env.fail(errno);
  const sub = env.subprogInfo(subprogno);
  if (subprogIsGlobal(env, subprogno)) {
    const name = subprogName(env, subprogno);
    if (state.activeLock !== undefined) env.refuse('globalLocked');
    if (state.activePreemptLock !== 0) env.refuse('globalPreempt');
    if (errno !== 0) env.refuseWith(errno, 'globalBadArgs', subprogno, name);
    if (env.logging) env.verbose(`Func#${subprogno} ('${name}') is global and assumed valid.\n`);
    if (sub.changesPktData) clearAllPktPointers(env);
    sub.called = true;
    clearCallerSavedRegs(env, caller.regs);
    markRegUnknown(env, caller.regs, 0);
    caller.regs[0].subregDef = DEF_NOT_SUBREG;
    return;
  }
  setupFuncEntry(env, subprogno, env.insnIdx, setCalleeState, state);
  clearCallerSavedRegs(env, caller.regs);
  env.insnIdx = sub.start - 1;
  if (env.logging && (env.log.level & 3) !== 0) {
    env.verbose('caller:\n');
    printVerifierState(env, caller, true);
    env.verbose('callee:\n');
    printVerifierState(env, env.frame, true);
  }
}

/** Return from a function that is not main; sets where to go on. Source: `prepare_func_exit`. */
export function prepareFuncExit(env: VerifierEnv): void {
  const state = env.curState;
  const callee = env.frame;
  const r0 = callee.regs[0];
  if (r0.type === PTR_TO_STACK) env.refuse('returnsStackPointer');
  const caller = state.frames[state.curframe - 1];
  const { inCallbackFn } = callee;
  if (inCallbackFn) {
    if (r0.type !== SCALAR_VALUE) env.refuse('callbackReturnsPointer');
    markRegRead(env, r0, REG_LIVE_READ64);
    markChainPrecision(env, 0);
    if (!retvalRangeWithin(callee.callbackRetRange, r0, false)) {
      verboseInvalidScalar(env, r0, callee.callbackRetRange, 'At callback return', 'R0');
      env.fail(ERRNO.EINVAL);
    }
    if (env.cfg.callsCallback[callee.callsite] === 0) env.bug(`no callback is called at ${callee.callsite}`);
  } else {
    assignReg(caller.regs[0], r0);
    caller.refs = callee.refs;
  }
  env.insnIdx = inCallbackFn ? callee.callsite : callee.callsite + 1;
  if (env.logging && (env.log.level & 3) !== 0) {
    env.verbose('returning from callee:\n');
    printVerifierState(env, callee, true);
    env.verbose(`to caller at ${env.insnIdx}:\n`);
    printVerifierState(env, caller, true);
  }
  state.frames.length = state.curframe;
  env.spareFrames.push(callee);
  state.curframe--;
  // Numbers nobody relies on are forgotten, so that the callback's effects converge.
  if (!inCallbackFn) return;
  const previous = findPrevEntry(env, state, env.insnIdx);
  if (previous !== 0) widenImpreciseScalars(env, previous, state);
}
