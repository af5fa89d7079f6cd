import type { Blocks } from '../rows/index.ts';
import { type Ir, LOAD, NONE, NOP, STORE, STORE_K } from '../rows/ir.ts';

/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

/** Locals that may be read before anything is put there, by number: they have to begin as zeros. */
export function unsetLocals(rows: Ir, { count, start, taken, next }: Blocks, localCount: number): Uint8Array {
  const words = (localCount + 31) >> 5;
  const reads = new Int32Array(count * words);
  const sets = new Int32Array(count * words);
  const { kind, a, off } = rows;
  for (let at = 0; at < count; at++) {
    for (let i = start[at]; i < start[at + 1]; i++) {
      if (kind[i] === NOP || kind[i] < LOAD || kind[i] > STORE_K || a[i] !== NONE) continue;
      const word = at * words + (off[i] >> 5);
      const bit = 1 << (off[i] & 31);
      if (kind[i] === STORE || kind[i] === STORE_K) sets[word] |= bit;
      else reads[word] |= bit & ~sets[word];
    }
  }
  const live = reads.slice();
  let rounds = 0;
  for (let changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return new Uint8Array(localCount).fill(1);
    changed = false;
    for (let at = count - 1; at >= 0; at--) {
      for (const to of [taken[at], next[at]]) {
        if (to < 0) continue;
        for (let w = 0; w < words; w++) {
          const more = live[to * words + w] & ~sets[at * words + w] & ~live[at * words + w];
          if (more === 0) continue;
          live[at * words + w] |= more;
          changed = true;
        }
      }
    }
  }
  return Uint8Array.from({ length: localCount }, (_, local) => (live[local >> 5] >>> (local & 31)) & 1);
}
