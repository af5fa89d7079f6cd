import type { Room } from '../room.ts';
import { type Ir, JA, JCC_X, LEADER, LEAVE, MAY_GOTO, TARGET } from './ir.ts';

/** Basic blocks of a function, in the order of its rows. */
export interface Blocks {
  readonly count: number;
  /** First row of each; one more entry: the number of rows. */
  readonly start: Int32Array;
  /** Block of the row jumped to, and block behind it, or -1. */
  readonly taken: Int32Array;
  readonly next: Int32Array;
}

/** Whether control never comes out behind the row. */
const ends = (kind: number): boolean => kind === JA || kind === LEAVE;
const jumps = (kind: number): boolean => (kind >= JA && kind <= JCC_X) || kind === MAY_GOTO;

/** Marks leaders and finds the blocks they begin, which live in `room`. */
export function findBlocks(rows: Ir, room: Room): Blocks {
  const { n, kind, flags, aux } = rows;
  let count = 0;
  if (n > 0) flags[0] |= LEADER | TARGET;
  for (let i = 0; i < n; i++) {
    const k = kind[i];
    if (jumps(k)) flags[aux[i]] |= LEADER | TARGET;
    if ((jumps(k) || k === LEAVE) && i + 1 < n) flags[i + 1] |= ends(k) ? LEADER | TARGET : LEADER;
  }
  for (let i = 0; i < n; i++) count += flags[i] & LEADER;
  const start = room.ints(count + 1);
  const taken = room.ints(count);
  const next = room.ints(count);
  const blockOf = room.ints(n);
  for (let i = 0, at = -1; i < n; i++) {
    if ((flags[i] & LEADER) !== 0) start[++at] = i;
    blockOf[i] = at;
  }
  start[count] = n;
  for (let at = 0; at < count; at++) {
    const last = start[at + 1] - 1;
    taken[at] = jumps(kind[last]) ? blockOf[aux[last]] : -1;
    next[at] = ends(kind[last]) || at + 1 === count ? -1 : at + 1;
  }
  return { count, start, taken, next };
}

/** The block a row is in. */
export function blockAt({ start, count }: Blocks, row: number): number {
  let low = 0;
  for (let high = count - 1; low < high; ) {
    const middle = (low + high + 1) >> 1;
    if (start[middle] <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Blocks that are jumped back to. */
export function loopHeads({ count, taken, next }: Blocks, room: Room): Uint8Array {
  const heads = room.bytes(count);
  for (let at = 0; at < count; at++) {
    if (taken[at] >= 0 && taken[at] <= at) heads[taken[at]] = 1;
    if (next[at] >= 0 && next[at] <= at) heads[next[at]] = 1;
  }
  return heads;
}
