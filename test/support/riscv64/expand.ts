/** Compressed instructions as the 32-bit words they stand for: written from the manual, not from what the JIT does. */

const bit = (half: number, from: number, to: number): number => ((half >> from) & 1) << to;
/** `fields`: pairs of bit in the instruction and bit in the number. */
const gather = (half: number, fields: readonly (readonly [number, number])[]): number =>
  fields.reduce((sum, [from, to]) => sum | bit(half, from, to), 0);
const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

const IMM6 = [
  [12, 5],
  [6, 4],
  [5, 3],
  [4, 2],
  [3, 1],
  [2, 0],
] as const;
const SP16 = [
  [12, 9],
  [4, 8],
  [3, 7],
  [5, 6],
  [2, 5],
  [6, 4],
] as const;
const SP4N = [
  [10, 9],
  [9, 8],
  [8, 7],
  [7, 6],
  [12, 5],
  [11, 4],
  [5, 3],
  [6, 2],
] as const;
const OFFW = [
  [5, 6],
  [12, 5],
  [11, 4],
  [10, 3],
  [6, 2],
] as const;
const OFFD = [
  [6, 7],
  [5, 6],
  [12, 5],
  [11, 4],
  [10, 3],
] as const;
const LWSP = [
  [3, 7],
  [2, 6],
  [12, 5],
  [6, 4],
  [5, 3],
  [4, 2],
] as const;
const LDSP = [
  [4, 8],
  [3, 7],
  [2, 6],
  [12, 5],
  [6, 4],
  [5, 3],
] as const;
const SWSP = [
  [8, 7],
  [7, 6],
  [12, 5],
  [11, 4],
  [10, 3],
  [9, 2],
] as const;
const SDSP = [
  [9, 8],
  [8, 7],
  [7, 6],
  [12, 5],
  [11, 4],
  [10, 3],
] as const;
const JUMP = [
  [12, 11],
  [8, 10],
  [10, 9],
  [9, 8],
  [6, 7],
  [7, 6],
  [2, 5],
  [11, 4],
  [5, 3],
  [4, 2],
  [3, 1],
] as const;
const BRANCH = [
  [12, 8],
  [6, 7],
  [5, 6],
  [2, 5],
  [11, 4],
  [10, 3],
  [4, 2],
  [3, 1],
] as const;

const I = (op: number, f3: number, rd: number, rs1: number, imm: number): number =>
  (imm << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | op;
const R = (op: number, f3: number, f7: number, rd: number, rs1: number, rs2: number): number =>
  (f7 << 25) | (rs2 << 20) | I(op, f3, rd, rs1, 0);
const S = (f3: number, rs1: number, rs2: number, imm: number): number =>
  ((imm >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | ((imm & 31) << 7) | 0x23;

/** undefined for what is none, or is floating point. */
export function expand(half: number): number | undefined {
  const f3 = half >> 13;
  const rd = (half >> 7) & 31;
  const rs2 = (half >> 2) & 31;
  const high = 8 + ((half >> 7) & 7);
  const low = 8 + ((half >> 2) & 7);
  const imm = signed(gather(half, IMM6), 6);
  const shift = gather(half, IMM6);
  switch (((half & 3) << 3) | f3) {
    case 0: {
      const off = gather(half, SP4N);
      return off === 0 ? undefined : I(0x13, 0, low, 2, off);
    }
    case 2:
      return I(0x03, 2, low, high, gather(half, OFFW));
    case 3:
      return I(0x03, 3, low, high, gather(half, OFFD));
    case 6:
      return S(2, high, low, gather(half, OFFW));
    case 7:
      return S(3, high, low, gather(half, OFFD));
    case 8:
      return rd !== 0 && imm === 0 ? undefined : I(0x13, 0, rd, rd, imm);
    case 9:
      return rd === 0 ? undefined : I(0x1b, 0, rd, rd, imm);
    case 10:
      return rd === 0 ? undefined : I(0x13, 0, rd, 0, imm);
    case 11: {
      if (rd === 2) return gather(half, SP16) === 0 ? undefined : I(0x13, 0, 2, 2, signed(gather(half, SP16), 10));
      return rd === 0 || imm === 0 ? undefined : (imm << 12) | (rd << 7) | 0x37;
    }
    case 12: {
      const kind = (half >> 10) & 3;
      if (kind === 2) return I(0x13, 7, high, high, imm);
      if (kind < 2) return shift === 0 ? undefined : I(0x13, 5, high, high, shift | (kind << 10));
      const form = bit(half, 12, 2) | ((half >> 5) & 3);
      const table = [
        [0x33, 0, 0x20],
        [0x33, 4, 0],
        [0x33, 6, 0],
        [0x33, 7, 0],
        [0x3b, 0, 0x20],
        [0x3b, 0, 0],
      ][form];
      return table === undefined ? undefined : R(table[0], table[1], table[2], high, high, low);
    }
    case 13: {
      const off = signed(gather(half, JUMP), 12);
      return jal(0, off);
    }
    case 14:
    case 15:
      return branch(f3 & 1, high, 0, signed(gather(half, BRANCH), 9));
    case 16:
      return rd === 0 || shift === 0 ? undefined : I(0x13, 1, rd, rd, shift);
    case 18:
      return rd === 0 ? undefined : I(0x03, 2, rd, 2, gather(half, LWSP));
    case 19:
      return rd === 0 ? undefined : I(0x03, 3, rd, 2, gather(half, LDSP));
    case 20: {
      const link = bit(half, 12, 0);
      if (rs2 !== 0) return rd === 0 ? undefined : R(0x33, 0, 0, rd, link === 1 ? rd : 0, rs2);
      if (rd === 0) return link === 1 ? 0x100073 : undefined;
      return I(0x67, 0, link, rd, 0);
    }
    case 22:
      return S(2, 2, rs2, gather(half, SWSP));
    case 23:
      return S(3, 2, rs2, gather(half, SDSP));
    default:
      return undefined;
  }
}

function jal(rd: number, off: number): number {
  const low = ((off & 0x7fe) << 20) | ((off & 0x800) << 9) | (off & 0xff000);
  return ((off < 0 ? 1 : 0) << 31) | low | (rd << 7) | 0x6f;
}
function branch(f3: number, rs1: number, rs2: number, off: number): number {
  const split = ((off & 0x7e0) << 20) | ((off & 0x1e) << 7) | ((off & 0x800) >> 4);
  return ((off < 0 ? 1 : 0) << 31) | split | (rs2 << 20) | (rs1 << 15) | (f3 << 12) | 0x63;
}
