import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as U from './u64.ts';

const edge = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.nat(64).chain(bits => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - (bits === 0 ? 0n : 1n) })),
  fc.constantFrom(
    0n,
    1n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    1n << 32n,
    (1n << 53n) - 1n,
    1n << 53n,
    1n << 63n,
    (1n << 64n) - 1n,
  ),
);
const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const split = (value: bigint): [number, number] => [U.hi32(value), U.lo32(value)];
const count = fc.nat(63);

describe('halves agree with BigInt', () => {
  it('split and join', () =>
    fc.assert(
      fc.property(edge, a => {
        expect(U.u64Of(...split(a))).toBe(a);
        expect(U.i64Of(...split(a))).toBe(BigInt.asIntN(64, a));
      }),
    ));

  it('add, sub, mul, compare', () =>
    fc.assert(
      fc.property(edge, edge, (a, b) => {
        const [ah, al] = split(a);
        const [bh, bl] = split(b);
        expect(U.u64Of(U.addHi(ah, al, bh, bl), (al + bl) | 0)).toBe(wrap(a + b));
        expect(U.u64Of(U.subHi(ah, al, bh, bl), (al - bl) | 0)).toBe(wrap(a - b));
        expect(U.u64Of(U.mulHi(ah, al, bh, bl), Math.imul(al, bl))).toBe(wrap(a * b));
        expect(U.ltU64(ah, al, bh, bl)).toBe(a < b);
        expect(U.ltS64(ah, al, bh, bl)).toBe(BigInt.asIntN(64, a) < BigInt.asIntN(64, b));
      }),
      { numRuns: 1000 },
    ));

  it('division', () =>
    fc.assert(
      fc.property(edge, edge, (a, b) => {
        fc.pre(b !== 0n);
        const out = new Int32Array(4);
        U.divmodU64(...split(a), ...split(b), out);
        expect([U.u64Of(out[0], out[1]), U.u64Of(out[2], out[3])]).toEqual([a / b, a % b]);
      }),
      { numRuns: 1000 },
    ));

  it('shifts', () =>
    fc.assert(
      fc.property(edge, count, (a, n) => {
        const [hi, lo] = split(a);
        const by = BigInt(n);
        expect(U.u64Of(U.shlHi(hi, lo, n), U.shlLo(lo, n))).toBe(wrap(a << by));
        expect(U.u64Of(U.shrHi(hi, n), U.shrLo(hi, lo, n))).toBe(a >> by);
        expect(U.u64Of(U.sarHi(hi, n), U.sarLo(hi, lo, n))).toBe(wrap(BigInt.asIntN(64, a) >> by));
      }),
      { numRuns: 1000 },
    ));

  it('byte swaps', () => {
    expect(U.bswap16(0x1234)).toBe(0x3412);
    expect(U.bswap32(0x12345678) >>> 0).toBe(0x78563412);
    expect(U.hex64(-1n)).toBe('0xffffffffffffffff');
  });
});
