import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectApart, sometimesShared } from '../../test/support/cpus-apart.ts';
import { allKeys, bytesNumber, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { BPF_FLAGS as F } from '../uapi/index.ts';

const TYPES = [T.BPF_MAP_TYPE_LRU_HASH, T.BPF_MAP_TYPE_LRU_PERCPU_HASH];

function keysOf(host: TestMapHost): number[] {
  return allKeys(host.mapById(1)!)
    .map(key => bytesNumber(key))
    .sort((a, b) => a - b);
}

describe.each(TYPES)('LRU type %i', type => {
  it('never fills up, never exceeds its size, and remembers the last value of what it has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0, F.BPF_F_NO_COMMON_LRU),
        fc.integer({ min: 1, max: 3 }),
        sometimesShared,
        fc.array(fc.tuple(fc.nat(60), fc.nat(2), fc.nat(7), fc.nat(3)), { maxLength: 200 }),
        (maxEntries, flags, cpuCount, shared, ops) => {
          const host = new TestMapHost({ cpuCount, shared });
          const map = host.create({ type, maxEntries, flags });
          const most = flags === 0 ? maxEntries : Math.ceil(maxEntries / cpuCount) * cpuCount;
          expect(map.def.maxEntries).toBe(most);
          const percpu = type === T.BPF_MAP_TYPE_LRU_PERCPU_HASH;
          const value = host.place(new Uint8Array(8));
          const at = host.place(new Uint8Array(4));
          const last = new Map<number, number>();
          for (const [i, [keyNumber, cpu, what, updateFlags]] of ops.entries()) {
            host.cpu = cpu % cpuCount;
            host.mem.write(at, n(keyNumber, 4));
            host.mem.write(value, n(i + 1, 8));
            // Any CPU's value of a per-CPU map will do: the last one written is this CPU's.
            const had = map.userLookup(n(keyNumber, 4)) !== null;
            if (what < 4) {
              const got = map.update(at, value, updateFlags);
              const has = map.userLookup(n(keyNumber, 4)) !== null;
              if (updateFlags === 0) expect(got).toBe(0);
              else if (updateFlags === 3) expect(got).toBe(-22);
              // An update evicts before it looks, and may evict the very element it is about.
              else if (updateFlags === 1) expect(got === 0 || (got === -17 && had && has)).toBe(true);
              else expect(got === 0 || (got === -2 && !has)).toBe(true);
              if (got === 0) {
                last.set(keyNumber, i + 1);
                expect(host.mem.view.getUint32(map.lookup(at), true)).toBe(i + 1);
                if (percpu) expectApart(host, map, at);
              }
            } else if (what < 6) {
              const found = map.lookup(at);
              if (found !== 0 && !percpu) expect(host.mem.view.getUint32(found, true)).toBe(last.get(keyNumber));
            } else {
              expect(map.delete(at)).toBe(had ? 0 : -2);
              last.delete(keyNumber);
            }
          }
          const keys = keysOf(host);
          expect(keys.length).toBeLessThanOrEqual(most);
          for (const key of keys) expect(last.has(key)).toBe(true);
          map.free();
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each([0, F.BPF_F_NO_COMMON_LRU])('keeps what was used, with flags %i', flags => {
    const host = new TestMapHost({ cpuCount: 1 });
    const map = host.create({ type, maxEntries: 2, flags });
    const value = host.place(n(1234, 8));
    const key = (number: number): number => host.place(n(number, 4));
    expect(map.update(key(1), value, F.BPF_NOEXIST)).toBe(0);
    expect(map.update(key(1), value, F.BPF_NOEXIST)).toBe(-17);
    expect(map.update(key(1), value, 4)).toBe(-22);
    expect(map.update(key(2), value, F.BPF_EXIST)).toBe(-2);
    expect(map.update(key(2), value, F.BPF_NOEXIST)).toBe(0);
    expect(map.userLookup(n(2, 4))).not.toBeNull();
    expect(map.lookup(key(1))).not.toBe(0);
    expect(map.update(key(3), value, F.BPF_NOEXIST)).toBe(0);
    expect(keysOf(host)).toEqual([1, 3]);
  });
});

describe('LRU hash', () => {
  it('evicts in batches, as 6.12 does', () => {
    const host = new TestMapHost({ cpuCount: 1 });
    const map = host.create({ type: T.BPF_MAP_TYPE_LRU_HASH, maxEntries: 256 });
    const put = (i: number): number => map.userUpdate(n(i, 4), n(i, 8));
    for (let i = 0; i < 256; i++) expect(put(i)).toBe(0);
    expect(keysOf(host)).toHaveLength(256);
    // A look-up by a program protects; one by user space does not.
    expect(map.lookup(host.place(n(0, 4)))).not.toBe(0);
    expect(map.userLookup(n(1, 4))).not.toBeNull();
    expect(put(256)).toBe(0);
    const rest = Array.from({ length: 256 - 128 }, (_, i) => 129 + i);
    expect(keysOf(host)).toEqual([0, ...rest]);
  });

  it('evicts early when the last batch of free nodes is short, as 6.12 does', () => {
    const host = new TestMapHost({ cpuCount: 1 });
    const map = host.create({ type: T.BPF_MAP_TYPE_LRU_HASH, maxEntries: 200 });
    for (let i = 0; i < 200; i++) expect(map.userUpdate(n(i, 4), n(i, 8))).toBe(0);
    // The 129th finds 72 free nodes and evicts 56 to make a batch of 128.
    expect(keysOf(host)).toEqual(Array.from({ length: 144 }, (_, i) => 56 + i));
  });

  it('takes from other CPUs when everything is on their lists', () => {
    const host = new TestMapHost({ cpuCount: 4 });
    const map = host.create({ type: T.BPF_MAP_TYPE_LRU_HASH, maxEntries: 3 });
    for (let i = 0; i < 40; i++) {
      host.cpu = i % 4;
      expect(map.userUpdate(n(i, 4), n(i, 8))).toBe(0);
    }
    expect(keysOf(host)).toContain(39);
  });

  it('costs little before it is used', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_LRU_HASH, maxEntries: 10_000_000 });
    expect(map.userUpdate(n(1, 4), n(1, 8))).toBe(0);
    expect(host.mem.usedBytes).toBeLessThan(70_000_000);
  });
});
