import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeInsns, encodeInsns, type Insn, LD_IMM64, makeInsn } from '../isa/index.ts';
import { fromHex } from '../util/index.ts';
import { progTag } from './tag.ts';

const insnsOf = (hex: string): Insn[] => decodeInsns(fromHex(hex));
const EXIT = makeInsn(0x95, 0, 0, 0, 0);

/** Programs and the tags Linux 6.12.107 gave them and their functions (amd64). */
const RECORDED: [what: string, tag: string, code: string][] = [
  ['r0 = 1; exit', '57cd311f2e27366b', 'b700000001000000 9500000000000000'],
  [
    'main that calls two functions, as loaded',
    'fe7a839eff2c922e',
    `bf16000000000000 8510000003000000 bf61000000000000 8510000003000000 9500000000000000
     b700000002000000 9500000000000000 b700000003000000 9500000000000000`,
  ],
  ['its first callee', '3b185187f1855c4c', 'b700000002000000 9500000000000000'],
  ['its second callee', 'f95672269956c10d', 'b700000003000000 9500000000000000'],
];

/** The same by Linux 7.2.13. */
const RECORDED_SHA256: [what: string, tag: string][] = [
  ['r0 = 1; exit', 'b11459a0e11ca14c'],
  ['main that calls two functions, as loaded', '4aeb341e7bf1b367'],
  ['its first callee', '614b434cd8324ecc'],
  ['its second callee', '79aa95555f6b99c7'],
];

describe('progTag', () => {
  it.each(RECORDED_SHA256)('%s: %s', (what, tag) => {
    const [, , code] = RECORDED.find(([other]) => other === what)!;
    expect(progTag(insnsOf(code), 'sha256')).toBe(tag);
  });
  it.each(RECORDED)('%s: %s', (_, tag, code) => expect(progTag(insnsOf(code), 'sha1')).toBe(tag));

  it.each(['sha1', 'sha256'] as const)('is the head of the %s of the instructions', hash => {
    const insns = insnsOf('b700000001000000 9500000000000000');
    for (const order of ['little', 'big'] as const) {
      const expected = createHash(hash).update(encodeInsns(insns, order)).digest('hex').slice(0, 16);
      expect(progTag(insns, hash, order)).toBe(expected);
    }
  });

  const load = (src: number, imm: number, imm2: number): Insn[] => [
    makeInsn(LD_IMM64, 1, src, 0, imm),
    makeInsn(0, 0, 0, 0, imm2),
    EXIT,
  ];
  it.each([
    ['map', 1],
    ['map value', 2],
  ])('does not depend on the descriptor of a %s', (_, src) => {
    expect(progTag(load(src, 7, 12), 'sha1')).toBe(progTag(load(src, 0, 0), 'sha1'));
  });
  it.each([
    ['a constant', 0],
    ['a BTF id', 3],
    ['a function', 4],
    ['a map by index', 5],
    ['a map value by index', 6],
  ])('depends on both halves of %s', (_, src) => {
    const tags = [load(src, 7, 12), load(src, 0, 12), load(src, 7, 0)].map(insns => progTag(insns, 'sha1'));
    expect(new Set(tags).size).toBe(3);
  });
  it('keeps a slot behind a map reference that is no second half', () => {
    const odd = (imm: number): Insn[] => [makeInsn(LD_IMM64, 1, 1, 0, 3), makeInsn(0, 0, 0, 1, imm), EXIT];
    expect(progTag(odd(1), 'sha1')).not.toBe(progTag(odd(2), 'sha1'));
    expect(progTag([makeInsn(LD_IMM64, 1, 1, 0, 3)], 'sha1')).toBe(progTag([makeInsn(LD_IMM64, 1, 1, 0, 0)], 'sha1'));
  });
});
