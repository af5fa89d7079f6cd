import { type Blocks, BOTH, liveOut } from '../rows/index.ts';
import {
  CALL_HELPER,
  CMPXCHG,
  FP,
  type Ir,
  JCC_K,
  JEQ,
  JGE,
  JLT,
  JNE,
  JSET,
  LOAD,
  MASK,
  NONE,
  NOP,
  STORE_K,
  W,
} from '../rows/ir.ts';

/** As many rows are looked through for the one that made what is tested. */
const MOST_ROWS = 8;

/** The row that masks what the block's last row compares with 0, and that nothing else reads; or -1. */
function maskBefore(rows: Ir, start: number, last: number, live: number): number {
  const { kind, a, b, d, sub, aux } = rows;
  const masked = a[last];
  if (((live >>> masked) & BOTH) !== 0) return -1;
  let changed = 0;
  for (let i = last - 1; i >= start && i >= last - MOST_ROWS; i--) {
    const k = kind[i];
    if (k === NOP) continue;
    if (k >= CALL_HELPER) return -1;
    if (d[i] === masked) {
      const plain = k === MASK && sub[i] === 0 && a[i] !== FP;
      return plain && (changed & (1 << a[i])) === 0 ? i : -1;
    }
    const index = k >= LOAD && k <= STORE_K && aux[i] === masked + 1;
    if (a[i] === masked || b[i] === masked || index || (k === CMPXCHG && masked === 0)) return -1;
    if (d[i] !== NONE) changed |= 1 << d[i];
  }
  return -1;
}

/**
 * Tests of bits at the end of a block. That the high ones are all 0 is a bound; others are tested without being put
 * anywhere.
 *
 * ```
 *   r2 &= -4096
 *   if r2 == 0 goto l    →   if r2 < 4096 goto l
 * ```
 *
 * @param live halves live where each block begins
 */
export function foldBounds(rows: Ir, blocks: Blocks, live: Int32Array): void {
  const { count, start } = blocks;
  const { kind, a, sub, imm, aux, flags } = rows;
  for (let at = 0; at < count; at++) {
    const last = start[at + 1] - 1;
    const tests = kind[last] === JCC_K && imm[last] === 0 && (sub[last] === JEQ || sub[last] === JNE);
    if (!tests || a[last] === NONE) continue;
    const mask = maskBefore(rows, start[at], last, liveOut(blocks, live, at));
    if (mask < 0) continue;
    const narrow = (flags[last] & W) !== 0 || aux[mask] === 0;
    const lo = imm[mask];
    // All bits from some one on; the lowest one is the bound.
    const bound = lo & -lo;
    const high = lo < 0 && lo === -bound && (narrow || aux[mask] === -1);
    if (high && bound > 0) {
      sub[last] = sub[last] === JEQ ? JLT : JGE;
      imm[last] = bound;
    } else if (sub[last] === JNE && (narrow || aux[mask] === lo >> 31)) {
      sub[last] = JSET;
      imm[last] = lo;
    } else continue;
    a[last] = a[mask];
    if (narrow) flags[last] |= W;
    kind[mask] = NOP;
  }
}
