import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allKeys, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { BPF_FLAGS as F } from '../uapi/index.ts';
import { toHex } from '../util/index.ts';
import { isArenaMap } from './arena.ts';
import { isLocalStorageMap } from './bpf-local-storage.ts';
import { isCgroupStorageMap } from './local-storage.ts';
import { isTargetMap } from './slot-array.ts';
import { isStackTraceMap } from './stackmap.ts';

const [ENOENT, E2BIG, EEXIST, ENODEV, EINVAL, ENOSPC] = [-2, -7, -17, -19, -22, -28];

type Row = readonly [
  type: number,
  exists: 'always' | 'per slot',
  deleteOutside: number,
  deleteEmpty: number,
  valueSizeBytes: number,
];
const SLOT_TYPES: readonly Row[] = [
  [T.BPF_MAP_TYPE_DEVMAP, 'always', EINVAL, 0, 8],
  [T.BPF_MAP_TYPE_CPUMAP, 'always', EINVAL, 0, 4],
  [T.BPF_MAP_TYPE_XSKMAP, 'per slot', EINVAL, 0, 4],
  [T.BPF_MAP_TYPE_SOCKMAP, 'per slot', EINVAL, EINVAL, 8],
  [T.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 'per slot', E2BIG, ENOENT, 8],
];

describe.each(SLOT_TYPES)('array of objects %i', (type, exists, deleteOutside, deleteEmpty, valueSizeBytes) => {
  it('is a table with holes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 99 }), fc.constantFrom(0, 1, 2, 3), fc.boolean())),
        ops => {
          const host = new TestMapHost({ cpuCount: 4 });
          const map = host.create({ type, valueSizeBytes, maxEntries: 4 });
          const model = new Map<number, Uint8Array>();
          if (!isTargetMap(map)) throw new Error('no target map');
          for (const [index, number, flags, remove] of ops) {
            const key = n(index, 4);
            const has = exists === 'always' || model.has(index);
            if (remove) {
              const expected = index >= 4 ? deleteOutside : model.has(index) ? 0 : deleteEmpty;
              expect(map.userDelete(key)).toBe(expected);
              model.delete(index);
            } else {
              const expected =
                flags > 2
                  ? EINVAL
                  : index >= 4
                    ? E2BIG
                    : has && flags === 1
                      ? EEXIST
                      : !has && flags === 2
                        ? ENOENT
                        : 0;
              expect(map.userUpdate(key, n(number, valueSizeBytes), flags)).toBe(expected);
              if (expected === 0) model.set(index, n(number, valueSizeBytes));
            }
            const at = host.place(key);
            expect(map.holds(at)).toBe(model.has(index));
            const seen = type === T.BPF_MAP_TYPE_XSKMAP ? -95 : (model.get(index) ?? null);
            expect(map.userLookup(key)).toEqual(seen);
            const cell = map.lookup(at);
            if (cell !== 0) expect(host.mem.accessible(cell, valueSizeBytes, 'read')).toBeDefined();
            if (cell !== 0) expect(host.mem.accessible(cell, 1, 'write')).toBeUndefined();
          }
          expect(allKeys(map).map(key => key[0])).toEqual([0, 1, 2, 3]);
        },
      ),
    );
  });
});

describe('values of object maps', () => {
  it('devmap takes devices and programs, cpumap CPUs and queue sizes', () => {
    const host = new TestMapHost({ cpuCount: 2 });
    host.progs.add(7);
    const pair = (a: number, b: number): Uint8Array => Uint8Array.of(...n(a, 4), ...n(b, 4));
    const dev = host.create({ type: T.BPF_MAP_TYPE_DEVMAP });
    expect([
      dev.userUpdate(n(0, 4), pair(3, 7)),
      dev.userUpdate(n(1, 4), pair(3, 8)),
      dev.userUpdate(n(1, 4), pair(0, 7)),
      dev.userUpdate(n(0, 4), pair(0, 0)),
    ]).toEqual([0, EINVAL, EINVAL, 0]);
    expect(dev.userLookup(n(0, 4))).toBeNull();
    const cpu = host.create({ type: T.BPF_MAP_TYPE_CPUMAP });
    expect([
      cpu.userUpdate(n(1, 4), pair(16384, 0)),
      cpu.userUpdate(n(1, 4), pair(16385, 0)),
      cpu.userUpdate(n(2, 4), pair(1, 0)),
      cpu.userUpdate(n(1, 4), pair(0, 0)),
    ]).toEqual([0, -75, ENODEV, 0]);
    const sock = host.create({ type: T.BPF_MAP_TYPE_SOCKMAP, valueSizeBytes: 4 });
    expect([sock.userUpdate(n(1, 4), n(5, 4)), sock.userLookup(n(1, 4))]).toEqual([0, ENOSPC]);
  });

  it('devmap hash and sockhash take any key', () => {
    const host = new TestMapHost();
    const dev = host.create({ type: T.BPF_MAP_TYPE_DEVMAP_HASH, maxEntries: 2 });
    expect([
      dev.userUpdate(n(1000, 4), n(0, 8)),
      dev.userUpdate(n(1000, 4), n(5, 8)),
      dev.userUpdate(n(1000, 4), n(5, 8), F.BPF_NOEXIST),
      dev.userUpdate(n(1001, 4), n(6, 8), F.BPF_EXIST),
      dev.userUpdate(n(1002, 4), n(7, 8)),
      dev.userUpdate(n(1001, 4), n(8, 8)),
    ]).toEqual([EINVAL, 0, EEXIST, 0, E2BIG, 0]);
    expect(dev.userLookup(n(1001, 4))).toEqual(n(8, 8));
    const cell = dev.lookup(host.place(n(1001, 4)));
    expect(host.mem.accessible(cell, 8, 'read')).toBeDefined();
    expect(host.mem.accessible(cell, 8, 'write')).toBeUndefined();
    expect([dev.userDelete(n(1000, 4)), dev.userDelete(n(1000, 4))]).toEqual([0, ENOENT]);
    expect(allKeys(dev)).toEqual([n(1001, 4)]);
    const sock = host.create({ type: T.BPF_MAP_TYPE_SOCKHASH, keySizeBytes: 6, maxEntries: 1 });
    expect([
      sock.userUpdate(n(1, 6), n(3, 8)),
      sock.userUpdate(n(2, 6), n(3, 8)),
      sock.userUpdate(n(1, 6), n(4, 8), F.BPF_NOEXIST),
      sock.userUpdate(n(1, 6), n(4, 8), F.BPF_EXIST),
      sock.userUpdate(n(1, 6), n(2 ** 33, 8)),
    ]).toEqual([0, E2BIG, EEXIST, 0, EINVAL]);
    expect(sock.userLookup(n(1, 6))).toEqual(n(4, 8));
    expect(isTargetMap(sock) && sock.holds(host.place(n(1, 6)))).toBe(true);
  });
});

describe('stack traces', () => {
  it('gives equal traces equal ids, and different ones different ids or -EEXIST', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.array(fc.bigInt(0n, 3n), { minLength: 1, maxLength: 6 }), fc.constantFrom(0, 0x200, 0x400)),
          { maxLength: 30 },
        ),
        fc.constantFrom('little' as const, 'big' as const),
        (ops, order) => {
          const host = new TestMapHost({ order });
          const map = host.create({ type: T.BPF_MAP_TYPE_STACK_TRACE, valueSizeBytes: 32, maxEntries: 8 });
          if (!isStackTraceMap(map)) throw new Error('no stack trace map');
          const model = new Map<number, string>();
          for (const [ips, flags] of ops) {
            const bytes = new Uint8Array(32);
            ips.slice(0, 4).forEach((ip, i) => {
              bytes.set(n(Number(ip), 8, order), 8 * i);
            });
            const trace = toHex(bytes) + Math.min(4, ips.length);
            const id = map.storeStack(ips, flags);
            const known = [...model].find(([, other]) => other === trace)?.[0];
            if (known !== undefined) expect(id).toBe(known);
            else if (id === EEXIST) expect(flags).not.toBe(0x400);
            else model.set(id, trace);
            if (id >= 0 && flags !== 0x200) expect(map.userLookup(n(id, 4, order))).toEqual(bytes);
          }
          const ids = allKeys(map).map(key => new DataView(key.buffer).getUint32(0, order === 'little'));
          expect(ids).toEqual([...model.keys()].sort((a, b) => a - b));
          for (const id of ids) expect(map.userDelete(n(id, 4, order))).toBe(0);
          expect([map.userDelete(n(0, 4, order)), map.userDelete(n(8, 4, order))]).toEqual([ENOENT, E2BIG]);
        },
      ),
    );
  });
});

describe('storage of objects', () => {
  it('is made on demand and dies with the object', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_TASK_STORAGE, maxEntries: 0, flags: 1 });
    if (!isLocalStorageMap(map)) throw new Error('no local storage');
    const big = 2 ** 40 + 5;
    expect(map.get(big, 0, 0)).toBe(0);
    const at = map.get(big, host.place(n(77, 8)), 1);
    expect(host.mem.read(at, 8)).toEqual(n(77, 8));
    expect(host.mem.accessible(at, 8, 'write')).toBeDefined();
    expect(map.get(big, 0, 1)).toBe(at);
    expect(map.get(5, 0, 2)).toBe(0);
    expect(host.mem.read(map.get(5, 0, 1), 8)).toEqual(n(0, 8));
    expect(map.userUpdate(n(5, 4), n(9, 8), F.BPF_NOEXIST)).toBe(EEXIST);
    expect(map.userUpdate(n(6, 4), n(9, 8), F.BPF_EXIST)).toBe(ENOENT);
    expect(map.userUpdate(n(5, 4), n(9, 8))).toBe(0);
    expect(map.userLookup(n(5, 4))).toEqual(n(9, 8));
    expect([map.remove(big), map.remove(big), map.userDelete(n(5, 4)), map.userDelete(n(5, 4))]).toEqual([
      0,
      ENOENT,
      0,
      ENOENT,
    ]);
    expect(map.userNextKey(null)).toBe(-524);
  });

  it.each([T.BPF_MAP_TYPE_CGROUP_STORAGE, T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE])('%i exists where attached', type => {
    const host = new TestMapHost({ cpuCount: 2 });
    const map = host.create({ type, keySizeBytes: 16, valueSizeBytes: 4, maxEntries: 0 });
    if (!isCgroupStorageMap(map)) throw new Error('no cgroup storage');
    const key = Uint8Array.of(...n(3, 8), ...n(1, 4), 9, 9, 9, 9);
    const value = new Uint8Array(map.userValueSizeBytes).fill(5);
    expect(map.userUpdate(key, value)).toBe(ENOENT);
    expect([map.attach(3, 1), map.attach(3, 1)]).toEqual([0, 0]);
    expect(map.userUpdate(key, value, F.BPF_NOEXIST)).toBe(EINVAL);
    expect(map.userUpdate(key, value, F.BPF_EXIST)).toBe(0);
    expect(map.userLookup(key)).toEqual(value);
    host.cpu = 1;
    expect(host.mem.read(map.localStorage(3, 1), 4)).toEqual(Uint8Array.of(5, 5, 5, 5));
    expect(map.localStorage(3, 2)).toBe(0);
    expect(allKeys(map)).toEqual([Uint8Array.of(...n(3, 8), ...n(1, 8))]);
    expect(map.userDelete(key)).toBe(EINVAL);
  });

  it('struct_ops is written once', () => {
    const map = new TestMapHost().create({ type: T.BPF_MAP_TYPE_STRUCT_OPS, valueSizeBytes: 16, maxEntries: 1 });
    const value = Uint8Array.of(...n(0, 8), ...n(6, 8));
    expect(map.userDelete(n(0, 4))).toBe(ENOENT);
    expect([map.userUpdate(n(1, 4), value), map.userUpdate(n(0, 4), value.slice().fill(1))]).toEqual([E2BIG, EINVAL]);
    expect([map.userUpdate(n(0, 4), value), map.userUpdate(n(0, 4), value)]).toEqual([0, -16]);
    expect(map.userLookup(n(0, 4))).toEqual(Uint8Array.of(...n(1, 4), ...n(1, 4), ...n(6, 8)));
    expect([map.userDelete(n(0, 4)), map.userDelete(n(0, 4)), map.freeze()]).toEqual([0, -115, -524]);
  });
});

describe('arena', () => {
  it('hands out pages as a bitmap of them would', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -1, max: 9 }), fc.integer({ min: 0, max: 4 }))),
        ops => {
          const host = new TestMapHost();
          const map = host.create({
            type: T.BPF_MAP_TYPE_ARENA,
            keySizeBytes: 0,
            valueSizeBytes: 0,
            maxEntries: 8,
            flags: F.BPF_F_MMAPABLE,
            mapExtra: 1n << 44n,
          });
          if (!isArenaMap(map)) throw new Error('no arena');
          expect(map.userVmStart).toBe((1n << 44n) + BigInt(map.base));
          const model = new Array<boolean>(8).fill(false);
          for (const [free, page, count] of ops) {
            const addr = page < 0 ? 0 : map.base + page * 4096;
            if (free) {
              map.freePages(addr, count);
              if (page >= 0) model.fill(false, page, Math.min(8, page + count));
              continue;
            }
            const at = map.allocPages(addr, count);
            const fits = (first: number): boolean =>
              count > 0 && first + count <= 8 && model.slice(first, first + count).every(used => !used);
            const first = page >= 0 ? (fits(page) ? page : -1) : model.findIndex((_, i) => fits(i));
            expect(at).toBe(first < 0 ? 0 : map.base + first * 4096);
            if (first < 0) continue;
            model.fill(true, first, first + count);
            expect(host.mem.u8.subarray(at, at + count * 4096).every(byte => byte === 0)).toBe(true);
            host.mem.u8.fill(1, at, at + count * 4096);
            expect(host.mem.accessible(at, count * 4096, 'write')).toBeDefined();
          }
        },
      ),
    );
  });
});
