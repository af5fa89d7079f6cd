import { ltS64, ltU64 } from '../../util/index.ts';
import type { Blocks } from '../rows/index.ts';
import {
  FP,
  JA,
  JCC_K,
  JCC_X,
  JEQ,
  JGE,
  JGT,
  JLE,
  JLT,
  JNE,
  JSET,
  JSGE,
  JSGT,
  JSLE,
  JSLT,
  NONE,
  NOP,
  W,
} from '../rows/ir.ts';
import { MIRRORED } from './guards.ts';
import { resultBits } from './masks.ts';
import type { Window } from './window.ts';

/** Whether the jump is taken, of operands in halves. Narrow ones are given sign-extended for signed comparisons, else zero-extended. */
function taken(sub: number, xh: number, xl: number, yh: number, yl: number): boolean {
  switch (sub) {
    case JEQ:
      return xh === yh && xl === yl;
    case JNE:
      return xh !== yh || xl !== yl;
    case JSET:
      return (xh & yh) !== 0 || (xl & yl) !== 0;
    case JGT:
      return ltU64(yh, yl, xh, xl);
    case JGE:
      return !ltU64(xh, xl, yh, yl);
    case JLT:
      return ltU64(xh, xl, yh, yl);
    case JLE:
      return !ltU64(yh, yl, xh, xl);
    case JSGT:
      return ltS64(yh, yl, xh, xl);
    case JSGE:
      return !ltS64(xh, xl, yh, yl);
    case JSLT:
      return ltS64(xh, xl, yh, yl);
    default:
      return !ltS64(yh, yl, xh, xl);
  }
}

/** What a signed comparison of numbers that are not negative is. */
const UNSIGNED: Readonly<Record<number, number>> = {
  [JSGT]: JGT,
  [JSLT]: JLT,
  [JSGE]: JGE,
  [JSLE]: JLE,
};

function bitsOf(w: Window, register: number): number {
  const from = register === FP ? -1 : w.defined[register];
  return from >= 0 && w.rows.d[from] === register ? resultBits(w.rows, from) : 64;
}

/** Takes constants into the comparison. Returns the row of the other constant, or -1. */
function takeConstants(w: Window, i: number): number {
  const { kind, a, b, sub, imm, aux, flags } = w.rows;
  if (kind[i] === JCC_X) {
    if (w.constant(b[i]) < 0 && w.constant(a[i]) >= 0) {
      const first = a[i];
      a[i] = b[i];
      b[i] = first;
      sub[i] = MIRRORED[sub[i]];
    }
    const second = w.constant(b[i]);
    if (second < 0 || ((flags[i] & W) === 0 && aux[second] !== imm[second] >> 31)) return -1;
    kind[i] = JCC_K;
    b[i] = NONE;
    imm[i] = imm[second];
  }
  return w.constant(a[i]);
}

/**
 * Comparisons: of a constant with a constant, decided; of words that are zero-extended, as 32-bit ones, so that nobody
 * needs their high halves.
 *
 * ```
 *   r1 = 4
 *   if r1 > 3 goto l   →   goto l
 * ```
 *
 * @param at the block that ends in row `i`
 */
export function foldBranches(w: Window, i: number, blocks: Blocks, at: number): void {
  const { rows } = w;
  const { kind, a, b, sub, imm, aux, flags } = rows;
  if (kind[i] !== JCC_K && kind[i] !== JCC_X) return;
  const first = takeConstants(w, i);
  const narrow = (flags[i] & W) !== 0;
  if (kind[i] === JCC_K && first >= 0) {
    const signed = UNSIGNED[sub[i]] !== undefined;
    const xh = !narrow ? aux[first] : signed ? imm[first] >> 31 : 0;
    const yh = !narrow || signed ? imm[i] >> 31 : 0;
    const goes = taken(sub[i], xh, imm[first], yh, imm[i]);
    if (!goes && blocks.next[at] < 0) return;
    a[i] = NONE;
    kind[i] = goes ? JA : NOP;
    if (goes) blocks.next[at] = -1;
    else blocks.taken[at] = -1;
    return;
  }
  if (narrow || bitsOf(w, a[i]) > 32) return;
  if (kind[i] === JCC_K ? imm[i] < 0 : bitsOf(w, b[i]) > 32) return;
  flags[i] |= W;
  sub[i] = UNSIGNED[sub[i]] ?? sub[i];
}
