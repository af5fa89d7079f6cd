import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../util/index.ts';
import {
  classifyInsn,
  decodeInsns,
  encodeInsns,
  INSN_TABLE,
  type Insn,
  isInsnProblem,
  makeInsn,
  ProgramBuilder,
  R0,
  R1,
  requireInsnDef,
} from './index.ts';

const anySlot = fc
  .tuple(
    fc.nat(255),
    fc.nat(15),
    fc.nat(15),
    fc.integer({ min: -32768, max: 32767 }),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  )
  .map(([code, dst, src, off, imm]): Insn => ({ code, dst, src, off, imm }));

describe('the instruction table', () => {
  it('has unique names and a row of its own for every combination of constants', () => {
    expect(new Set(INSN_TABLE.map(def => def.name)).size).toBe(INSN_TABLE.length);
    for (const def of INSN_TABLE) {
      const value = (use: string | number): number => (typeof use === 'number' ? use : 1);
      const insn = makeInsn(def.code, value(def.dst), value(def.src), value(def.off), value(def.imm));
      const second = makeInsn(0, 0, 0, 0, typeof def.imm2 === 'number' ? def.imm2 : 7);
      expect(classifyInsn([insn, second], 0), def.name).toBe(def);
    }
  });

  it('finds the row again from any legal encoding, in both byte orders', () => {
    fc.assert(
      fc.property(
        fc.nat(INSN_TABLE.length - 1),
        fc.nat(9),
        fc.nat(9),
        fc.integer({ min: -32768, max: 32767 }),
        fc.integer(),
        (id, dst, src, off, imm) => {
          const def = INSN_TABLE[id];
          const pick = (use: string | number, value: number): number => (typeof use === 'number' ? use : value);
          const insn = makeInsn(
            def.code,
            pick(def.dst, dst),
            pick(def.src, src),
            pick(def.off, off),
            pick(def.imm, imm),
          );
          for (const order of ['little', 'big'] as const) {
            const [back] = decodeInsns(encodeInsns([insn], order), order);
            expect(back).toEqual(insn);
            const second = makeInsn(0, 0, 0, 0, pick(def.imm2, imm));
            expect(requireInsnDef([back, second], 0)).toBe(def);
          }
        },
      ),
    );
  });

  it('says of every other slot what is wrong with it', () => {
    fc.assert(
      fc.property(anySlot, insn => {
        const result = classifyInsn([insn, makeInsn(0, 0, 0, 0, 0)], 0);
        if (isInsnProblem(result))
          expect(result.message.length * result.expected.length * result.found.length).toBeGreaterThan(0);
        else expect(result.code).toBe(insn.code);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('codec', () => {
  it('is the identity on slots', () => {
    fc.assert(
      fc.property(fc.array(anySlot), fc.constantFrom('little' as const, 'big' as const), (insns, order) => {
        expect(decodeInsns(encodeInsns(insns, order), order)).toEqual(insns);
      }),
    );
  });

  it('puts dst in the low nibble on little-endian and in the high one on big-endian', () => {
    const insn = makeInsn(0x61, 1, 2, -2, 0x01020304);
    expect(toHex(encodeInsns([insn], 'little'))).toBe('6121feff04030201');
    expect(toHex(encodeInsns([insn], 'big'))).toBe('6112fffe01020304');
  });
});

describe('reserved fields', () => {
  const cases: [string, Insn, string, string][] = [
    ['add64 imm with an offset', makeInsn(0x07, 0, 0, 1, 1), 'off', '0'],
    ['add64 reg with an imm', makeInsn(0x0f, 0, 0, 0, 1), 'imm', '0'],
    ['div with off 2', makeInsn(0x37, 0, 0, 2, 1), 'off', '0 or 1'],
    ['call with a dst', makeInsn(0x85, 1, 0, 0, 0), 'dst', '0'],
    ['unknown kind of call', makeInsn(0x85, 0, 3, 0, 0), 'src', '0 or 1 or 2'],
    ['byte swap of 24 bits', makeInsn(0xd7, 0, 0, 0, 24), 'imm', '16 or 32 or 64'],
    ['store to r11', makeInsn(0x63, 11, 1, 0, 0), 'dst', 'r0..r10'],
    ['write to r10', makeInsn(0xb7, 10, 0, 0, 0), 'dst', 'r0..r9'],
    ['opcode 0xff', makeInsn(0xff, 0, 0, 0, 0), 'code', 'an opcode of the instruction table'],
    ['half an ld_imm64', makeInsn(0x18, 0, 0, 0, 0), 'next', 'a second slot'],
  ];
  it.each(cases)('%s', (_, insn, field, expected) => {
    expect(classifyInsn([insn], 0)).toMatchObject({ field, expected });
  });
});

describe('builder', () => {
  it('resolves labels forwards and backwards', () => {
    const insns = new ProgramBuilder()
      .mov(R0, 0)
      .label('again')
      .alu64('add', R0, 1)
      .jumpIf('jlt', R0, 10, 'again')
      .call('sub')
      .exit()
      .label('sub')
      .imm64(R1, -1n)
      .exit()
      .build();
    expect(insns.map(insn => [insn.off, insn.imm])).toEqual([
      [0, 0],
      [0, 1],
      [-2, 10],
      [0, 1],
      [0, 0],
      [0, -1],
      [0, -1],
      [0, 0],
    ]);
  });
});
