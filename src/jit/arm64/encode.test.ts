import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bitmask, planConstant } from './constant.ts';
import * as encode from './encode.ts';

/** `NAME OPERANDS : what an assembler takes : its word`, made by llvm-mc. */
const golden = readFileSync(new URL('../../../testdata/jit/arm64-encodings.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => {
    const [form, text, word] = line.split(' : ');
    const [name, ...operands] = form.split(' ');
    return { name, operands: operands.map(Number), text, word };
  });

type Encoder = (...operands: number[]) => number;
const encoders = Object.entries(encode).filter((entry): entry is [string, Encoder] => typeof entry[1] === 'function');

describe('words', () => {
  it('are what an assembler makes of them', () => {
    const table = new Map(encoders);
    for (const { name, operands, text, word } of golden) {
      const found = table.get(name)!(...operands);
      expect([text, (found >>> 0).toString(16).padStart(8, '0')]).toEqual([text, word]);
      // Words are int32, so that none is boxed.
      expect(found).toBe(found | 0);
    }
  });

  it('every encoder has examples', () => {
    const seen = new Set(golden.map(({ name }) => name));
    expect(encoders.map(([name]) => name).filter(name => !seen.has(name))).toEqual([]);
  });
});

/** What N:immr:imms stand for, by the manual's DecodeBitMasks. */
function unmask(field: number, width: number): bigint {
  const [n, immr, imms] = [field >> 12, (field >> 6) & 63, field & 63];
  const length = 31 - Math.clz32((n << 6) | (~imms & 63));
  const size = 1 << length;
  const [s, r] = [imms & (size - 1), immr & (size - 1)];
  const ones = (1n << BigInt(s + 1)) - 1n;
  const element = ((ones >> BigInt(r)) | (ones << BigInt(size - r))) & ((1n << BigInt(size)) - 1n);
  let all = 0n;
  for (let at = 0; at < width; at += size) all |= element << BigInt(at);
  return all;
}
const halves = (value: bigint): [number, number] => [Number(value >> 32n) | 0, Number(value & 0xffffffffn) | 0];

describe('logical immediates', () => {
  const fields = Array.from({ length: 0x2000 }, (_, field) => field).filter(field => {
    const [n, imms] = [field >> 12, field & 63];
    const length = 31 - Math.clz32((n << 6) | (~imms & 63));
    const size = 1 << length;
    return length >= 1 && (imms & (size - 1)) !== size - 1 && ((field >> 6) & 63) < size;
  });

  it('every field there is, back and forth', () => {
    expect(fields.length).toBe(5334);
    for (const field of fields) {
      const [hi, lo] = halves(unmask(field, 64));
      expect(bitmask(encode.X, hi, lo)).toBe(field);
      if (field >> 12 === 0) expect(bitmask(encode.W, 0, lo)).toBe(field);
    }
  });

  it.each([0n, -1n, 5n, 0x123456789abcdef0n, 0xff00ff00ff00ff01n])('%i has none', value => {
    const [hi, lo] = halves(BigInt.asUintN(64, value));
    expect(bitmask(encode.X, hi, lo)).toBe(-1);
  });
});

/** What a plan leaves in its register. */
function run(plan: readonly number[]): bigint {
  let value = 0n;
  for (const word of plan) {
    const shift = BigInt(((word >> 21) & 3) * 16);
    const imm = BigInt((word >>> 5) & 0xffff) << shift;
    const wide = word < 0;
    const clip = (v: bigint): bigint => BigInt.asUintN(wide ? 64 : 32, v);
    if ((word & 0x1f800000) === 0x12000000) value = clip(unmask((word >> 10) & 0x1fff, 64));
    else if (((word >> 29) & 3) === 0) value = clip(~imm);
    else if (((word >> 29) & 3) === 2) value = imm;
    else value = (value & ~(0xffffn << shift)) | imm;
  }
  return value;
}

describe('constants', () => {
  it.each<[bigint, number]>([
    [0n, 1],
    [0x12340000n, 1],
    [0xffff1234n, 1],
    [0x1234ffffn, 1],
    [0xffffffffffff1234n, 1],
    [0x00ff00ff00ff00ffn, 1],
    [0x12345678n, 2],
    [0xffffffff12345678n, 2],
    [0xffff800012345678n, 3],
    [0x00ff00ff00ff1234n, 2],
    [0x7fffffff12340000n, 2],
    [0x123456789abcdef0n, 4],
  ])('%i in %i words', (value, words) => {
    const plan = planConstant(...halves(value));
    expect(plan).toHaveLength(words);
    expect(run(plan)).toBe(value);
  });

  it('numbers of all shapes', () => {
    let seed = 1n;
    for (let i = 0; i < 20_000; i++) {
      seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
      let value = seed;
      // Halfwords of zeros, ones, and alike.
      for (let hw = 0; hw < 4; hw++) {
        const pick = Number((seed >> BigInt(3 + 7 * hw)) & 3n);
        const mask = 0xffffn << BigInt(16 * hw);
        if (pick === 0) value &= ~mask;
        else if (pick === 1) value |= mask;
      }
      expect(run(planConstant(...halves(value)))).toBe(value);
    }
  });
});
