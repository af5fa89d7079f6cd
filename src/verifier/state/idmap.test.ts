import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkIds, checkScalarIds, IdMap } from './idmap.ts';
import { BPF_ADD_CONST } from './reg.ts';

function judge(check: typeof checkIds, pairs: readonly (readonly [number, number])[], idGen = 100): boolean[] {
  const idmap = new IdMap();
  idmap.reset(idGen);
  return pairs.map(([old, cur]) => check(old, cur, idmap));
}

describe('ids of states being compared', () => {
  it('go one to one', () => {
    expect(
      judge(checkIds, [
        [0, 0],
        [0, 5],
        [5, 0],
        [1, 9],
        [1, 9],
        [1, 8],
        [2, 9],
        [2, 8],
        [3, 7],
      ]),
    ).toEqual([true, false, false, true, true, false, false, true, true]);
  });

  it('agree exactly where a one-to-one renaming exists', () => {
    const id = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(id, id), { maxLength: 12 }), pairs => {
        const there = new Map<number, Set<number>>();
        const back = new Map<number, Set<number>>();
        for (const [a, b] of pairs) {
          there.set(a, (there.get(a) ?? new Set()).add(b));
          back.set(b, (back.get(b) ?? new Set()).add(a));
        }
        const renamed = [...there.values(), ...back.values()].every(set => set.size === 1);
        expect(judge(checkIds, pairs).every(Boolean)).toBe(renamed);
      }),
    );
  });

  it('of scalars that were linked to nothing do not matter', () => {
    expect(judge(checkScalarIds, [[0, 7]])).toEqual([true]);
  });

  it('of linked scalars are not met by two that are linked to nothing', () => {
    expect(
      judge(checkScalarIds, [
        [3, 0],
        [4, 0],
      ]),
    ).toEqual([true, true]);
    expect(
      judge(checkScalarIds, [
        [3, 0],
        [3, 0],
      ]),
    ).toEqual([true, false]);
  });

  it('of scalars at a distance agree with those of the scalars they are distant from', () => {
    const far = (id: number): number => id | BPF_ADD_CONST;
    expect(
      judge(checkScalarIds, [
        [1, 5],
        [far(1), far(5)],
      ]),
    ).toEqual([true, true]);
    expect(
      judge(checkScalarIds, [
        [1, 5],
        [far(1), far(6)],
      ]),
    ).toEqual([true, false]);
  });

  it('are refused when there are more than a state can have', () => {
    const pairs = Array.from({ length: 601 }, (_, i) => [i + 1, i + 1] as const);
    expect(judge(checkIds, pairs).indexOf(false)).toBe(600);
  });
});
