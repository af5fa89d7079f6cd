/**
 * RISC-V instructions as 32-bit words, of RV64IMAC and the parts of Zba and Zbb used here. Registers are 0 to 31;
 * immediates are signed numbers that fit their field, which callers see to.
 *
 * ```
 *   31      25 24  20 19  15 14 12 11   7 6    0
 *  |  funct7  | rs2  | rs1  | f3  |  rd  | op   |   R
 *  |      imm[11:0]  | rs1  | f3  |  rd  | op   |   I
 *  | imm[11:5]| rs2  | rs1  | f3  |imm4:0| op   |   S
 *  | imm      | rs2  | rs1  | f3  | imm  | op   |   B: 12 | 10:5 … 4:1 | 11
 *  |          imm[31:12]          |  rd  | op   |   U
 *  |   imm 20 | 10:1 | 11 | 19:12 |  rd  | op   |   J
 * ```
 *
 * Source: The RISC-V Instruction Set Manual, volume I.
 */

export const ZERO = 0;
export const RA = 1;
export const SP = 2;

const OP = 0x33;
const OP_32 = 0x3b;
const OP_IMM = 0x13;
const OP_IMM_32 = 0x1b;
const LOAD = 0x03;
const STORE = 0x23;
const AMO = 0x2f;

/** An instruction of three registers. */
export type Register3 = (rd: number, rs1: number, rs2: number) => number;
/** … of two and a number. */
export type Immediate = (rd: number, rs1: number, imm: number) => number;

const r =
  (op: number, f3: number, f7: number): Register3 =>
  (rd, rs1, rs2) =>
    (f7 << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
const i =
  (op: number, f3: number, high = 0): Immediate =>
  (rd, rs1, imm) =>
    (high << 26) | (imm << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
const s =
  (f3: number) =>
  (rs2: number, off: number, rs1: number): number =>
    ((off >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | ((off & 31) << 7) | STORE;
const l =
  (f3: number) =>
  (rd: number, off: number, rs1: number): number =>
    (off << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | LOAD;

export const add = r(OP, 0, 0);
export const sub = r(OP, 0, 0x20);
export const sll = r(OP, 1, 0);
export const xor = r(OP, 4, 0);
export const srl = r(OP, 5, 0);
export const sra = r(OP, 5, 0x20);
export const or = r(OP, 6, 0);
export const and = r(OP, 7, 0);
export const mul = r(OP, 0, 1);
export const div = r(OP, 4, 1);
export const divu = r(OP, 5, 1);
export const rem = r(OP, 6, 1);
export const remu = r(OP, 7, 1);
export const addw = r(OP_32, 0, 0);
export const subw = r(OP_32, 0, 0x20);
export const sllw = r(OP_32, 1, 0);
export const srlw = r(OP_32, 5, 0);
export const sraw = r(OP_32, 5, 0x20);
export const mulw = r(OP_32, 0, 1);
export const divw = r(OP_32, 4, 1);
export const divuw = r(OP_32, 5, 1);
export const remw = r(OP_32, 6, 1);
export const remuw = r(OP_32, 7, 1);

export const addi = i(OP_IMM, 0);
export const xori = i(OP_IMM, 4);
export const ori = i(OP_IMM, 6);
export const andi = i(OP_IMM, 7);
export const slli = i(OP_IMM, 1);
export const srli = i(OP_IMM, 5);
export const srai = i(OP_IMM, 5, 0x10);
export const addiw = i(OP_IMM_32, 0);
export const slliw = i(OP_IMM_32, 1);
export const srliw = i(OP_IMM_32, 5);
export const sraiw = i(OP_IMM_32, 5, 0x10);

export const lb = l(0);
export const lh = l(1);
export const lw = l(2);
export const ld = l(3);
export const lbu = l(4);
export const lhu = l(5);
export const lwu = l(6);
export const sb = s(0);
export const sh = s(1);
export const sw = s(2);
export const sd = s(3);

/** `high`: bits 31 to 12, as a signed number of 20 bits. */
export const lui = (rd: number, high: number): number => (high << 12) | (rd << 7) | 0x37;
export const auipc = (rd: number, high: number): number => (high << 12) | (rd << 7) | 0x17;
export const jalr = (rd: number, off: number, rs1: number): number => (off << 20) | (rs1 << 15) | (rd << 7) | 0x67;
export const jal = (rd: number, off: number): number =>
  (((off >> 20) & 1) << 31) |
  (((off >> 1) & 0x3ff) << 21) |
  (((off >> 11) & 1) << 20) |
  (((off >> 12) & 0xff) << 12) |
  (rd << 7) |
  0x6f;

/** `f3` of branches; the opposite of one has the lowest bit flipped. */
export const EQ = 0;
export const NE = 1;
export const LT = 4;
export const GE = 5;
export const LTU = 6;
export const GEU = 7;
export const branch = (f3: number, rs1: number, rs2: number, off: number): number =>
  (((off >> 12) & 1) << 31) |
  (((off >> 5) & 0x3f) << 25) |
  (rs2 << 20) |
  (rs1 << 15) |
  (f3 << 12) |
  (((off >> 1) & 15) << 8) |
  (((off >> 11) & 1) << 7) |
  0x63;

/** `order`: bit 1 acquires, bit 0 releases. `word`: 32 bits wide. */
const amo =
  (f5: number) =>
  (word: boolean, order: number, rd: number, rs2: number, rs1: number): number =>
    (f5 << 27) | (order << 25) | (rs2 << 20) | (rs1 << 15) | ((word ? 2 : 3) << 12) | (rd << 7) | AMO;
export const amoadd = amo(0);
export const amoswap = amo(1);
export const amoxor = amo(4);
export const amoor = amo(8);
export const amoand = amo(12);
const lr = amo(2);
export const loadReserved = (word: boolean, order: number, rd: number, rs1: number): number =>
  lr(word, order, rd, 0, rs1);
export const storeConditional = amo(3);

/** Sets of accesses a fence orders. */
export const READ = 2;
export const WRITE = 1;
export const fence = (before: number, after: number): number => (before << 24) | (after << 20) | 0x0f;
export const fenceI = (): number => 0x100f;
export const ecall = (): number => 0x73;
export const ebreak = (): number => 0x100073;

// Zba
export const sh1add = r(OP, 2, 0x10);
export const sh2add = r(OP, 4, 0x10);
export const sh3add = r(OP, 6, 0x10);
/** rs1 zero-extended from 32 bits, plus rs2. */
export const addUw = r(OP_32, 0, 4);
export const slliUw = i(OP_IMM_32, 1, 2);

// Zbb
export const rori = i(OP_IMM, 5, 0x18);
export const rev8 = (rd: number, rs1: number): number => (0x6b8 << 20) | (rs1 << 15) | (5 << 12) | (rd << 7) | OP_IMM;
export const sextB = (rd: number, rs1: number): number => (0x604 << 20) | (rs1 << 15) | (1 << 12) | (rd << 7) | OP_IMM;
export const sextH = (rd: number, rs1: number): number => (0x605 << 20) | (rs1 << 15) | (1 << 12) | (rd << 7) | OP_IMM;
export const zextH = (rd: number, rs1: number): number => (4 << 25) | (rs1 << 15) | (4 << 12) | (rd << 7) | OP_32;
