import { describe, expect, it } from 'vitest';
import { rowText } from '../../../test/support/row-text.ts';
import { assemble } from '../../asm/index.ts';
import { Room } from '../room.ts';
import { type Blocks, decodeUnfixed, findBlocks, type ir } from '../rows/index.ts';
import { foldRows, removeDead, unrollLoops } from './index.ts';

function simplify(rows: ir.Ir): { blocks: Blocks; live: Int32Array } {
  const room = new Room();
  const blocks = findBlocks(rows, room);
  removeDead(rows, blocks, room);
  foldRows(rows, blocks, room, new Set());
  return { blocks, live: removeDead(rows, blocks, room) };
}

/** Rows of a function after everything; undefined where no loop was unrolled. */
function unrolled(text: string): string[] | undefined {
  const insns = assemble(text, { dialect: 'llvm' });
  const rows = decodeUnfixed({ insns, funcRefs: new Map(), verifierZext: false }, 'little', () => true);
  rows.narrowAddresses = true;
  const { blocks, live } = simplify(rows);
  const func = { rows, slots: Int32Array.from(insns.keys()), frameBytes: 512, locals: 0 };
  const made = unrollLoops(func, blocks, live);
  if (made === func) return undefined;
  expect(made.slots.length).toBe(made.rows.n);
  simplify(made.rows);
  const lines = Array.from({ length: made.rows.n }, (_, i) => rowText(made.rows, i));
  const line = (row: number): number => lines.slice(0, row).filter(text => text !== '').length;
  return lines
    .filter(text => text !== '')
    .map(text => text.replace(/goto (\d+)$/, (_, row) => `goto ${line(Number(row))}`));
}

const WORDS = `
  r0 = 0
  r4 = r2
  r4 += 2
  if r4 > r3 goto +4
  r5 = *(u16 *)(r2 + 0)
  r0 += r5
  r2 += 2
  goto -7
  exit`;

describe('loops', () => {
  it('by a pointer go four rounds on one check', () => {
    expect(unrolled(WORDS)).toEqual([
      'r0 = 0x0',
      'r11 = r2 + 8',
      'if r11 > r3 goto 14',
      'if r11 < 6 goto 14',
      'r5 = u16[r2]',
      'r0 = r0 + r5',
      'r5 = u16[r2 + 2]',
      'r0 = r0 + r5',
      'r5 = u16[r2 + 4]',
      'r0 = r0 + r5',
      'r5 = u16[r2 + 6]',
      'r0 = r0 + r5',
      'r2 = r2 + 8',
      'goto 1',
      'r4 = r2 + 2',
      'if r4 > r3 goto 20',
      'r5 = u16[r2]',
      'r0 = r0 + r5',
      'r2 = r2 + 2',
      'goto 14',
      'exit',
    ]);
  });

  it('make the sum of what grows and what stays once', () => {
    const text = `
      r0 = 0
      r3 = 0
      r4 = r1
      r4 += r3
      r5 = *(u8 *)(r4 + 3)
      r0 ^= r5
      r3 += 1
      if r3 != 100 goto -6
      exit`;
    expect(unrolled(text)).toEqual([
      'r0 = 0x0',
      'r3 = 0x0',
      'r11 = r3 - 96',
      'if r11 <= 3 goto 15',
      'r11 = r1 + r3',
      'r5 = u8[r11 + 3]',
      'r0 = r0 ^ r5',
      'r5 = u8[r11 + 4]',
      'r0 = r0 ^ r5',
      'r5 = u8[r11 + 5]',
      'r0 = r0 ^ r5',
      'r5 = u8[r11 + 6]',
      'r0 = r0 ^ r5',
      'r3 = r3 + 4',
      'goto 2',
      'r5 = u8[r1 + r3 + 3]',
      'r0 = r0 ^ r5',
      'r3 = r3 + 1',
      'if r3 != 100 goto 15',
      'exit',
    ]);
  });

  it('keep ways out that nothing is known of, and the counter as they find it', () => {
    const text = `
      r0 = 40
      r4 = *(u8 *)(r1 + 0)
      if r4 == 7 goto +3
      r1 += 1
      r0 += -1
      if r0 != 0 goto -5
      r0 += r1
      exit`;
    const rows = unrolled(text) ?? [];
    expect(rows.filter(row => row.startsWith('if w4 == 7'))).toHaveLength(5);
    expect(rows.filter(row => row === 'r0 = r0 - 1')).toHaveLength(5);
    expect(rows.filter(row => row.startsWith('if r11') || row.startsWith('if r0'))).toEqual([
      'if r11 <= 3 goto 20',
      expect.stringMatching(/^if r0 != 0 goto/),
    ]);
  });

  const SEARCH = (found: string): string => `
      r3 = 40
      r4 = *(u64 *)(r1 - 8)
      if r4 s> r2 goto +4
      *(u64 *)(r1 + 0) = r4
      r1 += -8
      r3 += -1
      if r3 != 0 goto -6
      r0 = ${found}
      exit`;

  it('begin from below what a pointer that nobody reads behind them gets to', () => {
    const rows = unrolled(SEARCH('r3')) ?? [];
    expect(rows.filter(row => row.includes('r11'))).toEqual([
      'r11 = r3 - 1',
      'if r11 <= 3 goto 22',
      'r11 = r1 - 32',
      'r4 = u64[r11 + 24]',
      'u64[r11 + 32] = r4',
      'r4 = u64[r11 + 16]',
      'u64[r11 + 24] = r4',
      'r4 = u64[r11 + 8]',
      'u64[r11 + 16] = r4',
      'r4 = u64[r11]',
      'u64[r11 + 8] = r4',
    ]);
    expect(rows.filter(row => row.startsWith('r1 ='))).toEqual(['r1 = r1 - 32', 'r1 = r1 - 8']);
  });

  it('move a pointer in each round when it is read behind them', () => {
    const rows = unrolled(SEARCH('r1')) ?? [];
    expect(rows.filter(row => row.startsWith('r1 ='))).toEqual(new Array(5).fill('r1 = r1 - 8'));
    expect(rows.filter(row => row.startsWith('r11 ='))).toEqual(['r11 = r3 - 1']);
  });

  it('add what 32 bits do not hold for all rounds in each of them', () => {
    const sums = (step: string): string[] =>
      (unrolled(`r0 = *(u64 *)(r1 + 0)\nr9 = 8\nr0 += ${step}\nr9 -= 1\nif r9 != 0 goto -3\nexit`) ?? []).filter(row =>
        row.startsWith('r0 = r0'),
      );
    expect(sums('0x1fffffff')).toEqual(['r0 = r0 + 2147483644', 'r0 = r0 + 536870911']);
    expect(sums('0x20000000')).toEqual(['r0 = r0 + 1610612736', 'r0 = r0 + 536870912', 'r0 = r0 + 536870912']);
    expect(sums('-0x20000001')).toEqual(['r0 = r0 - 1610612739', 'r0 = r0 - 536870913', 'r0 = r0 - 536870913']);
  });

  it.each([
    ['calls', 'r6 = 9\ncall 5\nr6 += -1\nif r6 != 0 goto -3\nexit'],
    ['nothing that grows', 'r0 = *(u8 *)(r1 + 0)\nif r0 != 0 goto -2\nexit'],
    ['another loop', 'r2 = 9\nr3 = 9\nr3 += -1\nif r3 & 1 goto -2\nr2 += -1\nif r2 & 3 goto -5\nr0 = 1\nexit'],
    ['a way in between', 'if r1 == 0 goto +1\nr2 += 1\nr3 += 1\nr1 += 1\nif r1 != 8 goto -4\nr0 = r2\nexit'],
  ])('stay as they are with %s', (_, text) => {
    expect(unrolled(text)).toBeUndefined();
  });
});
