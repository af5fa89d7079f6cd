/**
 * The words every map's handle begins with; offsets in bytes. All words are 32 bits in the machine's byte order
 * (`LinearMemory.order`), as a program's own loads would see them. The words after `end` belong to the type; the
 * file of the type has their layout.
 *
 * ```
 *   +0  type   +4 key_size   +8 value_size   +12 max_entries   +16 map_flags   +20 id   +24 frozen   +28 fields
 *   +32 locks  +40 the type's own
 * ```
 */
export const MAP_HANDLE = {
  type: 0,
  keySizeBytes: 4,
  valueSizeBytes: 8,
  maxEntries: 12,
  flags: 16,
  id: 20,
  /** 1 after BPF_MAP_FREEZE. */
  frozen: 24,
  /** Address of the {@link FIELDS_TABLE} of maps whose values have special fields, 0 for others. */
  fields: 28,
  /** Address of the {@link MAP_LOCKS} where threads share the machine, 0 where one runs it. */
  locks: 32,
  end: 40,
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
