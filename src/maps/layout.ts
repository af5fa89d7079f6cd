/**
 * Bytes at the beginning of every handle that programs may read: the largest of the kernel's structs of maps (`bpf_htab`),
 * `struct bpf_map` first. They may be read through a map's pointer (`check_ptr_to_map_access`).
 */
export const KERNEL_MAP_BYTES = 896;

/**
 * What every map's handle begins with; offsets in bytes. Up to {@link KERNEL_MAP_BYTES} it is `struct bpf_map` of Linux 6.12 on
 * 64-bit machines, of which the members named here have their values and all others are 0; then come words of 32 bits of the
 * machine's own, and after `end` those of the type, whose layout the type's file has. All are in the machine's byte order
 * (`LinearMemory.order`), as a program's own loads would see them.
 *
 * ```
 *   +24 type   +28 key_size   +32 value_size   +36 max_entries   +40 map_extra (u64)   +48 map_flags   +52 id
 *   +64 numa_node   +96 name (16 bytes)   +248 elem_size   +252 index_mask (of arrays)
 *   +896 frozen   +900 fields   +904 locks   +912 the type's own
 * ```
 */
export const MAP_HANDLE = {
  type: 24,
  keySizeBytes: 28,
  valueSizeBytes: 32,
  maxEntries: 36,
  mapExtra: 40,
  flags: 48,
  id: 52,
  numaNode: 64,
  /** At most 15 bytes and NUL. */
  name: 96,
  /** `struct bpf_array`: bytes of an element, and the mask indices are cut to. */
  arrayElemBytes: 248,
  arrayIndexMask: 252,
  /** 1 after BPF_MAP_FREEZE. */
  frozen: KERNEL_MAP_BYTES,
  /** Address of the {@link FIELDS_TABLE} of maps whose values have special fields, 0 for others. */
  fields: KERNEL_MAP_BYTES + 4,
  /** Address of the {@link MAP_LOCKS} where threads share the machine, 0 where one runs it. */
  locks: KERNEL_MAP_BYTES + 8,
  end: KERNEL_MAP_BYTES + 16,
} as const;

/**
 * What must be known to copy values around their special fields: words, `spinLock` being an offset in the value, then two for each run
 * of ordinary bytes (offset, length),
 * then three for each field (offset, length, 1 for locks).
 */
export const FIELDS_TABLE = { runs: 0, fields: 4, hasSpinLock: 8, spinLock: 12, entries: 16 } as const;

/** Locks that buckets share, a power of two. */
export const BUCKET_LOCKS = 256;

/**
 * Words of locks, away from each other's cache lines: the pool's, the lists' or the whole map's, and those buckets share. Behind them
 * each CPU has a word for a spare node, which its next replacement of an element takes; 0 for none.
 */
export const MAP_LOCKS = {
  pool: 0,
  map: 128,
  buckets: 256,
  bucketBytes: 16,
  spares: 256 + 16 * BUCKET_LOCKS,
  spareBytes: 128,
} as const;

/**
 * The handle of arrays, from `MAP_HANDLE.end`, and their values: element `i` begins at `values + i * elemBytes`. Per-CPU arrays have
 * an area of `cpuBytes` for each CPU, as Linux's per-CPU allocator has; other arrays have one, of all their elements.
 *
 * ```
 *   values -> | 0 of cpu 0 | 1 of cpu 0 | … | padding | 0 of cpu 1 | …
 *             |<-elemBytes>|
 *             |<------------ cpuBytes ----------------->|
 *             |<------------ allBytes ------------------------------ …
 * ```
 */
export const ARRAY_LAYOUT = {
  /** Address of element 0. */
  values: MAP_HANDLE.end,
  elemBytes: MAP_HANDLE.end + 4,
  cpuBytes: MAP_HANDLE.end + 8,
  allBytes: MAP_HANDLE.end + 12,
  handleBytes: MAP_HANDLE.end + 16,
} as const;
