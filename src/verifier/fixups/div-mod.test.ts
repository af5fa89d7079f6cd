import { describe, expect, it } from 'vitest';
import { EvalTrap, evaluate } from '../../../test/support/xlated-eval.ts';
import { kernelLines } from '../../../test/support/xlated-text.ts';
import { assemble } from '../../asm/index.ts';
import { EXIT, type Insn, insnDef, makeInsn } from '../../isa/index.ts';
import { fixDivMod } from './div-mod.ts';

const OPS = ['div', 'mod', 'sdiv', 'smod'] as const;
const WIDTHS = [32, 64] as const;
const EXIT_INSN = makeInsn(EXIT, 0, 0, 0, 0);

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  0x7fffffffn,
  0x80000000n,
  0x80000001n,
  0xffffffffn,
  0x1_0000_0000n,
  0x1_0000_0001n,
  0xffff_ffff_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
];

function row(op: string, width: number, source: 'reg' | 'imm', dst: number, src: number, imm = 0): Insn {
  const def = insnDef(`${op}${width}_${source}`);
  return makeInsn(def.code, dst, source === 'reg' ? src : 0, def.off as number, imm);
}

/** The instruction, and what the fixup makes of it; R0 is the dividend and the result. */
function pair(insn: Insn): { before: Insn[]; after: Insn[] } {
  return { before: [insn, EXIT_INSN], after: [...(fixDivMod(insn)?.insns ?? [insn]), EXIT_INSN] };
}

describe('division guards', () => {
  it('keep what RFC 9669 says and never divide by 0 or overflow, by register', () => {
    for (const op of OPS) {
      for (const width of WIDTHS) {
        const { before, after } = pair(row(op, width, 'reg', 0, 1));
        for (const dividend of EDGES) {
          for (const divisor of EDGES) {
            const want = evaluate(before, { divisions: 'rfc' }, [dividend, divisor]);
            const got = evaluate(after, { divisions: 'cpu' }, [dividend, divisor]);
            if (got !== want) throw new Error(`${op}${width} ${dividend} ${divisor}: ${got}, not ${want}`);
          }
        }
      }
    }
  });

  it('keep it when dividend and divisor are one register', () => {
    for (const op of OPS) {
      for (const width of WIDTHS) {
        const { before, after } = pair(row(op, width, 'reg', 0, 0));
        for (const value of EDGES) {
          expect(evaluate(after, { divisions: 'cpu' }, [value]), `${op}${width} ${value}`).toBe(
            evaluate(before, { divisions: 'rfc' }, [value]),
          );
        }
      }
    }
  });

  it('keep it by constants, 0 and -1 included', () => {
    for (const op of OPS) {
      for (const width of WIDTHS) {
        for (const imm of [0, 1, -1, 2, -2, 0x7fffffff, -0x80000000]) {
          const { before, after } = pair(row(op, width, 'imm', 0, 0, imm));
          for (const value of EDGES) {
            expect(evaluate(after, { divisions: 'cpu' }, [value]), `${op}${width} ${value} ${imm}`).toBe(
              evaluate(before, { divisions: 'rfc' }, [value]),
            );
          }
        }
      }
    }
  });

  it('are needed: unguarded, each of them traps', () => {
    for (const op of OPS) {
      for (const width of WIDTHS) {
        const insn = row(op, width, 'reg', 0, 1);
        expect(() => evaluate([insn, EXIT_INSN], { divisions: 'cpu' }, [5n, 0n])).toThrow(EvalTrap);
      }
    }
    const least = row('sdiv', 64, 'reg', 0, 1);
    const args = [1n << 63n, (1n << 64n) - 1n];
    expect(() => evaluate([least, EXIT_INSN], { divisions: 'cpu' }, args)).toThrow(EvalTrap);
  });

  it('leave other constants alone', () => {
    expect(fixDivMod(row('div', 64, 'imm', 1, 0, -1))).toBeUndefined();
    expect(fixDivMod(row('sdiv', 32, 'imm', 1, 0, 7))).toBeUndefined();
  });

  // The shapes 6.12's do_misc_fixups makes; r11 is AX.
  it.each([
    ['r1 /= r2', 'if r2 != 0x0 goto pc+2 | w1 ^= w1 | goto pc+1 | r1 /= r2'],
    ['w1 /= w2', 'if w2 != 0x0 goto pc+2 | w1 ^= w1 | goto pc+1 | w1 /= w2'],
    ['r1 %= r2', 'if r2 == 0x0 goto pc+1 | r1 %= r2'],
    ['w1 %= w2', 'if w2 == 0x0 goto pc+2 | w1 %= w2 | goto pc+1 | w1 = w1'],
    [
      'r1 s/= r2',
      'r11 = r2 | r11 += 1 | if r11 > 0x1 goto pc+4 | if r11 == 0x0 goto pc+1 | r1 = 0 | r1 = -r1 | goto pc+1 | r1 s/= r2',
    ],
    [
      'w1 s/= w2',
      'r11 = r2 | w11 += 1 | if w11 > 0x1 goto pc+4 | if w11 == 0x0 goto pc+1 | w1 = 0 | w1 = -w1 | goto pc+1 | w1 s/= w2',
    ],
    [
      'r1 s%= r2',
      'r11 = r2 | r11 += 1 | if r11 > 0x1 goto pc+3 | if r11 == 0x1 goto pc+3 | w1 = 0 | goto pc+1 | r1 s%= r2',
    ],
    [
      'w1 s%= w2',
      'r11 = r2 | w11 += 1 | if w11 > 0x1 goto pc+3 | if w11 == 0x1 goto pc+4 | w1 = 0 | goto pc+1 | w1 s%= w2 | goto pc+1 | w1 = w1',
    ],
    ['r1 s/= -1', 'r1 = -r1'],
    ['w1 s/= -1', 'w1 = -w1'],
    ['r1 s%= -1', 'w1 = 0'],
    ['w1 /= 0', 'w1 = 0'],
    ['w1 %= 0', 'w1 = w1'],
  ])('%s', (text, expected) => {
    const [insn] = assemble(text, { dialect: 'kernel' });
    const patch = fixDivMod(insn)?.insns ?? [];
    expect(kernelLines(patch).join(' | ')).toBe(expected);
  });
});
