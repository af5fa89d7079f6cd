import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant, u64 } from '../../../test/support/scalar-arbitrary.ts';
import { hi32, lo32, u64Of } from '../../util/index.ts';
import { tnumBinary, tnumText } from './print.ts';
import * as T from './tnum.ts';

const MASK = (1n << 64n) - 1n;
const make = (value: bigint, mask: bigint): T.Tnum =>
  new T.Tnum(hi32(value & ~mask), lo32(value & ~mask), hi32(mask), lo32(mask));
const value = (a: T.TnumBits): bigint => u64Of(a.valueHi, a.valueLo);
const mask = (a: T.TnumBits): bigint => u64Of(a.maskHi, a.maskLo);
const show = (a: T.TnumBits): string => `${value(a).toString(16)}/${mask(a).toString(16)}`;

/** A tnum and one of its values. */
const withMember = (): fc.Arbitrary<{ t: T.Tnum; x: bigint }> =>
  fc.tuple(u64(), u64(), u64()).map(([v, m, bits]) => ({ t: make(v, m), x: (v & ~m) | (bits & m) }));
const holds = (t: T.TnumBits, x: bigint): boolean => T.tnumIn(t, constant(x & MASK));

describe('tnum', () => {
  it('reads as the log writes it', () => {
    expect(tnumText(make(0n, 0xffn))).toBe('(0x0; 0xff)');
    expect(tnumText(make(5n, 0n))).toBe('5');
    expect(tnumText(make(65535n, 0n))).toBe('65535');
    expect(tnumText(make(65536n, 0n))).toBe('0x10000');
    expect(tnumText(make(MASK, 0n))).toBe('0xffffffffffffffff');
    expect(tnumText(make(0x100000000n, 0xf0000000fn))).toBe('(0x100000000; 0xf0000000f)'.replace('0x100000000', '0x0'));
    expect(tnumBinary(make(2n, 5n))).toBe(`${'0'.repeat(61)}x1x`);
  });

  it.each([
    ['range 0..0', T.tnumRange(0, 0, 0, 0), '0/0'],
    ['range 0..2', T.tnumRange(0, 0, 0, 2), '0/3'],
    ['range 5..6', T.tnumRange(0, 5, 0, 6), '4/3'],
    ['range over the halves', T.tnumRange(0, -1, 1, 0), '0/1ffffffff'],
    ['range of all', T.tnumRange(0, 0, -1, -1), '0/ffffffffffffffff'],
    ['add', T.tnumAdd(make(1n, 6n), make(1n, 0n)), '0/e'],
    ['sub', T.tnumSub(make(0n, 1n), make(1n, 0n)), '0/ffffffffffffffff'],
    ['neg', T.tnumNeg(make(1n, 0n)), 'ffffffffffffffff/0'],
    ['and', T.tnumAnd(make(0xf0n, 0xfn), make(0x3cn, 0n)), '30/c'],
    ['or', T.tnumOr(make(0xf0n, 0xfn), make(0x3n, 0n)), 'f3/c'],
    ['xor', T.tnumXor(make(0xf0n, 0xfn), make(0xffn, 0n)), '0/f'],
    ['mul', T.tnumMul(make(0n, 3n), make(4n, 0n)), '0/c'],
    ['intersect', T.tnumIntersect(make(0xf0n, 0xfn), make(0x5n, 0xf0n)), 'f5/0'],
    ['intersect of a contradiction', T.tnumIntersect(make(1n, 0n), make(0n, 0n)), '1/0'],
    ['lshift', T.tnumLshift(make(1n, 2n), 33), '200000000/400000000'],
    ['rshift', T.tnumRshift(make(1n << 40n, 1n << 63n), 40), '1/800000'],
    ['arshift of an unknown sign', T.tnumArshift(make(0n, 1n << 63n), 60, 64), '0/fffffffffffffff8'],
    ['arshift 32', T.tnumArshift(make(0x80000000n, 0xfn), 4, 32), 'f8000000/0'],
    ['cast 1', T.tnumCast(make(0x1234n, 0xff00000000n), 1), '34/0'],
    ['cast 6', T.tnumCast(T.TNUM_UNKNOWN, 6), '0/ffffffffffff'],
    ['cast 8', T.tnumCast(T.TNUM_UNKNOWN, 8), '0/ffffffffffffffff'],
    ['subreg', T.tnumSubreg(T.TNUM_UNKNOWN), '0/ffffffff'],
    ['clear subreg', T.tnumClearSubreg(T.TNUM_UNKNOWN), '0/ffffffff00000000'],
    ['with subreg', T.tnumWithSubreg(T.TNUM_UNKNOWN, make(7n, 8n)), '7/ffffffff00000008'],
    ['const subreg', T.tnumConstSubreg(T.TNUM_UNKNOWN, -1), 'ffffffff/ffffffff00000000'],
  ])('%s', (_, result, expected) => {
    expect(show(result)).toBe(expected);
  });

  it('knows alignment, constants and inclusion', () => {
    expect(T.tnumIsAligned(make(8n, 0xf0n), 8)).toBe(true);
    expect(T.tnumIsAligned(make(8n, 0xf4n), 8)).toBe(false);
    expect(T.tnumIsAligned(make(3n, 0n), 0)).toBe(true);
    expect(T.tnumIsAligned(make(1n << 31n, 0n), 0x80000000)).toBe(true);
    expect(T.tnumIsUnknown(T.TNUM_UNKNOWN)).toBe(true);
    expect(T.tnumEqualsConst(make(3n, 0n), 0, 3)).toBe(true);
    expect(T.tnumSubregIsConst(make(3n, 1n << 32n))).toBe(true);
    expect(T.tnumIn(make(0n, 3n), make(2n, 1n))).toBe(true);
    expect(T.tnumIn(make(0n, 1n), make(2n, 1n))).toBe(false);
    expect(T.tnumIn(make(2n, 1n), T.TNUM_UNKNOWN)).toBe(false);
    expect(T.tnumOverlap(make(2n, 1n), make(0n, 1n))).toBe(false);
    expect(T.tnumOverlap(make(2n, 1n), make(0n, 3n))).toBe(true);
  });

  const binary: [string, (a: T.TnumBits, b: T.TnumBits) => T.Tnum, (x: bigint, y: bigint) => bigint][] = [
    ['add', T.tnumAdd, (x, y) => x + y],
    ['sub', T.tnumSub, (x, y) => x - y],
    ['mul', T.tnumMul, (x, y) => x * y],
    ['and', T.tnumAnd, (x, y) => x & y],
    ['or', T.tnumOr, (x, y) => x | y],
    ['xor', T.tnumXor, (x, y) => x ^ y],
  ];
  it.each(binary)(
    '%s holds the result of every pair of values, and never has a bit both known and unknown',
    (_, abstract, concrete) => {
      fc.assert(
        fc.property(withMember(), withMember(), (a, b) => {
          const result = abstract(a.t, b.t);
          expect(value(result) & mask(result)).toBe(0n);
          expect(holds(result, BigInt.asUintN(64, concrete(a.x, b.x)))).toBe(true);
        }),
        { numRuns: 400 },
      );
    },
  );

  it('shifts, casts and ranges hold theirs', () => {
    fc.assert(
      fc.property(withMember(), fc.nat(63), u64(), ({ t, x }, n, y) => {
        const by = BigInt(n);
        expect(holds(T.tnumLshift(t, n), x << by)).toBe(true);
        expect(holds(T.tnumRshift(t, n), x >> by)).toBe(true);
        expect(holds(T.tnumArshift(t, n, 64), BigInt.asIntN(64, x) >> by)).toBe(true);
        expect(holds(T.tnumArshift(t, n & 31, 32), BigInt.asUintN(32, BigInt.asIntN(32, x) >> (by & 31n)))).toBe(true);
        expect(holds(T.tnumNeg(t), -x)).toBe(true);
        const size = 1 + (n & 7);
        expect(holds(T.tnumCast(t, size), BigInt.asUintN(size * 8, x))).toBe(true);
        const [low, high] = x < y ? [x, y] : [y, x];
        const middle = low + (high - low) / 3n;
        for (const z of [low, middle, high])
          expect(holds(T.tnumRange(hi32(low), lo32(low), hi32(high), lo32(high)), z)).toBe(true);
        expect(holds(T.tnumIntersect(t, T.TNUM_UNKNOWN), x)).toBe(true);
        expect(T.tnumOverlap(t, constant(x))).toBe(true);
        expect(T.tnumEqual(T.tnumOf(t), t)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('steps to the next value, as counting does', () => {
    fc.assert(
      fc.property(fc.nat(63), fc.nat(63), fc.nat(63), fc.nat(58), (v, m, z, shift) => {
        const by = BigInt(shift);
        const t = make(BigInt(v) << by, BigInt(m) << by);
        const from = BigInt(z) << by;
        let next: bigint | undefined;
        for (let n = z + 1; n < 64 && next === undefined; n++) if (holds(t, BigInt(n) << by)) next = BigInt(n) << by;
        const ours = T.tnumStep(t, hi32(from), lo32(from));
        expect(ours === undefined ? undefined : value(ours)).toBe(next);
      }),
      { numRuns: 1000 },
    );
  });
});
