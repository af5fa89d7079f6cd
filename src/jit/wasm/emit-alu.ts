import type { AluOp, Insn, InsnDef } from '../../isa/index.ts';
import { type Emission, type Emit, reg, reg32, setReg, setReg32 } from './emission.ts';
import * as w from './opcodes.ts';
import { REG_LOCAL, WORD } from './registers.ts';

/** Bytes from the address of a function to that of one that would begin a slot later. */
const FUNC_WORD_BYTES = 8;

/** 64-bit and 32-bit opcodes of an operation; shifts take their count modulo the width, as BPF does. */
const OPS: Readonly<Record<Exclude<AluOp, 'mov'>, readonly [wide: number, narrow: number]>> = {
  add: [w.I64_ADD, w.I32_ADD],
  sub: [w.I64_SUB, w.I32_SUB],
  mul: [w.I64_MUL, w.I32_MUL],
  div: [w.I64_DIV_U, w.I32_DIV_U],
  mod: [w.I64_REM_U, w.I32_REM_U],
  sdiv: [w.I64_DIV_S, w.I32_DIV_S],
  smod: [w.I64_REM_S, w.I32_REM_S],
  or: [w.I64_OR, w.I32_OR],
  and: [w.I64_AND, w.I32_AND],
  xor: [w.I64_XOR, w.I32_XOR],
  lsh: [w.I64_SHL, w.I32_SHL],
  rsh: [w.I64_SHR_U, w.I32_SHR_U],
  arsh: [w.I64_SHR_S, w.I32_SHR_S],
};

/** One of the two widths: how to get at operands and what computes with them. */
interface Width {
  readonly type: number;
  readonly eqz: number;
  readonly ltU: number;
  readonly add: number;
  readonly sub: number;
  readonly mul: number;
  get(e: Emission, n: number): void;
  set(e: Emission, n: number): void;
  constant(e: Emission, value: number): void;
}

const WIDE: Width = {
  type: w.I64,
  eqz: w.I64_EQZ,
  ltU: w.I64_LT_U,
  add: w.I64_ADD,
  sub: w.I64_SUB,
  mul: w.I64_MUL,
  get: reg,
  set: setReg,
  constant: (e, value) => e.code.i64(value >> 31, value),
};
const NARROW: Width = {
  type: w.I32,
  eqz: w.I32_EQZ,
  ltU: w.I32_LT_U,
  add: w.I32_ADD,
  sub: w.I32_SUB,
  mul: w.I32_MUL,
  get: reg32,
  set: setReg32,
  constant: (e, value) => e.code.i32(value),
};

/**
 * Quotients and remainders by a register: by 0 the quotient is 0 and the remainder the dividend. The most negative number
 * by -1, where WebAssembly's signed division traps, gives itself. 0 and -1 are the divisors d with d + 1 below 2, and for both
 * the product is the quotient.
 */
function divideByRegister(e: Emission, insn: Insn, op: AluOp, opcode: number, width: Width): void {
  const { code } = e;
  width.get(e, insn.src);
  if (op === 'sdiv') {
    width.constant(e, 1);
    code.op(width.add);
    width.constant(e, 2);
    code.op(width.ltU);
  } else code.op(width.eqz);
  code.open(w.IF, width.type);
  if (op === 'div') width.constant(e, 0);
  else width.get(e, insn.dst);
  if (op === 'sdiv') {
    width.get(e, insn.src);
    code.op(width.mul);
  }
  code.op(w.ELSE);
  width.get(e, insn.dst);
  width.get(e, insn.src);
  code.op(opcode);
  code.op(w.END);
}

const DIVIDES: ReadonlySet<string> = new Set(['div', 'mod', 'sdiv', 'smod']);

export const emitAlu: Emit = (e, insn, def) => {
  const { code } = e;
  const op = def.op as AluOp;
  const width = def.bits === 64 ? WIDE : NARROW;
  const register = def.source === 'reg';
  const { dst, src, imm } = insn;
  if (op === 'mov') {
    if (register) width.get(e, src);
    else if (def.bits === 64) code.i64(imm >> 31, imm);
    else code.i64(0, imm);
    if (register) width.set(e, dst);
    else setReg(e, dst);
    return;
  }
  const opcode = OPS[op][def.bits === 64 ? 0 : 1];
  if (register && DIVIDES.has(op)) divideByRegister(e, insn, op, opcode, width);
  else if (!register && DIVIDES.has(op) && imm === 0) {
    if (op === 'mod' || op === 'smod') width.get(e, dst);
    else width.constant(e, 0);
  } else if (op === 'sdiv' && !register && imm === -1) {
    width.constant(e, 0);
    width.get(e, dst);
    code.op(width.sub);
  } else {
    width.get(e, dst);
    if (register) width.get(e, src);
    else width.constant(e, imm);
    code.op(opcode);
  }
  width.set(e, dst);
};

export const emitNeg: Emit = (e, { dst }, def) => {
  const width = def.bits === 64 ? WIDE : NARROW;
  width.constant(e, 0);
  width.get(e, dst);
  e.code.op(width.sub);
  width.set(e, dst);
};

const EXTEND: Readonly<Record<number, readonly [wide: number, narrow: number]>> = {
  1: [w.I64_EXTEND8_S, w.I32_EXTEND8_S],
  2: [w.I64_EXTEND16_S, w.I32_EXTEND16_S],
  4: [w.I64_EXTEND32_S, w.I32_WRAP_I64],
};

export const emitMovsx: Emit = (e, { dst, src }, def) => {
  const width = def.bits === 64 ? WIDE : NARROW;
  width.get(e, src);
  e.code.op(EXTEND[def.sizeBytes][def.bits === 64 ? 0 : 1]);
  width.set(e, dst);
};

/** Turns the i32 in WORD round, byte by byte. */
function swapWord(e: Emission): void {
  const { code } = e;
  code.get(WORD);
  code.i32(0xff00ff00 | 0);
  code.op(w.I32_AND);
  code.i32(8);
  code.op(w.I32_ROTL);
  code.get(WORD);
  code.i32(0x00ff00ff);
  code.op(w.I32_AND);
  code.i32(8);
  code.op(w.I32_ROTR);
  code.op(w.I32_OR);
}

/** `(value & mask) << by | (value >> by) & mask` of a register, which is set to it. */
function swapPairs(e: Emission, n: number, maskHi: number, maskLo: number, by: number): void {
  const { code } = e;
  reg(e, n);
  code.i64(maskHi, maskLo);
  code.op(w.I64_AND);
  code.i64(0, by);
  code.op(w.I64_SHL);
  reg(e, n);
  code.i64(0, by);
  code.op(w.I64_SHR_U);
  code.i64(maskHi, maskLo);
  code.op(w.I64_AND);
  code.op(w.I64_OR);
  setReg(e, n);
}

/** Byte order conversions; the memory is little-endian. */
export const emitEnd: Emit = (e, { dst }, def: InsnDef) => {
  const { code } = e;
  const size = def.sizeBytes;
  if (def.op === 'le') {
    if (size === 8) return;
    reg32(e, dst);
    if (size === 2) {
      code.i32(0xffff);
      code.op(w.I32_AND);
    }
    setReg32(e, dst);
    return;
  }
  if (size === 8) {
    swapPairs(e, dst, 0x00ff00ff, 0x00ff00ff, 8);
    swapPairs(e, dst, 0x0000ffff, 0x0000ffff, 16);
    reg(e, dst);
    code.i64(0, 32);
    code.op(w.I64_ROTL);
    setReg(e, dst);
    return;
  }
  reg32(e, dst);
  code.set(WORD);
  swapWord(e);
  if (size === 2) {
    code.i32(16);
    code.op(w.I32_SHR_U);
  }
  setReg32(e, dst);
};

/** Arena pointers are addresses of the memory already: both casts keep the low half. */
export const emitCast: Emit = (e, { dst, src }) => {
  reg32(e, src);
  setReg32(e, dst);
};

/** A constant, or the address of a function: of the word that holds its index in the table. */
export const emitImm64: Emit = (e, insn, def, slot) => {
  const { code, program } = e;
  if (def.imm === 'subprog') code.i64(0, e.how.funcBase + FUNC_WORD_BYTES * (slot + 1 + insn.imm));
  else code.i64(program.insns[slot + 1].imm, insn.imm);
  code.set(REG_LOCAL[insn.dst]);
};
