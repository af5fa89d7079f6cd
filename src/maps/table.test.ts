import { describe, expect, it } from 'vitest';
import { mapDef, T, TestMapHost } from '../../test/support/map-host.ts';
import { bpf_map_type, errnoName, BPF_FLAGS as F } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { MAP_HANDLE } from './layout.ts';
import { checkMapDef, createMap, MAP_TYPES, mapTypeRow } from './table.ts';
import type { MapDef } from './types.ts';

/** A definition of each type that Linux accepts. */
const GOOD: ReadonlyMap<number, Partial<MapDef>> = new Map([
  [T.BPF_MAP_TYPE_PROG_ARRAY, { valueSizeBytes: 4 }],
  [T.BPF_MAP_TYPE_PERF_EVENT_ARRAY, { valueSizeBytes: 4 }],
  [T.BPF_MAP_TYPE_CGROUP_ARRAY, { valueSizeBytes: 4 }],
  [T.BPF_MAP_TYPE_STACK_TRACE, { valueSizeBytes: 127 * 8 }],
  [T.BPF_MAP_TYPE_LPM_TRIE, { keySizeBytes: 8, flags: F.BPF_F_NO_PREALLOC }],
  [T.BPF_MAP_TYPE_ARRAY_OF_MAPS, { valueSizeBytes: 4, inner: mapDef({ type: T.BPF_MAP_TYPE_ARRAY }) }],
  [T.BPF_MAP_TYPE_HASH_OF_MAPS, { valueSizeBytes: 4, inner: mapDef({ type: T.BPF_MAP_TYPE_HASH }) }],
  [T.BPF_MAP_TYPE_XSKMAP, { valueSizeBytes: 4 }],
  [T.BPF_MAP_TYPE_CGROUP_STORAGE, { keySizeBytes: 16, maxEntries: 0 }],
  [T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, { keySizeBytes: 16, maxEntries: 0 }],
  [T.BPF_MAP_TYPE_QUEUE, { keySizeBytes: 0 }],
  [T.BPF_MAP_TYPE_STACK, { keySizeBytes: 0 }],
  [T.BPF_MAP_TYPE_SK_STORAGE, { maxEntries: 0, flags: F.BPF_F_NO_PREALLOC }],
  [T.BPF_MAP_TYPE_INODE_STORAGE, { maxEntries: 0, flags: F.BPF_F_NO_PREALLOC }],
  [T.BPF_MAP_TYPE_TASK_STORAGE, { maxEntries: 0, flags: F.BPF_F_NO_PREALLOC }],
  [T.BPF_MAP_TYPE_CGRP_STORAGE, { maxEntries: 0, flags: F.BPF_F_NO_PREALLOC }],
  [T.BPF_MAP_TYPE_STRUCT_OPS, { valueSizeBytes: 64, maxEntries: 1 }],
  [T.BPF_MAP_TYPE_RINGBUF, { keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 }],
  [T.BPF_MAP_TYPE_USER_RINGBUF, { keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 }],
  [T.BPF_MAP_TYPE_BLOOM_FILTER, { keySizeBytes: 0 }],
  [T.BPF_MAP_TYPE_ARENA, { keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4, flags: F.BPF_F_MMAPABLE }],
]);

const goodDef = (type: number): MapDef => mapDef({ ...GOOD.get(type), type });

const answer = (def: Partial<MapDef> & { readonly type: number }): string => {
  const errno = checkMapDef({ ...goodDef(def.type), ...def });
  return errno === 0 ? 'ok' : errnoName(errno);
};

describe('the table', () => {
  it('has every type up to arena once, and makes each', () => {
    const types = MAP_TYPES.map(row => row.type);
    expect([...types].sort((a, b) => a - b)).toEqual(Array.from({ length: 33 }, (_, i) => i + 1));
    for (const row of MAP_TYPES) {
      const host = new TestMapHost();
      const map = host.create(goodDef(row.type));
      expect(mapTypeRow(row.type)).toBe(row);
      expect(row.name).not.toMatch(/map_type/);
      expect(host.mem.view.getUint32(map.addr + MAP_HANDLE.type, true), row.name).toBe(row.type);
      expect(host.mem.view.getUint32(map.addr + MAP_HANDLE.id, true)).toBe(1);
    }
  });

  it('gives back every block and region', () => {
    for (const row of MAP_TYPES) {
      const host = new TestMapHost();
      const map = host.create(goodDef(row.type));
      const key = new Uint8Array(map.def.keySizeBytes);
      if (map.def.keySizeBytes >= 4) key[0] = 1;
      const value = new Uint8Array(map.userValueSizeBytes).fill(1);
      host.progs.add(0x01010101);
      const [keyAt, valueAt] = [host.place(key), host.place(value)];
      const before = [...host.liveBlocks];
      for (let i = 0; i < 50; i++) {
        map.update(keyAt, valueAt, 0);
        map.userUpdate(key, value);
        map.push(valueAt, 0);
        map.userLookup(row.type === T.BPF_MAP_TYPE_BLOOM_FILTER ? value : key);
        map.userNextKey(null);
        if (map.def.keySizeBytes > 1) key[1] = i;
      }
      const visit = (): number => 0;
      map.forEach(visit);
      map.free();
      map.free();
      const placed = new Set(before.filter(addr => addr === keyAt || addr === valueAt));
      expect(new Set(host.liveBlocks), row.name).toEqual(placed);
      expect(host.mem.regions(), row.name).toEqual([]);
    }
  });

  it('gives back what a map that could not be made had taken', () => {
    const host = new TestMapHost();
    const def = mapDef({ type: T.BPF_MAP_TYPE_ARRAY, maxEntries: 1 << 30, valueSizeBytes: 8 });
    expect(() => createMap(host, def, 1)).toThrow(FarcallError);
    expect(() => createMap(host, def, 1)).toThrow(/ENOMEM/);
    expect(host.liveBlocks.size).toBe(0);
    expect(host.mem.regions()).toEqual([]);
  });

  it('refuses with map.create', () => {
    const host = new TestMapHost();
    const make = () => host.create({ type: T.BPF_MAP_TYPE_HASH, maxEntries: 0, name: 'conns' });
    expect(make).toThrow(/conns: .*EINVAL/);
    try {
      make();
    } catch (error) {
      expect((error as FarcallError).code).toBe('map.create');
    }
  });
});

describe('BPF_MAP_CREATE', () => {
  it.each([0, 34, 35, 36, 1000])('knows no type %i', type => {
    expect(checkMapDef(mapDef({ type }))).toBe(-22);
  });

  it('looks at what all types share', () => {
    for (const { type } of MAP_TYPES) {
      const { flags } = goodDef(type);
      expect(answer({ type, flags: flags | F.BPF_F_RDONLY | F.BPF_F_WRONLY })).toBe('EINVAL');
      expect(answer({ type, flags: flags | (1 << 30) })).toBe('EINVAL');
      const extra = type === T.BPF_MAP_TYPE_BLOOM_FILTER || type === T.BPF_MAP_TYPE_ARENA ? 'ok' : 'EINVAL';
      expect(answer({ type, mapExtra: type === T.BPF_MAP_TYPE_ARENA ? 1n << 44n : 3n })).toBe(extra);
      expect(answer({ type, keySizeBytes: 5 + (type === T.BPF_MAP_TYPE_LPM_TRIE ? 300 : 0) })).toBe(
        HASH_KEYED.has(type) ? 'ok' : 'EINVAL',
      );
    }
  });

  const HASH_KEYED: ReadonlySet<number> = new Set([
    T.BPF_MAP_TYPE_HASH,
    T.BPF_MAP_TYPE_PERCPU_HASH,
    T.BPF_MAP_TYPE_LRU_HASH,
    T.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    T.BPF_MAP_TYPE_HASH_OF_MAPS,
    T.BPF_MAP_TYPE_SOCKHASH,
  ]);

  const cases: readonly (readonly [keyof typeof bpf_map_type, Partial<MapDef>, string])[] = [
    ['BPF_MAP_TYPE_HASH', {}, 'ok'],
    ['BPF_MAP_TYPE_HASH', { maxEntries: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { keySizeBytes: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { valueSizeBytes: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { valueSizeBytes: (4 << 20) - 48 - 4 }, 'E2BIG'],
    ['BPF_MAP_TYPE_HASH', { valueSizeBytes: (4 << 20) - 48 - 5 }, 'ok'],
    ['BPF_MAP_TYPE_HASH', { maxEntries: 2 ** 27 + 1 }, 'E2BIG'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_NO_COMMON_LRU }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_NO_PREALLOC | F.BPF_F_ZERO_SEED | F.BPF_F_RDONLY_PROG }, 'ok'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_RDONLY_PROG | F.BPF_F_WRONLY_PROG }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_MMAPABLE }, 'EINVAL'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_NUMA_NODE, numaNode: 0 }, 'ok'],
    ['BPF_MAP_TYPE_HASH', { flags: F.BPF_F_NUMA_NODE, numaNode: 1 }, 'EINVAL'],
    ['BPF_MAP_TYPE_PERCPU_HASH', { flags: F.BPF_F_NUMA_NODE }, 'EINVAL'],
    ['BPF_MAP_TYPE_PERCPU_HASH', { valueSizeBytes: 32768 }, 'ok'],
    ['BPF_MAP_TYPE_PERCPU_HASH', { valueSizeBytes: 32769 }, 'E2BIG'],
    ['BPF_MAP_TYPE_LRU_HASH', { flags: F.BPF_F_NO_PREALLOC }, 'ENOTSUPP'],
    ['BPF_MAP_TYPE_LRU_HASH', { flags: F.BPF_F_NO_COMMON_LRU }, 'ok'],
    ['BPF_MAP_TYPE_LRU_HASH', { flags: F.BPF_F_NO_COMMON_LRU | F.BPF_F_NUMA_NODE }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY', { maxEntries: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY', { keySizeBytes: 8 }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY', { valueSizeBytes: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY', { valueSizeBytes: 2 ** 31 }, 'E2BIG'],
    ['BPF_MAP_TYPE_ARRAY', { flags: F.BPF_F_MMAPABLE | F.BPF_F_INNER_MAP }, 'ok'],
    ['BPF_MAP_TYPE_ARRAY', { flags: F.BPF_F_NO_PREALLOC }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY', { flags: F.BPF_F_PRESERVE_ELEMS }, 'EINVAL'],
    ['BPF_MAP_TYPE_PERCPU_ARRAY', { flags: F.BPF_F_MMAPABLE }, 'EINVAL'],
    ['BPF_MAP_TYPE_PERCPU_ARRAY', { valueSizeBytes: 32769 }, 'E2BIG'],
    ['BPF_MAP_TYPE_PERF_EVENT_ARRAY', { flags: F.BPF_F_PRESERVE_ELEMS }, 'ok'],
    ['BPF_MAP_TYPE_PROG_ARRAY', { valueSizeBytes: 8 }, 'EINVAL'],
    ['BPF_MAP_TYPE_PROG_ARRAY', { flags: F.BPF_F_RDONLY_PROG }, 'EINVAL'],
    ['BPF_MAP_TYPE_LPM_TRIE', { flags: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_LPM_TRIE', { keySizeBytes: 4 }, 'EINVAL'],
    ['BPF_MAP_TYPE_LPM_TRIE', { keySizeBytes: 260 }, 'ok'],
    ['BPF_MAP_TYPE_LPM_TRIE', { valueSizeBytes: 4 << 20 }, 'EINVAL'],
    ['BPF_MAP_TYPE_QUEUE', { keySizeBytes: 4 }, 'EINVAL'],
    ['BPF_MAP_TYPE_QUEUE', { maxEntries: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_STACK', { flags: F.BPF_F_NO_PREALLOC }, 'EINVAL'],
    ['BPF_MAP_TYPE_STACK', { valueSizeBytes: (4 << 20) + 1 }, 'E2BIG'],
    ['BPF_MAP_TYPE_BLOOM_FILTER', { mapExtra: 15n }, 'ok'],
    ['BPF_MAP_TYPE_BLOOM_FILTER', { mapExtra: 16n }, 'EINVAL'],
    ['BPF_MAP_TYPE_BLOOM_FILTER', { valueSizeBytes: (4 << 20) + 1 }, 'E2BIG'],
    ['BPF_MAP_TYPE_RINGBUF', { maxEntries: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_RINGBUF', { maxEntries: 2048 }, 'EINVAL'],
    ['BPF_MAP_TYPE_RINGBUF', { maxEntries: 12288 }, 'EINVAL'],
    ['BPF_MAP_TYPE_RINGBUF', { maxEntries: 2 ** 31 }, 'ok'],
    ['BPF_MAP_TYPE_RINGBUF', { valueSizeBytes: 4 }, 'EINVAL'],
    ['BPF_MAP_TYPE_USER_RINGBUF', { maxEntries: 4097 }, 'EINVAL'],
    ['BPF_MAP_TYPE_STACK_TRACE', { valueSizeBytes: 12 }, 'EINVAL'],
    ['BPF_MAP_TYPE_STACK_TRACE', { valueSizeBytes: 128 * 8 }, 'EINVAL'],
    ['BPF_MAP_TYPE_STACK_TRACE', { valueSizeBytes: 64, flags: F.BPF_F_STACK_BUILD_ID }, 'ok'],
    ['BPF_MAP_TYPE_STACK_TRACE', { valueSizeBytes: 40, flags: F.BPF_F_STACK_BUILD_ID }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY_OF_MAPS', { inner: undefined }, 'EBADF'],
    ['BPF_MAP_TYPE_ARRAY_OF_MAPS', { inner: goodDef(T.BPF_MAP_TYPE_HASH_OF_MAPS) }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARRAY_OF_MAPS', { inner: goodDef(T.BPF_MAP_TYPE_PROG_ARRAY) }, 'ENOTSUPP'],
    ['BPF_MAP_TYPE_HASH_OF_MAPS', { inner: mapDef({ type: T.BPF_MAP_TYPE_HASH, valueSizeBytes: 4 << 20 }) }, 'E2BIG'],
    ['BPF_MAP_TYPE_HASH_OF_MAPS', { valueSizeBytes: 8 }, 'EINVAL'],
    ['BPF_MAP_TYPE_DEVMAP', { valueSizeBytes: 12 }, 'EINVAL'],
    ['BPF_MAP_TYPE_DEVMAP', { flags: F.BPF_F_RDONLY_PROG }, 'EINVAL'],
    ['BPF_MAP_TYPE_CPUMAP', { maxEntries: 8193 }, 'E2BIG'],
    ['BPF_MAP_TYPE_CPUMAP', { flags: F.BPF_F_RDONLY }, 'EINVAL'],
    ['BPF_MAP_TYPE_XSKMAP', { valueSizeBytes: 8 }, 'EINVAL'],
    ['BPF_MAP_TYPE_SOCKHASH', { keySizeBytes: 513 }, 'E2BIG'],
    ['BPF_MAP_TYPE_SK_STORAGE', { maxEntries: 1 }, 'EINVAL'],
    ['BPF_MAP_TYPE_SK_STORAGE', { flags: F.BPF_F_NO_PREALLOC | F.BPF_F_CLONE }, 'ok'],
    ['BPF_MAP_TYPE_TASK_STORAGE', { flags: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_TASK_STORAGE', { valueSizeBytes: 65536 }, 'E2BIG'],
    ['BPF_MAP_TYPE_CGROUP_STORAGE', { keySizeBytes: 8 }, 'ok'],
    ['BPF_MAP_TYPE_CGROUP_STORAGE', { maxEntries: 1 }, 'EINVAL'],
    ['BPF_MAP_TYPE_STRUCT_OPS', { maxEntries: 2 }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARENA', { flags: 0 }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARENA', { maxEntries: 2 ** 20 }, 'ok'],
    ['BPF_MAP_TYPE_ARENA', { maxEntries: 2 ** 20 + 1 }, 'E2BIG'],
    ['BPF_MAP_TYPE_ARENA', { mapExtra: 1n }, 'EINVAL'],
    ['BPF_MAP_TYPE_ARENA', { mapExtra: 0xfffff000n }, 'ERANGE'],
  ];
  it.each(cases)('%s %o: %s', (type, def, expected) => {
    expect(answer({ ...def, type: bpf_map_type[type] })).toBe(expected);
  });
});

describe('the user side', () => {
  it('throws for keys and values of another size', () => {
    const map = new TestMapHost().create({ type: T.BPF_MAP_TYPE_HASH });
    expect(() => map.userLookup(new Uint8Array(3))).toThrow(/expected 4 bytes, found 3/);
    expect(() => map.userUpdate(new Uint8Array(4), new Uint8Array(9))).toThrow(/expected 8 bytes, found 9/);
  });

  it('honours BPF_F_RDONLY, BPF_F_WRONLY and BPF_MAP_FREEZE', () => {
    const host = new TestMapHost();
    const [key, value] = [new Uint8Array(4), new Uint8Array(8)];
    const EPERM = -1;
    const read = host.create({ type: T.BPF_MAP_TYPE_ARRAY, flags: F.BPF_F_RDONLY });
    expect([read.userUpdate(key, value), read.userDelete(key)]).toEqual([EPERM, EPERM]);
    expect(read.userLookup(key)).toEqual(value);
    const write = host.create({ type: T.BPF_MAP_TYPE_ARRAY, flags: F.BPF_F_WRONLY });
    expect([write.userUpdate(key, value), write.userLookup(key), write.userNextKey(null)]).toEqual([0, EPERM, EPERM]);
    const frozen = host.create({ type: T.BPF_MAP_TYPE_HASH });
    expect(frozen.userUpdate(key, value)).toBe(0);
    expect([frozen.freeze(), frozen.freeze()]).toEqual([0, -16]);
    expect([frozen.userUpdate(key, value), frozen.userDelete(key), frozen.userLookupAndDelete(key)]).toEqual([
      EPERM,
      EPERM,
      EPERM,
    ]);
    expect(frozen.update(host.place(key), host.place(value), 0)).toBe(0);
    const fields = [{ kind: 'spin_lock', offBytes: 0, sizeBytes: 4 }] as const;
    expect(host.create({ type: T.BPF_MAP_TYPE_HASH, fields }).freeze()).toBe(-524);
  });
});
