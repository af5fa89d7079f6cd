import { bitLength } from '../../rows/index.ts';
import { rldic, rldicl, rldicr, rlwinm } from '../encode.ts';

export { bitLength, rotlHi, rotlLo } from '../../rows/index.ts';

/**
 * `rotate-left(x, rot) & mask` as one instruction. The mask is one run of ones, bits `low` to `high` counted from the
 * least significant:
 *
 * ```
 *   rldicl   low 0            rldicr   high 63
 *   rldic    low = rot        rlwinm   high < 32, and all bits come from the low word
 * ```
 */

const trailingZeros = (hi: number, lo: number): number =>
  lo !== 0 ? 31 - Math.clz32(lo & -lo) : hi !== 0 ? 63 - Math.clz32(hi & -hi) : 64;

/** Ones from bit `low` up to bit `high`, as halves. */
export function runLo(low: number, high: number): number {
  if (low > 31) return 0;
  const top = high >= 31 ? -1 : (1 << (high + 1)) - 1;
  return top & (-1 << low);
}
export function runHi(low: number, high: number): number {
  if (high < 32) return 0;
  return runLo(low < 32 ? 0 : low - 32, high - 32);
}

/** Instruction with registers 0, or 0 where one does not do. Registers are ORed in: {@link maskWord}. */
export function maskTemplate(rot: number, hi: number, lo: number): number {
  const low = trailingZeros(hi, lo);
  if (low === 64) return 0;
  const high = bitLength(hi, lo) - 1;
  if (runLo(low, high) !== (lo | 0) || runHi(low, high) !== (hi | 0)) return 0;
  if (low === 0) return rldicl(0, 0, rot, 63 - high);
  if (high === 63) return rldicr(0, 0, rot, 63 - low);
  if (low === rot) return rldic(0, 0, rot, 63 - high);
  const from = (low - rot) & 63;
  if (high < 32 && from + high - low < 32) return rlwinm(0, 0, rot & 31, 31 - high, 31 - low);
  return 0;
}

/** Whether one instruction applies the mask. */
export const isMask = (hi: number, lo: number): boolean => maskTemplate(0, hi, lo) !== 0;

/** The instruction of a template. */
export const maskWord = (template: number, ra: number, rs: number): number => template | (rs << 21) | (ra << 16);
