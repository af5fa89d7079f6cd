import type { Room } from '../room.ts';
import { type Blocks, ir } from '../rows/index.ts';
import { foldAddresses } from './addresses.ts';
import { foldBranches } from './branches.ts';
import { foldConstants } from './constants.ts';
import { propagateCopies } from './copies.ts';
import { foldMasks } from './masks.ts';
import type { OptPass } from './passes.ts';
import { foldRotates } from './rotates.ts';
import { Window } from './window.ts';

/**
 * The passes that look backwards, in one walk: each row is brought into its simplest form, by what rows before it in
 * straight-line code have left in its operands. What becomes of no use is left for {@link removeDead}.
 */
export function foldRows(rows: ir.Ir, blocks: Blocks, room: Room, without: ReadonlySet<OptPass>): void {
  const w = new Window(rows, room);
  const { kind, flags } = rows;
  const { count, start } = blocks;
  const copies = !without.has('copies');
  const constants = !without.has('constants');
  const masks = !without.has('masks');
  const rotates = !without.has('rotates');
  const addresses = !without.has('addresses');
  const branches = !without.has('branches');
  for (let at = 0; at < count; at++) {
    const from = start[at];
    const end = start[at + 1];
    w.enterBlock(from, (flags[from] & ir.TARGET) !== 0);
    for (let i = from; i < end; i++) {
      const k = kind[i];
      if (k === ir.NOP) continue;
      if (copies) propagateCopies(w, i);
      if (k <= ir.ALU_X) {
        if (constants) foldConstants(w, i);
        if (addresses && k === ir.ALU_X) foldAddresses(w, i);
        if (rotates && k === ir.ALU_X) foldRotates(w, i);
        if (masks) foldMasks(w, i);
      } else if (k <= ir.STORE_REL) {
        if (constants && k === ir.STORE) foldConstants(w, i);
        if (addresses) foldAddresses(w, i);
      } else if (branches && (k === ir.JCC_K || k === ir.JCC_X)) foldBranches(w, i, blocks, at);
      w.leave(i);
    }
  }
}
