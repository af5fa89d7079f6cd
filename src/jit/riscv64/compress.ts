import { RA, SP } from './encode.ts';

/** x8 to x15: what three bits name. */
export const isPrime = (register: number): boolean => (register & 0x18) === 8;
const isS6 = (value: number): boolean => value >= -32 && value < 32;

/** A six-bit immediate as most compressed forms split it: 5 | 4:0. */
const imm6 = (value: number): number => ((value & 0x20) << 7) | ((value & 0x1f) << 2);
/** Offsets of c.lw and c.sw: 5:3 | 2 | 6. Of c.ld and c.sd: 5:3 | 7:6. */
const offW = (off: number): number => ((off & 0x38) << 7) | ((off & 4) << 4) | ((off & 0x40) >> 1);
const offD = (off: number): number => ((off & 0x38) << 7) | ((off & 0xc0) >> 1);

/**
 * The 16-bit form of an instruction, 0 where it has none. Operands of commutative operations may change places. Not for
 * branches and jumps to a label, whose distance decides.
 */
export function compress(word: number): number {
  const rd = (word >> 7) & 31;
  const rs1 = (word >> 15) & 31;
  switch (word & 0x7f) {
    case 0x13:
      return compressImmediate(word, rd, rs1);
    case 0x1b:
      // addiw: of x0 it is c.li.
      if (((word >> 12) & 7) !== 0 || rd === 0 || !isS6(word >> 20)) return 0;
      if (rs1 === 0) return 0x4001 | (rd << 7) | imm6(word >> 20);
      return rd === rs1 ? 0x2001 | (rd << 7) | imm6(word >> 20) : 0;
    case 0x37:
      return rd !== 0 && rd !== SP && isS6(word >> 12) && word >> 12 !== 0 ? 0x6001 | (rd << 7) | imm6(word >> 12) : 0;
    case 0x33:
    case 0x3b:
      return compressRegisters(word, rd, rs1);
    case 0x03:
      return compressLoad((word >> 12) & 7, rd, word >> 20, rs1);
    case 0x23:
      return compressStore((word >> 12) & 7, (word >> 20) & 31, ((word >> 25) << 5) | rd, rs1);
    case 0x67:
      if (word >> 20 !== 0 || rs1 === 0) return 0;
      return rd === 0 ? 0x8002 | (rs1 << 7) : rd === RA ? 0x9002 | (rs1 << 7) : 0;
    case 0x73:
      return word === 0x100073 ? 0x9002 : 0;
    default:
      return 0;
  }
}

function compressImmediate(word: number, rd: number, rs1: number): number {
  const imm = word >> 20;
  const f3 = (word >> 12) & 7;
  if (f3 === 0) {
    if (rd === 0) return rs1 === 0 && imm === 0 ? 1 : 0;
    if (rs1 === 0) return isS6(imm) ? 0x4001 | (rd << 7) | imm6(imm) : 0;
    if (imm === 0) return 0x8002 | (rd << 7) | (rs1 << 2);
    if (rd === rs1 && isS6(imm)) return 1 | (rd << 7) | imm6(imm);
    if (rs1 !== SP) return 0;
    if (rd === SP) {
      if ((imm & 15) !== 0 || imm < -512 || imm >= 512) return 0;
      const middle = ((imm & 0x10) << 2) | ((imm & 0x40) >> 1) | ((imm & 0x180) >> 4) | ((imm & 0x20) >> 3);
      return 0x6101 | ((imm & 0x200) << 3) | middle;
    }
    if (!isPrime(rd) || (imm & 3) !== 0 || imm < 0 || imm > 1020) return 0;
    const split = ((imm & 0x30) << 7) | ((imm & 0x3c0) << 1) | ((imm & 4) << 4) | ((imm & 8) << 2);
    return split | ((rd & 7) << 2);
  }
  if (rd !== rs1 || rd === 0) return 0;
  const high = word >>> 26;
  const shift = imm & 63;
  if (f3 === 1) return high === 0 && shift !== 0 ? 2 | (rd << 7) | imm6(shift) : 0;
  if (!isPrime(rd)) return 0;
  if (f3 === 5 && shift !== 0 && (high === 0 || high === 0x10))
    return 0x8001 | (high << 6) | ((rd & 7) << 7) | imm6(shift);
  return f3 === 7 && isS6(imm) ? 0x8801 | ((rd & 7) << 7) | imm6(imm) : 0;
}

/** By funct7 bit 5, funct3 and word bit: the low bits of a form, and 1 more where operands may change places. */
function pairForm(word: number): number {
  switch (word & 0xfe00707f) {
    case 0x40000033:
      return 0x8c01; // sub
    case 0x00004033:
      return 0x18c21; // xor
    case 0x00006033:
      return 0x18c41; // or
    case 0x00007033:
      return 0x18c61; // and
    case 0x4000003b:
      return 0x9c01; // subw
    case 0x0000003b:
      return 0x19c21; // addw
    default:
      return 0;
  }
}

function compressRegisters(word: number, rd: number, rs1: number): number {
  const rs2 = (word >> 20) & 31;
  if (rd === 0) return 0;
  if ((word & 0xfe00707f) === 0x33) {
    if (rs1 === 0) return rs2 === 0 ? 0 : 0x8002 | (rd << 7) | (rs2 << 2);
    if (rs2 === 0) return 0x8002 | (rd << 7) | (rs1 << 2);
    if (rd === rs1) return 0x9002 | (rd << 7) | (rs2 << 2);
    return rd === rs2 ? 0x9002 | (rd << 7) | (rs1 << 2) : 0;
  }
  if (!isPrime(rd) || !isPrime(rs1) || !isPrime(rs2)) return 0;
  const form = pairForm(word);
  if (form === 0) return 0;
  if (rd === rs1) return (form & 0xffff) | ((rd & 7) << 7) | ((rs2 & 7) << 2);
  return rd === rs2 && form > 0xffff ? (form & 0xffff) | ((rd & 7) << 7) | ((rs1 & 7) << 2) : 0;
}

function compressLoad(f3: number, rd: number, off: number, rs1: number): number {
  if (off < 0 || (f3 !== 2 && f3 !== 3)) return 0;
  const wide = f3 === 3;
  if ((off & (wide ? 7 : 3)) !== 0) return 0;
  if (rs1 === SP) {
    if (rd === 0 || off > (wide ? 504 : 252)) return 0;
    const low = wide ? ((off & 0x18) << 2) | ((off & 0x1c0) >> 4) : ((off & 0x1c) << 2) | ((off & 0xc0) >> 4);
    return (wide ? 0x6002 : 0x4002) | ((off & 0x20) << 7) | (rd << 7) | low;
  }
  if (!isPrime(rs1) || !isPrime(rd) || off > (wide ? 248 : 124)) return 0;
  const registers = ((rs1 & 7) << 7) | ((rd & 7) << 2);
  return wide ? 0x6000 | offD(off) | registers : 0x4000 | offW(off) | registers;
}

function compressStore(f3: number, rs2: number, off: number, rs1: number): number {
  if (off < 0 || (f3 !== 2 && f3 !== 3)) return 0;
  const wide = f3 === 3;
  if ((off & (wide ? 7 : 3)) !== 0) return 0;
  if (rs1 === SP) {
    if (off > (wide ? 504 : 252)) return 0;
    return wide
      ? 0xe002 | ((off & 0x38) << 7) | ((off & 0x1c0) << 1) | (rs2 << 2)
      : 0xc002 | ((off & 0x3c) << 7) | ((off & 0xc0) << 1) | (rs2 << 2);
  }
  if (!isPrime(rs1) || !isPrime(rs2) || off > (wide ? 248 : 124)) return 0;
  const registers = ((rs1 & 7) << 7) | ((rs2 & 7) << 2);
  return wide ? 0xe000 | offD(off) | registers : 0xc000 | offW(off) | registers;
}

/** c.beqz (`f3` 0) or c.bnez (1): `rs1` one of x8 to x15, `off` in −256 … 254. */
export const compressedBranch = (f3: number, rs1: number, off: number): number =>
  0xc001 |
  (f3 << 13) |
  ((off & 0x100) << 4) |
  ((off & 0x18) << 7) |
  ((rs1 & 7) << 7) |
  ((off & 0xc0) >> 1) |
  ((off & 6) << 2) |
  ((off & 0x20) >> 3);

/** c.j: `off` in −2048 … 2046. */
export const compressedJump = (off: number): number =>
  0xa001 |
  ((off & 0x800) << 1) |
  ((off & 0x10) << 7) |
  ((off & 0x300) << 1) |
  ((off & 0x400) >> 2) |
  ((off & 0x40) << 1) |
  ((off & 0x80) >> 1) |
  ((off & 0xe) << 2) |
  ((off & 0x20) >> 3);
