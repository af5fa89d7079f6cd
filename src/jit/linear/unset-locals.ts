import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { type Ir, LOAD, NONE, STORE, STORE_K } from '../rows/ir.ts';

/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

/** Locals that may be read before anything is put there, by number: they have to begin as zeros. @param heads blocks that are jumped back to */
export function unsetLocals(
  rows: Ir,
  { count, start, taken, next }: Blocks,
  heads: Uint8Array,
  localCount: number,
  room: Room,
): Uint8Array {
  const unset = new Uint8Array(localCount);
  if (localCount === 0) return unset;
  const mark = room.mark();
  const words = (localCount + 31) >> 5;
  // Those that are read before anything is put there in a block, then in what comes behind too.
  const live = room.ints(count * words);
  const sets = room.ints(count * words);
  const { kind, a, off } = rows;
  for (let at = 0; at < count; at++) {
    for (let i = start[at], end = start[at + 1]; i < end; i++) {
      if (a[i] !== NONE || kind[i] < LOAD || kind[i] > STORE_K) continue;
      const word = at * words + (off[i] >> 5);
      const bit = 1 << (off[i] & 31);
      if (kind[i] === STORE || kind[i] === STORE_K) sets[word] |= bit;
      else live[word] |= bit & ~sets[word];
    }
  }
  let rounds = 0;
  for (let changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) {
      room.release(mark);
      return unset.fill(1);
    }
    changed = false;
    for (let at = count - 1; at >= 0; at--) {
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? taken[at] : next[at];
        if (to < 0) continue;
        for (let w = 0; w < words; w++) {
          const more = live[to * words + w] & ~sets[at * words + w] & ~live[at * words + w];
          if (more === 0) continue;
          live[at * words + w] |= more;
          // News for a block behind this one.
          if (heads[at] !== 0) changed = true;
        }
      }
    }
  }
  for (let local = 0; local < localCount; local++) unset[local] = (live[local >> 5] >>> (local & 31)) & 1;
  room.release(mark);
  return unset;
}
