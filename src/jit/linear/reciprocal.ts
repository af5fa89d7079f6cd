/** A number to multiply by in place of a division. */
export interface Reciprocal {
  /** Its low 32 bits. */
  readonly m: number;
  /** It has a 33rd bit: a product of the low ones, shifted right by 32, lacks the dividend. */
  readonly wide: boolean;
  /** What the product is shifted right by beside 32. */
  readonly s: number;
}

/**
 * 32-bit quotients by multiplication (Granlund, Montgomery): m = floor(2^(32+s) / n) + 1 is exact for all 32-bit dividends where
 * n · m - 2^(32+s) is at most 2^s.
 *
 * @param n a number of 32 bits, no power of two
 */
export function reciprocal(n: number): Reciprocal {
  for (let s = 0n; ; s++) {
    const power = 1n << (32n + s);
    const m = power / BigInt(n) + 1n;
    if (BigInt(n) * m - power <= 1n << s)
      return { m: Number(BigInt.asIntN(32, m)), wide: m >= 1n << 32n, s: Number(s) };
  }
}
