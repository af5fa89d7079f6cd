// Arrays, per-CPU arrays and arrays of maps (kernel/bpf/arraymap.c).
#include "value.h"

/// The first cell of the element the key names, 0 past the end.
INLINE u64 array_elem(u64 map, u64 key) {
  u32 index = W(key, 0);
  if (index >= W(map, MAP_HANDLE_maxEntries)) return 0;
  return W(map, ARRAY_LAYOUT_values) + (u64)index * W(map, ARRAY_LAYOUT_elemBytes);
}

OP u64 array_lookup(u64 map, u64 key) { return array_elem(map, key); }

/// `array_map_update_elem`: 0 when the flags are fine.
INLINE s64 array_check(u64 map, u64 elem, u64 flags) {
  if (flags_unknown(flags, BPF_F_LOCK)) return -EINVAL;
  if (elem == 0) return -E2BIG;
  if (flags & BPF_NOEXIST) return -EEXIST;
  if ((flags & BPF_F_LOCK) && !has_spin_lock(map)) return -EINVAL;
  return 0;
}

OP s64 array_update(u64 map, u64 key, u64 value, u64 flags) {
  u64 elem = array_elem(map, key);
  s64 error = array_check(map, elem, flags);
  if (error) return error;
  if (unlikely(flags & BPF_F_LOCK)) {
    copy_locked(map, elem, value);
    return 0;
  }
  copy_value(map, elem, value);
  if (unlikely(W(map, MAP_HANDLE_fields) != 0)) fields_die(map, elem, 1, 0);
  return 0;
}

OP s64 array_delete(u64 map, u64 key) { return -EINVAL; }

OP u64 percpu_array_lookup(u64 map, u64 key) {
  u64 elem = array_elem(map, key);
  if (elem == 0) return 0;
  return elem + bpf_get_smp_processor_id() * W(map, ARRAY_LAYOUT_cpuBytes);
}

OP u64 percpu_array_lookup_percpu(u64 map, u64 key, u64 cpu) {
  u64 elem = array_elem(map, key);
  u64 off = (u64)(u32)cpu * W(map, ARRAY_LAYOUT_cpuBytes);
  return elem == 0 || off >= W(map, ARRAY_LAYOUT_allBytes) ? 0 : elem + off;
}

OP s64 percpu_array_update(u64 map, u64 key, u64 value, u64 flags) {
  u64 elem = array_elem(map, key);
  s64 error = array_check(map, elem, flags);
  if (error) return error;
  elem += bpf_get_smp_processor_id() * W(map, ARRAY_LAYOUT_cpuBytes);
  copy_value(map, elem, value);
  if (unlikely(W(map, MAP_HANDLE_fields) != 0)) fields_die(map, elem, 1, 0);
  return 0;
}

/// The handle of the inner map; elements are 64 bits, the address in the low ones.
OP u64 array_of_maps_lookup(u64 map, u64 key) {
  u64 elem = array_elem(map, key);
  return elem == 0 ? 0 : (u32)D(elem, 0);
}
