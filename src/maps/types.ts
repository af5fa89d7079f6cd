import type { LinearMemory } from '../mem/index.ts';
import type { MapOps, MapOpsClient, MapOpsHost } from './ops/index.ts';

/** Kinds of fields in map values that the kernel alone may change (`enum btf_field_type`). */
export type MapFieldKind =
  | 'spin_lock'
  | 'res_spin_lock'
  | 'timer'
  | 'workqueue'
  | 'task_work'
  | 'kptr'
  | 'uptr'
  | 'list_head'
  | 'list_node'
  | 'rb_root'
  | 'rb_node'
  | 'refcount';

/**
 * A special field of a map's value. Updates leave its bytes alone, look-ups from user space show it as zeros, and when
 * its value dies {@link MapHost.freeField} hears of it.
 */
export interface MapField {
  readonly kind: MapFieldKind;
  readonly offBytes: number;
  readonly sizeBytes: number;
}

/** What a map is made from: the attributes of `BPF_MAP_CREATE`, by their meaning. */
export interface MapDef {
  readonly name: string;
  /** `BPF_MAP_TYPE_*` */
  readonly type: number;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  /** `BPF_F_*` */
  readonly flags: number;
  /** Type-specific: the Bloom filter's number of hash functions, the arena's address. */
  readonly mapExtra?: bigint;
  readonly numaNode?: number;
  /** The template of the maps held by a map of maps. */
  readonly inner?: MapDef;
  /** Special fields of the value, by ascending offset, from its BTF. */
  readonly fields?: readonly MapField[];
}

/** What a map needs of the machine it lives in. */
export interface MapHost extends MapOpsHost {
  readonly mem: LinearMemory;
  /** The operations of maps on this memory. */
  readonly ops: MapOps;
  /** Possible CPUs; per-CPU values exist once for each. */
  readonly cpuCount: number;
  /** 0 .. cpuCount - 1: the CPU the running program is on. */
  readonly cpu: number;
  /** Seeded 32-bit numbers for hash seeds. */
  randomU32(): number;
  /** The map whose handle is at `addr`. */
  mapAt(addr: number): BpfMap | undefined;
  /** The map of that id: what the user side of a map of maps writes. */
  mapById(id: number): BpfMap | undefined;
  /** Whether a loaded program of this id may go into prog array `map`: 0 or -errno. */
  checkProg(map: BpfMap, progId: number): number;
  /** Address of a loaded program's handle: what an element of a prog array holds. */
  progHandle(progId: number): number;
  /** Id of the program whose handle is at `addr`, 0 for none. */
  progIdAt(addr: number): number;
  /**
   * The special field at `addr` dies with its value (deleted, replaced, evicted, map freed): cancel the timer, drop the
   * reference. The map zeroes the bytes afterwards. Not called for spin locks.
   */
  freeField?(map: BpfMap, field: MapField, addr: number): void;
}

/**
 * A living map. Keys and values lie in the linear memory, so every engine and the JavaScript side see the same bytes.
 *
 * The first family of operations is what programs call through helpers: addresses in, 0 or -errno out (-errno as a
 * negative Number). The second is what user space calls through `bpf(2)`: bytes in, bytes out; per-CPU values are then
 * all CPUs' values one after another, each rounded up to 8 bytes.
 */
export interface BpfMap extends MapOpsClient {
  readonly def: MapDef;
  /** 1, 2, … in order of creation. */
  readonly id: number;
  /** Address of the map's handle, the value a program's `ld_imm64` of the map yields. */
  readonly addr: number;

  /** `map_lookup_elem`: address of the value (this CPU's of a per-CPU map) or 0. For maps of maps, the inner map's handle. */
  lookup(keyAddr: number): number;
  /** `map_update_elem`, flags `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`, `BPF_F_LOCK`. */
  update(keyAddr: number, valueAddr: number, flags: number): number;
  delete(keyAddr: number): number;
  /** `map_lookup_percpu_elem`; 0 for maps without per-CPU values and CPUs that do not exist. */
  lookupPercpu(keyAddr: number, cpu: number): number;
  push(valueAddr: number, flags: number): number;
  pop(valueAddr: number): number;
  peek(valueAddr: number): number;
  /** Calls back with the addresses of each key and value; stops when it returns non-zero. Returns calls made or -errno. */
  forEach(callback: (keyAddr: number, valueAddr: number) => number): number;
  /** Address of the value area for `BPF_PSEUDO_MAP_VALUE` (one-element-addressable maps such as .data), or 0. */
  directValueAddr(offBytes: number): number;

  /** Bytes of a value as the user side sees it. */
  readonly userValueSizeBytes: number;
  /**
   * The value, null when there is none (-ENOENT), or -errno where the type has no look-up. Queues and stacks peek and
   * take an empty key; a Bloom filter takes the value to test in place of the key.
   *
   * Like all of this family throws `map.key-size` or `map.value-size` for bytes of another length than the map's.
   */
  userLookup(key: Uint8Array): Uint8Array | null | number;
  /** `BPF_MAP_LOOKUP_AND_DELETE_ELEM`: hash types, queues and stacks; -ENOTSUPP elsewhere. */
  userLookupAndDelete(key: Uint8Array): Uint8Array | null | number;
  /** Queues, stacks and Bloom filters push and take an empty key. */
  userUpdate(key: Uint8Array, value: Uint8Array, flags?: number): number;
  userDelete(key: Uint8Array): number;
  /** `BPF_MAP_GET_NEXT_KEY`: the first key for null or a key that is gone; null at the end; -errno where keys cannot be listed. */
  userNextKey(key: Uint8Array | null): Uint8Array | null | number;
  /** No user-side update or delete after this (`BPF_MAP_FREEZE`). 0, -EBUSY when frozen before, -ENOTSUPP. */
  freeze(): number;
  /** Gives all memory back. The address is no map afterwards. */
  free(): void;
}

/** `BPF_MAP_TYPE_RINGBUF`; find out with `isRingbufMap`. */
export interface RingbufMap extends BpfMap {
  /** `bpf_ringbuf_reserve`: address of `sizeBytes` bytes a program may write until it commits them; 0 when there is no room. */
  reserve(sizeBytes: number): number;
  isReserved(sampleAddr: number): boolean;
  /** `bpf_ringbuf_commit`: 0, or -EINVAL for an address that is not a reserved record's (in Linux such a program is rejected). */
  commit(sampleAddr: number, discard: boolean, flags: number): number;
  /** `bpf_ringbuf_submit`: hands the record over; errors as {@link commit}. */
  submit(sampleAddr: number, flags: number): number;
  /** `bpf_ringbuf_discard`: no consumer sees the record; errors as {@link commit}. */
  discard(sampleAddr: number, flags: number): number;
  /** `bpf_ringbuf_output`: 0, -EINVAL for unknown flags, -EAGAIN when there is no room. */
  output(dataAddr: number, sizeBytes: number, flags: number): number;
  /** `bpf_ringbuf_query` of `BPF_RB_*`; 0 for other flags. */
  query(flag: number): number;
  /** User space: the records committed since the last call, oldest first, up to the first still reserved. */
  consume(limit?: number): Uint8Array[];
  /** How often a consumer waiting in epoll would have been woken. */
  readonly wakeups: number;
}

/** `BPF_MAP_TYPE_USER_RINGBUF`; find out with `isUserRingbufMap`. */
export interface UserRingbufMap extends BpfMap {
  /** User space: puts a record in; 0, -ENOSPC when there is no room now, -E2BIG when there never is. */
  produce(bytes: Uint8Array): number;
  /**
   * `bpf_user_ringbuf_drain`: calls back with address and size of each record until it returns non-zero. Returns how many
   * were seen or -errno.
   */
  drain(callback: (sampleAddr: number, sizeBytes: number) => number, flags: number): number;
  /** How often a producer waiting in epoll would have been woken. */
  readonly wakeups: number;
}

/** `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`; find out with `isQueueStackMap`. */
export interface QueueStackMap extends BpfMap {
  /** Copies of all values in the order pops would give them; nothing is taken out. */
  contents(): Uint8Array[];
}

/** A record put into a perf event array. */
export interface PerfRecord {
  /** The element, which is the CPU. */
  readonly index: number;
  readonly data: Uint8Array;
}

/** `BPF_MAP_TYPE_PERF_EVENT_ARRAY`; find out with `isPerfEventArrayMap`. */
export interface PerfEventArrayMap extends BpfMap {
  /** User space: opens an event for every CPU that has an element, as libbpf's `perf_buffer__new` does. */
  openAll(): void;
  /**
   * `bpf_perf_event_output`.
   *
   * @param index an element, or BPF_F_CURRENT_CPU
   * @returns 0; -E2BIG past the end; -ENOENT for an element without event; -EOPNOTSUPP for another CPU's; -ENOSPC when
   *   the consumer has left too much unread
   */
  output(index: number, data: Uint8Array): number;
  /** User space: everything put out since the last call, in order. */
  takeRecords(): PerfRecord[];
  /** Records lost to -ENOSPC. */
  readonly lost: number;
}

/** `BPF_MAP_TYPE_PROG_ARRAY`; find out with `isProgArrayMap`. */
export interface ProgArrayMap extends BpfMap {
  /** Id of the program in the element, 0 for none and past the end. */
  progAt(index: number): number;
}

/** `BPF_MAP_TYPE_CGROUP_ARRAY`; find out with `isCgroupArrayMap`. */
export interface CgroupArrayMap extends BpfMap {
  /** Id of the cgroup in the element; 0 for none, undefined past the end. */
  cgroupAt(index: number): number | undefined;
}

/** `BPF_MAP_TYPE_STACK_TRACE`; find out with `isStackTraceMap`. */
export interface StackTraceMap extends BpfMap {
  /** Frames a trace may have. */
  readonly maxDepth: number;
  /**
   * `bpf_get_stackid` of a trace already taken: its id or -errno (-EEXIST when another trace has its bucket, -ENOMEM).
   *
   * @param ips frames, innermost first
   * @param flags BPF_F_FAST_STACK_CMP and BPF_F_REUSE_STACKID count
   */
  storeStack(ips: readonly bigint[], flags: number): number;
}

/** Maps whose elements hang on kernel objects (sk, inode, task, cgrp storage); find out with `isLocalStorageMap`. */
export interface LocalStorageMap extends BpfMap {
  /**
   * `bpf_*_storage_get`: address of the object's value, or 0.
   *
   * @param objectId what the machine calls the object: below 2^53
   * @param initAddr value a new element begins with, 0 for zeros
   * @param flags 0 or BPF_LOCAL_STORAGE_GET_F_CREATE
   */
  get(objectId: number, initAddr: number, flags: number): number;
  /** `bpf_*_storage_delete`: 0 or -ENOENT. Also what the end of an object does. */
  remove(objectId: number): number;
}

/** `BPF_MAP_TYPE_CGROUP_STORAGE` and its per-CPU twin; find out with `isCgroupStorageMap`. */
export interface CgroupStorageMap extends BpfMap {
  /** Makes the storage of a cgroup (and attach type, where the key has one), as attaching a program does; 0 or -errno. */
  attach(cgroupId: number, attachType: number): number;
  /** `bpf_get_local_storage`: address of this CPU's value, 0 where nothing was attached. */
  localStorage(cgroupId: number, attachType: number): number;
}

/** `BPF_MAP_TYPE_ARENA`; find out with `isArenaMap`. */
export interface ArenaMap extends BpfMap {
  /** First address of the arena in the linear memory. */
  readonly base: number;
  readonly pageCount: number;
  /** The 64-bit address user space has the arena at. The low 32 bits of every pointer into it are its linear address. */
  readonly userVmStart: bigint;
  /**
   * `bpf_arena_alloc_pages`: address of `count` zeroed pages in a row, 0 when there are none.
   *
   * @param addr where, or 0 for anywhere
   */
  allocPages(addr: number, count: number): number;
  /** `bpf_arena_free_pages`; what is not an allocated page of the arena is left alone. */
  freePages(addr: number, count: number): void;
  /** User space: writes through its mapping, which allocates the pages it touches. False when that is outside the arena. */
  write(offBytes: number, bytes: Uint8Array): boolean;
}

/** Maps of things to redirect to (devices, CPUs, sockets); find out with `isTargetMap`. */
export interface TargetMap extends BpfMap {
  /** Whether the key has an entry: what `bpf_redirect_map` and its kin look at. */
  holds(keyAddr: number): boolean;
}

/** A row of the table of map types. */
export interface MapTypeRow {
  readonly type: number;
  /** As bpftool prints it: `hash`, `percpu_array`, … */
  readonly name: string;
  /** First Linux release that has it. */
  readonly since: string;
  /** The kernel file whose rules it follows. */
  readonly source: string;
  /** `map_alloc_check`: 0 or the errno (negative) that `BPF_MAP_CREATE` would give. */
  check(def: MapDef): number;
  create(host: MapHost, def: MapDef, id: number): BpfMap;
}
