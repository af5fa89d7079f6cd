import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_ALU, BPF_ALU64, BPF_LD, BPF_LDX, BPF_REG_FP, type Insn } from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { fmtRegMask, fmtStackMask } from '../state/backtrack.ts';
import { isScalarAt, REGS, SLOTS_HI, SLOTS_LO } from '../state/frame-images.ts';
import { BPF_MAIN_FUNC } from '../state/func-state.ts';
import { NO_ENTRY } from '../state/insn-history.ts';
import { FIRST_SLOT } from '../state/reg.ts';
import { BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { BPF_REGMASK_ARGS, backtrackInsn, slotsText } from './backtrack.ts';
import { printImage } from './branches.ts';
import { getInsnHistEntry, getPrevInsnIdx, HISTORY_EXHAUSTED } from './history.ts';

/** Whether what is done to precision shows in the log. */
const isTold = (env: VerifierEnv): boolean => (env.log.level & BPF_LOG_LEVEL2) !== 0;

/**
 * Makes every scalar of the states before the one in hand precise: what is left where nobody can tell which ones matter.
 */
export function markAllScalarsPrecise(env: VerifierEnv): void {
  const { curState, kept } = env;
  const { images } = kept;
  const told = isTold(env);
  if (told) env.verbose(`mark_precise: frame${curState.curframe}: falling back to forcing all scalars precise\n`);
  // Precision of a state that is kept only ever grows.
  for (let at = curState.parent; at !== 0 && !kept.areScalarsForced(at); at = kept.parent(at)) {
    kept.forceScalars(at);
    for (let f = 0; f <= kept.curframe(at); f++) {
      const image = kept.imageOf(at, f);
      const count = images.placeCount(image);
      for (let i = 0; i < count; i++) {
        if (i === BPF_REG_FP || images.isPrecise(image, i) || !isScalarAt(images.contentOf(image, i), i)) continue;
        images.setPrecise(image, i);
        if (!told) continue;
        const name = i < FIRST_SLOT ? `r${i}` : `fp${-(i - FIRST_SLOT + 1) * 8}`;
        env.verbose(`force_precise: frame${f}: forcing ${name} to be precise\n`);
      }
    }
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
  const { curState, kept } = env;
  let { parent, firstInsnIdx: firstIdx, insnHistStart: histStart } = curState;
  bt.histEnd = curState.insnHistEnd;
  /** The kept state in hand; 0 for the current one. */
  let st = 0;
  let lastIdx = env.insnIdx;
  let subseqIdx = -1;
  let skipFirst = true;
  for (;;) {
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
          markAllScalarsPrecise(env);
          bt.reset();
          return;
        }
        if (bt.empty) return;
      }
      subseqIdx = i;
      i = getPrevInsnIdx(env, firstIdx, i, histStart, bt);
      if (i === HISTORY_EXHAUSTED) break;
      if (i < 0 || i >= count) env.refuse('backtrackIdx', i);
    }
    if (parent === 0) break;
    st = parent;
    parent = kept.parent(st);
    for (let f = bt.frame; f >= 0; f--) markFrame(env, kept.imageOf(st, f), f, told);
    if (bt.empty) return;
    subseqIdx = firstIdx;
    lastIdx = kept.lastInsnIdx(st);
    firstIdx = kept.firstInsnIdx(st);
    histStart = kept.insnHistStart(st);
    bt.histEnd = kept.insnHistEnd(st);
  }
  markAllScalarsPrecise(env);
  bt.reset();
}

/** The beginning of a function that is verified on its own: what is left can only be its arguments. */
function markArguments(env: VerifierEnv, st: number): void {
  const { bt, kept } = env;
  const { images } = kept;
  const image = kept.imageOf(st, 0);
  const head = images.head(image);
  const mask = bt.regMask;
  if (
    kept.curframe(st) !== 0 ||
    head.subprogno <= 0 ||
    head.callsite !== BPF_MAIN_FUNC ||
    !bt.stackEmpty ||
    (mask & ~BPF_REGMASK_ARGS) !== 0
  )
    env.refuse('backtrackEntry', head.subprogno, mask, slotsText(bt));
  for (let i = 1; i <= 5; i++) {
    if ((mask & (1 << i)) === 0) continue;
    bt.clearReg(i);
    if (images.capturedReg(image, i).type === SCALAR_VALUE) images.setPrecise(image, i);
  }
}

/** Makes what is asked for precise in one frame of a state; what is so already, or is no scalar, is asked for no more. */
function markFrame(env: VerifierEnv, image: number, f: number, told: boolean): void {
  const { bt } = env;
  const { images } = env.kept;
  for (let mask = bt.regMasks[f]; mask !== 0; mask &= mask - 1) {
    const i = 31 - Math.clz32(mask & -mask);
    if (images.capturedReg(image, i).type !== SCALAR_VALUE || images.isPrecise(image, i)) bt.clearFrameReg(f, i);
    else images.setPrecise(image, i);
  }
  for (let half = 0; half < 2; half++) {
    for (let mask = half === 0 ? bt.stackLo[f] : bt.stackHi[f]; mask !== 0; mask &= mask - 1) {
      const i = half * 32 + 31 - Math.clz32(mask & -mask);
      const place = FIRST_SLOT + i;
      if (i >= images.slotCount(image)) env.refuse('backtrackSlot', i, images.slotCount(image));
      if (!isScalarAt(images.slotOf(image, i), place) || images.isPrecise(image, place)) bt.clearFrameSlot(f, i);
      else images.setPrecise(image, place);
    }
  }
  if (told) {
    const slots = fmtStackMask(bt.stackLo[f], bt.stackHi[f]);
    env.verbose(`mark_precise: frame${f}: parent state regs=${fmtRegMask(bt.regMasks[f])} stack=${slots}: `);
    printImage(env, image);
  }
}

/** What had to be precise in an equivalent, kept state has to be in the one in hand. */
export function propagatePrecision(env: VerifierEnv, old: number): void {
  const { bt, kept } = env;
  const { images } = kept;
  const told = isTold(env);
  const wanted = (image: number, group: number): number =>
    images.preciseMask(image, group) & images.readMask(image, group);
  for (let f = kept.curframe(old); f >= 0; f--) {
    const image = kept.imageOf(old, f);
    let first = true;
    for (let mask = wanted(image, REGS); mask !== 0; mask &= mask - 1) {
      const i = 31 - Math.clz32(mask & -mask);
      if (images.capturedReg(image, i).type !== SCALAR_VALUE) continue;
      if (told) env.verbose(first ? `frame ${f}: propagating r${i}` : `,r${i}`);
      bt.setFrameReg(f, i);
      first = false;
    }
    for (let group = SLOTS_LO; group <= SLOTS_HI; group++) {
      for (let mask = wanted(image, group); mask !== 0; mask &= mask - 1) {
        const i = ((group - SLOTS_LO) << 5) + 31 - Math.clz32(mask & -mask);
        if (!isScalarAt(images.slotOf(image, i), FIRST_SLOT + i)) continue;
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
