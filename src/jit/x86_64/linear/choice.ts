import { isNarrow } from '../../linear/index.ts';
import { ADD, AND, CONST, LSH, MOV, OR, SUB, XOR } from '../../rows/ir.ts';
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
import type { X86Emission } from './emission.ts';
import { HOME, SCRATCH } from './registers.ts';

const CHOSEN: Readonly<Record<number, number>> = {
  [ADD]: ADD_OP,
  [SUB]: SUB_OP,
  [OR]: OR_OP,
  [AND]: AND_OP,
  [XOR]: XOR_OP,
};
const CMOV = 0x0f40;

/** A conditional move in place of a jump over one row. */
export function emitChoice(e: X86Emission, jump: number, row: number): void {
  const { c, rows } = e;
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
