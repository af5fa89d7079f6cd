import {
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_K,
  BPF_X,
  type Insn,
} from '../../../isa/index.ts';
import { hi32 } from '../../../util/index.ts';
import {
  ADD,
  AND,
  alu,
  aluImm,
  cqo,
  div,
  idiv,
  imul,
  imulImm,
  mov,
  movsx8,
  movsx16,
  movsxd,
  neg,
  OR,
  pop,
  push,
  rr,
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
import { constant32 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { AUX, REGISTERS } from './registers.ts';

const BPF_DIV = 0x30;
const BPF_MOD = 0x90;

/** Operation bits of a code → the machine's number for it. */
const BINARY: readonly (readonly [op: number, x86: number])[] = [
  [0x00, ADD],
  [0x10, SUB],
  [0x40, OR],
  [0x50, AND],
  [0xa0, XOR],
];
const SHIFTS: readonly (readonly [op: number, x86: number])[] = [
  [0x60, SHL],
  [0x70, SHR],
  [0xc0, SAR],
];

const BOTH: readonly (readonly [cls: number, w: number])[] = [
  [BPF_ALU, 0],
  [BPF_ALU64, W],
];

/** A move that is no instruction where it changes nothing (`EMIT_mov`); 32 bits wide it always clears the upper half. */
function move(e: Emission, w: number, to: number, from: number): void {
  if (w === 0 || to !== from) mov(e.c, w, to, from);
}

function binaryRows(op: number, x86: number): LoweringRow[] {
  return BOTH.flatMap(([cls, w]): LoweringRow[] => [
    [cls | op | BPF_X, ({ c }, insn) => alu(c, w, x86, REGISTERS[insn.dst], REGISTERS[insn.src])],
    [cls | op | BPF_K, ({ c }, insn) => aluImm(c, w, x86, REGISTERS[insn.dst], insn.imm)],
  ]);
}

function shiftRows(op: number, x86: number): LoweringRow[] {
  return BOTH.flatMap(([cls, w]): LoweringRow[] => [
    [cls | op | BPF_X, (e, insn) => shiftByRegister(e, w, x86, REGISTERS[insn.dst], REGISTERS[insn.src])],
    [cls | op | BPF_K, ({ c }, insn) => shiftImm(c, w, x86, REGISTERS[insn.dst], insn.imm)],
  ]);
}

/** With BMI2 in one instruction, unless the count is in cl already; else through rcx, which R4 lives in. */
function shiftByRegister(e: Emission, w: number, x86: number, reg: number, count: number): void {
  const { c } = e;
  if (count === RCX) {
    shiftCl(c, w, x86, reg);
  } else if (e.unit.bmi2) {
    shiftX(c, w, x86, reg, reg, count);
  } else if (reg === RCX) {
    mov(c, W, AUX, RCX);
    mov(c, W, RCX, count);
    shiftCl(c, w, x86, AUX);
    mov(c, W, RCX, AUX);
  } else {
    push(c, RCX);
    mov(c, W, RCX, count);
    shiftCl(c, w, x86, reg);
    pop(c, RCX);
  }
}

/** Quotient or remainder, through rax and rdx, which are saved unless they are the result. */
function divide(e: Emission, insn: Insn): void {
  const { c } = e;
  const w = (insn.code & 7) === BPF_ALU64 ? W : 0;
  const reg = REGISTERS[insn.dst];
  let by: number = AUX;
  if (reg !== RAX) push(c, RAX);
  if (reg !== RDX) push(c, RDX);
  if ((insn.code & BPF_X) === BPF_K) {
    rr(c, W, 0xc7, 0, AUX);
    c.u32(insn.imm);
  } else {
    const from = REGISTERS[insn.src];
    if (from === RAX || from === RDX) mov(c, W, AUX, from);
    else by = from;
  }
  if (reg !== RAX) move(e, w, RAX, reg);
  if (insn.off === 0) {
    alu(c, 0, XOR, RDX, RDX);
    div(c, w, by);
  } else {
    cqo(c, w);
    idiv(c, w, by);
  }
  const result = (insn.code & 0xf0) === BPF_MOD ? RDX : RAX;
  if (reg !== result) move(e, w, reg, result);
  if (reg !== RDX) pop(c, RDX);
  if (reg !== RAX) pop(c, RAX);
}

/** Sign extension; of a byte to 32 bits always with a REX prefix. */
function extend(e: Emission, bits: number, w: number, to: number, from: number): void {
  const { c } = e;
  if (bits === 16) movsx16(c, w, to, from);
  else if (bits === 32) {
    if (w !== 0) movsxd(c, to, from);
  } else if (bits === 8) {
    if (w === 0 && to < 8 && from < 4) c.u8(0x40);
    movsx8(c, w, to, from);
  }
}

/** An address of the arena as user space has it: the upper half of where user space maps it, 0 staying 0. */
function castUser(e: Emission, to: number, from: number): void {
  const { c } = e;
  const upper = hi32(e.unit.func.arena?.userVmStart ?? 0n);
  if (to !== from) mov(c, 0, to, from);
  shiftImm(c, W, SHL, to, 32);
  // Never the form of one byte.
  if (to === RAX) {
    c.u8(0x48);
    c.u8(0x0d);
  } else rr(c, W, 0x81, OR, to);
  c.u32(upper);
  rr(c, W, 0xc1, 0, to);
  c.u8(32);
  alu(c, W, XOR, AUX, AUX);
  test(c, 0, to, to);
  // cmove, whose operands the kernel has the other way round: r11 stays 0 or is dropped.
  rr(c, W, 0x0f44, to, AUX);
}

/** to += this CPU's offset. The prefix names no register 8 to 15 as the target, as in the kernel. */
function addThisCpu(e: Emission, to: number): void {
  const { c } = e;
  c.u8(0x65);
  c.u8(to > 7 ? 0x49 : 0x48);
  c.u8(0x03);
  c.u8(((to & 7) << 3) | 4);
  c.u8(0x25);
  c.u32(e.unit.thisCpuOff);
}

function moveRegister(w: number) {
  return (e: Emission, insn: Insn): void => {
    const to = REGISTERS[insn.dst];
    const from = REGISTERS[insn.src];
    if (w !== 0 && insn.off === BPF_ADDR_SPACE_CAST && insn.imm === 1 << 16) {
      castUser(e, to, from);
    } else if (w !== 0 && insn.off === BPF_ADDR_PERCPU) {
      move(e, W, to, from);
      addThisCpu(e, to);
    } else if (insn.off === 0) move(e, w, to, from);
    else extend(e, insn.off, w, to, from);
  };
}

export const ALU_ROWS: readonly LoweringRow[] = [
  ...BINARY.flatMap(([op, x86]) => binaryRows(op, x86)),
  ...SHIFTS.flatMap(([op, x86]) => shiftRows(op, x86)),
  ...BOTH.flatMap(([cls, w]): LoweringRow[] => [
    ...[BPF_DIV, BPF_MOD].flatMap((op): LoweringRow[] => [
      [cls | op | BPF_X, divide],
      [cls | op | BPF_K, divide],
    ]),
    [cls | 0x20 | BPF_X, ({ c }, insn) => imul(c, w, REGISTERS[insn.dst], REGISTERS[insn.src])],
    [cls | 0x20 | BPF_K, ({ c }, insn) => imulImm(c, w, REGISTERS[insn.dst], REGISTERS[insn.dst], insn.imm)],
    [cls | 0x80, ({ c }, insn) => neg(c, w, REGISTERS[insn.dst])],
    [cls | 0xb0 | BPF_X, moveRegister(w)],
    [cls | 0xb0 | BPF_K, ({ c }, insn) => constant32(c, REGISTERS[insn.dst], insn.imm, w !== 0)],
  ]),
];
