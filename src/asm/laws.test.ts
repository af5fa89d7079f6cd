import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INSN_TABLE, type Insn, type InsnDef, makeInsn } from '../isa/index.ts';
import { FarcallError } from '../util/index.ts';
import { assemble, assembleSource, DIALECTS, type DialectName, disassemble, printInsn } from './index.ts';

const dialects = Object.keys(DIALECTS) as DialectName[];

const imm32 = fc.oneof(
  fc.constantFrom(0, 1, -1, 2147483647, -2147483648, 0x7fff, -0x8000, 0xffff, 10, 16),
  fc.integer({ min: -2147483648, max: 2147483647 }),
);
const off16 = fc.oneof(fc.constantFrom(0, 1, -1, 32767, -32768), fc.integer({ min: -32768, max: 32767 }));
const register = fc.integer({ min: 0, max: 10 });
const fields = fc.record({ dst: register, src: register, off: off16, imm: imm32, imm2: imm32 });
type Fields = typeof fields extends fc.Arbitrary<infer T> ? T : never;

function slotsOf(def: InsnDef, f: Fields): Insn[] {
  const pick = (use: string | number, value: number): number => (typeof use === 'number' ? use : value);
  const first = makeInsn(
    def.code,
    pick(def.dst, f.dst),
    pick(def.src, f.src),
    pick(def.off, f.off),
    pick(def.imm, f.imm),
  );
  return def.slots === 2 ? [first, makeInsn(0, 0, 0, 0, pick(def.imm2, f.imm2))] : [first];
}

const legalInsn = fc.tuple(fc.constantFrom(...INSN_TABLE), fields).map(([def, f]) => slotsOf(def, f));
const anySlot = fc.tuple(fc.nat(255), fc.nat(15), fc.nat(15), off16, imm32).map(fs => [makeInsn(...fs)]);
/** Jumps that mostly stay inside a short program, so that labels are used. */
const nearJump = fc
  .tuple(
    fc.constantFrom(...INSN_TABLE.filter(d => [d.off, d.imm].some(use => use === 'jump' || use === 'subprog'))),
    fields,
  )
  .chain(([def, f]) =>
    fc
      .tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: -8, max: 8 }))
      .map(([off, imm]) => slotsOf(def, { ...f, off, imm })),
  );

const program = fc
  .array(fc.oneof(legalInsn, nearJump, nearJump, anySlot), { maxLength: 24 })
  .map(insns => insns.flat());

describe.each(dialects)('%s', dialect => {
  it('reads every row back from its own text, extremes included', () => {
    const extremes = [0, 1, -1, 2147483647, -2147483648];
    for (const def of INSN_TABLE) {
      for (const [i, imm] of extremes.entries()) {
        const off = [0, 1, -1, 32767, -32768][i];
        const slots = slotsOf(def, { dst: i, src: 10 - i, off, imm, imm2: extremes[4 - i] });
        for (const alu32 of [false, true]) {
          const text = printInsn(slots, 0, { dialect, alu32 });
          expect(assemble(text, { dialect }), `${def.name}: ${text}`).toEqual(slots);
        }
      }
    }
  });

  it('assemble undoes disassemble for any slots, with and without labels', () => {
    fc.assert(
      fc.property(program, fc.boolean(), fc.boolean(), (insns, labels, alu32) => {
        const text = disassemble(insns, { dialect, labels, alu32 });
        expect(assemble(text, { dialect }), text).toEqual(insns);
      }),
      { numRuns: 400 },
    );
  });

  it('printInsn has a line for every slot', () => {
    fc.assert(
      fc.property(program, insns => {
        for (let idx = 0; idx < insns.length; idx++) {
          const text = printInsn(insns, idx, { dialect });
          expect(text).toMatch(/^\S[^\n]*\S$/);
        }
      }),
    );
  });

  it('refuses any other text with a FarcallError that has a place', () => {
    const words = [
      'r1',
      'r10',
      'w2',
      '%r3',
      '=',
      '+=',
      's>>=',
      '*',
      '(u32 *)',
      '(',
      ')',
      '[',
      ']',
      ',',
      ':',
      ';',
      '#',
      '//',
    ];
    const more = [
      'if',
      'goto',
      'call',
      'lock',
      'exit',
      'll',
      '0x',
      '1b',
      '-',
      '+',
      '7',
      '99999999999',
      '.8byte',
      '\n',
      '/*',
      '<',
      '>',
    ];
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...words, ...more), { maxLength: 30 }).map(parts => parts.join(' ')),
    );
    fc.assert(
      fc.property(text, source => {
        try {
          assemble(source, { dialect });
        } catch (error) {
          expect(error).toBeInstanceOf(FarcallError);
          const { code, where } = error as FarcallError;
          expect(code).toMatch(/^asm\./);
          expect(where?.line).toBeGreaterThan(0);
          expect(where?.column).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('stays quick on hostile sources', () => {
    const hostile = [
      'r1 = '.repeat(50_000),
      '('.repeat(100_000),
      `r1 = ${'-'.repeat(100_000)}1`,
      `r1 = ${'(1 << '.repeat(30_000)}`,
      `r1 = ${'9'.repeat(200_000)}`,
      `r1 = ${Array.from({ length: 100_000 }, () => '1').join('+')}`,
      'x'.repeat(300_000),
      Array.from({ length: 50_000 }, (_, i) => `l${i}:`).join('\n'),
      `${'1:\n'.repeat(50_000)}exit`,
      '?\n'.repeat(100_000),
      `/*${' '.repeat(100_000)}`,
      '/* */'.repeat(50_000),
    ];
    for (const source of hostile) expect(assembleSource(source, { dialect }).errors.length).toBeLessThanOrEqual(20);
  });
});
