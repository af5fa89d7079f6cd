import { BPF_ALU64 } from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { bitmask } from '../constant.ts';
import {
  add,
  and,
  andImm,
  asrImm,
  asrv,
  cb,
  eor,
  eorImm,
  lslImm,
  lslv,
  lsrImm,
  lsrv,
  movk,
  mrsTpidrEl1,
  msub,
  mul,
  mvn,
  neg,
  orr,
  orrImm,
  rev,
  rev16,
  SP,
  sbfm,
  sdiv,
  sub,
  sxt,
  ubfm,
  udiv,
  uxth,
  W,
  X,
} from '../encode.ts';
import type { Emission } from './emission.ts';
import { FRAME, T0, T1, T2, T3 } from './registers.ts';
import { OP_DIV, OP_MOD } from './scan.ts';

const widthOf = (code: number): number => ((code & 7) === BPF_ALU64 ? X : W);

/** By operation: what two registers make. */
const REGISTERS: readonly (((sf: number, rd: number, rn: number, rm: number) => number) | undefined)[] = [
  (sf, rd, rn, rm) => add(sf, rd, rn, rm),
  sub,
  mul,
  udiv,
  orr,
  and,
  lslv,
  lsrv,
  undefined,
  undefined,
  eor,
  undefined,
  asrv,
];

export function emitAlu(e: Emission, i: number): void {
  const { insns, a, b } = e.scan;
  const insn = insns[i];
  const sf = widthOf(insn.code);
  const op = insn.code >> 4;
  const rd = e.target(i);
  const byConstant = (insn.code & 8) === 0;
  // R10 and a constant: one sum from the stack pointer.
  const fromSp = e.frame.sizeBytes + (op === 0 ? insn.imm : -insn.imm);
  if (byConstant && op <= 1 && sf === X && e.register(a[i]) === FRAME && fromSp === (fromSp | 0)) {
    e.addConstant(X, rd, SP, fromSp);
    e.sets(rd, false);
    return;
  }
  const rn = e.operand(a[i], T2);
  if (byConstant) emitConstant(e, sf, op, rd, rn, insn.imm, insn.off === 1);
  else {
    const rm = e.operand(b[i], T3);
    if (op === OP_MOD) emitModulo(e, sf, rd, rn, rm, insn.off === 1);
    else if (op === OP_DIV && insn.off === 1) e.w(sdiv(sf, rd, rn, rm));
    else e.w(REGISTERS[op]!(sf, rd, rn, rm));
  }
  e.sets(rd, sf === W || (byConstant && isNarrowResult(op, insn.imm)));
}

/** Whether a 64-bit operation with a constant leaves the upper half zero. */
function isNarrowResult(op: number, imm: number): boolean {
  return op === 7 ? (imm & 63) >= 32 : op === 5 && imm >= 0;
}

/** What is left of a division; of one by 0, the number itself. */
function emitModulo(e: Emission, sf: number, rd: number, rn: number, rm: number, signed: boolean): void {
  e.w((signed ? sdiv : udiv)(sf, T0, rn, rm));
  e.w(msub(sf, rd, T0, rm, rn));
}

function emitConstant(e: Emission, sf: number, op: number, rd: number, rn: number, imm: number, signed: boolean): void {
  const by = imm & (sf === X ? 63 : 31);
  switch (op) {
    case 0:
      e.addConstant(sf, rd, rn, imm);
      return;
    case 1:
      if (imm === -0x80000000) break;
      e.addConstant(sf, rd, rn, -imm);
      return;
    case 4:
    case 5:
    case 0xa:
      emitLogic(e, sf, op, rd, rn, imm);
      return;
    case 6:
    case 7:
    case 0xc:
      if (by === 0) e.copy(sf, rd, rn);
      else e.w((op === 6 ? lslImm : op === 7 ? lsrImm : asrImm)(sf, rd, rn, by));
      return;
    default:
      if (emitSimpleProduct(e, sf, op, rd, rn, imm, signed)) return;
  }
  e.number(sf, T1, imm);
  if (op === OP_MOD) emitModulo(e, sf, rd, rn, T1, signed);
  else if (op === OP_DIV && signed) e.w(sdiv(sf, rd, rn, T1));
  else e.w(REGISTERS[op]!(sf, rd, rn, T1));
}

/** and, or, xor with a constant. */
function emitLogic(e: Emission, sf: number, op: number, rd: number, rn: number, imm: number): void {
  if (imm === 0 || imm === -1) {
    if (op === 5) {
      if (imm === 0) e.number(sf, rd, 0);
      else e.copy(sf, rd, rn);
    } else if (imm === 0) e.copy(sf, rd, rn);
    else if (op === 4) e.number(sf, rd, -1);
    else e.w(mvn(sf, rd, rn));
    return;
  }
  const field = bitmask(sf, imm >> 31, imm);
  if (field >= 0) e.w((op === 5 ? andImm : op === 4 ? orrImm : eorImm)(sf, rd, rn, field));
  else {
    e.number(sf, T1, imm);
    e.w((op === 5 ? and : op === 4 ? orr : eor)(sf, rd, rn, T1));
  }
}

/** Products, quotients and remainders that are none: of powers of two, 1, 0 or −1. False for others. */
function emitSimpleProduct(
  e: Emission,
  sf: number,
  op: number,
  rd: number,
  rn: number,
  imm: number,
  signed: boolean,
): boolean {
  const power = powerOf(imm, sf);
  if (imm === 0) {
    // What the verifier refuses: quotients by 0 are 0, remainders the number.
    if (op === OP_MOD) e.copy(sf, rd, rn);
    else e.number(sf, rd, 0);
  } else if (imm === 1) {
    if (op === OP_MOD) e.number(sf, rd, 0);
    else e.copy(sf, rd, rn);
  } else if (imm === -1 && (signed || op !== OP_DIV) && (signed || op !== OP_MOD)) {
    if (op === OP_MOD) e.number(sf, rd, 0);
    else e.w(neg(sf, rd, rn));
  } else if (signed) return false;
  else if (op === OP_DIV && power > 0) e.w(lsrImm(sf, rd, rn, power));
  else if (op === OP_MOD && power > 0) e.w(ubfm(sf, rd, rn, 0, power - 1));
  else if (op === 2 && power > 0) e.w(lslImm(sf, rd, rn, power));
  else if (op === 2 && powerOf(imm - 1, sf) > 0) e.w(add(sf, rd, rn, rn, powerOf(imm - 1, sf)));
  else return false;
  return true;
}

/** n where the constant is 2^n; −1 where it is no such number. */
function powerOf(imm: number, sf: number): number {
  return imm !== 0 && (imm & (imm - 1)) === 0 && (imm > 0 || sf === W) ? 31 - Math.clz32(imm) : -1;
}

export function emitNeg(e: Emission, i: number): void {
  const sf = widthOf(e.scan.insns[i].code);
  const rd = e.target(i);
  e.w(neg(sf, rd, e.operand(e.scan.a[i], T2)));
  e.sets(rd, sf === W);
}

/** Byte swaps, and truncation where the order is the CPU's already. */
export function emitEnd(e: Emission, i: number): void {
  const { code, imm } = e.scan.insns[i];
  const rd = e.target(i);
  const rn = e.operand(e.scan.a[i], T2);
  const swaps = (code & 7) === BPF_ALU64 || (code & 8) !== 0;
  if (!swaps) {
    if (imm === 16) e.w(uxth(rd, rn));
    else e.copy(imm === 32 ? W : X, rd, rn);
  } else if (imm === 16) {
    e.w(rev16(rd, rn));
    e.w(uxth(rd, rd));
  } else e.w(rev(imm === 32 ? W : X, rd, rn));
  e.sets(rd, imm !== 64);
}

export function emitMove(e: Emission, i: number): void {
  const insn = e.scan.insns[i];
  const rd = e.target(i);
  // A cast to the kernel's addresses keeps the low half.
  const cast = insn.off === 1;
  const sf = cast ? W : widthOf(insn.code);
  if (e.register(e.scan.a[i]) === FRAME && sf === X && insn.off === 0) {
    e.addConstant(X, rd, SP, e.frame.sizeBytes);
    e.sets(rd, false);
    return;
  }
  const rn = e.operand(e.scan.a[i], T2);
  const narrow = sf === W || (insn.off === 0 && e.isNarrow(rn));
  if (insn.off === 0 || cast) e.copy(sf, rd, rn);
  else e.w(sxt(sf, rd, rn, insn.off));
  e.sets(rd, narrow);
}

export function emitMoveConstant(e: Emission, i: number): void {
  const { code, imm } = e.scan.insns[i];
  const rd = e.target(i);
  e.number(widthOf(code), rd, imm);
  e.sets(rd, widthOf(code) === W || imm >= 0);
}

/** A shift left and one right of what it made: a field moved. */
export function emitShifts(e: Emission, i: number): void {
  const { insns, a } = e.scan;
  const left = insns[i - 1].imm & 63;
  const right = insns[i].imm & 63;
  const signed = insns[i].code >> 4 === 0xc;
  const rd = e.target(i);
  const rn = e.operand(a[i], T2);
  if (left === 0 && right === 0) e.copy(X, rd, rn);
  else if (left === 32 && right === 32 && !signed) e.copy(W, rd, rn);
  else e.w((signed ? sbfm : ubfm)(X, rd, rn, (right - left) & 63, 63 - left));
  e.sets(rd, !signed && right >= 32);
}

/** `ld_imm64`: a number, or an address; both may be near the code. */
export function emitConstant64(e: Emission, i: number): void {
  const lo = e.scan.insns[i].imm;
  const hi = e.scan.insns[i + 1].imm;
  const rd = e.target(i);
  const start = e.here;
  if (e.plan(hi, lo).length === 1) e.constant(rd, hi, lo);
  else {
    e.address(rd, hi, lo);
    e.fill(start);
  }
  e.sets(rd, hi === 0);
}

/** `ld_imm64` of a function. */
export function emitFunctionAddress(e: Emission, i: number): void {
  const rd = e.target(i);
  const start = e.here;
  const callee = e.callees?.[e.unit.func.funcRefs.get(i)!];
  if (callee === undefined) for (let hw = 0; hw < 4; hw++) e.w(movk(X, rd, 0, hw));
  else e.address(rd, hi32(callee.bpfFunc), lo32(callee.bpfFunc));
  e.fill(start);
  e.sets(rd, false);
}

/** Adds what the kernel keeps in TPIDR_EL1. */
export function emitPerCpu(e: Emission, i: number): void {
  const rd = e.target(i);
  const rn = e.operand(e.scan.a[i], T2);
  e.w(mrsTpidrEl1(T0));
  e.w(add(X, rd, rn, T0));
  e.sets(rd, false);
}

/** An address in the arena as user space has it: its low half below the base's upper half, 0 for 0. */
export function emitCastUser(e: Emission, i: number): void {
  const rd = e.target(i);
  const rn = e.operand(e.scan.a[i], T2);
  const hi = hi32(e.unit.func.arena?.userVmStart ?? 0n);
  e.copy(W, rd, rn);
  const words: number[] = [];
  if ((hi & 0xffff) !== 0) words.push(movk(X, rd, hi, 2));
  if (hi >>> 16 !== 0) words.push(movk(X, rd, hi >>> 16, 3));
  if (words.length > 0) e.w(cb(X, 0, rd, 4 + 4 * words.length));
  for (const word of words) e.w(word);
  e.sets(rd, hi === 0);
}
