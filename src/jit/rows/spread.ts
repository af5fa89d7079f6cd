import type { Blocks } from './blocks.ts';

/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

/**
 * Adds to what is live where a block begins what is live where those begin that it leads to, but for what it sets itself; until
 * nothing changes. `live` and `sets` have so many words of bits for each block.
 *
 * @param heads blocks that are jumped back to
 * @returns false where loops are nested too deep to find out
 */
export function spreadBack(
  { count, taken, next }: Blocks,
  heads: Uint8Array,
  words: number,
  live: Int32Array,
  sets: Int32Array,
): boolean {
  let rounds = 0;
  for (let changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return false;
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
  return true;
}
