// LRU hash maps, with one value or one for each CPU (kernel/bpf/hashtab.c).
#include "lru-list.h"

INLINE u64 lru_find(u64 map, u64 key, u32 size) {
  u64 node = bucket_lookup(map, key, size, LRU_NODE_end);
  if (node != 0) lru_set_ref(node);
  return node;
}

/// `htab_lru_map_update_elem`: takes its node first, so even an update that fails may evict.
INLINE s64 lru_put(u64 map, u64 key, u64 value, u64 flags, u32 size) {
  u32 hash;
  u64 at, node, old;
  s64 error;
  if (flags_unknown(flags, 0)) return -EINVAL;
  hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  node = lru_pop(map, hash);
  if (unlikely(node == 0)) return -ENOMEM;
  bucket_set_key(node, key, hash, size, LRU_NODE_end);
  copy_new_value(map, W(node, BUCKET_NODE_value), value);
  at = bucket_lock(map, hash);
  lock(at);
  old = bucket_find(map, key, hash, size, LRU_NODE_end);
  error = check_presence(old != 0, flags);
  if (unlikely(error)) {
    unlock(at);
    lru_push(map, node);
    return error;
  }
  bucket_put_in(map, node, hash);
  if (old == 0) {
    bucket_count(map, 1);
    unlock(at);
    return 0;
  }
  lru_set_ref(node);
  bucket_take_out(map, old, hash);
  unlock(at);
  node_dies(map, old);
  lru_push(map, old);
  return 0;
}

INLINE s64 lru_drop(u64 map, u64 key, u32 size) {
  u32 hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  u64 at = bucket_lock(map, hash);
  u64 node;
  lock(at);
  node = bucket_find(map, key, hash, size, LRU_NODE_end);
  if (node != 0) bucket_unlink(map, node, hash);
  unlock(at);
  if (node == 0) return -ENOENT;
  node_dies(map, node);
  lru_push(map, node);
  return 0;
}

/// `__htab_lru_percpu_map_update_elem`
COLD s64 lru_percpu_put(u64 map, u64 key, u64 value, u64 flags, u64 all) {
  u32 size = W(map, BUCKETS_LAYOUT_keyBytes);
  u32 hash;
  u64 at, node = 0, old;
  s64 error;
  if (flags_unknown(flags, 0)) return -EINVAL;
  hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  if (flags != BPF_EXIST) {
    node = lru_pop(map, hash);
    if (node == 0) return -ENOMEM;
    bucket_set_key(node, key, hash, size, LRU_NODE_end);
  }
  at = bucket_lock(map, hash);
  lock(at);
  old = bucket_find(map, key, hash, size, LRU_NODE_end);
  error = check_presence(old != 0, flags);
  if (error == 0 && old != 0) {
    lru_set_ref(old);
    write_cells(map, old, value, all, 0);
  } else if (error == 0) {
    write_cells(map, node, value, all, 1);
    bucket_link(map, node, hash);
    node = 0;
  }
  unlock(at);
  if (node != 0) lru_push(map, node);
  return error;
}

#define LRU_OPS(suffix, size)                                                                                          \
  OP u64 lru_lookup##suffix(u64 map, u64 key) {                                                                        \
    u64 node = lru_find(map, key, size);                                                                               \
    return node == 0 ? 0 : W(node, BUCKET_NODE_value);                                                                 \
  }                                                                                                                    \
  OP s64 lru_update##suffix(u64 map, u64 key, u64 value, u64 flags) { return lru_put(map, key, value, flags, size); }

LRU_OPS(, W(map, BUCKETS_LAYOUT_keyBytes))
LRU_OPS(4, 4)
LRU_OPS(8, 8)
LRU_OPS(16, 16)

/// Of maps with one value or one for each CPU.
OP s64 lru_delete(u64 map, u64 key) { return lru_drop(map, key, W(map, BUCKETS_LAYOUT_keyBytes)); }

OP u64 lru_percpu_lookup_percpu(u64 map, u64 key, u64 cpu) {
  u64 node;
  if ((u32)cpu >= W(map, LRU_HASH_LAYOUT_cpuCount)) return 0;
  node = lru_find(map, key, W(map, BUCKETS_LAYOUT_keyBytes));
  return node == 0 ? 0 : cell_of(map, node, cpu);
}
OP u64 lru_percpu_lookup(u64 map, u64 key) { return lru_percpu_lookup_percpu(map, key, bpf_get_smp_processor_id()); }
OP s64 lru_percpu_update(u64 map, u64 key, u64 value, u64 flags) { return lru_percpu_put(map, key, value, flags, 0); }
OP s64 lru_percpu_update_all(u64 map, u64 key, u64 value, u64 flags) { return lru_percpu_put(map, key, value, flags, 1); }
/// Gives back a node that has left the table.
OP u64 lru_release(u64 map, u64 node) { return lru_push(map, node); }
