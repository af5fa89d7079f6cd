import type { Room } from '../room.ts';
import { type Blocks, BOTH, isDead, LOW, liveBefore, liveOut, liveThrough } from '../rows/index.ts';
import { CALL_HELPER, CALL_SUB, HIGH, type Ir, NONE, NOP } from '../rows/ir.ts';

/** Takes out dead rows of a block. @returns what is live in front of it */
function cleanBlock(rows: Ir, start: number, end: number, liveBehind: number): number {
  const { kind, flags, d } = rows;
  const narrow = rows.narrowAddresses;
  let live = liveBehind;
  for (let i = end - 1; i >= start; i--) {
    const k = kind[i];
    if (k === NOP) continue;
    if (isDead(rows, i, live)) {
      kind[i] = NOP;
      continue;
    }
    const result = (live >>> d[i]) & BOTH;
    if (result === 0 && narrow && k >= CALL_HELPER && k <= CALL_SUB) d[i] = NONE;
    flags[i] = result > LOW ? flags[i] | HIGH : flags[i] & ~HIGH;
    live = liveBefore(rows, i, live);
  }
  return live;
}

/**
 * Takes out rows whose results nobody reads, forgets the result of calls where nobody does, and marks those whose high
 * halves somebody reads ({@link HIGH}).
 *
 * @returns halves live where each block begins, in `room`
 */
export function removeDead(rows: Ir, blocks: Blocks, room: Room): Int32Array {
  const { count, start, taken, next } = blocks;
  const live = room.ints(count);
  // Blocks `low` to `at` may jump back among themselves, and nothing before them is jumped to from there: loops are looked
  // through until nothing changes, everything else is walked once.
  let low = count;
  for (let at = count - 1; at >= 0; at--) {
    if (at < low) {
      low = at;
      for (let back = at; back >= low; back--) {
        if (taken[back] >= 0 && taken[back] < low) low = taken[back];
        if (next[back] >= 0 && next[back] < low) low = next[back];
      }
      if (low < at || taken[at] === at || next[at] === at) liveThrough(rows, blocks, live, low, at, room);
    }
    live[at] = cleanBlock(rows, start[at], start[at + 1], liveOut(blocks, live, at));
  }
  return live;
}
