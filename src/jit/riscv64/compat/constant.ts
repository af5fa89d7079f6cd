import { ERRNO } from '../../../uapi/index.ts';
import { JitError } from '../../types.ts';
import { add, addi, addUw, and, andi, auipc, sextB, sextH, sh3add, slli, srai, srli, sub, zextH } from '../encode.ts';
import { type Emission, isS12, isShort } from './emission.ts';
import { ZERO } from './registers.ts';

const isS6 = (value: number): boolean => value >= -32 && value < 32;

// ---- arithmetic with short forms

export function emitAdd(e: Emission, rd: number, rs1: number, rs2: number): void {
  e.packed(add(rd, rs1, rs2), rd !== ZERO && rd === rs1 && rs2 !== ZERO);
}

type ThreeRegs = (rd: number, rs1: number, rs2: number) => number;

/** sub, subw, and, or, xor: short with registers 8 to 15. */
export function emitShort3(e: Emission, op: ThreeRegs, rd: number, rs1: number, rs2: number): void {
  e.packed(op(rd, rs1, rs2), isShort(rd) && rd === rs1 && isShort(rs2));
}

export const emitAnd = (e: Emission, rd: number, rs1: number, rs2: number): void => emitShort3(e, and, rd, rs1, rs2);
export const emitSub = (e: Emission, rd: number, rs1: number, rs2: number): void => emitShort3(e, sub, rd, rs1, rs2);

export function emitSlli(e: Emission, rd: number, rs: number, by: number): void {
  e.packed(slli(rd, rs, by), rd !== ZERO && rd === rs && by !== 0);
}

/** srli, srai */
export function emitShiftRight(e: Emission, op: ThreeRegs, rd: number, rs: number, by: number): void {
  e.packed(op(rd, rs, by), isShort(rd) && rd === rs && by !== 0);
}

export function emitAndi(e: Emission, rd: number, rs: number, imm: number): void {
  e.packed(andi(rd, rs, imm), isShort(rd) && rd === rs && isS6(imm));
}

// ---- extensions

export function zextWord(e: Emission, rd: number, rs: number): void {
  if (e.unit.zba) {
    e.word(addUw(rd, rs, ZERO));
    return;
  }
  emitSlli(e, rd, rs, 32);
  emitShiftRight(e, srli, rd, rd, 32);
}

export const sextWord = (e: Emission, rd: number, rs: number): void => e.addiw(rd, rs, 0);

export function zextHalf(e: Emission, rd: number, rs: number): void {
  if (e.unit.zbb) {
    e.word(zextH(rd, rs));
    return;
  }
  emitSlli(e, rd, rs, 48);
  emitShiftRight(e, srli, rd, rd, 48);
}

/** Of a byte or a halfword. */
export function sextNarrow(e: Emission, bits: 8 | 16, rd: number, rs: number): void {
  if (e.unit.zbb) {
    e.word((bits === 8 ? sextB : sextH)(rd, rs));
    return;
  }
  emitSlli(e, rd, rs, 64 - bits);
  emitShiftRight(e, srai, rd, rd, 64 - bits);
}

/** Clears the high half after a 32-bit operation, unless the verifier took care of that. */
export function truncate(e: Emission, rd: number): void {
  if (!e.unit.zeroExtended) zextWord(e, rd, rd);
}

/** rd = rs1 · 8 + rs2 */
export function emitSh3add(e: Emission, rd: number, rs1: number, rs2: number): void {
  if (e.unit.zba) {
    e.word(sh3add(rd, rs1, rs2));
    return;
  }
  emitSlli(e, rd, rs1, 3);
  emitAdd(e, rd, rd, rs2);
}

// ---- constants

/** A number of up to 53 bits (`emit_imm`): the upper bits first, shifted, then 12 more. */
export function constant(e: Emission, rd: number, value: number): void {
  const upper = Math.floor((value + 0x800) / 0x1000);
  const lower = value - upper * 0x1000;
  if (value >= -0x80000000 && value < 0x80000000) {
    if (upper === 0) e.li(rd, lower);
    else {
      e.lui(rd, upper);
      e.addiw(rd, rd, lower);
    }
    return;
  }
  shifted(e, rd, upper, lower);
}

function shifted(e: Emission, rd: number, upper: number, lower: number): void {
  let shift = 12;
  let high = upper;
  for (; high % 2 === 0; high /= 2) shift++;
  constant(e, rd, high);
  emitSlli(e, rd, rd, shift);
  if (lower !== 0) e.addi(rd, rd, lower);
}

/** A 64-bit number as halves. */
export function constant64(e: Emission, rd: number, hi: number, lo: number): void {
  if (hi === lo >> 31) {
    constant(e, rd, lo);
    return;
  }
  const upper = hi * 0x100000 + Math.floor(((lo >>> 0) + 0x800) / 0x1000);
  // The sum that rounds wraps at 2^63.
  shifted(e, rd, upper === 2 ** 51 ? -(2 ** 51) : upper, (lo << 20) >> 20);
}

/** Whether `auipc` and twelve bits reach. */
export const reaches = (off: number): boolean => off >= -0x80000800 && off < 0x7ffff800;

export const outOfRange = (off: number): JitError =>
  new JitError(
    ERRNO.ERANGE,
    `bpf-jit: target offset ${off < 0 ? '-' : ''}0x${Math.abs(off).toString(16)} is out of range`,
  );

/** Bits 31 to 12, rounded for what the low twelve add, and those. */
export function split(off: number): readonly [high: number, low: number] {
  const value = off | 0;
  return [(value + 0x800) >> 12, (value << 20) >> 20];
}

/** Distance of an address from here: exact where it matters. */
export const distanceOf = (e: Emission, addr: bigint): number => Number(BigInt.asIntN(64, addr - e.address));

/** An address relative to here: always two instructions (`emit_addr`). */
export function address(e: Emission, rd: number, value: bigint, final: boolean): void {
  const off = distanceOf(e, value);
  if (final && !reaches(off)) throw outOfRange(off);
  const [high, low] = split(off);
  e.word(auipc(rd, high));
  e.word(addi(rd, rd, low));
}

export { isS12 };
