import type { Blocks } from '../../rows/index.ts';
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
} from '../../rows/ir.ts';
import {
  ADD as ADD_OP,
  AND as AND_OP,
  aluImm,
  mov,
  movImm,
  OR as OR_OP,
  rr,
  SHL,
  SHR,
  SUB as SUB_OP,
  shiftImm,
  W,
  XOR as XOR_OP,
} from '../encode.ts';
import { emitComparison } from './control-rows.ts';
import type { LinearEmission } from './emission.ts';
import { HOME, SCRATCH } from './registers.ts';
import { isNarrow } from './zero-extended.ts';

/** How a conditional jump and the block behind it are written together, by the block that ends with the jump. */
export const PLAIN = 0;
/** The block behind does nothing but jump: the opposite of the condition goes there. */
export const OVER_JUMP = 1;
/** The block behind sets one register and goes on where the jump does: a conditional move in place of the jump. */
export const CHOICE = 2;

/** The only row of a block that does something, beside a jump behind it, or -1. */
function onlyRow({ kind }: Ir, { start }: Blocks, block: number): number {
  let found = -1;
  for (let i = start[block]; i < start[block + 1]; i++) {
    if (kind[i] === NOP || (kind[i] === JA && found >= 0)) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

const CHOSEN: Readonly<Record<number, number>> = {
  [ADD]: ADD_OP,
  [SUB]: SUB_OP,
  [OR]: OR_OP,
  [AND]: AND_OP,
  [XOR]: XOR_OP,
};

/** Whether a row is no more work than guessing wrong which way a jump goes. */
function isChoice({ kind, sub, a, d }: Ir, i: number): boolean {
  if (d[i] === NONE || a[i] === FP) return false;
  if (kind[i] === MOV || kind[i] === CONST) return true;
  return kind[i] === ALU_K && (CHOSEN[sub[i]] !== undefined || sub[i] === LSH || sub[i] === RSH);
}

/** Form of each block's end. */
export function planEnds(rows: Ir, blocks: Blocks): Uint8Array {
  const { count, start, taken, next } = blocks;
  const { kind, flags, a, b } = rows;
  const forms = new Uint8Array(count);
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

const CMOV = 0x0f40;

/** A jump over one row: the row's result is made in any case, and taken where control would not have jumped. */
export function emitChoice(e: LinearEmission, jump: number, blocks: Blocks, block: number): void {
  const { c, rows } = e;
  const row = onlyRow(rows, blocks, block);
  const { kind, sub, imm, aux } = rows;
  const d = HOME[rows.d[row]];
  const wide = e.isWide(row);
  let from = SCRATCH;
  if (kind[row] === MOV) from = HOME[rows.a[row]];
  else if (kind[row] === CONST) movImm(c, SCRATCH, wide ? aux[row] : 0, imm[row]);
  else {
    const w = isNarrow(rows, row, e.known) ? 0 : W;
    mov(c, w, SCRATCH, HOME[rows.a[row]]);
    if (CHOSEN[sub[row]] !== undefined) aluImm(c, w, CHOSEN[sub[row]], SCRATCH, imm[row]);
    else shiftImm(c, w, sub[row] === LSH ? SHL : SHR, SCRATCH, imm[row] & (w === 0 ? 31 : 63));
  }
  const condition = emitComparison(e, jump);
  rr(c, wide ? W : 0, CMOV | (condition ^ 1), d, from);
}

/** Bytes loops begin at a multiple of. */
const LOOP_ALIGN = 16;
/** Instructions of one byte and more that do nothing. */
const NOPS: readonly (readonly number[])[] = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/** Blocks that are jumped back to. */
export function loopHeads({ count, taken, next }: Blocks): Uint8Array {
  const heads = new Uint8Array(count);
  for (let at = 0; at < count; at++) {
    if (taken[at] >= 0 && taken[at] <= at) heads[taken[at]] = 1;
    if (next[at] >= 0 && next[at] <= at) heads[next[at]] = 1;
  }
  return heads;
}

/** @param most as much as there may ever be: what jumps over it is measured by */
export function alignLoop({ c }: LinearEmission, most: boolean): void {
  let left = most ? LOOP_ALIGN - 1 : -c.length & (LOOP_ALIGN - 1);
  while (left > 0) {
    const nop = NOPS[Math.min(left, NOPS.length) - 1];
    for (const byte of nop) c.u8(byte);
    left -= nop.length;
  }
}
