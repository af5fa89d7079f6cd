import { isNarrow, reciprocal } from '../../linear/index.ts';
import { ADD, ALU_X, DIV, FP, W as IR_W, MOD, MOV, NEG, ROL, SDIV, SMOD, SUB } from '../../rows/ir.ts';
import { add, addUxtw, extr, lsrImm, mov, msub, neg, rev, rev16, sxt, umull, uxth, W, X } from '../encode.ts';
import { operate, operateWithConstant } from '../operations.ts';
import { addConstant, T0, T1 } from '../words.ts';
import type { Arm64Emission } from './emission.ts';
import { ADDRESS, OPERAND } from './registers.ts';

const LEAST = -0x80000000;

/** MOV, and casts of arena pointers, which are addresses of the memory already: those keep the low half. */
export function emitMove(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const d = e.home(rows.d[i]);
  const from = rows.a[i];
  if (from === FP) {
    e.frameAddress(d, 0);
    return;
  }
  const a = e.home(from);
  const plain = rows.kind[i] === MOV;
  if (plain && d === a) return;
  if (plain && e.isWide(i)) e.w(mov(X, d, a));
  else if (d !== a || !e.isZero(from)) e.w(mov(W, d, a));
}

export function emitConstant(e: Arm64Emission, i: number): void {
  e.constant(e.home(e.rows.d[i]), e.isWide(i) ? e.rows.aux[i] : 0, e.rows.imm[i]);
}

/** Bytes from the address of a function to that of one that would begin a slot later. */
const FUNC_WORD_BYTES = 8;

export function emitFunctionAddress(e: Arm64Emission, i: number): void {
  const { funcBase, starts } = e.program;
  e.constant(e.home(e.rows.d[i]), 0, (funcBase + FUNC_WORD_BYTES * starts[e.rows.imm[i]]) | 0);
}

/** SEXT: of low bits, to all of the register or, for 32-bit moves, to its low half. */
export function emitSignExtension(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const d = e.home(rows.d[i]);
  const a = e.use(rows.a[i]);
  const sf = (rows.flags[i] & IR_W) !== 0 || !e.isWide(i) ? W : X;
  if (rows.sub[i] === 32 && sf === W) e.w(mov(W, d, a));
  else e.w(sxt(sf, d, a, rows.sub[i]));
}

/** BSWAP: of 16 or 32 bits, zero-extended, or of all. */
export function emitSwap(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const d = e.home(rows.d[i]);
  const a = e.use(rows.a[i]);
  if (rows.sub[i] === 16) {
    e.w(rev16(d, a));
    e.w(uxth(d, d));
  } else e.w(rev(rows.sub[i] === 64 ? X : W, d, a));
}

const isSigned = (sub: number): boolean => sub === SDIV || sub === SMOD;
const plainOf = (sub: number): number => (sub === SDIV ? DIV : sub === SMOD ? MOD : sub);

/** ALU_K and ALU_X. */
export function emitOperation(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const sub = rows.sub[i];
  const sf = isNarrow(rows, i, e.known) ? W : X;
  const d = e.home(rows.d[i]);
  const from = rows.a[i];
  const imm = rows.imm[i];
  if (sub === NEG) e.w(neg(sf, d, e.use(from)));
  else if (rows.kind[i] === ALU_X) {
    const b = e.use(rows.b[i], ADDRESS);
    const a = e.use(from, OPERAND);
    if (sub !== ADD || imm === 0) operate(e, sf, plainOf(sub), d, a, b, isSigned(sub));
    else {
      e.w(add(sf, ADDRESS, a, b));
      addConstant(e, sf, d, ADDRESS, imm);
    }
  } else if (from === FP && sf === W && (sub === ADD || (sub === SUB && imm !== LEAST))) {
    e.frameAddress(d, sub === ADD ? imm : -imm);
  } else operateOnNumber(e, sub, sf, d, e.use(from), imm);
}

/** d = a op imm; a may be OPERAND. */
export function operateOnNumber(e: Arm64Emission, sub: number, sf: number, d: number, a: number, imm: number): void {
  if (sub === ROL) e.w(extr(sf, d, a, a, -imm & (sf === W ? 31 : 63)));
  else if (sf === W && (sub === DIV || sub === MOD) && (imm & (imm - 1)) !== 0)
    divideByConstant(e, sub, d, a, imm >>> 0);
  else operateWithConstant(e, sf, plainOf(sub), d, a, imm, isSigned(sub));
}

/** A 32-bit quotient by multiplication, or what is left: see `reciprocal`. */
function divideByConstant(e: Arm64Emission, sub: number, d: number, a: number, n: number): void {
  const { m, wide, s } = reciprocal(n);
  const quotient = sub === DIV ? d : T0;
  e.constant(T1, 0, m);
  e.w(umull(T0, a, T1));
  if (wide) {
    // The dividend may be more than its low half.
    e.w(lsrImm(X, T0, T0, 32));
    e.w(addUxtw(T0, T0, a));
    e.w(lsrImm(X, quotient, T0, s));
  } else e.w(lsrImm(X, quotient, T0, 32 + s));
  if (sub === DIV) return;
  e.constant(T1, 0, n | 0);
  e.w(msub(W, d, T0, T1, a));
}
