import { describe, expect, it } from 'vitest';
import { BLOCK_ENDS, findIntervals, LOOP_BEGINS, LOOPS_END } from './intervals.ts';

/** Loops and blocks of code of `count` slots with these jumps, as text: `(` a loop, `[` a block; ends in the same order. */
function form(count: number, ...jumps: readonly (readonly [from: number, to: number])[]): string {
  const found = findIntervals(
    count,
    Int32Array.from(jumps, j => j[0]),
    Int32Array.from(jumps, j => j[1]),
    jumps.length,
  );
  if (found === undefined) return 'a graph';
  const { marks, first, targets } = found;
  const opens = (owner: number): string =>
    [...targets.subarray(first[owner], first[owner + 1])].map(target => `[${target} `).join('');
  let loop = 0;
  let text = opens(0);
  for (let slot = 0; slot <= count; slot++) {
    text += ')'.repeat(marks[slot] >> LOOPS_END) + ']'.repeat(marks[slot] & BLOCK_ENDS);
    if (slot === count) break;
    if ((marks[slot] & LOOP_BEGINS) !== 0) text += `(${opens(++loop)}`;
    text += slot;
  }
  return text;
}

describe('intervals', () => {
  it.each([
    ['straight code', form(3), '012'],
    ['a jump over something', form(3, [0, 2]), '[2 01]2'],
    ['two to one place', form(4, [0, 3], [1, 3]), '[3 012]3'],
    ['jumps across each other', form(5, [0, 3], [1, 4]), '[4 [3 012]3]4'],
    ['a loop', form(4, [2, 1]), '0(12)3'],
    ['a loop of one', form(3, [1, 1]), '0(1)2'],
    ['a way out of it', form(5, [2, 4], [3, 1]), '[4 0(123)]4'],
    ['a choice inside of it', form(6, [1, 3], [4, 1]), '0([3 12]34)5'],
    ['its head is jumped to', form(5, [0, 2], [3, 2]), '[2 01](23)4'],
    ['one in another', form(6, [3, 2], [4, 1]), '0(1(23)4)5'],
    ['two that begin together', form(6, [2, 1], [4, 1]), '0(1234)5'],
    ['one that begins in another and ends behind it', form(6, [3, 1], [4, 2]), '0(1(234))5'],
    ['a jump into the middle', form(6, [0, 2], [3, 1]), 'a graph'],
  ])('%s', (_, found, wanted) => {
    expect(found).toBe(wanted);
  });

  it('takes many loops that overlap, in a time that does not depend on how', () => {
    const N = 50_000;
    const jumps = Array.from({ length: N }, (_, k) => [k + N, k] as const);
    expect(form(2 * N, ...jumps) === 'a graph').toBe(true);
    const chain = Array.from({ length: 40 }, (_, k) => [2 * k + 3, 2 * k] as const);
    expect(form(100, ...chain).startsWith('(01(2')).toBe(true);
  });
});
