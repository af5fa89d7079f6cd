import { expect, it } from 'vitest';
import { PairCache } from './pair-cache.ts';

it('a pair cache gives what its function would, whatever came between', () => {
  let made = 0;
  const cache = new PairCache((first, second) => {
    made++;
    return `${first} ${second}`;
  });
  const pairs = Array.from({ length: 20_000 }, (_, n) => [Math.imul(n, 0x61c88647), (n % 7) - 3] as const);
  for (const [first, second] of [...pairs, ...pairs.slice().reverse()])
    expect(cache.get(first, second)).toBe(`${first} ${second}`);
  expect(made).toBeGreaterThanOrEqual(20_000);
  made = 0;
  for (let n = 0; n < 100; n++) expect(cache.get(5, -1)).toBe('5 -1');
  expect(made).toBeLessThanOrEqual(1);
});
