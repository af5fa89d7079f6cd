import type { Room } from '../room.ts';
import { type Blocks, loopHeads, spreadBack } from '../rows/index.ts';
import { type Ir, LOAD } from '../rows/ir.ts';

/** Places of a frame that are stored in part by some rows. Sizes are log2. */
export interface PartPlaces {
  readonly count: number;
  /** Number of the place a row loads or stores, or -1. */
  placeOf(row: number): number;
  readonly widest: readonly number[];
  readonly narrowestStore: readonly number[];
}

/**
 * By place: 1 where a store of fewer bytes than the place has comes before a load of more, so that some have to stay as they were.
 * Others are several places that compilers put on top of each other, which are set as a whole each time.
 *
 * @param framed rows that may load or store a place, ascending
 */
export function keptParts(
  { kind, sub }: Ir,
  blocks: Blocks,
  framed: readonly number[],
  places: PartPlaces,
  room: Room,
): Uint8Array {
  const { count, start, taken, next } = blocks;
  const mark = room.mark();
  const words = (places.count + 31) >> 5;
  // Places of which more than the narrowest store sets is loaded from here on, before they are stored as a whole.
  const live = room.ints(count * words);
  const sets = room.ints(count * words);
  const first = room.ints(count + 1);
  const kept = new Uint8Array(places.count);
  for (let at = 0, row = 0; at <= count; at++) {
    while (row < framed.length && framed[row] < start[at]) row++;
    first[at] = row;
  }
  /** Walks a block's rows backwards, from what is live behind it. */
  const walk = (at: number, check: boolean): void => {
    for (let n = first[at + 1] - 1; n >= first[at]; n--) {
      const i = framed[n];
      const place = places.placeOf(i);
      if (place < 0) continue;
      const size = sub[i] & 3;
      const word = at * words + (place >> 5);
      const bit = 1 << (place & 31);
      if (kind[i] === LOAD) {
        if (size > places.narrowestStore[place]) live[word] |= bit;
      } else if (size === places.widest[place]) {
        live[word] &= ~bit;
        sets[word] |= bit;
      } else if (check && (live[word] & bit) !== 0) kept[place] = 1;
    }
  };
  for (let at = 0; at < count; at++) walk(at, false);
  if (!spreadBack(blocks, loopHeads(blocks, room), words, live, sets)) {
    room.release(mark);
    return kept.fill(1);
  }
  // Where control goes from a block decides what its stores leave behind.
  const before = live.slice();
  for (let at = 0; at < count; at++) {
    for (let w = 0; w < words; w++) {
      live[at * words + w] =
        (taken[at] < 0 ? 0 : before[taken[at] * words + w]) | (next[at] < 0 ? 0 : before[next[at] * words + w]);
    }
    walk(at, true);
  }
  room.release(mark);
  return kept;
}
