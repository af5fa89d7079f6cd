/**
 * Masks of one run of ones, which may go around the ends: `risbgn` applies any of them in one instruction. Bits are
 * numbered from the most significant.
 */

const trailingZeros = (hi: number, lo: number): number =>
  lo !== 0 ? 31 - Math.clz32(lo & -lo) : hi !== 0 ? 63 - Math.clz32(hi & -hi) : 64;
const leadingZeros = (hi: number, lo: number): number => (hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(lo));

const onesLo = (low: number, high: number): number =>
  low > 31 ? 0 : (high >= 31 ? -1 : (1 << (high + 1)) - 1) & (-1 << low);
const onesHi = (low: number, high: number): number => (high < 32 ? 0 : onesLo(low < 32 ? 0 : low - 32, high - 32));

const isRun = (hi: number, lo: number): boolean => {
  if (hi === 0 && lo === 0) return false;
  const low = trailingZeros(hi, lo);
  const high = 63 - leadingZeros(hi, lo);
  return onesLo(low, high) === lo && onesHi(low, high) === hi;
};

/** Whether the ones are one run; all of them or none are not. */
export function isMask(hi: number, lo: number): boolean {
  return isRun(hi | 0, lo | 0) || isRun(~hi, ~lo);
}

/** First and last bit of the run: first << 8 | last. */
export function maskRun(hi: number, lo: number): number {
  if (isRun(hi | 0, lo | 0)) return (leadingZeros(hi, lo) << 8) | (63 - trailingZeros(hi, lo));
  const first = 64 - trailingZeros(~hi, ~lo);
  return (first << 8) | (leadingZeros(~hi, ~lo) - 1);
}
