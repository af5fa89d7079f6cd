import { type Blocks, BOTH, liveOut, readsRegister } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  BSWAP,
  CALL_HELPER,
  CMPXCHG,
  FP,
  type Ir,
  JA,
  LEADER,
  LEAVE,
  MASK,
  MUL,
  NONE,
  NOP,
  TARGET,
} from '../rows/ir.ts';

/** As many rows are looked through for one that reads the same. */
const MOST_ROWS = 16;
const BLOCK_START = LEADER | TARGET;

/**
 * The last row that reads what row `i` does, if nobody does behind it and row `i` can as well come there; or -1.
 *
 * @param live halves live behind the block
 */
function lastReader(rows: Ir, i: number, end: number, live: number): number {
  const { kind, a, d } = rows;
  const from = a[i];
  const to = d[i];
  let last = -1;
  for (let at = i + 1; at < end; at++) {
    const k = kind[at];
    if (k === NOP) continue;
    const reader = readsRegister(rows, at, from);
    const stops = at > i + MOST_ROWS || k >= JA || k === CMPXCHG || d[at] === to || readsRegister(rows, at, to);
    if (d[at] === from) return stops || reader ? -1 : last;
    if (reader && stops) return -1;
    if (stops) {
      // Nobody may read it from here on.
      for (let rest = at; rest < end && rest <= at + MOST_ROWS; rest++) {
        if (kind[rest] === NOP) continue;
        const hidden = (kind[rest] >= CALL_HELPER && kind[rest] !== LEAVE) || kind[rest] === CMPXCHG;
        if (hidden || readsRegister(rows, rest, from)) return -1;
        if (d[rest] === from) return last;
      }
      return end - at > MOST_ROWS || ((live >>> from) & BOTH) !== 0 ? -1 : last;
    }
    if (reader) last = at;
  }
  return ((live >>> from) & BOTH) !== 0 ? -1 : last;
}

/** Whether CPUs change a number where it is for this; sums and extensions go elsewhere by themselves. */
function inPlace({ kind, sub }: Ir, i: number): boolean {
  if (kind[i] === MASK) return sub[i] !== 0;
  return kind[i] === BSWAP || (kind[i] === ALU_K && sub[i] !== ADD && sub[i] !== MUL);
}

/** Row `from` becomes row `to`, rows between move up. Where blocks begin stays. */
function move(rows: Ir, slots: Int32Array, from: number, to: number): void {
  const start = rows.flags[from] & BLOCK_START;
  rows.flags[from] &= ~BLOCK_START;
  for (const column of [rows.kind, rows.sub, rows.d, rows.a, rows.b, rows.flags, rows.imm, rows.aux, rows.off, slots]) {
    const moved = column[from];
    column.copyWithin(from, from + 1, to + 1);
    column[to] = moved;
  }
  rows.flags[from] |= start;
}

/**
 * Turns, shifts and the like come behind everybody else who reads what they do, where nobody does behind them: CPUs
 * change numbers where they are, and a copy to change is on the way of who waits for the result.
 *
 * ```
 *   r2 = rotate-left(r1, 13)      r3 = r3 + r1
 *   r3 = r3 + r1               →  r2 = rotate-left(r1, 13)
 *   r1 = 5                        r1 = 5
 * ```
 *
 * @param live halves live where each block begins
 */
export function orderReaders(rows: Ir, slots: Int32Array, blocks: Blocks, live: Int32Array): void {
  const { a, d } = rows;
  for (let at = 0; at < blocks.count; at++) {
    const start = blocks.start[at];
    const end = blocks.start[at + 1];
    const out = liveOut(blocks, live, at);
    // Backwards: what has moved is behind.
    for (let i = end - 2; i >= start; i--) {
      if (a[i] === d[i] || a[i] === FP || a[i] === NONE || !inPlace(rows, i)) continue;
      const last = lastReader(rows, i, end, out);
      if (last > 0) move(rows, slots, i, last);
    }
  }
}
