import type { LinearMemory } from '../mem/index.ts';

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
export interface MapHost {
  readonly mem: LinearMemory;
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
export interface BpfMap {
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
