import { describe, expect, it } from 'vitest';
import { mapDef, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { BPF_FLAGS as F } from '../uapi/index.ts';
import { mapMetaEqual } from './map-in-map.ts';
import { isPerfEventArrayMap } from './perf-event-array.ts';
import { isProgArrayMap } from './prog-array.ts';
import type { MapDef } from './types.ts';

const EBADF = -9;
const EINVAL = -22;

describe.each([T.BPF_MAP_TYPE_ARRAY_OF_MAPS, T.BPF_MAP_TYPE_HASH_OF_MAPS])('map of maps %i', type => {
  it.each(['little', 'big'] as const)('gives ids to user space and handles to programs (%s)', order => {
    const host = new TestMapHost({ order });
    const inner = mapDef({ type: T.BPF_MAP_TYPE_ARRAY });
    const outer = host.create({ type, valueSizeBytes: 4, maxEntries: 2, inner });
    const fits = host.create(inner);
    const other = host.create({ ...inner, valueSizeBytes: 16 });
    const id = (value: number): Uint8Array => n(value, 4, order);
    const key = host.place(id(1));
    expect(outer.lookup(key)).toBe(0);
    expect(outer.userUpdate(id(1), id(99))).toBe(EBADF);
    expect(outer.userUpdate(id(1), id(other.id))).toBe(EINVAL);
    expect(outer.userUpdate(id(1), id(fits.id))).toBe(0);
    expect(outer.lookup(key)).toBe(fits.addr);
    expect(outer.userLookup(id(1))).toEqual(id(fits.id));
    expect(host.mem.regions().every(region => region.kind !== 'map_value' || region.end - region.start > 4)).toBe(true);
    const hash = type === T.BPF_MAP_TYPE_HASH_OF_MAPS;
    expect(outer.userUpdate(id(1), id(fits.id), F.BPF_NOEXIST)).toBe(hash ? -17 : EINVAL);
    expect(outer.userUpdate(id(7), id(fits.id))).toBe(hash ? 0 : -7);
    expect(outer.userDelete(id(1))).toBe(0);
    expect(outer.userDelete(id(1))).toBe(-2);
    expect(outer.lookup(key)).toBe(0);
    expect(outer.userLookup(id(1))).toBeNull();
  });
});

describe('map_meta_equal', () => {
  const array = mapDef({ type: T.BPF_MAP_TYPE_ARRAY });
  const hash = mapDef({ type: T.BPF_MAP_TYPE_HASH });
  const lock = { kind: 'spin_lock', offBytes: 0, sizeBytes: 4 } as const;
  const open = { ...array, flags: F.BPF_F_INNER_MAP };
  it.each<readonly [MapDef, Partial<MapDef>, boolean]>([
    [array, {}, true],
    [array, { name: 'other' }, true],
    [array, { maxEntries: 5 }, false],
    [open, { maxEntries: 5 }, true],
    [array, { flags: F.BPF_F_INNER_MAP }, false],
    [hash, { maxEntries: 5 }, true],
    [hash, { keySizeBytes: 8 }, false],
    [hash, { valueSizeBytes: 4 }, false],
    [hash, { type: T.BPF_MAP_TYPE_LRU_HASH }, false],
    [hash, { fields: [lock] }, false],
    [{ ...hash, fields: [lock] }, {}, true],
  ])('%#', (template, change, same) => {
    expect(mapMetaEqual(template, { ...template, ...change })).toBe(same);
  });
});

describe('prog array', () => {
  it('holds ids of programs the machine lets in', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_PROG_ARRAY, valueSizeBytes: 4, maxEntries: 2 });
    if (!isProgArrayMap(map)) throw new Error('not a prog array');
    host.progs.add(7);
    expect(map.userUpdate(n(1, 4), n(8, 4))).toBe(EBADF);
    expect(map.userUpdate(n(1, 4), n(7, 4), F.BPF_EXIST)).toBe(EINVAL);
    expect(map.userUpdate(n(2, 4), n(7, 4))).toBe(-7);
    expect(map.userUpdate(n(1, 4), n(7, 4))).toBe(0);
    expect([map.progAt(0), map.progAt(1), map.progAt(2), map.progAt(-1)]).toEqual([0, 7, 0, 0]);
    expect(map.userLookup(n(1, 4))).toEqual(n(7, 4));
    expect(map.lookup(host.place(n(1, 4)))).toBe(0);
    expect([map.userDelete(n(1, 4)), map.userDelete(n(1, 4)), map.userDelete(n(2, 4))]).toEqual([0, -2, -7]);
    expect(map.progAt(1)).toBe(0);
  });
});

describe('perf event array', () => {
  it('queues records of CPUs whose event is open', () => {
    const host = new TestMapHost();
    const map = host.create({ type: T.BPF_MAP_TYPE_PERF_EVENT_ARRAY, valueSizeBytes: 4, maxEntries: 2 });
    if (!isPerfEventArrayMap(map)) throw new Error('not a perf event array');
    const data = Uint8Array.of(1, 2, 3);
    expect(map.output(F.BPF_F_CURRENT_CPU, data)).toBe(-2);
    expect(map.userUpdate(n(0, 4), n(0, 4))).toBe(0);
    expect(map.userLookup(n(0, 4))).toBe(-524);
    expect([map.output(0, data), map.output(2, data), map.output(1, data)]).toEqual([0, -7, -2]);
    map.openAll();
    expect(map.output(1, data)).toBe(-95);
    host.cpu = 1;
    expect(map.output(F.BPF_F_CURRENT_CPU, data)).toBe(0);
    expect(map.takeRecords()).toEqual([
      { index: 0, data },
      { index: 1, data },
    ]);
    expect(map.takeRecords()).toEqual([]);
    expect(map.lost).toBe(0);
  });
});
