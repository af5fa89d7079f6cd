/**
 * 64-bit values as two int32 halves. This file is the only place that splits, wraps, multiplies, divides and prints
 * them; a pair is always written high half first. BigInt appears only here and at the edges of the API: on the hot
 * paths of engines and verifier it is 10 to 40 times slower than a pair of halves.
 */

const TWO32 = 4294967296;

/** The signed high half of a 64-bit value. */
export function hi32(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}
/** The signed low half of a 64-bit value. */
export function lo32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
/** Halves to an unsigned 64-bit BigInt. */
export function u64Of(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
/** Halves to a signed 64-bit BigInt. */
export function i64Of(hi: number, lo: number): bigint {
  return BigInt.asIntN(64, u64Of(hi, lo));
}
/** The high half of an integer `Number` of at most 53 bits, sign included. */
export function hiOfNumber(value: number): number {
  return Math.floor(value / TWO32) | 0;
}

/** Unsigned `(ah:al) < (bh:bl)`. */
export function ltU64(ah: number, al: number, bh: number, bl: number): boolean {
  return ah === bh ? al >>> 0 < bl >>> 0 : ah >>> 0 < bh >>> 0;
}
/** Signed `(ah:al) < (bh:bl)`. */
export function ltS64(ah: number, al: number, bh: number, bl: number): boolean {
  return ah === bh ? al >>> 0 < bl >>> 0 : ah < bh;
}

/** High half of the sum; the low half is `(al + bl) | 0`. */
export function addHi(ah: number, al: number, bh: number, bl: number): number {
  return (ah + bh + ((al >>> 0) + (bl >>> 0) >= TWO32 ? 1 : 0)) | 0;
}
/** High half of the difference; the low half is `(al - bl) | 0`. */
export function subHi(ah: number, al: number, bh: number, bl: number): number {
  return (ah - bh - (al >>> 0 < bl >>> 0 ? 1 : 0)) | 0;
}

/** High 32 bits of the unsigned 32 × 32 product. */
export function mulhuU32(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low >>> 16);
  const mid2 = a0 * b1 + (mid % 65536);
  return (a1 * b1 + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) | 0;
}
/** High half of the wrapping product; the low half is `Math.imul(al, bl)`. */
export function mulHi(ah: number, al: number, bh: number, bl: number): number {
  return (mulhuU32(al, bl) + Math.imul(ah, bl) + Math.imul(al, bh)) | 0;
}

/** High half of `(hi:lo) << n`, 0 <= n <= 63. */
export function shlHi(hi: number, lo: number, n: number): number {
  return n === 0 ? hi : n < 32 ? (hi << n) | (lo >>> (32 - n)) : lo << (n - 32);
}
/** Low half of `(hi:lo) << n`, 0 <= n <= 63. */
export function shlLo(lo: number, n: number): number {
  return n < 32 ? lo << n : 0;
}
/** High half of the logical `(hi:lo) >> n`, 0 <= n <= 63. */
export function shrHi(hi: number, n: number): number {
  return n < 32 ? (hi >>> n) | 0 : 0;
}
/** Low half of the logical `(hi:lo) >> n`, 0 <= n <= 63. */
export function shrLo(hi: number, lo: number, n: number): number {
  return n === 0 ? lo : n < 32 ? (lo >>> n) | (hi << (32 - n)) : (hi >>> (n - 32)) | 0;
}
/** High half of the arithmetic `(hi:lo) >> n`, 0 <= n <= 63. */
export function sarHi(hi: number, n: number): number {
  return n < 32 ? hi >> n : hi >> 31;
}
/** Low half of the arithmetic `(hi:lo) >> n`, 0 <= n <= 63. */
export function sarLo(hi: number, lo: number, n: number): number {
  return n === 0 ? lo : n < 32 ? (lo >>> n) | (hi << (32 - n)) : hi >> (n - 32);
}

export function bswap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}
export function bswap32(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

/** `0x1f`: lower-case hex without padding, of the unsigned value. */
export function hex64(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`;
}

const DOUBLE_EXACT_HI = 0x200000;

/**
 * Unsigned 64-bit division. Writes quotient (high, low) and remainder (high, low) to `out[0..3]`; b must not be 0.
 * Values below 2^53 take the exact double path, others BigInt.
 */
export function divmodU64(ah: number, al: number, bh: number, bl: number, out: Int32Array): void {
  const aHigh = ah >>> 0;
  const bHigh = bh >>> 0;
  if (aHigh < DOUBLE_EXACT_HI && bHigh < DOUBLE_EXACT_HI) {
    const a = aHigh * TWO32 + (al >>> 0);
    const b = bHigh * TWO32 + (bl >>> 0);
    const remainder = a % b;
    const quotient = (a - remainder) / b;
    // ToInt32 takes an exact double modulo 2^32, which is just its low half.
    out[0] = (quotient / TWO32) | 0;
    out[1] = quotient | 0;
    out[2] = (remainder / TWO32) | 0;
    out[3] = remainder | 0;
    return;
  }
  const a = u64Of(ah, al);
  const b = u64Of(bh, bl);
  const quotient = a / b;
  const remainder = a - quotient * b;
  out[0] = hi32(quotient);
  out[1] = lo32(quotient);
  out[2] = hi32(remainder);
  out[3] = lo32(remainder);
}
