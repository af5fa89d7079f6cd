// Hash maps, per-CPU hash maps and hashes of maps (kernel/bpf/hashtab.c). Functions that end in a number are those of keys of so
// many bytes; the ones without take any.
#include "buckets.h"

/// What a replacement takes: threads have a spare node for each CPU, which none but those on it meet.
INLINE u64 spare_at(u64 locks) { return locks + MAP_LOCKS_spares + bpf_get_smp_processor_id() * MAP_LOCKS_spareBytes; }

COLD u64 spare_take_shared(u64 map, u64 pool) {
  u64 node = __sync_lock_test_and_set((u32 *)spare_at(W(map, MAP_HANDLE_locks)), 0);
  return node != 0 ? node : pool_take(map, pool);
}
INLINE u64 spare_take(u64 map, u64 pool) {
  u64 node;
  if (unlikely(W(map, MAP_HANDLE_locks) != 0)) return spare_take_shared(map, pool);
  node = W(map, BUCKETS_LAYOUT_spare);
  return node != 0 ? node : pool_take(map, pool);
}
INLINE void spare_give(u64 map, u64 pool, u64 node) {
  u64 locks = W(map, MAP_HANDLE_locks);
  u64 other;
  if (likely(locks == 0)) {
    W(map, BUCKETS_LAYOUT_spare) = node;
    return;
  }
  other = __sync_lock_test_and_set((u32 *)spare_at(locks), node);
  if (other != 0) pool_give(map, pool, other);
}

INLINE u64 hash_find(u64 map, u64 key, u32 size) { return bucket_lookup(map, key, size, BUCKET_NODE_end); }

/// `htab_map_update_elem`: a new node is there before the old one goes, so pointers to the old value stay good.
INLINE s64 hash_put(u64 map, u64 key, u64 value, u64 flags, u32 size) {
  u32 hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  u64 pool = map + BUCKETS_LAYOUT_pool;
  u64 at = bucket_lock(map, hash);
  u64 old, node = 0;
  s64 error;
  if (flags_unknown(flags, BPF_F_LOCK)) return -EINVAL;
  if ((flags & BPF_F_LOCK) && !has_spin_lock(map)) return -EINVAL;
  lock(at);
  old = bucket_find(map, key, hash, size, BUCKET_NODE_end);
  error = check_presence(old != 0, flags);
  if (unlikely(error)) goto out;
  if (old != 0) {
    if (unlikely(flags & BPF_F_LOCK)) {
      copy_locked(map, W(old, BUCKET_NODE_value), value);
      goto out;
    }
    node = spare_take(map, pool);
    if (unlikely(node == 0 && W(map, MAP_HANDLE_locks) != 0)) {
      // Other threads on this CPU have all there are; readers may see the value change.
      copy_value(map, W(old, BUCKET_NODE_value), value);
      goto out;
    }
  } else if (unlikely(W(map, BUCKETS_LAYOUT_count) >= W(map, MAP_HANDLE_maxEntries))) {
    error = -E2BIG;
    goto out;
  } else {
    node = pool_take(map, pool);
  }
  if (unlikely(node == 0)) {
    error = -ENOMEM;
    goto out;
  }
  bucket_set_key(node, key, hash, size, BUCKET_NODE_end);
  copy_new_value(map, W(node, BUCKET_NODE_value), value);
  bucket_put_in(map, node, hash);
  if (old != 0) {
    bucket_take_out(map, old, hash);
    node_dies(map, old);
    spare_give(map, pool, old);
  } else {
    bucket_count(map, 1);
  }
out:
  unlock(at);
  return error;
}

INLINE s64 hash_drop(u64 map, u64 key, u32 size) {
  u32 hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  u64 at = bucket_lock(map, hash);
  u64 node;
  lock(at);
  node = bucket_find(map, key, hash, size, BUCKET_NODE_end);
  if (node != 0) bucket_unlink(map, node, hash);
  unlock(at);
  if (node == 0) return -ENOENT;
  node_dies(map, node);
  pool_give(map, map + BUCKETS_LAYOUT_pool, node);
  return 0;
}

/// `__htab_percpu_map_update_elem`: elements change in place.
COLD s64 percpu_hash_put(u64 map, u64 key, u64 value, u64 flags, u64 all) {
  u32 size = W(map, BUCKETS_LAYOUT_keyBytes);
  u32 hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  u64 at = bucket_lock(map, hash);
  u64 node;
  s64 error;
  if (flags_unknown(flags, 0)) return -EINVAL;
  lock(at);
  node = bucket_find(map, key, hash, size, BUCKET_NODE_end);
  error = check_presence(node != 0, flags);
  if (error) goto out;
  if (node != 0) {
    write_cells(map, node, value, all, 0);
    goto out;
  }
  error = -E2BIG;
  if (W(map, BUCKETS_LAYOUT_count) >= W(map, MAP_HANDLE_maxEntries)) goto out;
  error = -ENOMEM;
  node = pool_take(map, map + BUCKETS_LAYOUT_pool);
  if (node == 0) goto out;
  error = 0;
  bucket_set_key(node, key, hash, size, BUCKET_NODE_end);
  write_cells(map, node, value, all, 1);
  bucket_link(map, node, hash);
out:
  unlock(at);
  return error;
}

INLINE u64 hash_value(u64 node) { return node == 0 ? 0 : W(node, BUCKET_NODE_value); }
INLINE u64 percpu_hash_value(u64 map, u64 node) {
  return node == 0 ? 0 : W(node, BUCKET_NODE_value) + bpf_get_smp_processor_id() * W(map, BUCKETS_LAYOUT_cpuBytes);
}

#define HASH_OPS(suffix, size)                                                                                          \
  OP u64 hash_lookup##suffix(u64 map, u64 key) { return hash_value(hash_find(map, key, size)); }                       \
  OP s64 hash_update##suffix(u64 map, u64 key, u64 value, u64 flags) { return hash_put(map, key, value, flags, size); } \
  OP u64 percpu_hash_lookup##suffix(u64 map, u64 key) { return percpu_hash_value(map, hash_find(map, key, size)); }

HASH_OPS(, W(map, BUCKETS_LAYOUT_keyBytes))
HASH_OPS(4, 4)
HASH_OPS(8, 8)
HASH_OPS(16, 16)

/// Of maps with one value or one for each CPU.
OP s64 hash_delete(u64 map, u64 key) { return hash_drop(map, key, W(map, BUCKETS_LAYOUT_keyBytes)); }
OP s64 percpu_hash_update(u64 map, u64 key, u64 value, u64 flags) { return percpu_hash_put(map, key, value, flags, 0); }
OP s64 percpu_hash_update_all(u64 map, u64 key, u64 value, u64 flags) { return percpu_hash_put(map, key, value, flags, 1); }
OP u64 percpu_hash_lookup_percpu(u64 map, u64 key, u64 cpu) {
  u64 node = hash_find(map, key, W(map, BUCKETS_LAYOUT_keyBytes));
  return node == 0 ? 0 : cell_of(map, node, cpu);
}
/// The handle of the inner map.
OP u64 hash_of_maps_lookup(u64 map, u64 key) {
  u64 value = hash_value(hash_find(map, key, W(map, BUCKETS_LAYOUT_keyBytes)));
  return value == 0 ? 0 : W(value, 0);
}

// What types with hash buckets are made of whose rules are JavaScript.

OP u64 table_hash(u64 map, u64 key) {
  return jhash(key, W(map, BUCKETS_LAYOUT_keyBytes), W(map, BUCKETS_LAYOUT_seed));
}
OP u64 table_find(u64 map, u64 key, u64 hash) {
  return bucket_find(map, key, hash, W(map, BUCKETS_LAYOUT_keyBytes), W(map, BUCKETS_LAYOUT_keyOffBytes));
}
OP u64 table_set_key(u64 map, u64 node, u64 key, u64 hash) {
  bucket_set_key(node, key, hash, W(map, BUCKETS_LAYOUT_keyBytes), W(map, BUCKETS_LAYOUT_keyOffBytes));
  return 0;
}
OP u64 table_link(u64 map, u64 node) {
  bucket_link(map, node, W(node, BUCKET_NODE_hash));
  return 0;
}
OP u64 table_unlink(u64 map, u64 node) { return bucket_unlink(map, node, W(node, BUCKET_NODE_hash)); }
OP u64 table_node_dies(u64 map, u64 node) {
  node_dies(map, node);
  return 0;
}
OP u64 pool_alloc(u64 map, u64 pool) { return pool_take(map, pool); }
OP u64 pool_free(u64 map, u64 pool, u64 node) {
  pool_give(map, pool, node);
  return 0;
}
/// The bytes of a Bloom filter's value or a stack trace, and their hash.
OP u64 hash_bytes(u64 at, u64 size, u64 seed) { return jhash_any(at, size, seed); }

// Values, for the same types.

OP u64 value_copy(u64 map, u64 dst, u64 src) {
  copy_value(map, dst, src);
  return 0;
}
OP u64 value_copy_new(u64 map, u64 dst, u64 src) {
  copy_new_value(map, dst, src);
  return 0;
}
OP u64 value_fields_die(u64 map, u64 at) {
  if (W(map, MAP_HANDLE_fields) != 0) fields_die(map, at, 1, 0);
  return 0;
}
