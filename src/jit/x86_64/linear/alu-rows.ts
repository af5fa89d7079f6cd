import { isNarrow, planMask, reciprocal } from '../../linear/index.ts';
import { isBelowPower } from '../../rows/index.ts';
import {
  ALU_X,
  ARSH,
  FP,
  ADD as IR_ADD,
  AND as IR_AND,
  OR as IR_OR,
  SUB as IR_SUB,
  W as IR_W,
  XOR as IR_XOR,
  LSH,
  MOD,
  MOV,
  MUL,
  NEG,
  ROL,
  RSH,
  SDIV,
  SMOD,
} from '../../rows/ir.ts';
import {
  ADD,
  AND,
  alu,
  aluImm,
  bswap,
  CC,
  cqo,
  dec,
  div,
  idiv,
  imul,
  imulImm,
  inc,
  JCC8,
  JMP8,
  lea,
  mov,
  movImm,
  movsx8,
  movsx16,
  movsxd,
  movzx8,
  movzx16,
  neg,
  not,
  OR,
  pop,
  push,
  rolX,
  SAR,
  SHL,
  SHR,
  SUB,
  shiftCl,
  shiftImm,
  shiftX,
  test,
  W,
  XOR,
} from '../encode.ts';
import { RAX, RCX, RDX } from '../registers.ts';
import type { X86Emission } from './emission.ts';
import { ADDRESS, HOME, SCRATCH } from './registers.ts';

const LEAST = -0x80000000;
const ROL_OP = 0;

/** MOV, and casts of arena pointers, which are addresses of the memory already: those keep the low half. */
export function emitMove(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const d = HOME[rows.d[i]];
  const from = rows.a[i];
  if (from === FP) {
    e.frameAddress(d, 0);
    return;
  }
  const a = HOME[from];
  const plain = rows.kind[i] === MOV;
  if (plain && d === a) return;
  if (plain && e.isWide(i) && !e.isZero(from)) mov(c, W, d, a);
  else if (d !== a || !e.isZero(from)) mov(c, 0, d, a);
}

export function emitConstant(e: X86Emission, i: number): void {
  movImm(e.c, HOME[e.rows.d[i]], e.isWide(i) ? e.rows.aux[i] : 0, e.rows.imm[i]);
}

/** Bytes from the address of a function to that of one that would begin a slot later. */
const FUNC_WORD_BYTES = 8;

export function emitFunctionAddress(e: X86Emission, i: number): void {
  const { funcBase, starts } = e.program;
  movImm(e.c, HOME[e.rows.d[i]], 0, (funcBase + FUNC_WORD_BYTES * starts[e.rows.imm[i]]) | 0);
}

function copy(e: X86Emission, w: number, d: number, a: number): void {
  if (d !== a) mov(e.c, w, d, a);
}

function andWord(e: X86Emission, d: number, a: number, lo: number): void {
  const { c } = e;
  if (lo === 0xff) movzx8(c, d, a);
  else if (lo === 0xffff) movzx16(c, d, a);
  else {
    copy(e, 0, d, a);
    aluImm(c, 0, AND, d, lo);
  }
}

/** d = a turned left. The copy in front is on the way of whoever waits for the result: BMI2 does without it. */
function rotate(e: X86Emission, w: number, d: number, a: number, by: number): void {
  if (d !== a && by !== 0 && e.program.extended) rolX(e.c, w, d, a, by);
  else {
    copy(e, w, d, a);
    shiftImm(e.c, w, ROL_OP, d, by);
  }
}

/** What a row turns its operand by, and the bits it keeps. */
export function emitMask(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const { word, turn, by, allHi, allLo, hi, lo } = planMask(rows, i);
  const d = HOME[rows.d[i]];
  const a = e.use(rows.a[i]);
  const w = word ? 0 : W;
  if (turn === 'none' && (word || hi === 0)) {
    if (lo !== -1) andWord(e, d, a, lo);
    else if (!word || d !== a || !e.isZero(rows.a[i])) mov(c, 0, d, a);
    return;
  }
  // All of the upper half is in the result only where it has to be.
  if (turn === 'rotate') rotate(e, w, d, a, by);
  else {
    copy(e, w, d, a);
    if (turn !== 'none') shiftImm(c, w, turn === 'left' ? SHL : SHR, d, by);
  }
  if (word || !e.isWide(i)) {
    if (lo !== (allLo | 0)) andWord(e, d, d, lo);
    return;
  }
  if (hi === (allHi | 0) && lo === (allLo | 0)) return;
  if (hi === 0) {
    if (lo !== -1) andWord(e, d, d, lo);
    else if ((allHi | 0) !== 0) mov(c, 0, d, d);
  } else if (hi === -1 && lo < 0) aluImm(c, W, AND, d, lo);
  else {
    movImm(c, ADDRESS, hi, lo);
    alu(c, W, AND, d, ADDRESS);
  }
}

/** SEXT: of low bits, to all of the register or, for 32-bit moves, to its low half. */
export function emitSignExtension(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const d = HOME[rows.d[i]];
  const a = e.use(rows.a[i]);
  const w = (rows.flags[i] & IR_W) !== 0 || !e.isWide(i) ? 0 : W;
  if (rows.sub[i] === 8) movsx8(c, w, d, a);
  else if (rows.sub[i] === 16) movsx16(c, w, d, a);
  else if (w === 0) mov(c, 0, d, a);
  else movsxd(c, d, a);
}

/** BSWAP: of 16 or 32 bits, zero-extended, or of all. */
export function emitSwap(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const bits = rows.sub[i];
  const d = HOME[rows.d[i]];
  copy(e, bits === 64 ? W : 0, d, e.use(rows.a[i]));
  bswap(c, bits === 64 ? W : 0, d);
  if (bits === 16) shiftImm(c, 0, SHR, d, 16);
}

const SIMPLE: Readonly<Record<number, number>> = { [IR_ADD]: ADD, [IR_OR]: OR, [IR_AND]: AND, [IR_XOR]: XOR };
const SHIFTS: Readonly<Record<number, number>> = { [LSH]: SHL, [RSH]: SHR, [ARSH]: SAR };

/** ALU_K and ALU_X. */
export function emitOperation(e: X86Emission, i: number): void {
  const { rows, c } = e;
  const sub = rows.sub[i];
  const w = isNarrow(rows, i, e.known) ? 0 : W;
  const d = HOME[rows.d[i]];
  if (sub === NEG) {
    copy(e, w, d, e.use(rows.a[i]));
    neg(c, w, d);
  } else if (rows.kind[i] === ALU_X) emitWithRegister(e, i, sub, w, d);
  else emitWithNumber(e, i, sub, w, d, rows.imm[i]);
}

/** d = a + b + disp */
function leaSum(e: X86Emission, w: number, d: number, a: number, b: number, disp: number): void {
  // rbp and r13 as base take a displacement.
  if (disp === 0 && (a & 7) === 5 && (b & 7) !== 5) lea(e.c, w, d, b, 0, a);
  else lea(e.c, w, d, a, disp, b);
}

function emitWithNumber(e: X86Emission, i: number, sub: number, w: number, d: number, imm: number): void {
  const { c, rows } = e;
  const from = rows.a[i];
  if (from === FP && w === 0 && (sub === IR_ADD || (sub === IR_SUB && imm !== LEAST))) {
    e.frameAddress(d, sub === IR_ADD ? imm : -imm);
    return;
  }
  const a = e.use(from);
  switch (sub) {
    case IR_ADD:
    case IR_SUB: {
      const value = sub === IR_ADD ? imm : -imm;
      if (value === -LEAST) {
        copy(e, w, d, a);
        aluImm(c, w, SUB, d, LEAST);
      } else if (value === 0) mov(c, w, d, a);
      else if (d !== a) lea(c, w, d, a, value);
      else if (value === 1) inc(c, w, d);
      else if (value === -1) dec(c, w, d);
      else aluImm(c, w, ADD, d, value);
      return;
    }
    case MUL:
      multiply(e, w, d, a, imm);
      return;
    case LSH:
    case RSH:
    case ARSH: {
      const by = imm & (w === 0 ? 31 : 63);
      if (by === 0) {
        mov(c, w, d, a);
        return;
      }
      if (sub === LSH && by <= 3 && d !== a) {
        if (by === 1) leaSum(e, w, d, a, a, 0);
        else lea(c, w, d, -1, 0, a, by);
        return;
      }
      copy(e, w, d, a);
      shiftImm(c, w, SHIFTS[sub], d, by);
      return;
    }
    case ROL:
      rotate(e, w, d, a, imm & (w === 0 ? 31 : 63));
      return;
    case IR_AND:
      if (imm >= 0) {
        andWord(e, d, a, imm);
        return;
      }
      copy(e, w, d, a);
      aluImm(c, w, AND, d, imm);
      return;
    case IR_XOR:
      copy(e, w, d, a);
      if (imm === -1) not(c, w, d);
      else aluImm(c, w, XOR, d, imm);
      return;
    case IR_OR:
      copy(e, w, d, a);
      aluImm(c, w, OR, d, imm);
      return;
    default:
      divideByNumber(e, sub, w, d, a, imm);
  }
}

/** d = a · imm */
function multiply(e: X86Emission, w: number, d: number, a: number, imm: number): void {
  const { c } = e;
  const power = imm > 0 && (imm & (imm - 1)) === 0 ? 31 - Math.clz32(imm) : -1;
  if (imm === 0) movImm(c, d, 0, 0);
  else if (power === 0) mov(c, w, d, a);
  else if (power > 0) {
    copy(e, w, d, a);
    shiftImm(c, w, SHL, d, power);
  } else if (imm === 3 || imm === 5 || imm === 9) {
    const scale = 31 - Math.clz32(imm - 1);
    // rbp and r13 as base take a displacement of 0, which is written.
    lea(c, w, d, a, 0, a, scale);
  } else if (isBelowPower(imm)) {
    // 31 x is 32 x - x, which is there sooner than a product.
    const x = d === a ? SCRATCH : a;
    mov(c, w, d === a ? SCRATCH : d, a);
    shiftImm(c, w, SHL, d, 32 - Math.clz32(imm));
    alu(c, w, SUB, d, x);
  } else imulImm(c, w, d, a, imm);
}

function emitWithRegister(e: X86Emission, i: number, sub: number, w: number, d: number): void {
  const { c, rows } = e;
  const b = e.use(rows.b[i], ADDRESS);
  const a = e.use(rows.a[i]);
  switch (sub) {
    case IR_ADD: {
      const imm = rows.imm[i];
      if (imm === 0 && d === a) alu(c, w, ADD, d, b);
      else if (imm === 0 && d === b) alu(c, w, ADD, d, a);
      else leaSum(e, w, d, a, b, imm);
      return;
    }
    case IR_SUB:
      if (d === b && d !== a) {
        neg(c, w, d);
        alu(c, w, ADD, d, a);
      } else {
        copy(e, w, d, a);
        alu(c, w, SUB, d, b);
      }
      return;
    case MUL:
      if (d === b) imul(c, w, d, a);
      else {
        copy(e, w, d, a);
        imul(c, w, d, b);
      }
      return;
    case IR_OR:
    case IR_AND:
    case IR_XOR:
      if (d === b) alu(c, w, SIMPLE[sub], d, a);
      else {
        copy(e, w, d, a);
        alu(c, w, SIMPLE[sub], d, b);
      }
      return;
    case LSH:
    case RSH:
    case ARSH:
      shift(e, w, SHIFTS[sub], d, a, b);
      return;
    default:
      divide(e, sub, w, d, a, b);
  }
}

/** d = a shifted by the low bits of b. Without BMI2 the count has to be in cl. */
function shift(e: X86Emission, w: number, op: number, d: number, a: number, b: number): void {
  const { c } = e;
  if (e.program.extended) shiftX(c, w, op, d, a, b);
  else if (b === RCX && d !== RCX) {
    copy(e, w, d, a);
    shiftCl(c, w, op, d);
  } else {
    mov(c, w, SCRATCH, a);
    mov(c, W, ADDRESS, RCX);
    copy(e, 0, RCX, b);
    shiftCl(c, w, op, SCRATCH);
    mov(c, W, RCX, ADDRESS);
    mov(c, w, d, SCRATCH);
  }
}

const isSigned = (sub: number): boolean => sub === SDIV || sub === SMOD;
const isModulo = (sub: number): boolean => sub === MOD || sub === SMOD;

/** Quotients and remainders of a number that is no divisor of its own kind take a division. */
function divideByNumber(e: X86Emission, sub: number, w: number, d: number, a: number, imm: number): void {
  const { c } = e;
  const modulo = isModulo(sub);
  if (imm === 0) {
    if (modulo) mov(c, w, d, a);
    else movImm(c, d, 0, 0);
  } else if (imm === 1 || (imm === -1 && isSigned(sub))) {
    if (modulo) movImm(c, d, 0, 0);
    else {
      mov(c, w, d, a);
      if (imm === -1) neg(c, w, d);
    }
  } else if (!isSigned(sub) && imm > 0 && (imm & (imm - 1)) === 0) {
    if (modulo) andWord(e, d, a, imm - 1);
    else {
      copy(e, w, d, a);
      shiftImm(c, w, SHR, d, 31 - Math.clz32(imm));
    }
  } else if (!isSigned(sub) && w === 0) divideByConstant(e, modulo, d, a, imm >>> 0);
  else {
    mov(c, w, SCRATCH, a);
    movImm(c, ADDRESS, w === 0 ? 0 : imm >> 31, imm);
    quotient(e, sub, w);
    mov(c, w, d, SCRATCH);
  }
}

/** A 32-bit quotient by multiplication: see `reciprocal`. */
function divideByConstant(e: X86Emission, modulo: boolean, d: number, a: number, n: number): void {
  const { c } = e;
  const { m, s, wide } = reciprocal(n);
  mov(c, 0, SCRATCH, a);
  movImm(c, ADDRESS, 0, m);
  imul(c, W, ADDRESS, SCRATCH);
  if (!wide) shiftImm(c, W, SHR, ADDRESS, 32 + s);
  else {
    shiftImm(c, W, SHR, ADDRESS, 32);
    alu(c, W, ADD, ADDRESS, SCRATCH);
    shiftImm(c, W, SHR, ADDRESS, s);
  }
  if (!modulo) {
    mov(c, 0, d, ADDRESS);
    return;
  }
  imulImm(c, 0, ADDRESS, ADDRESS, n | 0);
  alu(c, 0, SUB, SCRATCH, ADDRESS);
  mov(c, 0, d, SCRATCH);
}

/** r10 = r10 / r11 or what is left of it; all other registers stay. */
function quotient(e: X86Emission, sub: number, w: number): void {
  const { c } = e;
  push(c, RAX);
  push(c, RDX);
  mov(c, w, RAX, SCRATCH);
  if (isSigned(sub)) {
    cqo(c, w);
    idiv(c, w, ADDRESS);
  } else {
    movImm(c, RDX, 0, 0);
    div(c, w, ADDRESS);
  }
  mov(c, w, SCRATCH, isModulo(sub) ? RDX : RAX);
  pop(c, RDX);
  pop(c, RAX);
}

/** A jump over what comes next: where its distance is. */
function skip(e: X86Emission, op: number): number {
  e.c.u8(op);
  e.c.u8(0);
  return e.c.length;
}
function landed(e: X86Emission, from: number): void {
  e.c.patchU8(from - 1, e.c.length - from);
}

/** By 0 the quotient is 0 and the remainder the dividend; by −1 signed, the negative and 0. */
function divide(e: X86Emission, sub: number, w: number, d: number, a: number, b: number): void {
  const { c } = e;
  if (b !== ADDRESS) mov(c, w, ADDRESS, b);
  if (a !== SCRATCH) mov(c, w, SCRATCH, a);
  const outs: number[] = [];
  test(c, w, ADDRESS, ADDRESS);
  const nonzero = skip(e, JCC8 | CC.ne);
  if (!isModulo(sub)) movImm(c, SCRATCH, 0, 0);
  outs.push(skip(e, JMP8));
  landed(e, nonzero);
  if (isSigned(sub)) {
    aluImm(c, w, 7, ADDRESS, -1);
    const plain = skip(e, JCC8 | CC.ne);
    if (isModulo(sub)) movImm(c, SCRATCH, 0, 0);
    else neg(c, w, SCRATCH);
    outs.push(skip(e, JMP8));
    landed(e, plain);
  }
  quotient(e, sub, w);
  for (const out of outs) landed(e, out);
  mov(c, w, d, SCRATCH);
}
