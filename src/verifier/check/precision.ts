import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import { fmtRegMask, fmtStackMask } from '../state/backtrack.ts';
import { BPF_MAIN_FUNC } from '../state/func-state.ts';
import { isSpilledScalarReg } from '../state/marks.ts';
import { REG_LIVE_READ, type RegState } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { BPF_REGMASK_ARGS, backtrackInsn, slotsText } from './backtrack.ts';
import { getInsnHistEntry, getPrevInsnIdx, HISTORY_EXHAUSTED } from './history.ts';

/** Whether what is done to precision shows in the log. */
const isTold = (env: VerifierEnv): boolean => (env.log.level & BPF_LOG_LEVEL2) !== 0;

/**
 * Makes every scalar of the states before `st` precise: what is left where nobody can tell which ones matter.
 */
export function markAllScalarsPrecise(env: VerifierEnv, st: VerifierState): void {
  const told = isTold(env);
  if (told) env.verbose(`mark_precise: frame${st.curframe}: falling back to forcing all scalars precise\n`);
  // Precision of a state that is kept only ever grows.
  for (let at = st.parent; at !== undefined && !at.scalarsForced; at = at.parent) {
    at.scalarsForced = true;
    for (let f = 0; f <= at.curframe; f++) {
      const { regs, stack } = at.frames[f];
      for (let i = 0; i < BPF_REG_FP; i++) {
        const reg = regs[i];
        if (reg.type !== SCALAR_VALUE || reg.precise) continue;
        reg.precise = true;
        if (told) env.verbose(`force_precise: frame${f}: forcing r${i} to be precise\n`);
      }
      for (let i = 0; i < stack.length; i++) {
        const slot = stack[i];
        if (!isSpilledScalarReg(slot) || slot.precise) continue;
        slot.precise = true;
        if (told) env.verbose(`force_precise: frame${f}: forcing fp${-(i + 1) * 8} to be precise\n`);
      }
    }
  }
}

/** No scalar of a state that is about to be kept matters yet; those that will are found out later. */
export function markAllScalarsImprecise(_env: VerifierEnv, st: VerifierState): void {
  for (let f = 0; f <= st.curframe; f++) {
    const { regs, stack } = st.frames[f];
    for (let i = 0; i < BPF_REG_FP; i++) if (regs[i].type === SCALAR_VALUE) regs[i].precise = false;
    for (let i = 0; i < stack.length; i++) if (isSpilledScalarReg(stack[i])) stack[i].precise = false;
  }
}

/** The exact value of scalar `regno` mattered: it is precise, and so is all it was made from. */
export function markChainPrecision(env: VerifierEnv, regno: number): void {
  if (!env.bpfCapable) return;
  const { bt, curState } = env;
  bt.frame = curState.curframe;
  if (curState.frames[bt.frame].regs[regno].type !== SCALAR_VALUE) env.bug('precision of what is no scalar');
  bt.setReg(regno);
  walkBack(env);
}

/** The same for what is set in `env.bt`. */
export function markChainPrecisionBatch(env: VerifierEnv): void {
  if (!env.bpfCapable) return;
  env.bt.frame = env.curState.curframe;
  walkBack(env);
}

/**
 * Walks the path in hand back, instruction by instruction and state by state, until nothing is left that has to be
 * precise. States on the way remember what does; the one in hand has no use for that.
 *
 * Source: `kernel/bpf/verifier.c: __mark_chain_precision`.
 */
function walkBack(env: VerifierEnv): void {
  const { bt } = env;
  if (bt.empty) return;
  const told = isTold(env);
  const count = env.insns.length;
  let st = env.curState;
  let firstIdx = st.firstInsnIdx;
  let lastIdx = env.insnIdx;
  let subseqIdx = -1;
  let skipFirst = true;
  for (;;) {
    const histStart = st.insnHistStart;
    bt.histEnd = st.insnHistEnd;
    if (told)
      env.verbose(
        `mark_precise: frame${bt.frame}: last_idx ${lastIdx} first_idx ${firstIdx} subseq_idx ${subseqIdx} \n`,
      );
    if (lastIdx < 0) {
      markArguments(env, st);
      return;
    }
    for (let i = lastIdx; ; ) {
      if (skipFirst) skipFirst = false;
      else if (!backtrackInsn(env, i, subseqIdx, getInsnHistEntry(env, histStart, bt.histEnd, i), bt, told)) {
        markAllScalarsPrecise(env, env.curState);
        bt.reset();
        return;
      }
      if (bt.empty) return;
      subseqIdx = i;
      i = getPrevInsnIdx(env, st, i, histStart, bt);
      if (i === HISTORY_EXHAUSTED) break;
      if (i < 0 || i >= count) env.refuse('backtrackIdx', i);
    }
    if (st.parent === undefined) break;
    st = st.parent;
    for (let f = bt.frame; f >= 0; f--) markState(env, st, f, told);
    if (bt.empty) return;
    subseqIdx = firstIdx;
    lastIdx = st.lastInsnIdx;
    firstIdx = st.firstInsnIdx;
  }
  markAllScalarsPrecise(env, env.curState);
  bt.reset();
}

/** The beginning of a function that is verified on its own: what is left can only be its arguments. */
function markArguments(env: VerifierEnv, st: VerifierState): void {
  const { bt } = env;
  const frame = st.frames[0];
  const mask = bt.regMask;
  if (
    st.curframe !== 0 ||
    frame.subprogno <= 0 ||
    frame.callsite !== BPF_MAIN_FUNC ||
    !bt.stackEmpty ||
    (mask & ~BPF_REGMASK_ARGS) !== 0
  )
    env.refuse('backtrackEntry', frame.subprogno, mask, slotsText(bt));
  for (let i = 1; i <= 5; i++) {
    if ((mask & (1 << i)) === 0) continue;
    bt.clearReg(i);
    if (frame.regs[i].type === SCALAR_VALUE) frame.regs[i].precise = true;
  }
}

/** Makes what is asked for precise in one frame of a state; what is so already, or is no scalar, is asked for no more. */
function markState(env: VerifierEnv, st: VerifierState, f: number, told: boolean): void {
  const { bt } = env;
  const frame = st.frames[f];
  const { regs, stack } = frame;
  for (let mask = bt.regMasks[f]; mask !== 0; mask &= mask - 1) {
    const i = 31 - Math.clz32(mask & -mask);
    if (regs[i].type !== SCALAR_VALUE || regs[i].precise) bt.clearFrameReg(f, i);
    else regs[i].precise = true;
  }
  for (let half = 0; half < 2; half++) {
    for (let mask = half === 0 ? bt.stackLo[f] : bt.stackHi[f]; mask !== 0; mask &= mask - 1) {
      const i = half * 32 + 31 - Math.clz32(mask & -mask);
      if (i >= stack.length) env.refuse('backtrackSlot', i, stack.length);
      const slot = stack[i];
      if (!isSpilledScalarReg(slot) || slot.precise) bt.clearFrameSlot(f, i);
      else slot.precise = true;
    }
  }
  if (told) {
    const slots = fmtStackMask(bt.stackLo[f], bt.stackHi[f]);
    env.verbose(`mark_precise: frame${f}: parent state regs=${fmtRegMask(bt.regMasks[f])} stack=${slots}: `);
    printVerifierState(env, frame, true);
  }
}

const mattered = (reg: RegState): boolean => reg.precise && (reg.live & REG_LIVE_READ) !== 0;

/** What had to be precise in an equivalent state has to be in the one in hand. */
export function propagatePrecision(env: VerifierEnv, old: VerifierState): void {
  const { bt } = env;
  const told = isTold(env);
  for (let f = old.curframe; f >= 0; f--) {
    const { regs, stack } = old.frames[f];
    let first = true;
    for (let i = 0; i < BPF_REG_FP; i++) {
      if (regs[i].type !== SCALAR_VALUE || !mattered(regs[i])) continue;
      if (told) env.verbose(first ? `frame ${f}: propagating r${i}` : `,r${i}`);
      bt.setFrameReg(f, i);
      first = false;
    }
    for (let i = 0; i < stack.length; i++) {
      if (!isSpilledScalarReg(stack[i]) || !mattered(stack[i])) continue;
      const off = (-i - 1) * 8;
      if (told) env.verbose(first ? `frame ${f}: propagating fp${off}` : `,fp${off}`);
      bt.setFrameSlot(f, i);
      first = false;
    }
    if (!first) env.verbose('\n');
  }
  markChainPrecisionBatch(env);
}
