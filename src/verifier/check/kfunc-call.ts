import { MEM_RCU, PTR_MAYBE_NULL, PTR_UNTRUSTED } from '../../helpers/index.ts';
import type { Insn } from '../../isa/index.ts';
import { btfFindStructMeta } from '../btf/record.ts';
import { Refusal, type VerifierEnv } from '../env.ts';
import { forEachRegInVstate, MASK_SPILL } from '../state/each-reg.ts';
import { markRegNotInit } from '../state/marks.ts';
import { releaseReference } from '../state/refs.ts';
import { STACK_ITER } from '../state/stack.ts';
import { setRbtreeAddCallbackState, setTimerCallbackState } from './callback-state.ts';
import { pushCallbackCall, type SetCalleeState } from './func-call.ts';
import { processIterNextCall } from './iter.ts';
import { checkKfuncArgs } from './kfunc-args.ts';
import { refConvertOwningNonOwning } from './kfunc-graph.ts';
import {
  fetchKfuncMeta,
  isIterNextKfunc,
  isKfuncDestructive,
  isKfuncSleepable,
  type KfuncCallArgMeta,
} from './kfunc-meta.ts';
import { setKfuncReturn } from './kfunc-return.ts';
import { markBtfFuncRegSize } from './liveness.ts';
import { inSleepable } from './pointer-kinds.ts';
import { inRbtreeLockRequiredCb } from './rbtree-lock.ts';
import { checkReturnCode } from './return-code.ts';

const LAST_CALLER_SAVED = 5;
const MASK_SPILL_OR_ITER = MASK_SPILL | (1 << STACK_ITER);

/** Functions that call back, or arrange for it, and what they hand the callback. */
const CALLBACKS: ReadonlyMap<string, SetCalleeState> = new Map([
  ['bpf_rbtree_add_impl', setRbtreeAddCallbackState],
  ['bpf_wq_set_callback_impl', setTimerCallbackState],
]);

/** Functions that put an object the program owns into a collection. */
const INSERTS: ReadonlySet<string> = new Set([
  'bpf_list_push_front_impl',
  'bpf_list_push_back_impl',
  'bpf_rbtree_add_impl',
]);

function queueCallback(env: VerifierEnv, insn: Insn, insnIdx: number, meta: KfuncCallArgMeta): void {
  const setCallee = CALLBACKS.get(meta.funcName);
  if (setCallee === undefined) return;
  try {
    pushCallbackCall(env, insn, insnIdx, meta.subprogno, setCallee);
  } catch (failure) {
    if (failure instanceof Refusal) env.refuseWith(failure.errno, 'kfuncCallback', meta.funcName, meta.funcId);
    throw failure;
  }
}

/** Objects seen inside an RCU section may be gone once it ends. */
function endRcuSection(env: VerifierEnv): void {
  forEachRegInVstate(
    env.curState,
    (_frame, reg) => {
      if ((reg.type & MEM_RCU) !== 0) reg.type = (reg.type & ~(MEM_RCU | PTR_MAYBE_NULL)) | PTR_UNTRUSTED;
    },
    MASK_SPILL_OR_ITER,
  );
  env.curState.activeRcuLock = false;
}

function checkRcuSection(env: VerifierEnv, name: string, sleepable: boolean): void {
  const state = env.curState;
  const lock = name === 'bpf_rcu_read_lock';
  const unlock = name === 'bpf_rcu_read_unlock';
  if (state.activeRcuLock) {
    if ((lock || unlock) && inRbtreeLockRequiredCb(env)) env.refuse('kfuncRcuInRbtreeCallback');
    if (lock) env.refuse('kfuncRcuNested', name);
    if (unlock) endRcuSection(env);
    else if (sleepable) env.refuse('kfuncRcuSleeps', name);
  } else if (lock) state.activeRcuLock = true;
  else if (unlock) env.refuse('kfuncRcuUnmatched', name);
}

function checkPreemption(env: VerifierEnv, name: string, sleepable: boolean): void {
  const state = env.curState;
  if (name === 'bpf_preempt_disable') state.activePreemptLock++;
  else if (name === 'bpf_preempt_enable') {
    if (state.activePreemptLock === 0) env.refuse('kfuncPreemptUnmatched', name);
    state.activePreemptLock--;
  } else if (sleepable && state.activePreemptLock !== 0) env.refuse('kfuncPreemptSleeps', name);
}

/** The object in R2 now belongs to the collection in R1; the program may look at it while the lock is held. */
function giveToCollection(env: VerifierEnv, insnIdx: number, meta: KfuncCallArgMeta): void {
  const node = env.regs[2];
  const aux = env.insnAux[insnIdx];
  const { refObjId } = node;
  aux.own().insertOff = node.off;
  aux.own().kptrStructRecord = btfFindStructMeta(meta.argBtf, meta.argBtfId);
  const failed = refConvertOwningNonOwning(env, refObjId);
  if (failed !== 0) env.refuseWith(-failed, 'kfuncConversion', meta.funcName, meta.funcId);
  if (releaseReference(env, refObjId) !== 0) env.refuse('kfuncNotAcquired', meta.funcName, meta.funcId);
}

function checkThrow(env: VerifierEnv, meta: KfuncCallArgMeta): void {
  if (!env.jit.exceptions) env.refuse('kfuncExceptions', meta.funcName, meta.funcId);
  env.seenException = true;
  // Without a callback of the program's own, the cookie is what the program returns.
  if (env.exceptionCallbackSubprog === 0) checkReturnCode(env, 1, 'R1');
}

/**
 * A call of a kernel function. Refuses.
 *
 * Differs from Linux: CAP_SYS_BOOT, which destructive functions ask for, is taken for given with CAP_SYS_ADMIN.
 * Source: `kernel/bpf/verifier.c: check_kfunc_call`.
 */
export function checkKfuncCall(env: VerifierEnv, insn: Insn): void {
  // A weak function the kernel does not have: refused after dead code is gone, if the call is still there.
  if (insn.imm === 0) return;
  const { insnIdx } = env;
  const meta = fetchKfuncMeta(env, insn);
  const { funcName, proto } = meta;
  env.insnAux[insnIdx].own().isIterNext = isIterNextKfunc(meta);
  if (isKfuncDestructive(meta) && !env.prog.capSysAdmin) env.refuse('kfuncDestructive');
  const sleepable = isKfuncSleepable(meta);
  if (sleepable && !inSleepable(env)) env.refuse('kfuncNotSleepable', funcName);
  checkKfuncArgs(env, meta, insnIdx);
  queueCallback(env, insn, insnIdx, meta);
  if (funcName === 'bpf_session_cookie') {
    meta.r0Size = 8;
    meta.r0Rdonly = false;
  }
  checkRcuSection(env, funcName, sleepable);
  checkPreemption(env, funcName, sleepable);
  if (meta.releaseRegno !== 0 && releaseReference(env, env.regs[meta.releaseRegno].refObjId) !== 0) {
    env.refuse('kfuncNotAcquired', funcName, meta.funcId);
  }
  if (INSERTS.has(funcName)) giveToCollection(env, insnIdx, meta);
  if (funcName === 'bpf_throw') checkThrow(env, meta);
  for (let regno = 0; regno <= LAST_CALLER_SAVED; regno++) markRegNotInit(env, env.regs, regno);
  setKfuncReturn(env, meta, insnIdx);
  const { params } = proto;
  for (let i = 0; i < params.length; i++) markBtfFuncRegSize(env, i + 1, params[i].sizeBytes);
  if (isIterNextKfunc(meta)) processIterNextCall(env, insnIdx, meta);
}
