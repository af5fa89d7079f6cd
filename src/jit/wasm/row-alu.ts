import { rotlHi, rotlLo } from '../rows/index.ts';
import {
  ADD,
  ALU_X,
  AND,
  ARSH,
  DIV,
  LSH,
  MOD,
  MOV,
  MUL,
  NEG,
  OR,
  ROL,
  RSH,
  SDIV,
  SMOD,
  SUB,
  W,
  XOR,
} from '../rows/ir.ts';
import {
  ELSE,
  END,
  I32,
  I32_ADD,
  I32_AND,
  I32_DIV_S,
  I32_DIV_U,
  I32_EQZ,
  I32_EXTEND8_S,
  I32_EXTEND16_S,
  I32_LT_U,
  I32_MUL,
  I32_OR,
  I32_REM_S,
  I32_REM_U,
  I32_ROTL,
  I32_ROTR,
  I32_SHL,
  I32_SHR_S,
  I32_SHR_U,
  I32_SUB,
  I32_WRAP_I64,
  I32_XOR,
  I64,
  I64_ADD,
  I64_AND,
  I64_DIV_S,
  I64_DIV_U,
  I64_EQZ,
  I64_EXTEND_I32_S,
  I64_EXTEND8_S,
  I64_EXTEND16_S,
  I64_LT_U,
  I64_MUL,
  I64_OR,
  I64_REM_S,
  I64_REM_U,
  I64_ROTL,
  I64_SHL,
  I64_SHR_S,
  I64_SHR_U,
  I64_SUB,
  I64_XOR,
  IF,
} from './opcodes.ts';
import type { RowEmission } from './row-emission.ts';

/** 64-bit and 32-bit opcodes of an operation; shifts take their count modulo the width, as BPF does. */
const WIDE_OPS = new Uint8Array(16);
const NARROW_OPS = new Uint8Array(16);
for (const [sub, wide, narrow] of [
  [ADD, I64_ADD, I32_ADD],
  [SUB, I64_SUB, I32_SUB],
  [MUL, I64_MUL, I32_MUL],
  [DIV, I64_DIV_U, I32_DIV_U],
  [MOD, I64_REM_U, I32_REM_U],
  [SDIV, I64_DIV_S, I32_DIV_S],
  [SMOD, I64_REM_S, I32_REM_S],
  [OR, I64_OR, I32_OR],
  [AND, I64_AND, I32_AND],
  [XOR, I64_XOR, I32_XOR],
  [LSH, I64_SHL, I32_SHL],
  [RSH, I64_SHR_U, I32_SHR_U],
  [ARSH, I64_SHR_S, I32_SHR_S],
  [ROL, I64_ROTL, I32_ROTL],
] as const) {
  WIDE_OPS[sub] = wide;
  NARROW_OPS[sub] = narrow;
}

/** The low half of the result comes from the low halves of the operands alone. */
const lowFromLow = (sub: number): boolean => sub <= MUL || sub === OR || sub === AND || sub === XOR || sub === NEG;

const divides = (sub: number): boolean => sub === DIV || sub === MOD || sub >= SDIV;

/** One of the two widths: how to get at operands and what computes with them. */
interface Width {
  readonly type: number;
  readonly eqz: number;
  readonly ltU: number;
  readonly add: number;
  readonly sub: number;
  readonly mul: number;
  readonly ops: Uint8Array;
  get(e: RowEmission, register: number): void;
  set(e: RowEmission, i: number): void;
  constant(e: RowEmission, value: number): void;
}

const WIDE: Width = {
  type: I64,
  eqz: I64_EQZ,
  ltU: I64_LT_U,
  add: I64_ADD,
  sub: I64_SUB,
  mul: I64_MUL,
  ops: WIDE_OPS,
  get: (e, register) => e.get(register),
  set: (e, i) => e.set(i),
  constant: (e, value) => e.code.i64(value >> 31, value),
};
const NARROW: Width = {
  type: I32,
  eqz: I32_EQZ,
  ltU: I32_LT_U,
  add: I32_ADD,
  sub: I32_SUB,
  mul: I32_MUL,
  ops: NARROW_OPS,
  get: (e, register) => e.get32(register),
  set: (e, i) => e.set32(i),
  constant: (e, value) => e.code.i32(value),
};

/**
 * Quotients and remainders by a register: by 0 the quotient is 0 and the remainder the dividend. The most negative number
 * by -1, where WebAssembly's signed division traps, gives itself. 0 and -1 are the divisors d with d + 1 below 2, and for both
 * the product is the quotient.
 */
function divideByRegister(e: RowEmission, i: number, sub: number, width: Width): void {
  const { code, rows } = e;
  const dividend = rows.a[i];
  const divisor = rows.b[i];
  width.get(e, divisor);
  if (sub === SDIV) {
    width.constant(e, 1);
    code.op(width.add);
    width.constant(e, 2);
    code.op(width.ltU);
  } else code.op(width.eqz);
  code.open(IF, width.type);
  if (sub === DIV) width.constant(e, 0);
  else width.get(e, dividend);
  if (sub === SDIV) {
    width.get(e, divisor);
    code.op(width.mul);
  }
  code.op(ELSE);
  width.get(e, dividend);
  width.get(e, divisor);
  code.op(width.ops[sub]);
  code.op(END);
}

/** ALU_K and ALU_X. */
export function emitOperation(e: RowEmission, i: number): void {
  const { code, rows } = e;
  const sub = rows.sub[i];
  const imm = rows.imm[i];
  const narrow = (rows.flags[i] & W) !== 0 || (!e.isWide(i) && lowFromLow(sub));
  const width = narrow ? NARROW : WIDE;
  const register = rows.kind[i] === ALU_X;
  if (sub === NEG) {
    width.constant(e, 0);
    width.get(e, rows.a[i]);
    code.op(width.sub);
  } else if (register && divides(sub)) divideByRegister(e, i, sub, width);
  else if (!register && divides(sub) && imm === 0) {
    if (sub === MOD || sub === SMOD) width.get(e, rows.a[i]);
    else width.constant(e, 0);
  } else if (!register && sub === SDIV && imm === -1) {
    width.constant(e, 0);
    width.get(e, rows.a[i]);
    code.op(width.sub);
  } else {
    width.get(e, rows.a[i]);
    if (register) width.get(e, rows.b[i]);
    else width.constant(e, imm);
    code.op(width.ops[sub]);
    if (register && sub === ADD && imm !== 0) {
      width.constant(e, imm);
      code.op(width.add);
    }
  }
  width.set(e, i);
}

/** What a row turns its operand by, and the bits it keeps. */
export function emitMask(e: RowEmission, i: number): void {
  const { code, rows } = e;
  const wide = e.isWide(i);
  const register = rows.a[i];
  const rot = rows.sub[i];
  const hi = wide ? rows.aux[i] : 0;
  const lo = rows.imm[i];
  // Bits of the operand that are left; low ones alone can be had as an i32.
  const back = -rot & 63;
  const fromLow = rotlHi(hi, lo, back) === 0;
  if (fromLow && hi === 0) {
    // A word of a word: shifted either way by less than 32.
    const left = rot < 32;
    const by = left ? rot : 64 - rot;
    if (by < 32) {
      e.get32(register);
      if (by > 0) {
        code.i32(by);
        code.op(left ? I32_SHL : I32_SHR_U);
      }
      const all = left ? -1 << by : -1 >>> by;
      if (lo !== (all | 0)) {
        code.i32(lo);
        code.op(I32_AND);
      }
      e.set32(i);
      return;
    }
  }
  e.get(register);
  // What is shifted out at one end must not come in at the other.
  const leftOnly = rot < 32 ? (lo & ~(-1 << rot)) === 0 : lo === 0 && (hi & ~(-1 << (rot - 32))) === 0;
  const rightOnly = rot < 32 ? hi === 0 && (lo & (-1 << rot)) === 0 : (hi & (-1 << (rot - 32))) === 0;
  let allHi = -1;
  let allLo = -1;
  if (rot === 0) {
    // Nothing is turned.
  } else if (leftOnly) {
    code.i64(0, rot);
    code.op(I64_SHL);
    allHi = rot < 32 ? -1 : -1 << (rot - 32);
    allLo = rot < 32 ? -1 << rot : 0;
  } else if (rightOnly) {
    code.i64(0, 64 - rot);
    code.op(I64_SHR_U);
    allHi = rot > 32 ? -1 >>> (64 - rot) : 0;
    allLo = rot >= 32 ? -1 : -1 >>> (32 - rot);
  } else {
    code.i64(0, rot);
    code.op(I64_ROTL);
  }
  if (!wide) {
    code.op(I32_WRAP_I64);
    if (lo !== (allLo | 0)) {
      code.i32(lo);
      code.op(I32_AND);
    }
    e.set32(i);
    return;
  }
  // A word that was zero-extended anyway, as narrow registers are, has the mask in it.
  if ((e.narrow & (1 << register)) !== 0) {
    allHi &= rotlHi(0, -1, rot);
    allLo &= rotlLo(0, -1, rot);
  }
  if (hi !== (allHi | 0) || lo !== (allLo | 0)) {
    code.i64(hi, lo);
    code.op(I64_AND);
  }
  e.set(i);
}

const extendOp = (bits: number, wide: boolean): number =>
  bits === 8 ? (wide ? I64_EXTEND8_S : I32_EXTEND8_S) : wide ? I64_EXTEND16_S : I32_EXTEND16_S;

/** SEXT: of low bits, to all of the register or, for 32-bit moves, to its low half. */
export function emitSignExtension(e: RowEmission, i: number): void {
  const { code, rows } = e;
  const bits = rows.sub[i];
  const word = (rows.flags[i] & W) !== 0 || !e.isWide(i);
  e.get32(rows.a[i]);
  if (bits < 32) code.op(extendOp(bits, false));
  if (word) {
    e.set32(i);
    return;
  }
  code.op(I64_EXTEND_I32_S);
  e.set(i);
}

/** Turns the i32 in a local round, byte by byte. */
function swapWord(e: RowEmission): void {
  const { code } = e;
  code.get(e.locals.word);
  code.i32(0xff00ff00 | 0);
  code.op(I32_AND);
  code.i32(8);
  code.op(I32_ROTL);
  code.get(e.locals.word);
  code.i32(0x00ff00ff);
  code.op(I32_AND);
  code.i32(8);
  code.op(I32_ROTR);
  code.op(I32_OR);
}

/** `(value & mask) << by | (value >> by) & mask` of the i64 in a local. */
function swapPairs(e: RowEmission, mask: number, by: number): void {
  const { code } = e;
  code.get(e.locals.old);
  code.i64(mask, mask);
  code.op(I64_AND);
  code.i64(0, by);
  code.op(I64_SHL);
  code.get(e.locals.old);
  code.i64(0, by);
  code.op(I64_SHR_U);
  code.i64(mask, mask);
  code.op(I64_AND);
  code.op(I64_OR);
}

/** BSWAP: of 16 or 32 bits, zero-extended, or of all. */
export function emitSwap(e: RowEmission, i: number): void {
  const { code, rows, locals } = e;
  const bits = rows.sub[i];
  const register = rows.a[i];
  if (bits === 64) {
    e.get(register);
    code.set(locals.old);
    swapPairs(e, 0x00ff00ff, 8);
    code.set(locals.old);
    swapPairs(e, 0x0000ffff, 16);
    code.i64(0, 32);
    code.op(I64_ROTL);
    e.set(i);
    return;
  }
  e.get32(register);
  if (bits === 16) {
    code.i32(0xffff);
    code.op(I32_AND);
    code.tee(locals.word);
    code.i32(8);
    code.op(I32_SHR_U);
    code.get(locals.word);
    code.i32(8);
    code.op(I32_SHL);
    code.i32(0xff00);
    code.op(I32_AND);
    code.op(I32_OR);
  } else {
    code.set(locals.word);
    swapWord(e);
  }
  e.set32(i);
}

/** MOV, and casts of arena pointers, which are addresses of the memory already: those keep the low half. */
export function emitMove(e: RowEmission, i: number): void {
  if (e.isWide(i) && e.rows.kind[i] === MOV) {
    e.get(e.rows.a[i]);
    e.set(i);
  } else {
    e.get32(e.rows.a[i]);
    e.set32(i);
  }
}

export function emitConstant(e: RowEmission, i: number): void {
  const { rows, code } = e;
  if (e.isWide(i)) {
    code.i64(rows.aux[i], rows.imm[i]);
    e.set(i);
  } else {
    code.i32(rows.imm[i]);
    e.set32(i);
  }
}

/** Bytes from the address of a function to that of one that would begin a slot later. */
const FUNC_WORD_BYTES = 8;

/** The address of a function: of the word that holds its index in the table. */
export function emitFunctionAddress(e: RowEmission, i: number): void {
  e.code.i32(e.how.funcBase + FUNC_WORD_BYTES * e.starts[e.rows.imm[i]]);
  e.set32(i);
}
