/**
 * A64 instructions as words: one pure function each. A word is an int32 bit pattern, so that no number is boxed; `>>> 0`
 * makes it unsigned. Operands are not checked: a field keeps its low bits. `sf` is {@link X} or {@link W}, the width of the
 * registers; register 31 is the stack pointer where an instruction takes one (bases, add and sub with an immediate or an
 * extended register, targets of logical immediates), the zero register elsewhere.
 *
 * ```
 *              31  30  29  28       23 22        21        16 15     10 9    5 4    0
 *  add imm    | sf| op| S | 1 0 0 0 1 0 |sh|       imm12            |  rn  |  rd  |
 *  logical    | sf| opc   | 1 0 0 1 0 0 | N |   immr    |   imms    |  rn  |  rd  |
 *  move wide  | sf| opc   | 1 0 0 1 0 1 | hw  |        imm16               |  rd  |
 *  bitfield   | sf| opc   | 1 0 0 1 1 0 | N |   immr    |   imms    |  rn  |  rd  |
 *  add reg    | sf| op| S | 0 1 0 1 1 |sh |0|   rm      |   imm6    |  rn  |  rd  |
 *  load       | size  | 1 1 1 0 0 1 | opc |       imm12             |  rn  |  rt  |
 *  branch     | op| 0   0   1 0 1 |                 imm26                         |
 * ```
 *
 * Source: Arm Architecture Reference Manual for A-profile, chapter C6.
 */

/** Width of registers: 32 bits; results have a zero upper half. */
export const W = 0;
/** Width of registers: 64 bits. */
export const X = 1 << 31;

/** The stack pointer, or zero: what register 31 is depends on the instruction. */
export const SP = 31;
export const ZR = 31;
export const FP = 29;
export const LR = 30;

const rrr = (rd: number, rn: number, rm: number) => rd | (rn << 5) | (rm << 16);

// ---- sums

/** `shifted`: 1 for an immediate times 4096. */
export const addImm = (sf: number, rd: number, rn: number, imm12: number, shifted = 0) =>
  sf | 0x11000000 | (shifted << 22) | ((imm12 & 0xfff) << 10) | (rn << 5) | rd;
export const subImm = (sf: number, rd: number, rn: number, imm12: number, shifted = 0) =>
  addImm(sf, rd, rn, imm12, shifted) | (1 << 30);
/** Compare with an immediate: flags only. */
export const cmpImm = (sf: number, rn: number, imm12: number, shifted = 0) =>
  subImm(sf, ZR, rn, imm12, shifted) | (1 << 29);
/** Compare with a negative immediate, given positive. */
export const cmnImm = (sf: number, rn: number, imm12: number, shifted = 0) =>
  addImm(sf, ZR, rn, imm12, shifted) | (1 << 29);
export const add = (sf: number, rd: number, rn: number, rm: number, lsl = 0) =>
  sf | 0x0b000000 | rrr(rd, rn, rm) | (lsl << 10);
export const sub = (sf: number, rd: number, rn: number, rm: number) => sf | 0x4b000000 | rrr(rd, rn, rm);
export const neg = (sf: number, rd: number, rm: number) => sub(sf, rd, ZR, rm);
export const cmp = (sf: number, rn: number, rm: number) => sf | 0x6b000000 | rrr(ZR, rn, rm);
/** rd = rn + rm's low 32 bits, shifted left by 0 to 4; rn may be SP. */
export const addUxtw = (rd: number, rn: number, rm: number, lsl = 0) => X | 0x0b204000 | rrr(rd, rn, rm) | (lsl << 10);
/** rd = rn + rm's low 32 bits as a signed number; rn may be SP. */
export const addSxtw = (rd: number, rn: number, rm: number) => X | 0x0b20c000 | rrr(rd, rn, rm);
/** As {@link add}; rd and rn may be SP. */
export const addSp = (rd: number, rn: number, rm: number) => X | 0x0b206000 | rrr(rd, rn, rm);

// ---- logic

/** `field`: N, immr and imms as {@link bitmask} gives them; rd may be SP, not for `ands`. */
const logicImm = (opc: number) => (sf: number, rd: number, rn: number, field: number) =>
  sf | opc | 0x12000000 | (field << 10) | (rn << 5) | rd;
export const andImm = logicImm(0);
export const orrImm = logicImm(0x20000000);
export const eorImm = logicImm(0x40000000);
export const tstImm = (sf: number, rn: number, field: number) => logicImm(0x60000000)(sf, ZR, rn, field);
export const and = (sf: number, rd: number, rn: number, rm: number) => sf | 0x0a000000 | rrr(rd, rn, rm);
export const orr = (sf: number, rd: number, rn: number, rm: number) => sf | 0x2a000000 | rrr(rd, rn, rm);
export const eor = (sf: number, rd: number, rn: number, rm: number) => sf | 0x4a000000 | rrr(rd, rn, rm);
export const tst = (sf: number, rn: number, rm: number) => sf | 0x6a000000 | rrr(ZR, rn, rm);
export const mvn = (sf: number, rd: number, rm: number) => sf | 0x2a200000 | rrr(rd, ZR, rm);
/** Neither register is SP. */
export const mov = (sf: number, rd: number, rm: number) => orr(sf, rd, ZR, rm);

// ---- constants

/** `hw`: which halfword, 0 the lowest. */
export const movz = (sf: number, rd: number, imm16: number, hw = 0) =>
  sf | 0x52800000 | (hw << 21) | ((imm16 & 0xffff) << 5) | rd;
/** All other bits ones, and these inverted. */
export const movn = (sf: number, rd: number, imm16: number, hw = 0) =>
  sf | 0x12800000 | (hw << 21) | ((imm16 & 0xffff) << 5) | rd;
export const movk = (sf: number, rd: number, imm16: number, hw = 0) =>
  sf | 0x72800000 | (hw << 21) | ((imm16 & 0xffff) << 5) | rd;
/** Distance from this instruction: bytes, ±1 MB. */
export const adr = (rd: number, off: number) => 0x10000000 | ((off & 3) << 29) | (((off >> 2) & 0x7ffff) << 5) | rd;
/** Distance from this instruction's page: pages of 4096 bytes, ±2^20. */
export const adrp = (rd: number, pages: number) => adr(rd, pages) | X;

// ---- shifts and fields

/** The upper half of `sf` picks the form: N equals it. */
const bitfield = (opc: number) => (sf: number, rd: number, rn: number, immr: number, imms: number) =>
  sf | opc | 0x13000000 | ((sf >>> 31) << 22) | (immr << 16) | (imms << 10) | (rn << 5) | rd;
export const ubfm = bitfield(0x40000000);
export const sbfm = bitfield(0);
const top = (sf: number): number => (sf === X ? 63 : 31);
/** `by` below the width. */
export const lslImm = (sf: number, rd: number, rn: number, by: number) => ubfm(sf, rd, rn, -by & top(sf), top(sf) - by);
export const lsrImm = (sf: number, rd: number, rn: number, by: number) => ubfm(sf, rd, rn, by, top(sf));
export const asrImm = (sf: number, rd: number, rn: number, by: number) => sbfm(sf, rd, rn, by, top(sf));
export const uxth = (rd: number, rn: number) => ubfm(W, rd, rn, 0, 15);
export const sxt = (sf: number, rd: number, rn: number, bits: number) => sbfm(sf, rd, rn, 0, bits - 1);
/** Shifts take the low bits of rm only, as BPF's do. */
export const lslv = (sf: number, rd: number, rn: number, rm: number) => sf | 0x1ac02000 | rrr(rd, rn, rm);
export const lsrv = (sf: number, rd: number, rn: number, rm: number) => sf | 0x1ac02400 | rrr(rd, rn, rm);
export const asrv = (sf: number, rd: number, rn: number, rm: number) => sf | 0x1ac02800 | rrr(rd, rn, rm);
/** rd = what lies `lsb` bits up in rn:rm; turns right where both are one. */
export const extr = (sf: number, rd: number, rn: number, rm: number, lsb: number) =>
  sf | 0x13800000 | ((sf >>> 31) << 22) | (lsb << 10) | rrr(rd, rn, rm);
/** Bytes of the whole register turned around. */
export const rev = (sf: number, rd: number, rn: number) => sf | 0x5ac00800 | (sf >>> 21) | (rn << 5) | rd;
/** Bytes of each halfword swapped. */
export const rev16 = (rd: number, rn: number) => 0x5ac00400 | (rn << 5) | rd;

// ---- products; a quotient by 0 is 0, the most negative number by −1 itself

export const madd = (sf: number, rd: number, rn: number, rm: number, ra: number) =>
  sf | 0x1b000000 | rrr(rd, rn, rm) | (ra << 10);
/** ra − rn × rm */
export const msub = (sf: number, rd: number, rn: number, rm: number, ra: number) => madd(sf, rd, rn, rm, ra) | 0x8000;
export const mul = (sf: number, rd: number, rn: number, rm: number) => madd(sf, rd, rn, rm, ZR);
/** 64 bits of a product of 32 and 32. */
export const umull = (rd: number, rn: number, rm: number) => 0x9ba07c00 | rrr(rd, rn, rm);
export const udiv = (sf: number, rd: number, rn: number, rm: number) => sf | 0x1ac00800 | rrr(rd, rn, rm);
export const sdiv = (sf: number, rd: number, rn: number, rm: number) => sf | 0x1ac00c00 | rrr(rd, rn, rm);

// ---- branches; distances in bytes

export const EQ = 0;
export const NE = 1;
/** Unsigned: at least, and below. */
export const HS = 2;
export const LO = 3;
/** Unsigned: above, and at most. */
export const HI = 8;
export const LS = 9;
export const GE = 10;
export const LT = 11;
export const GT = 12;
export const LE = 13;

/** rd = the condition holds ? rn : rm */
export const csel = (sf: number, rd: number, rn: number, rm: number, cond: number) =>
  sf | 0x1a800000 | (cond << 12) | rrr(rd, rn, rm);
/** ±128 MB */
export const b = (off: number) => 0x14000000 | ((off >> 2) & 0x3ffffff);
export const bl = (off: number) => b(off) | X;
/** ±1 MB; the opposite condition is `cond ^ 1`. */
export const bCond = (cond: number, off: number) => 0x54000000 | (((off >> 2) & 0x7ffff) << 5) | cond;
/** ±1 MB; `nonzero` 1 for cbnz. */
export const cb = (sf: number, nonzero: number, rt: number, off: number) =>
  sf | 0x34000000 | (nonzero << 24) | (((off >> 2) & 0x7ffff) << 5) | rt;
/** ±32 KB: branches on bit `bit`; `nonzero` 1 for tbnz. */
export const tb = (nonzero: number, rt: number, bit: number, off: number) =>
  ((bit & 32) << 26) | 0x36000000 | (nonzero << 24) | ((bit & 31) << 19) | (((off >> 2) & 0x3fff) << 5) | rt;
export const br = (rn: number) => 0xd61f0000 | (rn << 5);
export const blr = (rn: number) => 0xd63f0000 | (rn << 5);
export const ret = () => 0xd65f03c0 | 0;

// ---- memory; `size` is the log2 of the bytes

/** opc of an access: store, load, load signed to 64 bits or to 32. */
export const STORE = 0;
export const LOAD = 1;
export const LOAD_SIGNED = 2;
export const LOAD_SIGNED_W = 3;
/** `imm12` in units of the size. */
export const memScaled = (size: number, opc: number, rt: number, rn: number, imm12: number) =>
  (size << 30) | 0x39000000 | (opc << 22) | (imm12 << 10) | (rn << 5) | rt;
/** −256 to 255 bytes. */
export const memUnscaled = (size: number, opc: number, rt: number, rn: number, off: number) =>
  (size << 30) | 0x38000000 | (opc << 22) | ((off & 0x1ff) << 12) | (rn << 5) | rt;
export const memRegister = (size: number, opc: number, rt: number, rn: number, rm: number) =>
  (size << 30) | 0x38206800 | (opc << 22) | rrr(rt, rn, rm);
/** rn + rm's low 32 bits */
export const memUxtw = (size: number, opc: number, rt: number, rn: number, rm: number) =>
  (size << 30) | 0x38204800 | (opc << 22) | rrr(rt, rn, rm);
export const ldr = (rt: number, rn: number, off: number) => memScaled(3, LOAD, rt, rn, off >> 3);
export const str = (rt: number, rn: number, off: number) => memScaled(3, STORE, rt, rn, off >> 3);
/** rn changes behind it, −256 to 255 bytes. */
export const strPost = (rt: number, rn: number, off: number) => memUnscaled(3, STORE, rt, rn, off) | 0x400;
export const ldrPost = (rt: number, rn: number, off: number) => memUnscaled(3, LOAD, rt, rn, off) | 0x400;
/** rn changes first, −256 to 255 bytes. */
export const strPre = (rt: number, rn: number, off: number) => memUnscaled(3, STORE, rt, rn, off) | 0xc00;

const pair = (op: number) => (rt: number, rt2: number, rn: number, off: number) =>
  op | (((off >> 3) & 0x7f) << 15) | (rt2 << 10) | (rn << 5) | rt;
/** −512 to 504 bytes, as all pairs. */
export const stp = pair(0xa9000000 | 0);
export const ldp = pair(0xa9400000 | 0);
export const stpPre = pair(0xa9800000 | 0);
export const ldpPost = pair(0xa8c00000 | 0);

// ---- atomic accesses; the address is a register, all sizes

export const ldar = (size: number, rt: number, rn: number) => (size << 30) | 0x08dffc00 | (rn << 5) | rt;
export const stlr = (size: number, rt: number, rn: number) => (size << 30) | 0x089ffc00 | (rn << 5) | rt;
export const ldxr = (size: number, rt: number, rn: number) => (size << 30) | 0x085f7c00 | (rn << 5) | rt;
/** rs: 0 when it was stored. */
export const stlxr = (size: number, rs: number, rt: number, rn: number) => (size << 30) | 0x0800fc00 | rrr(rt, rn, rs);
/** Armv8.1: memory = memory op rs, rt what was there before; rt ZR for nothing, then unordered. */
const lse = (op: number) => (size: number, ordered: number, rs: number, rt: number, rn: number) =>
  (size << 30) | 0x38200000 | (ordered === 0 ? 0 : 0xc00000) | op | rrr(rt, rn, rs);
export const ldadd = lse(0);
/** Clears the bits of rs. */
export const ldclr = lse(0x1000);
export const ldeor = lse(0x2000);
export const ldset = lse(0x3000);
export const swp = lse(0x8000);
/** Armv8.1, ordered: rs what is expected and then what was there, rt what to store. */
export const casal = (size: number, rs: number, rt: number, rn: number) => (size << 30) | 0x08e0fc00 | rrr(rt, rn, rs);

// ---- system

export const svc = () => 0xd4000001 | 0;
export const brk = () => 0xd4200000 | 0;
/** Clean a line of data to where instructions come from, and forget one of instructions. */
export const dcCvau = (rt: number) => 0xd50b7b20 | rt;
export const icIvau = (rt: number) => 0xd50b7520 | rt;
export const dsbIsh = () => 0xd5033b9f | 0;
/** What the lines are like. */
export const mrsCtrEl0 = (rt: number) => 0xd53b0020 | rt;

export const nop = () => 0xd503201f | 0;
export const dmbIsh = () => 0xd5033bbf | 0;
export const dsbNsh = () => 0xd503379f | 0;
export const isb = () => 0xd5033fdf | 0;
export const mrsTpidrEl1 = (rt: number) => 0xd538d080 | rt;
