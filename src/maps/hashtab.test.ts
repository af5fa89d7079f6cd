import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectApart, sometimesShared } from '../../test/support/cpus-apart.ts';
import { allKeys, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { ERRNO, mapTypeName } from '../uapi/index.ts';
import { toHex } from '../util/index.ts';

const FLAGS = [0, 0, 0, 1, 2, 3, 8, 1 << 30];

type Op = readonly [key: number, fill: number, flags: number, what: number];
const ops = fc.array(fc.tuple(fc.nat(12), fc.nat(255), fc.constantFrom(...FLAGS), fc.nat(9)), { maxLength: 60 });

/** Runs operations on a hash map that never evicts and on a Map, comparing every answer. */
function compare(
  type: number,
  shape: Parameters<TestMapHost['create']>[0],
  machine: { readonly cpuCount: number; readonly shared: boolean },
  seed: number,
  list: readonly Op[],
): void {
  const { cpuCount } = machine;
  const host = new TestMapHost({ ...machine, seed });
  const map = host.create({ ...shape, type });
  const { keySizeBytes, valueSizeBytes, maxEntries } = map.def;
  const percpu = type === T.BPF_MAP_TYPE_PERCPU_HASH;
  const cellBytes = percpu ? Math.ceil(valueSizeBytes / 8) * 8 : valueSizeBytes;
  const cells = percpu ? cpuCount : 1;
  const model = new Map<string, Uint8Array>();
  for (const [keyNumber, fill, flags, what] of list) {
    const key = new Uint8Array(keySizeBytes).fill(keyNumber);
    const name = toHex(key);
    const old = model.get(name);
    const at = host.place(key);
    host.cpu = fill % cpuCount;
    if (what < 5) {
      const expected =
        flags > 2
          ? -ERRNO.EINVAL
          : flags === 1 && old !== undefined
            ? -ERRNO.EEXIST
            : flags === 2 && old === undefined
              ? -ERRNO.ENOENT
              : old === undefined && model.size >= maxEntries
                ? -ERRNO.E2BIG
                : 0;
      if (what < 3) {
        const value = new Uint8Array(valueSizeBytes).fill(fill);
        expect(map.update(at, host.place(value), flags)).toBe(expected);
        const cell = new Uint8Array(cellBytes * cells);
        if (percpu && old !== undefined) cell.set(old);
        cell.set(value, percpu ? host.cpu * cellBytes : 0);
        if (expected === 0) model.set(name, cell);
      } else {
        const value = new Uint8Array(cellBytes * cells).fill(fill);
        expect(map.userUpdate(key, value, flags)).toBe(expected);
        if (expected === 0) model.set(name, value);
      }
    } else if (what < 7) {
      expect(what === 5 ? map.delete(at) : map.userDelete(key)).toBe(old === undefined ? -ERRNO.ENOENT : 0);
      model.delete(name);
    } else if (what === 7) {
      expect(map.userLookupAndDelete(key)).toEqual(old ?? null);
      model.delete(name);
    }
    const now = model.get(name);
    expect(map.userLookup(key)).toEqual(now ?? null);
    const value = map.lookup(at);
    if (now === undefined) expect(value).toBe(0);
    else {
      const start = percpu ? host.cpu * cellBytes : 0;
      expect(host.mem.read(value, valueSizeBytes)).toEqual(now.slice(start, start + valueSizeBytes));
      expect(host.mem.accessible(value, valueSizeBytes, 'write')).toBeDefined();
      expect(host.mem.accessible(value + valueSizeBytes - 1, 2, 'read')).toBeUndefined();
      if (percpu) expectApart(host, map, at);
    }
    host.mem.free(at);
  }
  const keys = allKeys(map).map(key => toHex(key));
  expect([...keys].sort()).toEqual([...model.keys()].sort());
  const walked: string[] = [];
  const visit = (key: number): number => {
    walked.push(toHex(host.mem.read(key, keySizeBytes)));
    expect(host.mem.accessible(key, keySizeBytes, 'read')).toBeDefined();
    expect(host.mem.accessible(key, 1, 'write')).toBeUndefined();
    return 0;
  };
  expect(map.forEach(visit)).toBe(model.size);
  expect(walked).toEqual(keys);
}

describe.each([T.BPF_MAP_TYPE_HASH, T.BPF_MAP_TYPE_PERCPU_HASH])('hash type %i', type => {
  it(`${mapTypeName(type)} does what a Map does`, () => {
    fc.assert(
      fc.property(
        fc.record({
          keySizeBytes: fc.constantFrom(1, 2, 3, 4, 7, 8, 13, 16, 33),
          valueSizeBytes: fc.constantFrom(1, 4, 5, 8, 12, 40),
          maxEntries: fc.integer({ min: 1, max: 12 }),
          flags: fc.constantFrom(0, 1, 64, 65),
        }),
        fc.record({ cpuCount: fc.integer({ min: 1, max: 3 }), shared: sometimesShared }),
        fc.nat(),
        ops,
        (shape, machine, seed, list) => compare(type, { ...shape, type }, machine, seed, list),
      ),
      { numRuns: 150 },
    );
  });
});

describe('hash', () => {
  it('restarts a walk whose key is gone, and survives deletion while walking', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_HASH, maxEntries: 64 });
    for (let i = 0; i < 40; i++) expect(map.userUpdate(n(i, 4), n(i, 8))).toBe(0);
    const first = map.userNextKey(null);
    expect(map.userNextKey(n(99, 4))).toEqual(first);
    const drop = (key: number): number => map.delete(key);
    expect(map.forEach(drop)).toBe(40);
    expect(map.userNextKey(null)).toBeNull();
    for (let i = 0; i < 64; i++) expect(map.userUpdate(n(i, 4), n(i, 8))).toBe(0);
    expect(map.userUpdate(n(64, 4), n(1, 8))).toBe(-ERRNO.E2BIG);
    expect(map.userUpdate(n(63, 4), n(1, 8))).toBe(0);
  });

  it('replaces elements, so that pointers held show the old value', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_HASH });
    const key = host.place(n(1, 4));
    expect(map.update(key, host.place(n(7, 8)), 0)).toBe(0);
    const held = map.lookup(key);
    expect(map.update(key, host.place(n(8, 8)), 0)).toBe(0);
    expect(map.lookup(key)).not.toBe(held);
    expect(host.mem.view.getUint32(held, true)).toBe(7);
  });

  it('costs little before it is used', () => {
    const host = new TestMapHost();
    const before = host.mem.regions().length;
    const map = host.create({ type: T.BPF_MAP_TYPE_HASH, maxEntries: 10_000_000 });
    expect(host.mem.usedBytes).toBeLessThan(70_000_000);
    const key = host.place(new Uint8Array(4));
    const value = host.place(new Uint8Array(8));
    for (let i = 0; i < 100_000; i++) {
      host.mem.view.setUint32(key, i * 7919, true);
      host.mem.view.setUint32(value, i, true);
      if (map.update(key, value, 0) !== 0) expect.fail(`update ${i}`);
    }
    expect(host.mem.regions().length - before).toBeLessThan(60);
    host.mem.view.setUint32(key, 99_999 * 7919, true);
    expect(host.mem.view.getUint32(map.lookup(key), true)).toBe(99_999);
  });

  it('keeps special fields out of updates and tells of their death', () => {
    const host = new TestMapHost();
    const map = host.create({
      type: T.BPF_MAP_TYPE_HASH,
      valueSizeBytes: 32,
      fields: [
        { kind: 'spin_lock', offBytes: 4, sizeBytes: 4 },
        { kind: 'timer', offBytes: 8, sizeBytes: 16 },
      ],
    });
    const key = host.place(n(1, 4));
    const value = host.place(new Uint8Array(32).fill(9));
    const seen = Uint8Array.from({ length: 32 }, (_, i) => (i >= 4 && i < 24 ? 0 : 9));
    expect(map.update(key, value, 0)).toBe(0);
    expect(host.mem.read(map.lookup(key), 32)).toEqual(seen);
    host.mem.u8.fill(5, map.lookup(key) + 4, map.lookup(key) + 24);
    expect(map.userLookup(n(1, 4))).toEqual(seen);
    expect(map.update(key, value, 4)).toBe(0);
    expect(host.mem.u8[map.lookup(key) + 4]).toBe(5);
    expect(host.freedFields).toEqual([]);
    expect(map.update(key, value, 0)).toBe(0);
    expect(host.freedFields).toEqual(['timer@8']);
    expect(map.delete(key)).toBe(0);
    expect(host.freedFields).toEqual(['timer@8', 'timer@8']);
  });
});

describe('jhash', () => {
  it.each(['little', 'big'] as const)('is lookup3 (%s)', order => {
    // The vectors of Bob Jenkins' own driver (lookup3.c: driver5).
    const host = new TestMapHost({ order });
    const text = host.place(new TextEncoder().encode('Four score and seven years ago'));
    const hash = (sizeBytes: number, seed: number): number => host.ops.hash_bytes(text, sizeBytes, seed) >>> 0;
    expect(hash(0, 0)).toBe(0xdeadbeef);
    if (order === 'big') return;
    expect(hash(30, 0)).toBe(0x17770551);
    expect(hash(30, 1)).toBe(0xcd628161);
  });
});
