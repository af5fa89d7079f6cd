import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { ERRNO } from '../uapi/index.ts';
import { isQueueStackMap } from './queue-stack-maps.ts';

const NO_KEY = new Uint8Array(0);

describe.each([T.BPF_MAP_TYPE_QUEUE, T.BPF_MAP_TYPE_STACK])('type %i', type => {
  it('is an array pushed at the end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.tuple(fc.nat(9), fc.nat(255), fc.constantFrom(0, 0, 1, 2, 3, 4)), { maxLength: 40 }),
        (maxEntries, valueSizeBytes, ops) => {
          const host = new TestMapHost();
          const map = host.create({ type, keySizeBytes: 0, valueSizeBytes, maxEntries });
          const model: Uint8Array[] = [];
          const at = host.place(new Uint8Array(valueSizeBytes));
          for (const [what, fill, flags] of ops) {
            const value = new Uint8Array(valueSizeBytes).fill(fill);
            if (what < 5) {
              const full = model.length === maxEntries;
              const expected = flags === 0 || flags === 2 ? (full && flags === 0 ? -ERRNO.E2BIG : 0) : -ERRNO.EINVAL;
              host.mem.write(at, value);
              expect(what < 3 ? map.push(at, flags) : map.userUpdate(NO_KEY, value, flags)).toBe(expected);
              if (expected === 0) {
                if (full) model.shift();
                model.push(value);
              }
              continue;
            }
            const isStack = type === T.BPF_MAP_TYPE_STACK;
            const expected = model.at(isStack ? -1 : 0);
            if (what === 5) expect(map.userLookup(NO_KEY)).toEqual(expected ?? null);
            else if (what === 6) expect(map.userLookupAndDelete(NO_KEY)).toEqual(expected ?? null);
            else {
              host.mem.write(at, new Uint8Array(valueSizeBytes).fill(0xaa));
              expect(what === 7 ? map.peek(at) : map.pop(at)).toBe(expected === undefined ? -ERRNO.ENOENT : 0);
              expect(host.mem.read(at, valueSizeBytes)).toEqual(expected ?? new Uint8Array(valueSizeBytes));
            }
            if (what === 6 || what > 7) {
              if (isStack) model.pop();
              else model.shift();
            }
          }
          const inOrder = type === T.BPF_MAP_TYPE_STACK ? model.toReversed() : model;
          expect(isQueueStackMap(map) && map.contents()).toEqual(inOrder);
          expect(isQueueStackMap(map) && map.contents()).toEqual(inOrder);
        },
      ),
    );
  });

  it('has no keys', () => {
    const map = new TestMapHost().create({ type, keySizeBytes: 0 });
    expect([map.userNextKey(null), map.userDelete(NO_KEY), map.delete(0), map.update(0, 0, 0)]).toEqual(
      Array(4).fill(-ERRNO.EINVAL),
    );
    expect(map.lookup(0)).toBe(0);
  });
});

describe('bloom filter', () => {
  it('never forgets, and is mostly right about the rest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0n, 1n, 3n, 15n),
        fc.constantFrom(0, 64),
        fc.constantFrom(1, 4, 7, 8, 20),
        fc.uniqueArray(fc.nat(250), { minLength: 1, maxLength: 20 }),
        (mapExtra, flags, valueSizeBytes, values) => {
          const host = new TestMapHost();
          const shape = { keySizeBytes: 0, valueSizeBytes, maxEntries: 100, flags, mapExtra };
          const map = host.create({ type: T.BPF_MAP_TYPE_BLOOM_FILTER, ...shape });
          for (const value of values) {
            const bytes = n(value, valueSizeBytes);
            expect(value % 2 === 0 ? map.push(host.place(bytes), 0) : map.userUpdate(NO_KEY, bytes)).toBe(0);
          }
          for (const value of values) {
            expect(map.peek(host.place(n(value, valueSizeBytes)))).toBe(0);
            expect(map.userLookup(n(value, valueSizeBytes))).toEqual(n(value, valueSizeBytes));
          }
        },
      ),
    );
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_BLOOM_FILTER, keySizeBytes: 0, maxEntries: 1000 });
    for (let i = 0; i < 1000; i++) map.userUpdate(NO_KEY, n(i, 8));
    let wrong = 0;
    for (let i = 1000; i < 3000; i++) if (map.userLookup(n(i, 8)) !== null) wrong++;
    expect(wrong).toBeLessThan(200);
  });

  it('refuses everything else', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_BLOOM_FILTER, keySizeBytes: 0 });
    const at = host.place(new Uint8Array(8));
    expect([map.push(at, 1), map.update(0, at, 0)]).toEqual([-ERRNO.EINVAL, -ERRNO.EINVAL]);
    const none = -ERRNO.EOPNOTSUPP;
    expect([map.pop(at), map.delete(0), map.userDelete(NO_KEY), map.userNextKey(null)]).toEqual([
      none,
      none,
      none,
      none,
    ]);
  });
});
