import type { VerifierEnv } from '../env.ts';
import type { BacktrackState } from '../state/backtrack.ts';
import { NO_ENTRY } from '../state/insn-history.ts';
import type { VerifierState } from '../state/verifier-state.ts';

/**
 * Flags of an entry of the history:
 *
 * ```
 *    11          10          9            8..3  2..0
 *   src is a    dst is a    a stack slot  spi   frame
 *   stack ptr   stack ptr   is accessed
 * ```
 *
 * Source: `include/linux/bpf_verifier.h: INSN_F_*`.
 */
export const INSN_F_STACK_ACCESS = 1 << 9;
export const INSN_F_DST_REG_STACK = 1 << 10;
export const INSN_F_SRC_REG_STACK = 1 << 11;
const INSN_F_FRAMENO_MASK = 7;
const INSN_F_SPI_MASK = 0x3f;
const INSN_F_SPI_SHIFT = 3;

export const insnStackAccessFlags = (frameno: number, spi: number): number =>
  INSN_F_STACK_ACCESS | (spi << INSN_F_SPI_SHIFT) | frameno;
export const insnStackAccessSpi = (flags: number): number => (flags >> INSN_F_SPI_SHIFT) & INSN_F_SPI_MASK;
export const insnStackAccessFrameno = (flags: number): number => flags & INSN_F_FRAMENO_MASK;

/** Registers and slots remembered as linked at one jump. */
export const LINKED_REGS_MAX = 6;

const LR_SPI_OFF = 3;
const LR_IS_REG = 1 << 9;

/** A linked register or stack slot: frame in bits 0..2, register or slot in 3..8, bit 9 for registers. */
export const linkedReg = (frameno: number, spiOrReg: number, isReg: boolean): number =>
  frameno | (spiOrReg << LR_SPI_OFF) | (isReg ? LR_IS_REG : 0);
export const linkedRegFrameno = (entry: number): number => entry & 7;
export const linkedRegSpi = (entry: number): number => (entry >> LR_SPI_OFF) & INSN_F_SPI_MASK;
export const linkedRegIsReg = (entry: number): boolean => (entry & LR_IS_REG) !== 0;

/** Adds an entry unless there are {@link LINKED_REGS_MAX}; whether it did. Source: `linked_regs_push`. */
export function linkedRegsPush(linked: number[], frameno: number, spiOrReg: number, isReg: boolean): boolean {
  if (linked.length >= LINKED_REGS_MAX) return false;
  linked.push(linkedReg(frameno, spiOrReg, isReg));
  return true;
}

/**
 * Remembers that the path went through the instruction in hand: what going back needs to know of it. A second call at
 * the same instruction adds to the first.
 */
export function pushInsnHistory(
  env: VerifierEnv,
  cur: VerifierState,
  insnFlags: number,
  linkedRegs: readonly number[] | undefined,
): void {
  const { curHistEnt: present, insnHist } = env;
  if (present !== NO_ENTRY) {
    insnHist.flags[present] |= insnFlags;
    insnHist.linkedRegs[present] = linkedRegs;
    return;
  }
  const at = cur.insnHistEnd;
  insnHist.set(at, env.insnIdx, env.prevInsnIdx, insnFlags, linkedRegs);
  cur.insnHistEnd = at + 1;
  env.curHistEnt = at;
}

/** The entry of instruction `insnIdx`, if it is the last of the range; NO_ENTRY otherwise. */
export const getInsnHistEntry = (env: VerifierEnv, histStart: number, histEnd: number, insnIdx: number): number =>
  histEnd > histStart && env.insnHist.idx[histEnd - 1] === insnIdx ? histEnd - 1 : NO_ENTRY;

/** {@link getPrevInsnIdx} found nothing before the state's first instruction. */
export const HISTORY_EXHAUSTED = -2;

/**
 * The instruction that came before `insnIdx`: what the history says, or the one before it in the program. Takes what it
 * used off the history (`bt.histEnd`). {@link HISTORY_EXHAUSTED} where the state begins, with `firstInsnIdx`.
 */
export function getPrevInsnIdx(
  env: VerifierEnv,
  firstInsnIdx: number,
  insnIdx: number,
  histStart: number,
  bt: BacktrackState,
): number {
  const { histEnd } = bt;
  const count = histEnd - histStart;
  if (insnIdx === firstInsnIdx) {
    if (count === 0) return HISTORY_EXHAUSTED;
    // The jump from the state before to this one's first instruction.
    if (count === 1 && env.insnHist.idx[histStart] === insnIdx) return HISTORY_EXHAUSTED;
  }
  if (count !== 0 && env.insnHist.idx[histEnd - 1] === insnIdx) {
    bt.histEnd = histEnd - 1;
    return env.insnHist.prevIdx[histEnd - 1];
  }
  return insnIdx - 1;
}
