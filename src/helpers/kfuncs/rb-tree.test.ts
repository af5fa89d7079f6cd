import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TestHelperEnv } from '../../../test/support/helper-env.ts';
import { ProgramFault } from '../types.ts';
import { eraseNode, firstNode, insertNode, leftOf, rightOf, topNode } from './rb-tree.ts';

interface Shape {
  readonly keys: readonly number[];
  readonly blackHeight: number;
}

/** In order, with every rule of red-black trees checked. */
function shape(env: TestHelperEnv, node: number, parent: number, parentRed: boolean, keys: Map<number, number>): Shape {
  if (node === 0) return { keys: [], blackHeight: 0 };
  const word = env.mem.view.getUint32(node, true);
  const red = (word & 1) === 0;
  expect(word - (word & 1)).toBe(parent);
  expect(red && parentRed).toBe(false);
  const left = shape(env, leftOf(env, node), node, red, keys);
  const right = shape(env, rightOf(env, node), node, red, keys);
  expect(left.blackHeight).toBe(right.blackHeight);
  const own = keys.get(node) ?? Number.NaN;
  return { keys: [...left.keys, own, ...right.keys], blackHeight: left.blackHeight + (red ? 0 : 1) };
}

it('trees stay sorted, balanced and know their leftmost node, whatever is added and taken out', () => {
  const step = fc.record({ key: fc.nat(40), remove: fc.boolean(), which: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const env = new TestHelperEnv();
      const root = env.memory(16).start;
      const keys = new Map<number, number>();
      for (const { key, remove, which } of steps) {
        if (remove && keys.size > 0) {
          const node = [...keys.keys()][which % keys.size];
          eraseNode(env, root, node);
          expect(env.mem.view.getUint32(node, true)).toBe(node);
          keys.delete(node);
        } else {
          const node = env.memory(24).start;
          keys.set(node, key);
          insertNode(env, root, node, (a, b) => (keys.get(a) ?? 0) < (keys.get(b) ?? 0));
        }
        const found = shape(env, topNode(env, root), 0, true, keys);
        expect(found.keys).toEqual([...keys.values()].sort((a, b) => a - b));
        expect(keys.get(firstNode(env, root))).toBe(found.keys[0]);
      }
    }),
    { numRuns: 60 },
  );
});

it('equal keys keep the order they came in', () => {
  const env = new TestHelperEnv();
  const root = env.memory(16).start;
  const nodes = Array.from({ length: 20 }, () => env.memory(24).start);
  for (const node of nodes) insertNode(env, root, node, () => false);
  const found: number[] = [];
  for (let node = firstNode(env, root); node !== 0; node = firstNode(env, root)) {
    found.push(node);
    eraseNode(env, root, node);
  }
  expect(found).toEqual(nodes);
});

it('a tree that leads in circles or outside ends the run', () => {
  const env = new TestHelperEnv();
  const root = env.memory(16).start;
  const [a, b] = [env.memory(24).start, env.memory(24).start];
  insertNode(env, root, a, () => false);
  env.mem.view.setUint32(a + 8, a, true);
  expect(() => insertNode(env, root, b, () => false)).toThrow(ProgramFault);
  env.mem.view.setUint32(a + 8, 0x7000_0000, true);
  expect(() => insertNode(env, root, b, () => false)).toThrow(/leads outside/);
});
