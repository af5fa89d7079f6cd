import fc from 'fast-check';
import type { AluOp, JumpOp } from '../../src/isa/index.ts';
import { hi32, lo32 } from '../../src/util/index.ts';
import {
  type Scalar,
  ScalarDraft,
  scalarHas,
  syncBounds,
  type Tnum,
  tnumConst,
} from '../../src/verifier/domain/index.ts';

export const ALU_OPS: readonly AluOp[] = [
  'add',
  'sub',
  'mul',
  'div',
  'or',
  'and',
  'lsh',
  'rsh',
  'mod',
  'xor',
  'mov',
  'arsh',
  'sdiv',
  'smod',
];
export const JUMP_OPS: readonly JumpOp[] = [
  'jeq',
  'jne',
  'jset',
  'jgt',
  'jge',
  'jlt',
  'jle',
  'jsgt',
  'jsge',
  'jslt',
  'jsle',
];

/** Unsigned 64-bit numbers, most of them near an edge of some width. */
export const u64 = (): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc
      .tuple(fc.nat(63), fc.integer({ min: -3, max: 3 }), fc.boolean())
      .map(([bit, near, negative]) =>
        BigInt.asUintN(64, (negative ? -(1n << BigInt(bit)) : 1n << BigInt(bit)) + BigInt(near)),
      ),
    fc.integer({ min: -40, max: 40 }).map(n => BigInt.asUintN(64, BigInt(n))),
  );

/** A few numbers, often close together. */
export const members = (): fc.Arbitrary<bigint[]> =>
  fc.oneof(
    fc.array(u64(), { minLength: 1, maxLength: 4 }),
    fc
      .tuple(u64(), fc.array(fc.nat(600), { minLength: 1, maxLength: 4 }), fc.nat(56))
      .map(([from, steps, shift]) => steps.map(step => BigInt.asUintN(64, from + (BigInt(step) << BigInt(shift))))),
  );

export const has = (s: Scalar, x: bigint): boolean => scalarHas(s, hi32(x), lo32(x));
export const constant = (x: bigint): Tnum => tnumConst(hi32(x), lo32(x));

/** The narrowest tnum and bounds around some numbers, not synced. */
export function hull(numbers: readonly bigint[]): ScalarDraft {
  const r = new ScalarDraft();
  const least = (xs: bigint[]): bigint => xs.reduce((a, b) => (b < a ? b : a));
  const most = (xs: bigint[]): bigint => xs.reduce((a, b) => (b > a ? b : a));
  const signed = numbers.map(x => BigInt.asIntN(64, x));
  const low = numbers.map(x => BigInt.asUintN(32, x));
  const lowSigned = numbers.map(x => BigInt.asIntN(32, x));
  const all = numbers.reduce((a, b) => a & b);
  const differing = numbers.reduce((a, b) => a | b) & ~all;
  const pairs: [keyof ScalarDraft, keyof ScalarDraft, bigint][] = [
    ['valueHi', 'valueLo', all],
    ['maskHi', 'maskLo', differing],
    ['uminHi', 'uminLo', least([...numbers])],
    ['umaxHi', 'umaxLo', most([...numbers])],
    ['sminHi', 'sminLo', least(signed)],
    ['smaxHi', 'smaxLo', most(signed)],
  ];
  for (const [hi, lo, value] of pairs) {
    r[hi] = hi32(value);
    r[lo] = lo32(value);
  }
  r.u32Min = lo32(least(low));
  r.u32Max = lo32(most(low));
  r.s32Min = lo32(least(lowSigned));
  r.s32Max = lo32(most(lowSigned));
  return r;
}

/** A scalar that holds the numbers: their hull, of which some is forgotten, so that it holds others too; then synced. */
export function around(numbers: readonly bigint[], forget: number): Scalar {
  const r = hull(numbers);
  const any = new ScalarDraft();
  const forgotten: (keyof ScalarDraft)[][] = [
    ['valueHi', 'maskHi'],
    ['valueLo', 'maskLo'],
    ['uminHi', 'uminLo', 'umaxHi', 'umaxLo'],
    ['sminHi', 'sminLo', 'smaxHi', 'smaxLo'],
    ['u32Min', 'u32Max'],
    ['s32Min', 's32Max'],
  ];
  for (const [i, fields] of forgotten.entries())
    if (((forget >>> i) & 1) === 1) for (const field of fields) r[field] = any[field];
  syncBounds(r);
  return r;
}
