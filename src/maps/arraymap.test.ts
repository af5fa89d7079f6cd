import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectApart, sometimesShared } from '../../test/support/cpus-apart.ts';
import { allKeys, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';

const order = fc.constantFrom('little' as const, 'big' as const);

describe('array', () => {
  it('is a plain array of values', () => {
    fc.assert(
      fc.property(
        order,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 41 }),
        fc.array(fc.tuple(fc.nat(10), fc.nat(255), fc.constantFrom(0, 1, 2, 3, 4, 8), fc.boolean()), { maxLength: 30 }),
        (byteOrder, maxEntries, valueSizeBytes, ops) => {
          const host = new TestMapHost({ order: byteOrder });
          const map = host.create({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries, valueSizeBytes });
          const model = Array.from({ length: maxEntries }, () => new Uint8Array(valueSizeBytes));
          for (const [index, fill, flags, fromUser] of ops) {
            const key = n(index, 4, byteOrder);
            const value = new Uint8Array(valueSizeBytes).fill(fill);
            const expected =
              flags > 2
                ? -ERRNO.EINVAL
                : index >= maxEntries
                  ? -ERRNO.E2BIG
                  : flags === BPF_FLAGS.BPF_NOEXIST
                    ? -ERRNO.EEXIST
                    : 0;
            const got = fromUser
              ? map.userUpdate(key, value, flags)
              : map.update(host.place(key), host.place(value), flags);
            // BPF_F_LOCK is a known flag, but there is no lock to take.
            if (flags === 4) expect([-ERRNO.EINVAL, -ERRNO.E2BIG]).toContain(got);
            else expect(got).toBe(expected);
            if (got === 0) model[index] = value;
            const seen = map.userLookup(key);
            if (index < maxEntries) expect(seen).toEqual(model[index]);
            else expect(seen).toBeNull();
          }
          expect(allKeys(map)).toEqual(model.map((_, i) => n(i, 4, byteOrder)));
          const walked: Uint8Array[] = [];
          const visit = (key: number, value: number): number => {
            expect(host.mem.accessible(key, 4, 'read')).toBeDefined();
            expect(host.mem.accessible(key, 4, 'write')).toBeUndefined();
            walked.push(host.mem.read(value, valueSizeBytes));
            return 0;
          };
          expect(map.forEach(visit)).toBe(maxEntries);
          expect(walked).toEqual(model);
          expect(map.delete(host.place(n(0, 4, byteOrder)))).toBe(-ERRNO.EINVAL);
        },
      ),
    );
  });

  it('lets programs at value bytes only', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_ARRAY, valueSizeBytes: 5, maxEntries: 3 });
    const at = map.lookup(host.place(n(1, 4)));
    expect(host.mem.accessible(at, 5, 'write')).toBeDefined();
    expect(host.mem.accessible(at, 6, 'read')).toBeUndefined();
    expect(host.mem.accessible(at + 4, 1, 'read')).toBeDefined();
    expect(host.mem.accessible(map.addr, 4, 'write')).toBeUndefined();
    expect(host.mem.regionAt(map.addr)?.name).toBe('m');
    for (const [flag, access] of [
      [BPF_FLAGS.BPF_F_RDONLY_PROG, 'write'],
      [BPF_FLAGS.BPF_F_WRONLY_PROG, 'read'],
    ] as const) {
      const guarded = host.create({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries: 1, flags: flag });
      expect(host.mem.accessible(guarded.directValueAddr(0), 8, access)).toBeUndefined();
      expect(host.mem.accessible(guarded.directValueAddr(0), 8, access === 'read' ? 'write' : 'read')).toBeDefined();
    }
  });

  it('has direct values when it has one element', () => {
    const host = new TestMapHost();
    const one = host.create({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries: 1, valueSizeBytes: 16 });
    expect(one.directValueAddr(8)).toBe(one.lookup(host.place(n(0, 4))) + 8);
    expect(one.directValueAddr(16)).toBe(0);
    expect(host.create({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries: 2 }).directValueAddr(0)).toBe(0);
  });

  it('walks nested with keys of their own', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries: 2 });
    const pairs: number[][] = [];
    const word = (addr: number): number => host.mem.view.getUint32(addr, true);
    const inside = (outer: number) => (inner: number) => pairs.push([word(outer), word(inner)]) & 0;
    const around = (outer: number): number => {
      const visit = inside(outer);
      return map.forEach(visit) - 2;
    };
    expect(map.forEach(around)).toBe(2);
    expect(pairs).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
  });
});

describe('percpu array', () => {
  it('keeps a value for each CPU', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        sometimesShared,
        fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(255), fc.boolean()), { maxLength: 25 }),
        (cpuCount, shared, ops) => {
          const host = new TestMapHost({ cpuCount, shared });
          const map = host.create({ type: T.BPF_MAP_TYPE_PERCPU_ARRAY, maxEntries: 3, valueSizeBytes: 5 });
          expect(map.userValueSizeBytes).toBe(8 * cpuCount);
          const model = Array.from({ length: 3 }, () => new Uint8Array(8 * cpuCount));
          for (const [index, cpu, fill, fromUser] of ops) {
            host.cpu = cpu % cpuCount;
            const key = n(index, 4);
            if (fromUser) {
              const value = new Uint8Array(8 * cpuCount).fill(fill);
              expect(map.userUpdate(key, value)).toBe(index < 3 ? 0 : -ERRNO.E2BIG);
              if (index < 3) model[index] = value;
            } else {
              const value = new Uint8Array(5).fill(fill);
              expect(map.update(host.place(key), host.place(value), 0)).toBe(index < 3 ? 0 : -ERRNO.E2BIG);
              if (index < 3) model[index].set(value, 8 * host.cpu);
            }
            if (index >= 3) continue;
            expect(map.userLookup(key)).toEqual(model[index]);
            const at = host.place(key);
            expect(host.mem.read(map.lookup(at), 5)).toEqual(model[index].slice(8 * host.cpu, 8 * host.cpu + 5));
            expect(map.lookupPercpu(at, host.cpu)).toBe(map.lookup(at));
            expect(map.lookupPercpu(at, cpuCount)).toBe(0);
            expect(host.mem.accessible(map.lookup(at), 5, 'write')).toBeDefined();
            expect(host.mem.accessible(map.lookup(at), 6, 'read')).toBeUndefined();
            expectApart(host, map, at);
          }
        },
      ),
    );
  });
});
