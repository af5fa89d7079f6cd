import { addHi, mulHi, sarHi, sarLo, shlHi, shlLo, shrHi, shrLo, subHi } from '../../util/index.ts';

/**
 * What is known of each bit of a 64-bit value, as int32 halves:
 *
 *     mask value
 *      0    0     the bit is 0
 *      0    1     the bit is 1
 *      1    0     the bit may be either
 *      1    1     never
 *
 * A `Scalar` has these fields too, so functions that read a tnum read a scalar's `var_off`, and those that write one
 * (`…Into`) write it.
 */
export interface TnumBits {
  readonly valueHi: number;
  readonly valueLo: number;
  readonly maskHi: number;
  readonly maskLo: number;
}

export interface TnumOut {
  valueHi: number;
  valueLo: number;
  maskHi: number;
  maskLo: number;
}

/** A tracked number on its own; immutable once made. Source: `kernel/bpf/tnum.c`. */
export class Tnum implements TnumBits {
  readonly valueHi: number;
  readonly valueLo: number;
  readonly maskHi: number;
  readonly maskLo: number;

  constructor(valueHi: number, valueLo: number, maskHi: number, maskLo: number) {
    this.valueHi = valueHi | 0;
    this.valueLo = valueLo | 0;
    this.maskHi = maskHi | 0;
    this.maskLo = maskLo | 0;
  }
}

export const TNUM_UNKNOWN = new Tnum(0, 0, -1, -1);

export const tnumConst = (hi: number, lo: number): Tnum => new Tnum(hi, lo, 0, 0);
export const tnumOf = (a: TnumBits): Tnum => new Tnum(a.valueHi, a.valueLo, a.maskHi, a.maskLo);
const blank = (): Tnum => new Tnum(0, 0, 0, 0);

function put(out: TnumOut, valueHi: number, valueLo: number, maskHi: number, maskLo: number): void {
  out.valueHi = valueHi | 0;
  out.valueLo = valueLo | 0;
  out.maskHi = maskHi | 0;
  out.maskLo = maskLo | 0;
}

/** All bits from the highest set one down; 0 of 0. */
export const smearU32 = (bits: number): number => (bits === 0 ? 0 : (-1 >>> Math.clz32(bits)) | 0);

/** The smallest tnum that holds min..max (unsigned): a common prefix, then unknown bits. */
export function tnumRange(minHi: number, minLo: number, maxHi: number, maxLo: number): Tnum {
  const maskHi = smearU32(minHi ^ maxHi);
  const maskLo = maskHi === 0 ? smearU32(minLo ^ maxLo) : -1;
  return new Tnum(minHi & ~maskHi, minLo & ~maskLo, maskHi, maskLo);
}

/** @param n 0..63 */
export function tnumLshift(a: TnumBits, n: number): Tnum {
  const out = blank();
  tnumLshiftInto(out, a, n);
  return out;
}
export function tnumLshiftInto(out: TnumOut, a: TnumBits, n: number): void {
  put(out, shlHi(a.valueHi, a.valueLo, n), shlLo(a.valueLo, n), shlHi(a.maskHi, a.maskLo, n), shlLo(a.maskLo, n));
}

/** @param n 0..63 */
export function tnumRshift(a: TnumBits, n: number): Tnum {
  const out = blank();
  tnumRshiftInto(out, a, n);
  return out;
}
export function tnumRshiftInto(out: TnumOut, a: TnumBits, n: number): void {
  put(out, shrHi(a.valueHi, n), shrLo(a.valueHi, a.valueLo, n), shrHi(a.maskHi, n), shrLo(a.maskHi, a.maskLo, n));
}

/** @param bits width of the operation: with 32 the result is the shifted low half, its high half 0 */
export function tnumArshift(a: TnumBits, n: number, bits: 32 | 64): Tnum {
  const out = blank();
  tnumArshiftInto(out, a, n, bits);
  return out;
}
export function tnumArshiftInto(out: TnumOut, a: TnumBits, n: number, bits: 32 | 64): void {
  if (bits === 32) put(out, 0, a.valueLo >> n, 0, a.maskLo >> n);
  else put(out, sarHi(a.valueHi, n), sarLo(a.valueHi, a.valueLo, n), sarHi(a.maskHi, n), sarLo(a.maskHi, a.maskLo, n));
}

export function tnumAdd(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumAddInto(out, a, b);
  return out;
}
/** Bits in which the sum of all ones and the sum of all zeros differ may carry, and so are unknown. */
export function tnumAddInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const masksLo = (a.maskLo + b.maskLo) | 0;
  const masksHi = addHi(a.maskHi, a.maskLo, b.maskHi, b.maskLo);
  const lo = (a.valueLo + b.valueLo) | 0;
  const hi = addHi(a.valueHi, a.valueLo, b.valueHi, b.valueLo);
  const mostLo = (masksLo + lo) | 0;
  const mostHi = addHi(masksHi, masksLo, hi, lo);
  const maskHi = (mostHi ^ hi) | a.maskHi | b.maskHi;
  const maskLo = (mostLo ^ lo) | a.maskLo | b.maskLo;
  put(out, hi & ~maskHi, lo & ~maskLo, maskHi, maskLo);
}

export function tnumSub(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumSubInto(out, a, b);
  return out;
}
export function tnumSubInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const lo = (a.valueLo - b.valueLo) | 0;
  const hi = subHi(a.valueHi, a.valueLo, b.valueHi, b.valueLo);
  const mostLo = (lo + a.maskLo) | 0;
  const mostHi = addHi(hi, lo, a.maskHi, a.maskLo);
  const leastLo = (lo - b.maskLo) | 0;
  const leastHi = subHi(hi, lo, b.maskHi, b.maskLo);
  const maskHi = (mostHi ^ leastHi) | a.maskHi | b.maskHi;
  const maskLo = (mostLo ^ leastLo) | a.maskLo | b.maskLo;
  put(out, hi & ~maskHi, lo & ~maskLo, maskHi, maskLo);
}

/** 0 - a. Linux 6.12 does not use it: there the result of BPF_NEG is unknown. */
export const tnumNeg = (a: TnumBits): Tnum => tnumSub(blank(), a);

export function tnumAnd(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumAndInto(out, a, b);
  return out;
}
export function tnumAndInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const hi = a.valueHi & b.valueHi;
  const lo = a.valueLo & b.valueLo;
  const maskHi = (a.valueHi | a.maskHi) & (b.valueHi | b.maskHi) & ~hi;
  const maskLo = (a.valueLo | a.maskLo) & (b.valueLo | b.maskLo) & ~lo;
  put(out, hi, lo, maskHi, maskLo);
}

export function tnumOr(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumOrInto(out, a, b);
  return out;
}
export function tnumOrInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const hi = a.valueHi | b.valueHi;
  const lo = a.valueLo | b.valueLo;
  put(out, hi, lo, (a.maskHi | b.maskHi) & ~hi, (a.maskLo | b.maskLo) & ~lo);
}

export function tnumXor(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumXorInto(out, a, b);
  return out;
}
export function tnumXorInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const maskHi = a.maskHi | b.maskHi;
  const maskLo = a.maskLo | b.maskLo;
  put(out, (a.valueHi ^ b.valueHi) & ~maskHi, (a.valueLo ^ b.valueLo) & ~maskLo, maskHi, maskLo);
}

export function tnumMul(a: TnumBits, b: TnumBits): Tnum {
  const out = blank();
  tnumMulInto(out, a, b);
  return out;
}
/**
 * Long multiplication: the product of the values, and a sum of masks shifted by each bit of `a` that is not surely 0.
 * Those partial sums have no value of their own, so adding one is `acc = (acc + m) | acc | m`.
 */
export function tnumMulInto(out: TnumOut, a: TnumBits, b: TnumBits): void {
  const lo = Math.imul(a.valueLo, b.valueLo);
  const hi = mulHi(a.valueHi, a.valueLo, b.valueHi, b.valueLo);
  if ((a.maskHi | a.maskLo | b.maskHi | b.maskLo) === 0) {
    put(out, hi, lo, 0, 0);
    return;
  }
  const anyHi = b.valueHi | b.maskHi;
  const anyLo = b.valueLo | b.maskLo;
  let accHi = 0;
  let accLo = 0;
  for (let half = 0; half < 64; half += 32) {
    const value = half === 0 ? a.valueLo : a.valueHi;
    let bits = value | (half === 0 ? a.maskLo : a.maskHi);
    while (bits !== 0) {
      const lowest = bits & -bits;
      bits ^= lowest;
      const n = half + 31 - Math.clz32(lowest);
      const sure = (value & lowest) !== 0;
      const mHi = shlHi(sure ? b.maskHi : anyHi, sure ? b.maskLo : anyLo, n);
      const mLo = shlLo(sure ? b.maskLo : anyLo, n);
      const sumHi = addHi(accHi, accLo, mHi, mLo);
      accLo = (accLo + mLo) | accLo | mLo | 0;
      accHi = sumHi | accHi | mHi;
    }
  }
  // The sum of the known product and the unknown parts: bits that these may carry into are unknown.
  const sumLo = (lo + accLo) | 0;
  const sumHi = addHi(hi, lo, accHi, accLo);
  const maskHi = (sumHi ^ hi) | accHi;
  const maskLo = (sumLo ^ lo) | accLo;
  put(out, hi & ~maskHi, lo & ~maskLo, maskHi, maskLo);
}

/** What is in both; where they contradict each other the bit counts as 1. */
export function tnumIntersect(a: TnumBits, b: TnumBits): Tnum {
  const maskHi = a.maskHi & b.maskHi;
  const maskLo = a.maskLo & b.maskLo;
  return new Tnum((a.valueHi | b.valueHi) & ~maskHi, (a.valueLo | b.valueLo) & ~maskLo, maskHi, maskLo);
}

/** Whether the bits known in both agree. */
export function tnumOverlap(a: TnumBits, b: TnumBits): boolean {
  const differHi = (a.valueHi ^ b.valueHi) & ~a.maskHi & ~b.maskHi;
  const differLo = (a.valueLo ^ b.valueLo) & ~a.maskLo & ~b.maskLo;
  return (differHi | differLo) === 0;
}

/** The lowest `sizeBytes` bytes (1 to 8), zero above. */
export function tnumCast(a: TnumBits, sizeBytes: number): Tnum {
  const keepLo = sizeBytes >= 4 ? -1 : (1 << (sizeBytes * 8)) - 1;
  const keepHi = sizeBytes >= 8 ? -1 : sizeBytes > 4 ? (1 << (sizeBytes * 8 - 32)) - 1 : 0;
  return new Tnum(a.valueHi & keepHi, a.valueLo & keepLo, a.maskHi & keepHi, a.maskLo & keepLo);
}

/** Whether every value is a multiple of `size`, a power of two below 2^32, or 0 for anything. */
export const tnumIsAligned = (a: TnumBits, size: number): boolean =>
  size === 0 || ((a.valueLo | a.maskLo) & (size - 1)) === 0;

/** Whether every value of `b` is one of `a`. */
export function tnumIn(a: TnumBits, b: TnumBits): boolean {
  if (((b.maskHi & ~a.maskHi) | (b.maskLo & ~a.maskLo)) !== 0) return false;
  return (b.valueHi & ~a.maskHi) === a.valueHi && (b.valueLo & ~a.maskLo) === a.valueLo;
}

export const tnumIsConst = (a: TnumBits): boolean => (a.maskHi | a.maskLo) === 0;
export const tnumIsUnknown = (a: TnumBits): boolean => (a.maskHi & a.maskLo) === -1;
export const tnumEqualsConst = (a: TnumBits, hi: number, lo: number): boolean =>
  (a.maskHi | a.maskLo) === 0 && a.valueHi === hi && a.valueLo === lo;
export const tnumSubregIsConst = (a: TnumBits): boolean => a.maskLo === 0;

export const tnumSubreg = (a: TnumBits): Tnum => new Tnum(0, a.valueLo, 0, a.maskLo);
export const tnumClearSubreg = (a: TnumBits): Tnum => new Tnum(a.valueHi, 0, a.maskHi, 0);
/** The high half of `a` over the low half of `subreg`. */
export const tnumWithSubreg = (a: TnumBits, subreg: TnumBits): Tnum =>
  new Tnum(a.valueHi, subreg.valueLo, a.maskHi, subreg.maskLo);
export const tnumConstSubreg = (a: TnumBits, lo: number): Tnum => new Tnum(a.valueHi, lo, a.maskHi, 0);

export const tnumEqual = (a: TnumBits, b: TnumBits): boolean =>
  a.valueHi === b.valueHi && a.valueLo === b.valueLo && a.maskHi === b.maskHi && a.maskLo === b.maskLo;

/**
 * The smallest value of `a` above `(hi:lo)`, unsigned, as a constant; undefined where there is none.
 * Linux 6.12 has no such function; later ones use it to tighten ranges by their tnum.
 */
export function tnumStep(a: TnumBits, hi: number, lo: number): Tnum | undefined {
  // The answer shares a prefix with (hi:lo), has a 1 where that has a 0, and is as small as can be below. The lowest such place wins.
  let mismatch = 63;
  while (mismatch >= 0) {
    const bit = bitOf(hi, lo, mismatch);
    if (bitOf(a.maskHi, a.maskLo, mismatch) === 0 && bitOf(a.valueHi, a.valueLo, mismatch) !== bit) break;
    mismatch--;
  }
  for (let n = Math.max(mismatch, 0); n < 64; n++) {
    const mayBeOne = bitOf(a.maskHi | a.valueHi, a.maskLo | a.valueLo, n) === 1;
    if (bitOf(hi, lo, n) === 1 || !mayBeOne) continue;
    const bitHi = shlHi(0, 1, n);
    const bitLo = shlLo(1, n);
    // Everything above bit n, -1 << (n + 1); nothing is above bit 63.
    const aboveHi = n === 63 ? 0 : shlHi(-1, -1, n + 1);
    const aboveLo = n === 63 ? 0 : shlLo(-1, n + 1);
    return tnumConst((hi & aboveHi) | bitHi | (a.valueHi & ~aboveHi), (lo & aboveLo) | bitLo | (a.valueLo & ~aboveLo));
  }
  return undefined;
}

const bitOf = (hi: number, lo: number, n: number): number => (n < 32 ? lo >>> n : hi >>> (n - 32)) & 1;
