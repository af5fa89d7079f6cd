import {
  BPF_ADDR_PERCPU,
  BPF_ALU,
  BPF_ALU64,
  BPF_DW,
  BPF_JMP,
  BPF_JMP32,
  BPF_K,
  BPF_LDX,
  BPF_MEM,
  BPF_REG_FP,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  type Insn,
  LD_IMM64,
  makeInsn,
  ZEXT_IMM,
} from '../../isa/index.ts';

/** The operators fixups write, as the high nibble of `code`. */
export const OP = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  neg: 0x80,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
  ja: 0x00,
  jeq: 0x10,
  jgt: 0x20,
  jge: 0x30,
  jne: 0x50,
  jsge: 0x70,
  jle: 0xb0,
  rsh: 0x70,
} as const;

/** One slot each, for registers the builder does not know (AX). `wide` picks the 64-bit class. */
export const aluImm = (wide: boolean, op: number, dst: number, imm: number): Insn =>
  makeInsn((wide ? BPF_ALU64 : BPF_ALU) | op | BPF_K, dst, 0, 0, imm);
export const aluReg = (wide: boolean, op: number, dst: number, src: number): Insn =>
  makeInsn((wide ? BPF_ALU64 : BPF_ALU) | op | BPF_X, dst, src, 0, 0);
export const jumpImm = (wide: boolean, op: number, dst: number, imm: number, off: number): Insn =>
  makeInsn((wide ? BPF_JMP : BPF_JMP32) | op | BPF_K, dst, 0, off, imm);
export const jumpReg = (wide: boolean, op: number, dst: number, src: number, off: number): Insn =>
  makeInsn((wide ? BPF_JMP : BPF_JMP32) | op | BPF_X, dst, src, off, 0);
export const jump = (off: number): Insn => makeInsn(BPF_JMP | OP.ja, 0, 0, off, 0);
export const jumpLong = (imm: number): Insn => makeInsn(BPF_JMP32 | OP.ja, 0, 0, 0, imm);
export const exit = (): Insn => makeInsn(EXIT, 0, 0, 0, 0);
/** A call of the kernel's function at `distance` from `__bpf_call_base`. */
export const callDistance = (distance: number): Insn => makeInsn(CALL, 0, 0, 0, distance);
/** 32-bit move of a register to itself that only says: the upper half is 0 from here on. */
export const zextReg = (reg: number): Insn => makeInsn(BPF_ALU | OP.mov | BPF_X, reg, reg, 0, ZEXT_IMM);
/** `*(size *)(src + off)`; `size` is BPF_B, BPF_H, BPF_W or BPF_DW. */
export const loadMem = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_LDX | BPF_MEM | size, dst, src, off, 0);
export const storeMem = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_STX | BPF_MEM | size, dst, src, off, 0);
export const storeMemImm = (size: number, dst: number, off: number, imm: number): Insn =>
  makeInsn(BPF_ST | BPF_MEM | size, dst, 0, off, imm);
/** The address of this CPU's copy of a per-CPU object. */
export const percpuReg = (dst: number, src: number): Insn =>
  makeInsn(BPF_ALU64 | OP.mov | BPF_X, dst, src, BPF_ADDR_PERCPU, 0);
/** The slot of this function's frame at `off`, as 64 bits. */
export const loadFrame = (dst: number, off: number): Insn =>
  makeInsn(BPF_LDX | BPF_MEM | BPF_DW, dst, BPF_REG_FP, off, 0);
export const storeFrame = (off: number, src: number): Insn =>
  makeInsn(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_FP, src, off, 0);
export const storeFrameImm = (off: number, imm: number): Insn =>
  makeInsn(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_FP, 0, off, imm);
/** Both slots of a plain `ld_imm64`. */
export const loadImm64 = (dst: number, lo: number, hi: number): [Insn, Insn] => [
  makeInsn(LD_IMM64, dst, 0, 0, lo),
  makeInsn(0, 0, 0, 0, hi),
];
