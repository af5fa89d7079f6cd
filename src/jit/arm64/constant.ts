import { movk, movn, movz, orrImm, W, X, ZR } from './encode.ts';

function bits(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
const trailingZeros = (value: number): number => 31 - Math.clz32(value & -value);

/** Length of the run of ones a value consists of, from its lowest; 0 where it is not one run. */
function runLength(hi: number, lo: number): number {
  if (hi === 0) {
    const low = lo >>> trailingZeros(lo);
    return lo !== 0 && (low & (low + 1)) === 0 ? bits(low) : 0;
  }
  if (lo === 0) {
    const high = hi >>> trailingZeros(hi);
    return (high & (high + 1)) === 0 ? bits(high) : 0;
  }
  // Ones up to the top of the low half, and on from the bottom of the high one.
  const below = lo >> trailingZeros(lo);
  return below === -1 && (hi & (hi + 1)) === 0 ? bits(lo) + bits(hi) : 0;
}
const lowest = (hi: number, lo: number): number => (lo !== 0 ? trailingZeros(lo) : 32 + trailingZeros(hi));

/**
 * The 13 bits N:immr:imms that stand for a constant in logical instructions, −1 where it has none: a run of ones,
 * turned, in an element of 2, 4 … 64 bits that repeats. With `sf` W only `lo` counts.
 */
export function bitmask(sf: number, hi: number, lo: number): number {
  let size = 64;
  let [eh, el] = [hi, lo];
  if (sf === W || hi === lo) {
    size = 32;
    eh = 0;
    while (size > 2) {
      const half = size >> 1;
      const mask = -1 >>> (32 - half);
      if ((el & mask) !== ((el >>> half) & mask)) break;
      el &= mask;
      size = half;
    }
  }
  const maskLow = size >= 32 ? -1 : (1 << size) - 1;
  const maskHigh = size === 64 ? -1 : 0;
  if ((eh & maskHigh) === maskHigh && (el & maskLow) === maskLow) return -1;
  if (eh === 0 && el === 0) return -1;
  let ones: number;
  let start: number;
  if ((el & 1) === 0) {
    ones = runLength(eh, el);
    if (ones === 0) return -1;
    start = lowest(eh, el);
  } else {
    // Zeros are the run, or the ones end at the top, which is the same.
    const [zh, zl] = [~eh & maskHigh, ~el & maskLow];
    const zeros = runLength(zh, zl);
    if (zeros === 0) return -1;
    ones = size - zeros;
    start = (lowest(zh, zl) + zeros) % size;
  }
  const imms = ((-size * 2) & 0x3f) | (ones - 1);
  return ((size >> 6) << 12) | (((size - start) % size) << 6) | imms;
}

/** Instructions that make a constant, for register 0: any other is or-ed in. */
export type ConstantPlan = readonly number[];

/** The shortest way to a constant: movz or movn and movk, a bitmask, or a bitmask and one movk. One to four words. */
export function planConstant(hi: number, lo: number): ConstantPlan {
  if (hi === 0 && (lo & ~0xffff) === 0) return [movz(W, 0, lo)];
  const halves = [lo & 0xffff, lo >>> 16, hi & 0xffff, hi >>> 16];
  const zeros = halves.filter(half => half === 0).length;
  const ones = halves.filter(half => half === 0xffff).length;
  if (hi === 0) {
    if (zeros >= 3) return chain(halves, 0);
    // Registers of 32 bits: the upper half is zero by itself.
    if (halves[0] === 0xffff) return [movn(W, 0, ~halves[1], 1)];
    if (halves[1] === 0xffff) return [movn(W, 0, ~halves[0], 0)];
    const field = bitmask(W, 0, lo);
    return field >= 0 ? [orrImm(W, 0, ZR, field)] : chain(halves, 0);
  }
  const base = ones > zeros ? 0xffff : 0;
  const length = 4 - Math.max(zeros, ones);
  if (length <= 1) return chain(halves, base);
  const field = bitmask(X, hi, lo);
  if (field >= 0) return [orrImm(X, 0, ZR, field)];
  if (length <= 2) return chain(halves, base);
  return bitmaskAndMovk(halves) ?? chain(halves, base);
}

function chain(halves: readonly number[], base: number): number[] {
  const words: number[] = [];
  for (let hw = 0; hw < 4; hw++) {
    const half = halves[hw];
    if (half === base) continue;
    if (words.length > 0) words.push(movk(X, 0, half, hw));
    // A register of 32 bits has no upper halfwords to name.
    else if (base === 0) words.push(movz(hw < 2 ? W : X, 0, half, hw));
    else words.push(movn(X, 0, ~half, hw));
  }
  if (words.length > 0) return words;
  return [base === 0 ? movz(W, 0, 0) : movn(X, 0, 0)];
}

/** A bitmask that differs in one halfword. */
function bitmaskAndMovk(halves: readonly number[]): ConstantPlan | undefined {
  for (let hw = 0; hw < 4; hw++) {
    for (const other of [0, 0xffff, ...halves]) {
      const like = halves.slice();
      like[hw] = other;
      const field = bitmask(X, (like[3] << 16) | like[2], (like[1] << 16) | like[0]);
      if (field >= 0) return [orrImm(X, 0, ZR, field), movk(X, 0, halves[hw], hw)];
    }
  }
  return undefined;
}
