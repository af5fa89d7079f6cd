import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  AND,
  CONST,
  FP,
  type Ir,
  JA,
  JCC_K,
  JCC_X,
  LSH,
  MOV,
  NONE,
  NOP,
  OR,
  RSH,
  SUB,
  TARGET,
  XOR,
} from '../rows/ir.ts';

/** How a conditional jump and the block behind it are written together, by the block that ends with the jump. */
export const PLAIN = 0;
/** The block behind does nothing but jump: the opposite of the condition goes there. */
export const OVER_JUMP = 1;
/** The block behind sets one register and goes on where the jump does: a conditional move in place of the jump. */
export const CHOICE = 2;

/** The only row of a block that does something, beside a jump behind it, or -1. */
export function onlyRow({ kind }: Ir, { start }: Blocks, block: number): number {
  let found = -1;
  for (let i = start[block]; i < start[block + 1]; i++) {
    if (kind[i] === NOP || (kind[i] === JA && found >= 0)) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

/** Of ALU_K rows. */
const CHOSEN: readonly number[] = [ADD, SUB, OR, AND, XOR, LSH, RSH];

/** Whether a row is no more work than guessing wrong which way a jump goes. */
function isChoice({ kind, sub, a, d }: Ir, i: number): boolean {
  if (d[i] === NONE || a[i] === FP) return false;
  if (kind[i] === MOV || kind[i] === CONST) return true;
  return kind[i] === ALU_K && CHOSEN.includes(sub[i]);
}

/** Form of each block's end. */
export function planEnds(rows: Ir, blocks: Blocks, room: Room): Uint8Array {
  const { count, start, taken, next } = blocks;
  const { kind, flags, a, b } = rows;
  const forms = room.bytes(count);
  for (let at = 0; at + 2 < count; at++) {
    const last = start[at + 1] - 1;
    if ((kind[last] !== JCC_K && kind[last] !== JCC_X) || next[at] !== at + 1) continue;
    if ((flags[start[at + 1]] & TARGET) !== 0 || a[last] === FP || b[last] === FP) continue;
    const row = onlyRow(rows, blocks, at + 1);
    if (row < 0) continue;
    const behind = taken[at + 1] >= 0 ? taken[at + 1] : next[at + 1];
    if (kind[row] === JA) {
      if (taken[at] === at + 2) forms[at] = OVER_JUMP;
    } else if (behind === taken[at] && isChoice(rows, row)) forms[at] = CHOICE;
  }
  return forms;
}
