import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_ALU, BPF_ALU64, BPF_LD, BPF_LDX, BPF_REG_FP, type Insn } from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { fmtRegMask, fmtStackMask } from '../state/backtrack.ts';
import { contentOf, isPrecise, setPrecise, slotOf } from '../state/frame-image.ts';
import { BPF_MAIN_FUNC } from '../state/func-state.ts';
import { NO_ENTRY } from '../state/insn-history.ts';
import { FIRST_SLOT, type RegContent } from '../state/reg.ts';
import { STACK_SPILL } from '../state/stack.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { BPF_REGMASK_ARGS, backtrackInsn, slotsText } from './backtrack.ts';
import { printImage } from './branches.ts';
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
      const image = at.images[f];
      for (let i = 0; i < image.placeCount; i++) {
        if (i === BPF_REG_FP || isPrecise(image, i) || !isScalarAt(contentOf(image, i), i)) continue;
        setPrecise(image, i);
        if (!told) continue;
        const name = i < FIRST_SLOT ? `r${i}` : `fp${-(i - FIRST_SLOT + 1) * 8}`;
        env.verbose(`force_precise: frame${f}: forcing ${name} to be precise\n`);
      }
    }
  }
}

/** Whether there is a scalar at that place: in the register, or spilled to the slot. */
const isScalarAt = (content: RegContent, place: number): boolean =>
  content.type === SCALAR_VALUE && (place < FIRST_SLOT || content.slotTypes >>> 28 === STACK_SPILL);

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

const SECOND_SLOT = 0x20;
const WRITES = 0x10;

/** By instruction: WRITES and the register for those that are of interest only if it is; SECOND_SLOT; 0 for others. */
function writtenRegs(insns: readonly Insn[]): Uint8Array {
  const written = new Uint8Array(insns.length);
  for (let i = 0; i < insns.length; i++) {
    const { code, dst } = insns[i];
    const cls = code & 7;
    if (code === 0) written[i] = SECOND_SLOT;
    else if (cls === BPF_ALU || cls === BPF_ALU64 || cls === BPF_LDX || cls === BPF_LD) written[i] = WRITES | dst;
  }
  return written;
}

/** An instruction that changes none of the registers asked for, nor anything else. */
const concernsOthers = (target: number, regMask: number): boolean =>
  target === SECOND_SLOT || ((target & WRITES) !== 0 && (regMask & (1 << (target & 15))) === 0);

const isLinked = (env: VerifierEnv, hist: number): boolean =>
  hist !== NO_ENTRY && env.insnHist.linkedRegs[hist] !== undefined;

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
  if (env.writtenRegs.length !== count) env.writtenRegs = writtenRegs(env.insns);
  const targets = env.writtenRegs;
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
      const hist = getInsnHistEntry(env, histStart, bt.histEnd, i);
      if (skipFirst) skipFirst = false;
      else if (told || !concernsOthers(targets[i], bt.regMask) || isLinked(env, hist)) {
        if (!backtrackInsn(env, i, subseqIdx, hist, bt, told)) {
          markAllScalarsPrecise(env, env.curState);
          bt.reset();
          return;
        }
        if (bt.empty) return;
      }
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
  const frame = st.images[0];
  const mask = bt.regMask;
  if (
    st.curframe !== 0 ||
    frame.head.subprogno <= 0 ||
    frame.head.callsite !== BPF_MAIN_FUNC ||
    !bt.stackEmpty ||
    (mask & ~BPF_REGMASK_ARGS) !== 0
  )
    env.refuse('backtrackEntry', frame.head.subprogno, mask, slotsText(bt));
  for (let i = 1; i <= 5; i++) {
    if ((mask & (1 << i)) === 0) continue;
    bt.clearReg(i);
    if (frame.regs[i].type === SCALAR_VALUE) setPrecise(frame, i);
  }
}

/** Makes what is asked for precise in one frame of a state; what is so already, or is no scalar, is asked for no more. */
function markState(env: VerifierEnv, st: VerifierState, f: number, told: boolean): void {
  const { bt } = env;
  const image = st.images[f];
  for (let mask = bt.regMasks[f]; mask !== 0; mask &= mask - 1) {
    const i = 31 - Math.clz32(mask & -mask);
    if (image.regs[i].type !== SCALAR_VALUE || isPrecise(image, i)) bt.clearFrameReg(f, i);
    else setPrecise(image, i);
  }
  for (let half = 0; half < 2; half++) {
    for (let mask = half === 0 ? bt.stackLo[f] : bt.stackHi[f]; mask !== 0; mask &= mask - 1) {
      const i = half * 32 + 31 - Math.clz32(mask & -mask);
      const place = FIRST_SLOT + i;
      if (place >= image.placeCount) env.refuse('backtrackSlot', i, image.placeCount - FIRST_SLOT);
      if (!isScalarAt(slotOf(image, i), place) || isPrecise(image, place)) bt.clearFrameSlot(f, i);
      else setPrecise(image, place);
    }
  }
  if (told) {
    const slots = fmtStackMask(bt.stackLo[f], bt.stackHi[f]);
    env.verbose(`mark_precise: frame${f}: parent state regs=${fmtRegMask(bt.regMasks[f])} stack=${slots}: `);
    printImage(env, image);
  }
}

/** What had to be precise in an equivalent, kept state has to be in the one in hand. */
export function propagatePrecision(env: VerifierEnv, old: VerifierState): void {
  const { bt } = env;
  const told = isTold(env);
  for (let f = old.curframe; f >= 0; f--) {
    const image = old.images[f];
    let first = true;
    for (let mask = image.preciseRegs & (image.read32Regs | image.read64Regs); mask !== 0; mask &= mask - 1) {
      const i = 31 - Math.clz32(mask & -mask);
      if (image.regs[i].type !== SCALAR_VALUE) continue;
      if (told) env.verbose(first ? `frame ${f}: propagating r${i}` : `,r${i}`);
      bt.setFrameReg(f, i);
      first = false;
    }
    for (let half = 0; half < 2; half++) {
      let mask =
        half === 0
          ? image.preciseLo & (image.read32Lo | image.read64Lo)
          : image.preciseHi & (image.read32Hi | image.read64Hi);
      for (; mask !== 0; mask &= mask - 1) {
        const i = half * 32 + 31 - Math.clz32(mask & -mask);
        if (!isScalarAt(slotOf(image, i), FIRST_SLOT + i)) continue;
        const off = (-i - 1) * 8;
        if (told) env.verbose(first ? `frame ${f}: propagating fp${off}` : `,fp${off}`);
        bt.setFrameSlot(f, i);
        first = false;
      }
    }
    if (!first) env.verbose('\n');
  }
  markChainPrecisionBatch(env);
}
