import { BPF_FLAGS, bpf_map_type, ERRNO, errnoName, mapTypeName } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { checkCommon } from './alloc-check.ts';
import { ArenaMapImpl, checkArena } from './arena.ts';
import { ArrayMap, checkArray, PercpuArrayMap } from './arraymap.ts';
import { BloomFilterMap, checkBloomFilter } from './bloom-filter.ts';
import { checkLocalStorage, LocalStorageMapImpl } from './bpf-local-storage.ts';
import { checkStructOps, StructOpsMap } from './bpf-struct-ops.ts';
import { CgroupArrayMapImpl } from './cgroup-array.ts';
import { CpumapMap, checkCpumap } from './cpumap.ts';
import { checkDevmap, DevmapHashMap, DevmapMap } from './devmap.ts';
import { checkFdArray } from './fd-array.ts';
import { checkHash, HashMap, PercpuHashMap } from './hashtab.ts';
import { CgroupStorageMapImpl, checkCgroupStorage } from './local-storage.ts';
import { checkLpmTrie, LpmTrieMap } from './lpm-trie.ts';
import { LruHashMap, LruPercpuHashMap } from './lru-hash.ts';
import { type MapBase, setUp } from './map-base.ts';
import { ArrayOfMapsMap, checkMapInMap, HashOfMapsMap } from './map-in-map.ts';
import { PerfEventArrayMapImpl } from './perf-event-array.ts';
import { ProgArrayMapImpl } from './prog-array.ts';
import { checkQueueStack, QueueStackMapImpl } from './queue-stack-maps.ts';
import { checkReuseportArray, ReuseportArrayMap } from './reuseport-array.ts';
import { checkRingbuf, RingbufMapImpl } from './ringbuf.ts';
import { checkSockhash, checkSockmap, SockhashMap, SockmapMap } from './sock-map.ts';
import { checkStackmap, StackTraceMapImpl } from './stackmap.ts';
import type { BpfMap, MapDef, MapHost, MapTypeRow } from './types.ts';
import { UserRingbufMapImpl } from './user-ringbuf.ts';
import { checkXskmap, XskmapMap } from './xskmap.ts';

type MapClass = new (host: MapHost, def: MapDef, id: number) => MapBase;

const T = bpf_map_type;

// type, first release, file of kernel/bpf unless it has a directory, rules, storage
const row = (
  type: number,
  since: string,
  file: string,
  check: (def: MapDef) => number,
  Class: MapClass,
): MapTypeRow => ({
  type,
  name: mapTypeName(type),
  since,
  source: file.includes('/') ? file : `kernel/bpf/${file}`,
  check: def => checkCommon(def, MAP_EXTRA_TYPES.has(type)) || check(def),
  create: (host, def, id) => setUp(new Class(host, def, id)),
});

/** Types whose `map_extra` means something. */
const MAP_EXTRA_TYPES: ReadonlySet<number> = new Set([T.BPF_MAP_TYPE_BLOOM_FILTER, T.BPF_MAP_TYPE_ARENA]);

/** Every map type, by its number. */
export const MAP_TYPES: readonly MapTypeRow[] = [
  row(T.BPF_MAP_TYPE_HASH, '3.19', 'hashtab.c', checkHash, HashMap),
  row(T.BPF_MAP_TYPE_ARRAY, '3.19', 'arraymap.c', checkArray, ArrayMap),
  row(T.BPF_MAP_TYPE_PROG_ARRAY, '4.2', 'arraymap.c', checkFdArray, ProgArrayMapImpl),
  row(T.BPF_MAP_TYPE_PERF_EVENT_ARRAY, '4.3', 'arraymap.c', checkFdArray, PerfEventArrayMapImpl),
  row(T.BPF_MAP_TYPE_PERCPU_HASH, '4.6', 'hashtab.c', checkHash, PercpuHashMap),
  row(T.BPF_MAP_TYPE_PERCPU_ARRAY, '4.6', 'arraymap.c', checkArray, PercpuArrayMap),
  row(T.BPF_MAP_TYPE_STACK_TRACE, '4.6', 'stackmap.c', checkStackmap, StackTraceMapImpl),
  row(T.BPF_MAP_TYPE_CGROUP_ARRAY, '4.8', 'arraymap.c', checkFdArray, CgroupArrayMapImpl),
  row(T.BPF_MAP_TYPE_LRU_HASH, '4.10', 'hashtab.c', checkHash, LruHashMap),
  row(T.BPF_MAP_TYPE_LRU_PERCPU_HASH, '4.10', 'hashtab.c', checkHash, LruPercpuHashMap),
  row(T.BPF_MAP_TYPE_LPM_TRIE, '4.11', 'lpm_trie.c', checkLpmTrie, LpmTrieMap),
  row(T.BPF_MAP_TYPE_ARRAY_OF_MAPS, '4.12', 'map_in_map.c', checkMapInMap, ArrayOfMapsMap),
  row(T.BPF_MAP_TYPE_HASH_OF_MAPS, '4.12', 'map_in_map.c', checkMapInMap, HashOfMapsMap),
  row(T.BPF_MAP_TYPE_DEVMAP, '4.14', 'devmap.c', checkDevmap, DevmapMap),
  row(T.BPF_MAP_TYPE_SOCKMAP, '4.14', 'net/core/sock_map.c', checkSockmap, SockmapMap),
  row(T.BPF_MAP_TYPE_CPUMAP, '4.15', 'cpumap.c', checkCpumap, CpumapMap),
  row(T.BPF_MAP_TYPE_XSKMAP, '4.18', 'net/xdp/xskmap.c', checkXskmap, XskmapMap),
  row(T.BPF_MAP_TYPE_SOCKHASH, '4.18', 'net/core/sock_map.c', checkSockhash, SockhashMap),
  row(T.BPF_MAP_TYPE_CGROUP_STORAGE, '4.19', 'local_storage.c', checkCgroupStorage, CgroupStorageMapImpl),
  row(T.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, '4.19', 'reuseport_array.c', checkReuseportArray, ReuseportArrayMap),
  row(T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, '4.20', 'local_storage.c', checkCgroupStorage, CgroupStorageMapImpl),
  row(T.BPF_MAP_TYPE_QUEUE, '4.20', 'queue_stack_maps.c', checkQueueStack, QueueStackMapImpl),
  row(T.BPF_MAP_TYPE_STACK, '4.20', 'queue_stack_maps.c', checkQueueStack, QueueStackMapImpl),
  row(T.BPF_MAP_TYPE_SK_STORAGE, '5.2', 'bpf_local_storage.c', checkLocalStorage, LocalStorageMapImpl),
  row(T.BPF_MAP_TYPE_DEVMAP_HASH, '5.4', 'devmap.c', checkDevmap, DevmapHashMap),
  row(T.BPF_MAP_TYPE_STRUCT_OPS, '5.6', 'bpf_struct_ops.c', checkStructOps, StructOpsMap),
  row(T.BPF_MAP_TYPE_RINGBUF, '5.8', 'ringbuf.c', checkRingbuf, RingbufMapImpl),
  row(T.BPF_MAP_TYPE_INODE_STORAGE, '5.10', 'bpf_local_storage.c', checkLocalStorage, LocalStorageMapImpl),
  row(T.BPF_MAP_TYPE_TASK_STORAGE, '5.11', 'bpf_local_storage.c', checkLocalStorage, LocalStorageMapImpl),
  row(T.BPF_MAP_TYPE_BLOOM_FILTER, '5.16', 'bloom_filter.c', checkBloomFilter, BloomFilterMap),
  row(T.BPF_MAP_TYPE_USER_RINGBUF, '6.1', 'ringbuf.c', checkRingbuf, UserRingbufMapImpl),
  row(T.BPF_MAP_TYPE_CGRP_STORAGE, '6.2', 'bpf_local_storage.c', checkLocalStorage, LocalStorageMapImpl),
  row(T.BPF_MAP_TYPE_ARENA, '6.9', 'arena.c', checkArena, ArenaMapImpl),
];

const BY_TYPE: ReadonlyMap<number, MapTypeRow> = new Map(MAP_TYPES.map(entry => [entry.type, entry]));

/** The row of a `BPF_MAP_TYPE_*`; undefined for types farcall does not have. */
export function mapTypeRow(type: number): MapTypeRow | undefined {
  return BY_TYPE.get(type);
}

/** Everything `BPF_MAP_CREATE` checks before it allocates, of the template of inner maps first: 0 or -errno. */
export function checkMapDef(def: MapDef): number {
  // A map of maps is no template, whatever its own template; map_in_map.c says so, and the depth of definitions is theirs.
  const inner = def.inner === undefined || def.inner.inner !== undefined ? 0 : rowCheck(def.inner);
  return inner || rowCheck(def);
}

function rowCheck(def: MapDef): number {
  return mapTypeRow(def.type)?.check(def) ?? -ERRNO.EINVAL;
}

/**
 * Makes a map as `BPF_MAP_CREATE` does (`kernel/bpf/syscall.c: map_create`). Throws `map.create` with the errno's name
 * in `found` for what Linux would refuse, and with ENOMEM when the machine's memory does not suffice.
 *
 * Differs from Linux: capabilities, BTF ids and the spelling of names are not looked at.
 *
 * @param id unique in the machine, 1 or more
 */
export function createMap(host: MapHost, def: MapDef, id: number): BpfMap {
  // The kernel drops this flag before anything sees it.
  const flags = def.flags & ~BPF_FLAGS.BPF_F_TOKEN_FD;
  const wanted = flags === def.flags ? def : { ...def, flags };
  const entry = mapTypeRow(def.type);
  const errno = checkMapDef(wanted);
  if (entry === undefined || errno !== 0) throw refused(def, errno);
  try {
    return entry.create(host, wanted, id);
  } catch (error) {
    if (error instanceof FarcallError && error.code === 'run.out-of-memory') throw refused(def, -ERRNO.ENOMEM, error);
    throw error;
  }
}

function refused(def: MapDef, errno: number, cause?: unknown): FarcallError {
  const { keySizeBytes, valueSizeBytes, maxEntries, flags } = def;
  return new FarcallError({
    code: 'map.create',
    message: `a map of type ${mapTypeName(def.type)} cannot have key size ${keySizeBytes}, value size ${valueSizeBytes}, max_entries ${maxEntries}, flags 0x${(flags >>> 0).toString(16)}`,
    expected: 'a definition BPF_MAP_CREATE accepts',
    found: errnoName(errno),
    where: { name: def.name },
    cause,
  });
}
