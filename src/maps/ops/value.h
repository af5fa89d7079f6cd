// Copies of values, whole or around the special fields (`copy_map_value`, `zero_map_value`, `bpf_obj_free_fields`).
#pragma once
#include "ops.h"

INLINE void copy_inline(u64 dst, u64 src, u32 size) {
  for (; size >= 32; size -= 32, dst += 32, src += 32) {
    u64 a = D(src, 0), b = D(src, 8), c = D(src, 16), d = D(src, 24);
    D(dst, 0) = a;
    D(dst, 8) = b;
    D(dst, 16) = c;
    D(dst, 24) = d;
  }
  for (; size >= 8; size -= 8, dst += 8, src += 8) D(dst, 0) = D(src, 0);
  if (size & 4) {
    W(dst, 0) = W(src, 0);
    dst += 4, src += 4;
  }
  if (size & 2) {
    H(dst, 0) = H(src, 0);
    dst += 2, src += 2;
  }
  if (size & 1) B(dst, 0) = B(src, 0);
}

COLD u64 copy_any(u64 dst, u64 src, u64 size) {
  copy_inline(dst, src, size);
  return 0;
}
INLINE void copy(u64 dst, u64 src, u32 size) {
  if (__builtin_constant_p(size)) copy_inline(dst, src, size);
  else copy_any(dst, src, size);
}

COLD u64 zero(u64 at, u64 bytes) {
  u32 size = bytes;
  for (; size >= 8; size -= 8, at += 8) D(at, 0) = 0;
  for (; size > 0; size--, at++) B(at, 0) = 0;
  return 0;
}

/// Copies the ordinary bytes of a value with special fields.
COLD u64 copy_around(u64 fields, u64 dst, u64 src) {
  u64 run = fields + FIELDS_TABLE_entries;
  for (u32 left = W(fields, FIELDS_TABLE_runs); left > 0; left--, run += 8) copy(dst + W(run, 0), src + W(run, 0), W(run, 4));
  return 0;
}

/// Copies a value; special fields at `dst` keep their bytes.
INLINE void copy_value(u64 map, u64 dst, u64 src) {
  u64 fields = W(map, MAP_HANDLE_fields);
  if (likely(fields == 0)) copy(dst, src, W(map, MAP_HANDLE_valueSizeBytes));
  else copy_around(fields, dst, src);
}

/// Copies a value of a map with spin locks under its own (`copy_map_value_locked`). One thread never finds it held.
COLD u64 copy_locked(u64 map, u64 dst, u64 src) {
  u64 fields = W(map, MAP_HANDLE_fields);
  u64 at = W(map, MAP_HANDLE_locks) == 0 ? 0 : dst + W(fields, FIELDS_TABLE_spinLock);
  lock(at);
  copy_around(fields, dst, src);
  unlock(at);
  return 0;
}

COLD u64 copy_new_around(u64 fields, u64 dst, u64 src) {
  u64 field = fields + FIELDS_TABLE_entries + 8 * W(fields, FIELDS_TABLE_runs);
  copy_around(fields, dst, src);
  for (u32 left = W(fields, FIELDS_TABLE_fields); left > 0; left--, field += 12) zero(dst + W(field, 0), W(field, 4));
  return 0;
}

/// Copies into a cell that held no value: special fields begin as zeros.
INLINE void copy_new_value(u64 map, u64 dst, u64 src) {
  u64 fields = W(map, MAP_HANDLE_fields);
  if (likely(fields == 0)) copy(dst, src, W(map, MAP_HANDLE_valueSizeBytes));
  else copy_new_around(fields, dst, src);
}

/// Values with special fields die: the machine hears of each field but locks, whose bytes then are zeros.
COLD u64 fields_die(u64 map, u64 value, u32 cells, u32 cell_bytes) {
  u64 fields = W(map, MAP_HANDLE_fields);
  for (; cells > 0; cells--, value += cell_bytes) {
    u64 field = fields + FIELDS_TABLE_entries + 8 * W(fields, FIELDS_TABLE_runs);
    u32 count = W(fields, FIELDS_TABLE_fields);
    for (u32 i = 0; i < count; i++, field += 12) {
      if (W(field, 8) != 0) continue;
      gate_field_dies(map, i, value + W(field, 0));
      zero(value + W(field, 0), W(field, 4));
    }
  }
  return 0;
}

INLINE int has_spin_lock(u64 map) {
  u64 fields = W(map, MAP_HANDLE_fields);
  return fields != 0 && W(fields, FIELDS_TABLE_hasSpinLock) != 0;
}
