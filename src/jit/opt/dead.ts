import type { Room } from '../room.ts';
import { type Blocks, ir, isDead, liveBefore, liveIn, liveOut } from '../rows/index.ts';

/**
 * Takes out rows whose results nobody reads, forgets the result of calls where nobody does, and marks those whose high halves somebody reads ({@link ir.HIGH}).
 *
 * @returns halves live where each block begins, in `room`
 */
export function removeDead(rows: ir.Ir, blocks: Blocks, room: Room): Int32Array {
  const live = liveIn(rows, blocks, room);
  const { kind, flags, d } = rows;
  const { count, start } = blocks;
  for (let at = 0; at < count; at++) {
    let set = liveOut(blocks, live, at);
    for (let i = start[at + 1] - 1; i >= start[at]; i--) {
      if (kind[i] === ir.NOP) continue;
      if (isDead(rows, i, set)) {
        kind[i] = ir.NOP;
        continue;
      }
      const calls = kind[i] >= ir.CALL_HELPER && kind[i] <= ir.CALL_SUB;
      if (calls && rows.narrowAddresses && ((set >>> d[i]) & 0x10001) === 0) d[i] = ir.NONE;
      if (d[i] !== ir.NONE && ((set >>> d[i]) & 0x10000) !== 0) flags[i] |= ir.HIGH;
      set = liveBefore(rows, i, set);
    }
  }
  return live;
}
