import { li, lis, ori, oris, pli, rldic, rldicl, rldicr, rldimi } from '../encode.ts';
import { rotlHi, rotlLo } from './mask.ts';

/**
 * How a 64-bit constant gets into a register from nothing: words with every register field 0. The first word sets the
 * register, the others change it; {@link placeConstant} says where registers go.
 */
export type ConstantPlan = readonly number[];

const isS16 = (value: number): boolean => (value << 16) >> 16 === value;

/** One or two words for what `lis` and `ori` make: a signed 32-bit value. */
function plan32(lo: number): number[] {
  if (isS16(lo)) return [li(0, lo)];
  const words = [lis(0, lo >> 16)];
  if ((lo & 0xffff) !== 0) words.push(ori(0, 0, lo));
  return words;
}

const words32 = (lo: number): number => (isS16(lo) || (lo & 0xffff) === 0 ? 1 : 2);

/** Leading zeros of halves, 64 for zero. */
const clz = (hi: number, lo: number): number => (hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(lo));
const ctz = (hi: number, lo: number): number => (lo !== 0 ? 31 - Math.clz32(lo & -lo) : 63 - Math.clz32(hi & -hi));
/** The `count` most significant bits, as halves. */
const topHi = (count: number): number => (count === 0 ? 0 : count >= 32 ? -1 : -1 << (32 - count));
const topLo = (count: number): number => (count <= 32 ? 0 : count >= 64 ? -1 : -1 << (64 - count));

/**
 * A signed 32-bit value turned and perhaps cut off at one or both ends: up to `limit` words, or nothing. Bits that the
 * cut clears may be anything before it, so they are tried as ones too.
 */
function planTurned(hi: number, lo: number, limit: number): number[] | undefined {
  const zeros = clz(hi, lo);
  const trailing = ctz(hi, lo);
  let best: number[] | undefined;
  let bound = limit;
  for (let cut = 0; cut < 3; cut++) {
    if ((cut === 1 && zeros === 0) || (cut === 2 && trailing === 0)) continue;
    const low = trailing === 0 ? 0 : trailing;
    const fullHi = cut === 1 ? hi | topHi(zeros) : cut === 2 ? hi | ~topHi(64 - low) : hi;
    const fullLo = cut === 1 ? lo | topLo(zeros) : cut === 2 ? lo | ~topLo(64 - low) : lo;
    let found = -1;
    let value = 0;
    // The value turned right by `rot`, one bit at a time.
    let h = fullHi;
    let l = fullLo;
    for (let rot = 0; rot < 64; rot++) {
      if (h === l >> 31) {
        const words = words32(l) + 1;
        if (words <= bound) {
          found = rot;
          value = l;
          bound = words - 1;
        }
      }
      const carry = l << 31;
      l = (l >>> 1) | (h << 31);
      h = (h >>> 1) | carry;
    }
    if (found < 0) continue;
    const turn =
      cut === 1 ? rldicl(0, 0, found, zeros) : cut === 2 ? rldicr(0, 0, found, 63 - low) : rldicl(0, 0, found, 0);
    best = [...plan32(value), turn];
  }
  // Both ends: shifted left by the trailing zeros, leading bits cleared, and free before that.
  if (zeros > 0 && trailing > 0) {
    const backLo = rotlLo(hi | topHi(zeros), lo | topLo(zeros), 64 - trailing);
    const value = trailing < 32 ? backLo : rotlLo(hi | topHi(zeros), 0, 64 - trailing) | 0;
    const signed = Math.max(0, 32 - zeros - trailing) === 0;
    if (signed && words32(value) + 1 <= bound) {
      const test = [...plan32(value), rldic(0, 0, trailing, zeros)];
      if (evaluates(test, hi, lo)) best = test;
    }
  }
  return best;
}

/** What the words leave in their register, checked: a guard for the search above, not a simulator. */
function evaluates(words: readonly number[], hi: number, lo: number): boolean {
  let h = 0;
  let l = 0;
  for (const word of words) {
    const op = word >>> 26;
    const si = (word << 16) >> 16;
    if (op === 14) {
      l = si;
      h = si >> 31;
    } else if (op === 15) {
      l = si << 16;
      h = si >> 31;
    } else if (op === 24) l |= word & 0xffff;
    else {
      const sh = ((word >>> 11) & 31) | ((word & 2) << 4);
      const mb = ((word >>> 6) & 31) | (word & 32);
      const turnedHi = rotlHi(h, l, sh);
      const turnedLo = rotlLo(h, l, sh);
      const keepHi = ~topHi(mb) & topHi(64 - sh);
      const keepLo = ~topLo(mb) & topLo(64 - sh);
      h = turnedHi & keepHi;
      l = turnedLo & keepLo;
    }
  }
  return h === (hi | 0) && l === (lo | 0);
}

/** The fewest words found, at most five. `prefixed`: POWER10's `pli` may be used, two words. */
export function planConstant(hi: number, lo: number, prefixed: boolean): ConstantPlan {
  if (hi === lo >> 31) return plan32(lo);
  let best: number[] = [];
  let bound = 5;
  const take = (words: number[] | undefined, tail: readonly number[]): void => {
    if (words === undefined || words.length + tail.length > bound) return;
    best = [...words, ...tail];
    bound = best.length - 1;
  };
  const low = lo & 0xffff;
  const mid = (lo >>> 16) & 0xffff;
  take(planTurned(hi, lo, bound), []);
  if (hi === lo && bound >= words32(lo) + 1) take(plan32(lo), [rldimi(0, 0, 32, 0)]);
  // Without its low quarter, or the one above, and those ORed in.
  const top = (h: number, l: number): number[] | undefined =>
    (h | l) === 0 ? [li(0, 0)] : h === l >> 31 ? plan32(l) : planTurned(h, l, 3);
  if (low !== 0 && bound >= 2) take(top(hi, lo & ~0xffff), [ori(0, 0, low)]);
  if (mid !== 0 && bound >= 2) take(top(hi, lo & 0xffff), [oris(0, 0, mid)]);
  if (low !== 0 && mid !== 0 && bound >= 3) take(top(hi, 0), [oris(0, 0, mid), ori(0, 0, low)]);
  if (prefixed && bound >= 2 && (hi >> 1 === hi >> 31 || hi === 1 || hi === -2)) {
    // 34 bits: the high half is the sign but for its lowest bit.
    if (hi >= -2 && hi <= 1) take(pli(0, hi * 0x100000000 + (lo >>> 0)), []);
  }
  return best;
}

/** Whether a plan's first instruction is prefixed. */
export const isPrefixed = (plan: ConstantPlan): boolean => plan[0] >>> 26 === 1;

/** Word `k` of a plan with its register in place. */
export function placeConstant(plan: ConstantPlan, k: number, rt: number): number {
  const prefixed = isPrefixed(plan);
  if (prefixed && k === 0) return plan[0];
  const sets = k === (prefixed ? 1 : 0);
  return plan[k] | (rt << 21) | (sets ? 0 : rt << 16);
}
