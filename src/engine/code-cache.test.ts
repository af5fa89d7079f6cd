import { expect, it } from 'vitest';
import { type Insn, ProgramBuilder, R0 } from '../isa/index.ts';
import { CodeCache } from './code-cache.ts';

const program = (value: number): Insn[] => new ProgramBuilder().mov(R0, value).exit().build();

it('keeps code by instructions and key', () => {
  const cache = new CodeCache<string>();
  const get = (value: number, key: string, code: string): string => cache.get(program(value), key, () => code);
  expect([get(1, 'a', 'x'), get(1, 'b', 'y'), get(2, 'a', 'z'), get(1, 'a', '-'), get(1, 'b', '-')]).toEqual([
    ...['x', 'y', 'z', 'x', 'y'],
  ]);
  expect([cache.hits, cache.misses]).toEqual([2, 3]);
});

it('drops what was not used for longest', () => {
  const cache = new CodeCache<number>(4);
  const get = (value: number, code: number): number => cache.get(program(value), '', () => code);
  expect([get(1, 10), get(2, 20), get(1, -1), get(3, 30), get(1, -1), get(2, 21)]).toEqual([10, 20, 10, 30, 10, 21]);
});

it('tells programs apart wherever they differ, and keeps a few that are alike', () => {
  const cache = new CodeCache<number>();
  const long = (at: number): Insn[] => {
    const b = new ProgramBuilder();
    for (let i = 0; i < 1000; i++) b.mov(R0, i === at ? -1 : i);
    return b.exit().build();
  };
  const places = Array.from({ length: 40 }, (_, k) => 3 + 17 * k);
  expect(places.map(at => cache.get(long(at), '', () => at))).toEqual(places);
  expect(places.slice(-3).map(at => cache.get(long(at), '', () => -1))).toEqual(places.slice(-3));
  expect(places.map(at => cache.get(long(at), '', () => at))).toEqual(places);
});

it('forgets what could not be made', () => {
  const cache = new CodeCache<number>();
  const fail = (): never => {
    throw new Error('no code');
  };
  expect(() => cache.get(program(1), '', fail)).toThrow('no code');
  expect(cache.get(program(1), '', () => 5)).toBe(5);
  expect([cache.hits, cache.misses]).toEqual([0, 2]);
});
