import { ltS64, ltU64 } from '../../util/index.ts';
import { type Blocks, ir } from '../rows/index.ts';
import { resultBits } from './masks.ts';
import type { Window } from './window.ts';

/** Whether the jump is taken, of operands in halves. Narrow ones are given sign-extended for signed comparisons, else zero-extended. */
function taken(sub: number, xh: number, xl: number, yh: number, yl: number): boolean {
  switch (sub) {
    case ir.JEQ:
      return xh === yh && xl === yl;
    case ir.JNE:
      return xh !== yh || xl !== yl;
    case ir.JSET:
      return (xh & yh) !== 0 || (xl & yl) !== 0;
    case ir.JGT:
      return ltU64(yh, yl, xh, xl);
    case ir.JGE:
      return !ltU64(xh, xl, yh, yl);
    case ir.JLT:
      return ltU64(xh, xl, yh, yl);
    case ir.JLE:
      return !ltU64(yh, yl, xh, xl);
    case ir.JSGT:
      return ltS64(yh, yl, xh, xl);
    case ir.JSGE:
      return !ltS64(xh, xl, yh, yl);
    case ir.JSLT:
      return ltS64(xh, xl, yh, yl);
    default:
      return !ltS64(yh, yl, xh, xl);
  }
}

/** The comparison with its operands exchanged. */
const MIRRORED: Readonly<Record<number, number>> = {
  [ir.JEQ]: ir.JEQ,
  [ir.JNE]: ir.JNE,
  [ir.JSET]: ir.JSET,
  [ir.JGT]: ir.JLT,
  [ir.JLT]: ir.JGT,
  [ir.JGE]: ir.JLE,
  [ir.JLE]: ir.JGE,
  [ir.JSGT]: ir.JSLT,
  [ir.JSLT]: ir.JSGT,
  [ir.JSGE]: ir.JSLE,
  [ir.JSLE]: ir.JSGE,
};
/** What a signed comparison of numbers that are not negative is. */
const UNSIGNED: Readonly<Record<number, number>> = {
  [ir.JSGT]: ir.JGT,
  [ir.JSLT]: ir.JLT,
  [ir.JSGE]: ir.JGE,
  [ir.JSLE]: ir.JLE,
};

function bitsOf(w: Window, register: number): number {
  const from = register === ir.FP ? -1 : w.defined[register];
  return from >= 0 && w.rows.d[from] === register ? resultBits(w.rows, from) : 64;
}

/** Takes constants into the comparison. Returns the row of the other constant, or -1. */
function takeConstants(w: Window, i: number): number {
  const { kind, a, b, sub, imm, aux, flags } = w.rows;
  if (kind[i] === ir.JCC_X) {
    if (w.constant(b[i]) < 0 && w.constant(a[i]) >= 0) {
      const first = a[i];
      a[i] = b[i];
      b[i] = first;
      sub[i] = MIRRORED[sub[i]];
    }
    const second = w.constant(b[i]);
    if (second < 0 || ((flags[i] & ir.W) === 0 && aux[second] !== imm[second] >> 31)) return -1;
    kind[i] = ir.JCC_K;
    b[i] = ir.NONE;
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
  if (kind[i] !== ir.JCC_K && kind[i] !== ir.JCC_X) return;
  const first = takeConstants(w, i);
  const narrow = (flags[i] & ir.W) !== 0;
  if (kind[i] === ir.JCC_K && first >= 0) {
    const signed = UNSIGNED[sub[i]] !== undefined;
    const xh = !narrow ? aux[first] : signed ? imm[first] >> 31 : 0;
    const yh = !narrow || signed ? imm[i] >> 31 : 0;
    const goes = taken(sub[i], xh, imm[first], yh, imm[i]);
    if (!goes && blocks.next[at] < 0) return;
    a[i] = ir.NONE;
    kind[i] = goes ? ir.JA : ir.NOP;
    if (goes) blocks.next[at] = -1;
    else blocks.taken[at] = -1;
    return;
  }
  if (narrow || bitsOf(w, a[i]) > 32) return;
  if (kind[i] === ir.JCC_K ? imm[i] < 0 : bitsOf(w, b[i]) > 32) return;
  flags[i] |= ir.W;
  sub[i] = UNSIGNED[sub[i]] ?? sub[i];
}
