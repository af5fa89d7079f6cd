import { describe, expect, it } from 'vitest';
import { assemble } from '../../asm/index.ts';
import { type Insn, makeInsn } from '../../isa/index.ts';
import { type ArenaFacts, arenaPatches } from './arena.ts';
import { functionFlags } from './function-flags.ts';
import { findFunctions } from './functions.ts';

const CAST = 'r1 = addr_space_cast(r1, 0, 1)';
const text = (lines: string): Insn[] => assemble(lines, { dialect: 'kernel' });
const FACTS: ArenaFacts = {
  isArenaAddress: (lo, hi) => lo === 0x1000 && hi === 0x7f,
  returnsArena: insn => insn.imm === 99,
};

/** Slots that are rewritten, with the codes they get. */
function rewritten(insns: readonly Insn[], starts: readonly number[] = []): [number, string][] {
  const functions = findFunctions(insns, starts);
  const { addressTaken } = functionFlags(insns, functions);
  const patches = arenaPatches(insns, functions, addressTaken, FACTS);
  return [...patches].map(([slot, { insns: to }]) => [slot, to.map(insn => insn.code.toString(16)).join(' ')]);
}

describe('arena accesses', () => {
  it.each<[string, string, [number, string][]]>([
    [
      'of every kind through a cast pointer',
      `${CAST}
      r2 = *(u32 *)(r1 +0)
      *(u8 *)(r1 +4) = 5
      *(u64 *)(r1 +8) = r2
      lock *(u64 *)(r1 +8) += r2
      exit`,
      [
        [1, 'a1'],
        [2, 'b2'],
        [3, 'bb'],
        [4, 'fb'],
      ],
    ],
    ['that extend the sign', `${CAST}\nr2 = *(s16 *)(r1 +0)\nexit`, [[1, 'a9 bf']]],
    ['not through other pointers', `${CAST}\nr3 = *(u32 *)(r2 +0)\nexit`, []],
    [
      'not through a pointer cast to user space',
      `${CAST}\nr1 = addr_space_cast(r1, 1, 0)\nr2 = *(u8 *)(r1 +0)\nexit`,
      [],
    ],
    [
      'through moved and added pointers',
      `${CAST}\nr3 = r1\nr3 += 8\nr4 = *(u8 *)(r3 +0)\nexit`,
      [
        [2, '4'],
        [3, 'b1'],
      ],
    ],
    ['not through what was loaded from there', `${CAST}\nr1 = *(u64 *)(r1 +0)\nr2 = *(u8 *)(r1 +0)\nexit`, [[1, 'b9']]],
    [
      'through spilled and filled pointers',
      `${CAST}\n*(u64 *)(r10 -8) = r1\nr1 = 0\nr2 = *(u64 *)(r10 -8)\nr3 = *(u8 *)(r2 +0)\nexit`,
      [[4, 'b1']],
    ],
    [
      'not once the spill is overwritten, in part even',
      `${CAST}\n*(u64 *)(r10 -8) = r1\n*(u8 *)(r10 -5) = 0\nr2 = *(u64 *)(r10 -8)\nr3 = *(u8 *)(r2 +0)\nexit`,
      [],
    ],
    [
      'where both ways bring one',
      `if r2 == 0x0 goto pc+2\n${CAST}\ngoto pc+1\n${CAST}\nr3 = *(u8 *)(r1 +0)\nexit`,
      [[4, 'b1']],
    ],
    ['not where one way does not', `if r2 == 0x0 goto pc+1\n${CAST}\nr3 = *(u8 *)(r1 +0)\nexit`, []],
    [
      'around loops',
      `${CAST}\nr1 += 4\nr3 = *(u8 *)(r1 +0)\nif r3 != 0x0 goto pc-3\nexit`,
      [
        [1, '4'],
        [2, 'b1'],
      ],
    ],
  ])('%s', (_, lines, expected) => {
    expect(rewritten(text(lines))).toEqual(expected);
  });

  it('through addresses of arena variables', () => {
    const wide = (hi: number): Insn[] => [makeInsn(0x18, 1, 0, 0, 0x1000), makeInsn(0, 0, 0, 0, hi)];
    expect(rewritten([...wide(0x7f), ...text('r0 = *(u8 *)(r1 +0)\nexit')])).toEqual([[2, 'b1']]);
    expect(rewritten([...wide(0), ...text('r0 = *(u8 *)(r1 +0)\nexit')])).toEqual([]);
  });

  it('through what kernel functions return', () => {
    const call = (imm: number): Insn => makeInsn(0x85, 0, 2, 0, imm);
    expect(rewritten([call(99), ...text('r1 = *(u8 *)(r0 +0)\nexit')])).toEqual([[1, 'b1']]);
    expect(rewritten([call(98), ...text('r1 = *(u8 *)(r0 +0)\nexit')])).toEqual([]);
  });

  it('in callees, when every caller passes such a pointer, and behind them', () => {
    const callee = 'r0 = r1\nr2 = *(u8 *)(r1 +0)\nexit';
    const good = text(`${CAST}\nr6 = r1\ncall pc+3\nr2 = *(u8 *)(r0 +0)\nr2 = *(u8 *)(r6 +0)\nexit\n${callee}`);
    expect(rewritten(good).map(([slot]) => slot)).toEqual([3, 4, 7]);
    const bad = text(`${CAST}\ncall pc+4\nr2 = *(u8 *)(r0 +0)\nr1 = 0\ncall pc+1\nexit\n${callee}`);
    expect(rewritten(bad)).toEqual([]);
    // A callback's arguments come from the kernel.
    const taken = [
      makeInsn(0x18, 3, 4, 0, 8),
      makeInsn(0, 0, 0, 0, 0),
      ...text(`${CAST}\nr6 = r1\ncall pc+4\nr2 = *(u8 *)(r0 +0)\nr2 = *(u8 *)(r6 +0)\nr0 = 0\nexit\n${callee}`),
    ];
    expect(rewritten(taken).map(([slot]) => slot)).toEqual([6]);
  });

  it('leave code alone that control never reaches', () => {
    expect(rewritten(text(`exit\nr2 = *(u8 *)(r1 +0)\nexit`))).toEqual([]);
  });
});
