/**
 * Maps: one file a map type, with its rules and its storage in linear memory; `table.ts` has one row each.
 *
 * The exported layouts say where everything lies, for engines that read and write maps without JavaScript: a map's address is
 * that of its handle, which begins with {@link MAP_HANDLE} and goes on as the type's layout says.
 */
export { ARENA_LAYOUT, isArenaMap } from './arena.ts';
export { BLOOM_LAYOUT } from './bloom-filter.ts';
export { isLocalStorageMap } from './bpf-local-storage.ts';
export { LRU_LIST, LRU_LOCAL, LRU_NODE } from './bpf-lru-list.ts';
export { STRUCT_OPS_LAYOUT, STRUCT_OPS_VALUE } from './bpf-struct-ops.ts';
export { BUCKET_NODE, BUCKETS_LAYOUT } from './bucket-map.ts';
export { isCgroupArrayMap } from './cgroup-array.ts';
export { CPUMAP_VALUE } from './cpumap.ts';
export { DEVMAP_VALUE } from './devmap.ts';
export { ARRAY_LAYOUT, BUCKET_LOCKS, FIELDS_TABLE, MAP_HANDLE, MAP_LOCKS } from './layout.ts';
export { CGROUP_STORAGE_KEY, isCgroupStorageMap } from './local-storage.ts';
export { LPM_LAYOUT, LPM_NODE } from './lpm-trie.ts';
export { LRU_HASH_LAYOUT } from './lru-hash.ts';
export { mapMetaEqual } from './map-in-map.ts';
export * from './ops/index.ts';
export { isPerfEventArrayMap } from './perf-event-array.ts';
export { POOL_LAYOUT, POOL_NODE } from './pool.ts';
export { isProgArrayMap, PROG_ARRAY_PTRS } from './prog-array.ts';
export { isQueueStackMap, QUEUE_LAYOUT } from './queue-stack-maps.ts';
export {
  isRingbufMap,
  RING,
  RINGBUF_BUSY_BIT,
  RINGBUF_DISCARD_BIT,
  RINGBUF_HDR_BYTES,
  RINGBUF_LAYOUT,
  ringbufOfSample,
} from './ringbuf.ts';
export { isTargetMap, SLOT, SLOT_ARRAY_LAYOUT } from './slot-array.ts';
export { isStackTraceMap, STACKMAP_LAYOUT, STACKMAP_NODE } from './stackmap.ts';
export { checkMapDef, createMap, MAP_TYPES, mapTypeRow } from './table.ts';
export type * from './types.ts';
export { isUserRingbufMap } from './user-ringbuf.ts';
