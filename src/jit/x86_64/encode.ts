import type { CodeBuffer } from '../code-buffer.ts';
import { RAX, RBP, RSP } from './registers.ts';

/*
 * An instruction is
 *
 *   66|f2|f3   0100WRXB   [0f [38]] opcode   mod:2 reg:3 rm:3   scale:2 index:3 base:3   disp 8|32   imm 8|32
 *   prefix     REX                           ModRM              SIB
 *
 * Opcodes are numbers with their escape bytes in front, a mandatory prefix in the top byte: 0x660f38f0. REX is left out
 * where no bit of it is set and no byte register wants it.
 */

/** 64-bit operands. */
export const W = 1;
/** `reg` is a byte register: SPL to DIL need a REX prefix. */
export const BYTE_REG = 2;
/** So is the register in `rm`. */
export const BYTE_RM = 4;
/** `base` and `index` of no register. */
export const NONE = -1;

export const isS8 = (value: number): boolean => (value << 24) >> 24 === value;

function rex(c: CodeBuffer, flags: number, reg: number, index: number, base: number, rmIsRegister: boolean): void {
  let bits = (flags & W) << 3;
  if (reg > 7) bits |= 4;
  if (index > 7) bits |= 2;
  if (base > 7) bits |= 1;
  if (bits !== 0 || ((flags & BYTE_REG) !== 0 && reg > 3) || (rmIsRegister && (flags & BYTE_RM) !== 0 && base > 3)) {
    c.u8(0x40 | bits);
  }
}

function opcode(c: CodeBuffer, op: number): void {
  if ((op & 0xffff00) !== 0) {
    if ((op & 0xff0000) !== 0) c.u8((op >> 16) & 0xff);
    c.u8((op >> 8) & 0xff);
  }
  c.u8(op & 0xff);
}

/** `op` with two registers: `rm` the first operand of a store, `reg` of a load. */
export function rr(c: CodeBuffer, flags: number, op: number, reg: number, rm: number): void {
  if (op >>> 24 !== 0) c.u8(op >>> 24);
  rex(c, flags, reg, 0, rm, true);
  opcode(c, op);
  c.u8(0xc0 | ((reg & 7) << 3) | (rm & 7));
}

/** `op` with a register and memory at base + index · 2^scale + disp. Without base or index: at `disp`. */
export function rm(
  c: CodeBuffer,
  flags: number,
  op: number,
  reg: number,
  base: number,
  disp: number,
  index: number = NONE,
  scale = 0,
): void {
  if (op >>> 24 !== 0) c.u8(op >>> 24);
  rex(c, flags, reg, index, base, false);
  opcode(c, op);
  const regBits = (reg & 7) << 3;
  if (base === NONE) {
    // Without SIB this would be relative to rip.
    c.u8(regBits | 4);
    c.u8((scale << 6) | ((index === NONE ? 4 : index & 7) << 3) | 5);
    c.u32(disp);
    return;
  }
  const mod = disp === 0 && (base & 7) !== RBP ? 0 : isS8(disp) ? 0x40 : 0x80;
  address(c, mod, regBits, base, disp, index, scale);
}

/** ModRM, SIB and displacement of base + index · 2^scale + disp. */
function address(
  c: CodeBuffer,
  mod: number,
  regBits: number,
  base: number,
  disp: number,
  index: number,
  scale: number,
): void {
  const low = base & 7;
  if (index !== NONE || low === RSP) {
    c.u8(mod | regBits | 4);
    c.u8((scale << 6) | ((index === NONE ? 4 : index & 7) << 3) | low);
  } else c.u8(mod | regBits | low);
  if (mod === 0x40) c.u8(disp & 0xff);
  else if (mod === 0x80) c.u32(disp);
}

/** As {@link rm}, with a displacement even where it is 0. */
export function rmDisp(
  c: CodeBuffer,
  flags: number,
  op: number,
  reg: number,
  base: number,
  disp: number,
  index: number = NONE,
): void {
  if (op >>> 24 !== 0) c.u8(op >>> 24);
  rex(c, flags, reg, index, base, false);
  opcode(c, op);
  address(c, isS8(disp) ? 0x40 : 0x80, (reg & 7) << 3, base, disp, index, 0);
}

// ---- moves and addresses

export const mov = (c: CodeBuffer, w: number, to: number, from: number): void => rr(c, w, 0x89, from, to);
export const xchg = (c: CodeBuffer, w: number, a: number, b: number): void => {
  const other = a === RAX ? b : b === RAX ? a : NONE;
  if (other === NONE) rr(c, w, 0x87, a, b);
  else {
    rex(c, w, 0, 0, other, true);
    c.u8(0x90 | (other & 7));
  }
};
/** In as few bytes as a move of the number takes; changes the flags for 0 and −1. */
export function movImm(c: CodeBuffer, to: number, hi: number, lo: number): void {
  if (hi === 0) {
    if (lo === 0) rr(c, 0, 0x31, to, to);
    else {
      rex(c, 0, 0, 0, to, true);
      c.u8(0xb8 | (to & 7));
      c.u32(lo);
    }
  } else if (hi === -1 && lo === -1) {
    rr(c, W, 0x83, 1, to);
    c.u8(0xff);
  } else if (hi === -1 && lo < 0) {
    rr(c, W, 0xc7, 0, to);
    c.u32(lo);
  } else movImm64(c, to, hi, lo);
}
/** Always ten bytes. */
export function movImm64(c: CodeBuffer, to: number, hi: number, lo: number): void {
  rex(c, W, 0, 0, to, true);
  c.u8(0xb8 | (to & 7));
  c.u64(hi, lo);
}
export const lea = (
  c: CodeBuffer,
  w: number,
  to: number,
  base: number,
  disp: number,
  index: number = NONE,
  scale = 0,
): void => rm(c, w, 0x8d, to, base, disp, index, scale);
/** to = address of the byte `distance` behind this instruction. */
export function leaRip(c: CodeBuffer, to: number, distance: number): void {
  rex(c, W, to, 0, 0, true);
  c.u8(0x8d);
  c.u8(((to & 7) << 3) | 5);
  c.u32(distance);
}
export const movzx8 = (c: CodeBuffer, to: number, from: number): void => rr(c, BYTE_RM, 0x0fb6, to, from);
export const movzx16 = (c: CodeBuffer, to: number, from: number): void => rr(c, 0, 0x0fb7, to, from);
export const movsx8 = (c: CodeBuffer, w: number, to: number, from: number): void =>
  rr(c, w | BYTE_RM, 0x0fbe, to, from);
export const movsx16 = (c: CodeBuffer, w: number, to: number, from: number): void => rr(c, w, 0x0fbf, to, from);
export const movsxd = (c: CodeBuffer, to: number, from: number): void => rr(c, W, 0x63, to, from);

// ---- arithmetic: numbers of the eight operations, as opcodes and ModRM have them

export const ADD = 0;
export const OR = 1;
export const AND = 4;
export const SUB = 5;
export const XOR = 6;
export const CMP = 7;

/** a = a op b */
export const alu = (c: CodeBuffer, w: number, op: number, a: number, b: number): void => rr(c, w, (op << 3) | 1, b, a);
export function aluImm(c: CodeBuffer, w: number, op: number, a: number, imm: number): void {
  if (isS8(imm)) {
    rr(c, w, 0x83, op, a);
    c.u8(imm & 0xff);
    return;
  }
  if (a === RAX) {
    rex(c, w, 0, 0, 0, true);
    c.u8((op << 3) | 5);
  } else rr(c, w, 0x81, op, a);
  c.u32(imm);
}
export const inc = (c: CodeBuffer, w: number, a: number): void => rr(c, w, 0xff, 0, a);
export const dec = (c: CodeBuffer, w: number, a: number): void => rr(c, w, 0xff, 1, a);
export const not = (c: CodeBuffer, w: number, a: number): void => rr(c, w, 0xf7, 2, a);
export const neg = (c: CodeBuffer, w: number, a: number): void => rr(c, w, 0xf7, 3, a);
export const imul = (c: CodeBuffer, w: number, a: number, b: number): void => rr(c, w, 0x0faf, a, b);
/** a = b · imm */
export function imulImm(c: CodeBuffer, w: number, a: number, b: number, imm: number): void {
  if (isS8(imm)) {
    rr(c, w, 0x6b, a, b);
    c.u8(imm & 0xff);
  } else {
    rr(c, w, 0x69, a, b);
    c.u32(imm);
  }
}
/** rax and rdx = quotient and remainder of rdx:rax */
export const div = (c: CodeBuffer, w: number, by: number): void => rr(c, w, 0xf7, 6, by);
export const idiv = (c: CodeBuffer, w: number, by: number): void => rr(c, w, 0xf7, 7, by);
/** rdx = sign of rax */
export function cqo(c: CodeBuffer, w: number): void {
  rex(c, w, 0, 0, 0, true);
  c.u8(0x99);
}
export const bswap = (c: CodeBuffer, w: number, a: number): void => {
  rex(c, w, 0, 0, a, true);
  c.u8(0x0f);
  c.u8(0xc8 | (a & 7));
};

// ---- shifts: numbers as ModRM has them

export const SHL = 4;
export const SHR = 5;
export const SAR = 7;

export const shiftCl = (c: CodeBuffer, w: number, op: number, a: number): void => rr(c, w, 0xd3, op, a);
export function shiftImm(c: CodeBuffer, w: number, op: number, a: number, by: number): void {
  if (by === 1) rr(c, w, 0xd1, op, a);
  else {
    rr(c, w, 0xc1, op, a);
    c.u8(by);
  }
}
/** BMI2: to = from shifted by the low bits of `by`, flags as they were. */
export function shiftX(c: CodeBuffer, w: number, op: number, to: number, from: number, by: number): void {
  const prefix = op === SHL ? 1 : op === SAR ? 2 : 3;
  c.u8(0xc4);
  c.u8((to > 7 ? 0 : 0x80) | 0x40 | (from > 7 ? 0 : 0x20) | 2);
  c.u8(((w & W) << 7) | ((by ^ 15) << 3) | prefix);
  c.u8(0xf7);
  c.u8(0xc0 | ((to & 7) << 3) | (from & 7));
}
/** BMI2: to = from turned left by 1 to 31 or 63 bits, flags as they were. */
export function rolX(c: CodeBuffer, w: number, to: number, from: number, by: number): void {
  c.u8(0xc4);
  c.u8((to > 7 ? 0 : 0x80) | 0x40 | (from > 7 ? 0 : 0x20) | 3);
  c.u8(((w & W) << 7) | 0x7b);
  c.u8(0xf0);
  c.u8(0xc0 | ((to & 7) << 3) | (from & 7));
  c.u8(((w & W) !== 0 ? 64 : 32) - by);
}

// ---- comparisons and jumps

export const cmp = (c: CodeBuffer, w: number, a: number, b: number): void => alu(c, w, CMP, a, b);
export const test = (c: CodeBuffer, w: number, a: number, b: number): void => rr(c, w, 0x85, b, a);
export function testImm(c: CodeBuffer, w: number, a: number, imm: number): void {
  if (a === RAX) {
    rex(c, w, 0, 0, 0, true);
    c.u8(0xa9);
  } else rr(c, w, 0xf7, 0, a);
  c.u32(imm);
}
export function testImm8(c: CodeBuffer, a: number, imm: number): void {
  if (a === RAX) c.u8(0xa8);
  else rr(c, BYTE_RM, 0xf6, 0, a);
  c.u8(imm);
}
/** Bits 8 to 15 of rax, rcx, rdx or rbx. */
export function testHighImm8(c: CodeBuffer, a: number, imm: number): void {
  c.u8(0xf6);
  c.u8(0xc0 | (a + 4));
  c.u8(imm);
}
/** CF = bit `at`. */
export function bt(c: CodeBuffer, w: number, a: number, at: number): void {
  rr(c, w, 0x0fba, 4, a);
  c.u8(at);
}

/** Conditions, as jumps have them; the lowest bit negates. */
export const CC = {
  b: 2,
  ae: 3,
  e: 4,
  ne: 5,
  be: 6,
  a: 7,
  s: 8,
  ns: 9,
  l: 12,
  ge: 13,
  le: 14,
  g: 15,
} as const;
/** Opcodes of jumps with a distance of eight bits; that of a condition is 0x70 + it. */
export const JMP8 = 0xeb;
export const JCC8 = 0x70;
export const JMP32 = 0xe9;
export const JCC32 = 0x0f80;
export const jmpReg = (c: CodeBuffer, a: number): void => rr(c, 0, 0xff, 4, a);
export const callReg = (c: CodeBuffer, a: number): void => rr(c, 0, 0xff, 2, a);
export const ret = (c: CodeBuffer): void => c.u8(0xc3);

// ---- stack

export const push = (c: CodeBuffer, a: number): void => {
  if (a > 7) c.u8(0x41);
  c.u8(0x50 | (a & 7));
};
export const pop = (c: CodeBuffer, a: number): void => {
  if (a > 7) c.u8(0x41);
  c.u8(0x58 | (a & 7));
};
export const leave = (c: CodeBuffer): void => c.u8(0xc9);

// ---- others

export const LOCK = 0xf0;
export const lfence = (c: CodeBuffer): void => {
  c.u8(0x0f);
  c.u8(0xae);
  c.u8(0xe8);
};
/** Two bytes that do nothing. */
export const nop2 = (c: CodeBuffer): void => {
  c.u8(0x66);
  c.u8(0x90);
};
/** a += the doubleword at `disp` in GS's segment. */
export const addGs = (c: CodeBuffer, a: number, disp: number): void => {
  c.u8(0x65);
  rm(c, W, 0x03, a, NONE, disp);
};
