import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hi32, lo32 } from '../../../util/index.ts';
import { placeConstant, planConstant } from './constant.ts';
import { bitLength, maskTemplate, rotlHi, rotlLo, runHi, runLo } from './mask.ts';

const M64 = (1n << 64n) - 1n;
const rotl = (value: bigint, by: number): bigint => ((value << BigInt(by)) | (value >> BigInt(64 - by))) & M64;
const halves = (value: bigint): [number, number] => [hi32(value), lo32(value)];

/** What the words leave in a register that held something else before. */
function run(words: readonly number[]): bigint {
  let value = 0xdeadbeefdeadbeefn;
  for (let n = 0; n < words.length; n++) {
    const word = words[n] >>> 0;
    const immediate = BigInt((word << 16) >> 16);
    switch (word >>> 26) {
      case 1: {
        const suffix = words[++n] >>> 0;
        value = BigInt.asIntN(34, (BigInt(word & 0x3ffff) << 16n) | BigInt(suffix & 0xffff)) & M64;
        break;
      }
      case 14:
        value = immediate & M64;
        break;
      case 15:
        value = (immediate << 16n) & M64;
        break;
      case 24:
        value |= BigInt(word & 0xffff);
        break;
      case 25:
        value |= BigInt(word & 0xffff) << 16n;
        break;
      case 30:
        value = rotate(word, value);
        break;
      default:
        throw new Error(`unexpected ${word.toString(16)}`);
    }
  }
  return value;
}

function rotate(word: number, value: bigint): bigint {
  const sh = ((word >>> 11) & 31) | ((word & 2) << 4);
  const mb = ((word >>> 6) & 31) | (word & 32);
  const turned = rotl(value, sh);
  const from = M64 >> BigInt(mb);
  const upTo = (end: number): bigint => (M64 << BigInt(63 - end)) & M64;
  switch ((word >>> 2) & 7) {
    case 0:
      return turned & from;
    case 1:
      return turned & upTo(mb);
    case 2:
      return turned & from & upTo(63 - sh);
    default: {
      const mask = from & upTo(63 - sh);
      return (turned & mask) | (value & ~mask & M64);
    }
  }
}

const turned = fc.tuple(fc.bigInt({ min: -(1n << 33n), max: 1n << 33n }), fc.nat(63)).map(([v, n]) => rotl(v & M64, n));
const constant = fc.oneof(
  fc.bigInt({ min: 0n, max: M64 }),
  turned,
  fc.tuple(fc.bigInt({ min: 0n, max: M64 }), fc.nat(63)).map(([v, n]) => v >> BigInt(n)),
  fc.tuple(fc.bigInt({ min: 0n, max: M64 }), fc.nat(63)).map(([v, n]) => (v << BigInt(n)) & M64),
  fc.bigInt({ min: 0n, max: 0xffffffffn }).map(v => 0xc000000000000000n | v),
  fc.bigInt({ min: 0n, max: 0xffffffffn }).map(v => v | (v << 32n)),
);

describe('constants', () => {
  it('are what their words make', () =>
    fc.assert(
      fc.property(constant, fc.boolean(), (value, prefixed) => {
        const plan = planConstant(...halves(value), prefixed);
        const words = plan.map((_, n) => placeConstant(plan, n, 0));
        expect(words.length).toBeLessThanOrEqual(5);
        expect(run(words)).toBe(value);
      }),
      { numRuns: 2000 },
    ));

  it.each([
    [0n, 1],
    [0xffffffffffff8000n, 1],
    [0x7fff0000n, 1],
    [0x12345678n, 2],
    [0xffffffffn, 2],
    [0x80000000n, 2],
    [0x8000000000000000n, 2],
    [0x7fffffffffffffffn, 2],
    [0x00000000ffff1234n, 2],
    [0x00000000ffff8234n, 2],
    [0x1234567812345678n, 3],
    [0xc000000004a12340n, 3],
    [0xc008000000300014n, 4],
    [0x123456789abcdef0n, 5],
  ])('%#x takes %i words', (value, words) => {
    expect(planConstant(...halves(value), false).length).toBe(words);
  });

  it('of 34 bits take two words on POWER10', () => {
    for (const value of [0x89abcdefn, 0x1ffffffffn, -0x123456789n & M64])
      expect(planConstant(...halves(value), true).length).toBe(2);
  });
});

describe('rotates with masks', () => {
  it('are found for every run of ones that one instruction keeps', () =>
    fc.assert(
      fc.property(fc.nat(63), fc.nat(63), fc.nat(63), fc.bigInt({ min: 0n, max: M64 }), (rot, one, other, value) => {
        const low = Math.min(one, other);
        const high = Math.max(one, other);
        const mask = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
        expect([runHi(low, high), runLo(low, high)]).toEqual(halves(mask));
        const word = maskTemplate(rot, ...halves(mask)) >>> 0;
        if (low === 0 || high === 63 || low === rot) expect(word).not.toBe(0);
        if (word === 0) return;
        const wanted = rotl(value, rot) & mask;
        if (word >>> 26 === 30) expect(rotate(word, value)).toBe(wanted);
        else {
          const by = BigInt((word >>> 11) & 31);
          const half = value & 0xffffffffn;
          const narrow = ((half << by) | (half >> (32n - by))) & 0xffffffffn;
          const [mb, me] = [(word >>> 6) & 31, (word >>> 1) & 31];
          const ones = ((1n << BigInt(32 - mb)) - 1n) & ~((1n << BigInt(31 - me)) - 1n);
          expect(narrow & ones).toBe(wanted);
        }
      }),
      { numRuns: 3000 },
    ));

  it('turn halves as whole numbers', () =>
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: M64 }), fc.nat(63), (value, by) => {
        const [hi, lo] = halves(value);
        expect([rotlHi(hi, lo, by) | 0, rotlLo(hi, lo, by) | 0]).toEqual(halves(rotl(value, by)));
        expect(bitLength(hi, lo)).toBe(value === 0n ? 0 : value.toString(2).length);
      }),
    ));
});
