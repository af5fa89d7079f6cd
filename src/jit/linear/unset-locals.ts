import type { Room } from '../room.ts';
import { type Blocks, spreadBack } from '../rows/index.ts';
import { type Ir, LOAD, NONE, STORE, STORE_K } from '../rows/ir.ts';

/** Locals that may be read before anything is put there, by number: they have to begin as zeros. @param heads blocks that are jumped back to */
export function unsetLocals(rows: Ir, blocks: Blocks, heads: Uint8Array, localCount: number, room: Room): Uint8Array {
  const unset = new Uint8Array(localCount);
  if (localCount === 0) return unset;
  const { count, start } = blocks;
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
  if (spreadBack(blocks, heads, words, live, sets)) {
    for (let local = 0; local < localCount; local++) unset[local] = (live[local >> 5] >>> (local & 31)) & 1;
  } else unset.fill(1);
  room.release(mark);
  return unset;
}
