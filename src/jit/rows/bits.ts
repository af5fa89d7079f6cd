/** Bits a value below or equal to `hi:lo` needs: the highest one's place plus one. */
export const bitLength = (hi: number, lo: number): number => (hi !== 0 ? 64 - Math.clz32(hi) : 32 - Math.clz32(lo));

/** 7, 15, 31 and so on. */
export const isBelowPower = (n: number): boolean => n >= 7 && (n & (n + 1)) === 0;

/** Halves of `rotate-left(hi:lo, by)`, by 0..63. */
export const rotlLo = (hi: number, lo: number, by: number): number =>
  by === 0 ? lo : by < 32 ? (lo << by) | (hi >>> (32 - by)) : by === 32 ? hi : (hi << (by - 32)) | (lo >>> (64 - by));
export const rotlHi = (hi: number, lo: number, by: number): number => rotlLo(lo, hi, by);
