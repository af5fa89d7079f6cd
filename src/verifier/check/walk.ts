import {
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_EXIT,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  GOTOL,
  type Insn,
  JA,
  MODE_MASK,
  OP_MASK,
  SIZE_MASK,
} from '../../isa/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { isBpfThrow } from '../kfunc-calls.ts';
import { insnText } from '../print/insn-text.ts';
import { printInsnState, printVerifierState } from '../print/state-text.ts';
import { NO_ENTRY } from '../state/insn-history.ts';
import { BPF_LOG_LEVEL, BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { checkAluOp } from './alu.ts';
import { checkAtomic } from './atomic.ts';
import { popStack, updateBranchCounts } from './branches.ts';
import { checkFuncCall, prepareFuncExit } from './func-call.ts';
import { checkHelperCall } from './helper-call.ts';
import { pushInsnHistory } from './history.ts';
import { checkCondJmpOp, regBoundsSanityCheck } from './jump.ts';
import { checkKfuncCall } from './kfunc-call.ts';
import { isBpfGraphApiKfunc } from './kfunc-graph.ts';
import { checkLdAbs } from './ld-abs.ts';
import { checkLdImm } from './ld-imm.ts';
import { checkRegArg, DST_OP_NO_MARK, SRC_OP } from './liveness.ts';
import { checkMemAccess, saveAuxPtrType } from './mem-access.ts';
import { BPF_READ, BPF_WRITE } from './pointer-kinds.ts';
import { isStateVisited } from './prune.ts';
import { checkReferenceLeak, checkResourceLeak, checkReturnCode } from './return-code.ts';
import { sanitizeMarkInsnSeen } from './sanitize.ts';

/** Where the walk goes after an instruction. */
const NEXT = 0;
/** `env.insnIdx` is set already. */
const JUMPED = 1;
/** The path ended. */
const PATH_END = 2;
/** As JUMPED, and the log shows the whole state first. */
const RETURNED = 3;
type Step = typeof NEXT | typeof JUMPED | typeof PATH_END | typeof RETURNED;

/**
 * Walks every path from `env.curState` on, one after the other, until none is left; throws a Refusal for the first
 * instruction that is not allowed. Source: `kernel/bpf/verifier.c: do_check`.
 */
export function doCheck(env: VerifierEnv): void {
  const { insns, cfg, log, logging, observer } = env;
  const popLog = (log.level & BPF_LOG_LEVEL2) === 0;
  let printState = false;
  let prevInsnIdx = -1;
  observer?.walkBegins?.(env);
  for (;;) {
    env.curHistEnt = NO_ENTRY;
    env.prevInsnIdx = prevInsnIdx;
    const idx = env.insnIdx;
    if (idx >= insns.length) env.refuse('insnOutside', idx, insns.length);
    const insn = insns[idx];
    if (++env.insnProcessed > env.insnLimit) env.refuse('tooLarge', env.insnProcessed);
    env.curState.lastInsnIdx = prevInsnIdx;
    let step: Step = NEXT;
    if (cfg.prunePoints[idx] !== 0 && isStateVisited(env, idx)) {
      if (logging && (log.level & BPF_LOG_LEVEL) !== 0) logSafe(env, printState);
      observer?.pathEnd?.(idx, 'pruned');
      step = PATH_END;
    } else {
      if (cfg.jmpPoints[idx] !== 0) pushInsnHistory(env, env.curState, 0, undefined);
      if (logging) {
        if (printState && (log.level & BPF_LOG_LEVEL2) !== 0) {
          env.verbose(`\n${fromTo(env)}:`);
          printVerifierState(env, env.frame, true);
          printState = false;
        }
        if ((log.level & BPF_LOG_LEVEL) !== 0) logInsn(env);
      }
      sanitizeMarkInsnSeen(env);
      prevInsnIdx = idx;
      observer?.beforeInsn?.(idx, env);
      step = checkInsn(env, insn);
    }
    if (step === NEXT) env.insnIdx++;
    else if (step === RETURNED) printState = true;
    else if (step === PATH_END) {
      env.markVerifierStateScratched();
      updateBranchCounts(env, env.curState);
      const popped = popStack(env, popLog);
      if (popped === undefined) return;
      prevInsnIdx = popped.prevInsnIdx;
      env.insnIdx = popped.insnIdx;
      printState = true;
    }
  }
}

const fromTo = (env: VerifierEnv): string =>
  `from ${env.prevInsnIdx} to ${env.insnIdx}${env.curState.speculative ? ' (speculative execution)' : ''}`;

function logSafe(env: VerifierEnv, printState: boolean): void {
  env.verbose(printState ? `\n${fromTo(env)}: safe\n` : `${env.insnIdx}: safe\n`);
}

function logInsn(env: VerifierEnv): void {
  const { log } = env;
  if ((env.scratchedRegs | env.scratchedSlotsLo | env.scratchedSlotsHi) !== 0) printInsnState(env, env.frame);
  env.lines.print(env.insnIdx, '; ');
  env.prevLogPos = log.position;
  env.verbose(`${env.insnIdx}: `);
  env.verbose(`${insnText(env, env.insnIdx)}\n`);
  env.prevInsnPrintPos = log.position - env.prevLogPos;
  env.prevLogPos = log.position;
}

function checkInsn(env: VerifierEnv, insn: Insn): Step {
  switch (insn.code & 7) {
    case BPF_ALU:
    case BPF_ALU64:
      checkAluOp(env, insn);
      return NEXT;
    case BPF_LDX:
      checkLoad(env, insn);
      return NEXT;
    case BPF_STX:
      checkStoreReg(env, insn);
      return NEXT;
    case BPF_ST:
      checkStoreImm(env, insn);
      return NEXT;
    case BPF_LD:
      checkLd(env, insn);
      return NEXT;
    default:
      return checkJump(env, insn);
  }
}

function checkLoad(env: VerifierEnv, insn: Insn): void {
  checkRegArg(env, insn.src, SRC_OP);
  checkRegArg(env, insn.dst, DST_OP_NO_MARK);
  const { regs } = env;
  const srcType = regs[insn.src].type;
  const { insnIdx } = env;
  const isLdsx = (insn.code & MODE_MASK) === BPF_MEMSX;
  checkMemAccess(env, insnIdx, insn.src, insn.off, insn.code & SIZE_MASK, BPF_READ, insn.dst, false, isLdsx);
  saveAuxPtrType(env, srcType, true);
  regBoundsSanityCheck(env, regs[insn.dst], 'ldx');
}

function checkStoreReg(env: VerifierEnv, insn: Insn): void {
  if ((insn.code & MODE_MASK) === BPF_ATOMIC) {
    checkAtomic(env, env.insnIdx, insn);
    return;
  }
  if ((insn.code & MODE_MASK) !== BPF_MEM || insn.imm !== 0) env.refuse('stxReserved');
  checkRegArg(env, insn.src, SRC_OP);
  checkRegArg(env, insn.dst, SRC_OP);
  const dstType = env.regs[insn.dst].type;
  checkMemAccess(env, env.insnIdx, insn.dst, insn.off, insn.code & SIZE_MASK, BPF_WRITE, insn.src, false, false);
  saveAuxPtrType(env, dstType, false);
}

function checkStoreImm(env: VerifierEnv, insn: Insn): void {
  if ((insn.code & MODE_MASK) !== BPF_MEM || insn.src !== 0) env.refuse('stReserved');
  checkRegArg(env, insn.dst, SRC_OP);
  const dstType = env.regs[insn.dst].type;
  checkMemAccess(env, env.insnIdx, insn.dst, insn.off, insn.code & SIZE_MASK, BPF_WRITE, -1, false, false);
  saveAuxPtrType(env, dstType, false);
}

function checkLd(env: VerifierEnv, insn: Insn): void {
  const mode = insn.code & MODE_MASK;
  if (mode === BPF_ABS || mode === BPF_IND) checkLdAbs(env, insn);
  else if (mode === BPF_IMM) {
    checkLdImm(env, insn);
    env.insnIdx++;
    sanitizeMarkInsnSeen(env);
  } else env.refuse('ldMode');
}

function checkJump(env: VerifierEnv, insn: Insn): Step {
  env.jmpsProcessed++;
  switch (insn.code & OP_MASK) {
    case BPF_CALL:
      return checkCall(env, insn);
    case BPF_JA:
      return checkGoto(env, insn);
    case BPF_EXIT:
      if (insn.code !== EXIT || insn.imm !== 0 || insn.src !== 0 || insn.dst !== 0) env.refuse('exitReserved');
      return checkExit(env, false);
    default:
      checkCondJmpOp(env, insn);
      return NEXT;
  }
}

function checkCall(env: VerifierEnv, insn: Insn): Step {
  const { src } = insn;
  if (
    insn.code !== CALL ||
    (src !== BPF_PSEUDO_KFUNC_CALL && insn.off !== 0) ||
    (src !== 0 && src !== BPF_PSEUDO_CALL && src !== BPF_PSEUDO_KFUNC_CALL) ||
    insn.dst !== 0
  )
    env.refuse('callReserved');
  if (env.curState.activeLock !== undefined) {
    const helper = src === 0 && insn.imm !== bpf_func_id.BPF_FUNC_spin_unlock;
    const kfunc = src === BPF_PSEUDO_KFUNC_CALL && (insn.off !== 0 || !isBpfGraphApiKfunc(env, insn));
    if (helper || kfunc) env.refuse('callLocked');
  }
  if (src === BPF_PSEUDO_CALL) checkFuncCall(env, insn);
  else if (src === BPF_PSEUDO_KFUNC_CALL) {
    const name = env.kfuncs.nameAt(env.insnIdx);
    checkKfuncCall(env, insn);
    if (isBpfThrow(name)) return checkExit(env, true);
  } else checkHelperCall(env, insn);
  env.markRegScratched(0);
  return NEXT;
}

function checkGoto(env: VerifierEnv, insn: Insn): Step {
  const wide = insn.code === GOTOL;
  if (
    (insn.code & BPF_X) !== 0 ||
    insn.src !== 0 ||
    insn.dst !== 0 ||
    (insn.code === JA && insn.imm !== 0) ||
    (wide && insn.off !== 0)
  )
    env.refuse('jaReserved');
  env.insnIdx += (wide ? insn.imm : insn.off) + 1;
  return JUMPED;
}

/** @param exceptionExit `bpf_throw`: the whole program ends here, whatever its frames */
function checkExit(env: VerifierEnv, exceptionExit: boolean): Step {
  const state = env.curState;
  if (env.rules.checksResourceLeak) {
    const who = exceptionExit ? 'bpf_throw' : 'BPF_EXIT instruction in main prog';
    checkResourceLeak(env, exceptionExit, exceptionExit || state.curframe === 0, who);
  } else checkLeft(env, exceptionExit);
  if (!exceptionExit) {
    if (state.curframe !== 0) {
      prepareFuncExit(env);
      return RETURNED;
    }
    checkReturnCode(env, 0, 'R0');
  }
  env.observer?.pathEnd?.(env.insnIdx, 'exit');
  return PATH_END;
}

/** Nothing may be held where the program ends. */
function checkLeft(env: VerifierEnv, exceptionExit: boolean): void {
  const state = env.curState;
  if (state.curframe === 0) {
    if (state.activeLock !== undefined) env.refuse('spinUnlockMissing');
    if (state.activeRcuLock) env.refuse('rcuUnlockMissing');
    if (state.activePreemptLock !== 0) env.refuse('preemptEnableMissing', state.activePreemptLock);
  }
  checkReferenceLeak(env, exceptionExit);
}
