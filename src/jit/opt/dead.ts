import type { Room } from '../room.ts';
import { type Blocks, BOTH, isDead, LOW, liveBefore, liveIn, liveOut } from '../rows/index.ts';
import { CALL_HELPER, CALL_SUB, HIGH, type Ir, NONE, NOP } from '../rows/ir.ts';

/**
 * Takes out rows whose results nobody reads, forgets the result of calls where nobody does, and marks those whose high
 * halves somebody reads ({@link HIGH}).
 *
 * @returns halves live where each block begins, in `room`
 */
export function removeDead(rows: Ir, blocks: Blocks, room: Room): Int32Array {
  const live = liveIn(rows, blocks, room);
  const { kind, flags, d } = rows;
  const { count, start } = blocks;
  const narrow = rows.narrowAddresses;
  for (let at = 0; at < count; at++) {
    let set = liveOut(blocks, live, at);
    for (let i = start[at + 1] - 1; i >= start[at]; i--) {
      if (kind[i] === NOP) continue;
      if (isDead(rows, i, set)) {
        kind[i] = NOP;
        continue;
      }
      const result = (set >>> d[i]) & BOTH;
      flags[i] = result > LOW ? flags[i] | HIGH : flags[i] & ~HIGH;
      if (result === 0 && narrow && kind[i] >= CALL_HELPER && kind[i] <= CALL_SUB) d[i] = NONE;
      set = liveBefore(rows, i, set);
    }
  }
  return live;
}
