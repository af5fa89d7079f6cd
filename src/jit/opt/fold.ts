import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import {
  ALU_K,
  ALU_X,
  CALL_HELPER,
  CMPXCHG,
  CONST,
  type Ir,
  JCC_K,
  JCC_X,
  LOAD,
  MASK,
  MOV,
  NONE,
  NOP,
  PACKET,
  STORE,
  STORE_K,
  STORE_REL,
  TAIL,
  TARGET,
} from '../rows/ir.ts';
import { foldAddresses } from './addresses.ts';
import { foldBranches } from './branches.ts';
import { foldConstants } from './constants.ts';
import { propagateCopies } from './copies.ts';
import { constantsAt } from './known-constants.ts';
import { foldMasks } from './masks.ts';
import type { OptPass } from './passes.ts';
import { foldRotates } from './rotates.ts';
import { Window } from './window.ts';

/**
 * The passes that look backwards, in one walk: each row is brought into its simplest form, by what rows before it in
 * straight-line code have left in its operands. What becomes of no use is left for {@link removeDead}.
 */
export function foldRows(rows: Ir, blocks: Blocks, room: Room, without: ReadonlySet<OptPass>): void {
  const mark = room.mark();
  const w = new Window(rows, room);
  const { kind, flags } = rows;
  const { count, start } = blocks;
  const copies = !without.has('copies');
  const constants = !without.has('constants');
  const masks = !without.has('masks');
  const rotates = !without.has('rotates');
  const addresses = !without.has('addresses');
  const branches = !without.has('branches');
  const known = constants ? constantsAt(rows, blocks, room) : undefined;
  const { a, b, d, aux } = rows;
  const { defined, before, used, readAt } = w;
  for (let at = 0; at < count; at++) {
    const from = start[at];
    const end = start[at + 1];
    if ((flags[from] & TARGET) !== 0) w.enterBlock(from, known, at);
    else w.goOn(from);
    for (let i = from; i < end; i++) {
      let k = kind[i];
      if (k === NOP) continue;
      // Most rows are as simple as they get: what made their operands says which pass to ask.
      let ka = kindOf(kind, defined[a[i]]);
      let kb = kindOf(kind, defined[b[i]]);
      if (copies && (ka === MOV || kb === MOV || ka === MASK || kb === MASK || k === MOV)) {
        propagateCopies(w, i);
        ka = kindOf(kind, defined[a[i]]);
        kb = kindOf(kind, defined[b[i]]);
      }
      if (k <= ALU_X) {
        if (constants && (ka === CONST || kb === CONST || ka === ALU_K)) foldConstants(w, i);
        if (k === ALU_X && ka === ALU_K && addresses) foldAddresses(w, i);
        if (k === ALU_X && ka === MASK && kb === MASK && rotates) foldRotates(w, i);
        if (masks && (kind[i] === MASK || (ka === MASK && kind[i] === ALU_K))) foldMasks(w, i);
      } else if (k <= STORE_REL) {
        if (constants && k === STORE && kb === CONST) foldConstants(w, i);
        if (addresses && (ka === ALU_K || ka === ALU_X)) foldAddresses(w, i);
      } else if (branches && (k === JCC_K || k === JCC_X) && (ka !== NOP || kb !== NOP)) foldBranches(w, i, blocks, at);
      // The row is as it will be: what it reads and sets.
      k = kind[i];
      if (k === NOP) continue;
      readAt[i] = defined[a[i]];
      used[a[i]] = i;
      used[b[i]] = i;
      if (k >= LOAD) {
        if (k <= STORE_K) {
          if (aux[i] > 0) used[aux[i] - 1] = i;
        } else if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) {
          w.clobber(i);
          continue;
        } else if (k === CMPXCHG) used[0] = i;
      }
      const register = d[i];
      if (register === NONE) continue;
      before[register] = defined[register];
      defined[register] = i;
    }
  }
  room.release(mark);
}

const kindOf = (kind: Uint8Array, row: number): number => (row < 0 ? NOP : kind[row]);
