import {
  iihf,
  iihh,
  iihl,
  iilf,
  iilh,
  iill,
  lengthOf,
  lgfi,
  lghi,
  llihf,
  llihh,
  llihl,
  llilf,
  llilh,
  llill,
} from '../encode.ts';

/** Bytes of the longest constant. */
export const LONGEST_CONSTANT = 12;

/** The constant in one instruction, or 0. */
function single(r: number, hi: number, lo: number): number {
  const signed = hi === lo >> 31;
  if (signed && lo === (lo << 16) >> 16) return lghi(r, lo);
  if (hi === 0) {
    if (lo >>> 16 === 0) return llill(r, lo);
    if ((lo & 0xffff) === 0) return llilh(r, lo >>> 16);
    return llilf(r, lo);
  }
  if (lo === 0) {
    if ((hi & 0xffff) === 0) return llihh(r, hi >>> 16);
    if (hi >>> 16 === 0) return llihl(r, hi);
    return llihf(r, hi);
  }
  return signed ? lgfi(r, lo) : 0;
}

const SHORT = 8;

/** A 64-bit constant from nothing, in the fewest bytes: 4 to {@link LONGEST_CONSTANT}. */
export function constantInsns(r: number, hi: number, lo: number): readonly number[] {
  const one = single(r, hi, lo);
  if (one !== 0) return [one];
  // A first instruction that leaves all but 16 or 32 bits right, and one that puts those in.
  let best: readonly number[] = [llihf(r, hi), iilf(r, lo)];
  let bytes = LONGEST_CONSTANT;
  const consider = (firstHi: number, firstLo: number, second: number): void => {
    const first = single(r, firstHi, firstLo);
    if (first === 0 || bytes === SHORT) return;
    const sum = lengthOf(first) + lengthOf(second);
    if (sum < bytes) {
      best = [first, second];
      bytes = sum;
    }
  };
  for (const fill of [0, -1]) {
    consider((hi & 0xffff) | (fill << 16), lo, iihh(r, hi >>> 16));
    consider((hi & ~0xffff) | (fill & 0xffff), lo, iihl(r, hi));
    consider(hi, (lo & 0xffff) | (fill << 16), iilh(r, lo >>> 16));
    consider(hi, (lo & ~0xffff) | (fill & 0xffff), iill(r, lo));
    consider(fill, lo, iihf(r, hi));
    consider(hi, fill, iilf(r, lo));
  }
  return best;
}
