import { BPF_ALU64 } from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { add, cb, movk, mrsTpidrEl1, neg, rev, rev16, SP, sbfm, sxt, ubfm, uxth, W, X } from '../encode.ts';
import { operate, operateWithConstant } from '../operations.ts';
import type { Emission } from './emission.ts';
import { FRAME, T0, T2, T3 } from './registers.ts';

const widthOf = (code: number): number => ((code & 7) === BPF_ALU64 ? X : W);

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
  if (byConstant) operateWithConstant(e, sf, op, rd, rn, insn.imm, insn.off === 1);
  else operate(e, sf, op, rd, rn, e.operand(b[i], T3), insn.off === 1);
  e.sets(rd, sf === W || (byConstant && isNarrowResult(op, insn.imm)));
}

/** Whether a 64-bit operation with a constant leaves the upper half zero. */
function isNarrowResult(op: number, imm: number): boolean {
  return op === 7 ? (imm & 63) >= 32 : op === 5 && imm >= 0;
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
