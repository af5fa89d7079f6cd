/**
 * The words every map's handle begins with; offsets in bytes. All words are 32 bits in the machine's byte order
 * (`LinearMemory.order`), as a program's own loads would see them. The words after `end` belong to the type; the
 * file of the type has their layout.
 *
 * ```
 *   +0  type   +4 key_size   +8 value_size   +12 max_entries   +16 map_flags   +20 id   +24 frozen   +28 unused
 *   +32 the type's own
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
  end: 32,
} as const;
