// Chained hash tables (src/maps/bucket-map.ts has their layout): look-up, linking and unlinking.
#pragma once
#include "jhash.h"
#include "pool.h"
#include "value.h"

INLINE u64 bucket_of(u64 map, u32 hash) {
  return W(map, BUCKETS_LAYOUT_buckets) + ((u64)(hash & W(map, BUCKETS_LAYOUT_bucketMask)) << 2);
}
/// Address of the lock of a hash's bucket.
INLINE u64 bucket_lock(u64 map, u32 hash) {
  u64 locks = W(map, MAP_HANDLE_locks);
  u32 index = hash & W(map, BUCKETS_LAYOUT_bucketMask) & (BUCKET_LOCKS - 1);
  return likely(locks == 0) ? 0 : locks + MAP_LOCKS_buckets + index * MAP_LOCKS_bucketBytes;
}

INLINE int same_key_inline(u64 a, u64 b, u32 size) {
  for (; size >= 8; size -= 8, a += 8, b += 8)
    if (D(a, 0) != D(b, 0)) return 0;
  if (size & 4) {
    if (W(a, 0) != W(b, 0)) return 0;
    a += 4, b += 4;
  }
  for (size &= 3; size > 0; size--, a++, b++)
    if (B(a, 0) != B(b, 0)) return 0;
  return 1;
}

COLD u64 same_key_any(u64 a, u64 b, u64 size) { return same_key_inline(a, b, size); }
INLINE int same_key(u64 a, u64 b, u32 size) {
  return __builtin_constant_p(size) ? same_key_inline(a, b, size) : (int)same_key_any(a, b, size);
}

/// The node of a key whose hash is known, or 0.
INLINE u64 bucket_find(u64 map, u64 key, u32 hash, u32 size, u32 key_off) {
  for (u64 node = W(bucket_of(map, hash), 0); node != 0; node = W(node, BUCKET_NODE_next))
    if (W(node, BUCKET_NODE_hash) == hash && likely(same_key(node + key_off, key, size))) return node;
  return 0;
}

/// Look-ups take no lock. Where threads share the map a node may leave the chain under a look-up's feet, so what is not
/// found is looked for again with the bucket locked.
INLINE u64 bucket_lookup(u64 map, u64 key, u32 size, u32 key_off) {
  u32 hash = jhash(key, size, W(map, BUCKETS_LAYOUT_seed));
  u64 node = bucket_find(map, key, hash, size, key_off);
  if (likely(node != 0) || likely(W(map, MAP_HANDLE_locks) == 0)) return node;
  lock(bucket_lock(map, hash));
  node = bucket_find(map, key, hash, size, key_off);
  unlock(bucket_lock(map, hash));
  return node;
}

INLINE void bucket_set_key(u64 node, u64 key, u32 hash, u32 size, u32 key_off) {
  W(node, BUCKET_NODE_hash) = hash;
  copy(node + key_off, key, size);
}

/// Puts a node at the head of its bucket, and does not count it.
INLINE void bucket_put_in(u64 map, u64 node, u32 hash) {
  u64 bucket = bucket_of(map, hash);
  W(node, BUCKET_NODE_next) = W(bucket, 0);
  W(bucket, 0) = node;
}
/// Takes a node out of its bucket, still counted; 0 when it is in none. Its own link outlives that, for walks.
INLINE int bucket_take_out(u64 map, u64 node, u32 hash) {
  u64 slot = bucket_of(map, hash);
  for (u64 at = W(slot, 0); at != 0; at = W(slot, 0)) {
    if (at == node) {
      W(slot, 0) = W(node, BUCKET_NODE_next);
      return 1;
    }
    slot = at + BUCKET_NODE_next;
  }
  return 0;
}
INLINE void bucket_count(u64 map, s32 by) { count(W(map, MAP_HANDLE_locks), map + BUCKETS_LAYOUT_count, by); }

/// Puts a node of a new element at the head of its bucket.
INLINE void bucket_link(u64 map, u64 node, u32 hash) {
  bucket_put_in(map, node, hash);
  bucket_count(map, 1);
}
/// Takes an element out of its bucket; 0 when it is in none.
INLINE int bucket_unlink(u64 map, u64 node, u32 hash) {
  if (!bucket_take_out(map, node, hash)) return 0;
  bucket_count(map, -1);
  return 1;
}

/// Bytes of one CPU's value.
INLINE u32 cell_bytes(u64 map) { return (W(map, MAP_HANDLE_valueSizeBytes) + 7) & ~7u; }

/// The special fields of every cell of a node die.
INLINE void node_dies(u64 map, u64 node) {
  if (unlikely(W(map, MAP_HANDLE_fields) != 0)) {
    u32 all = W(map, BUCKETS_LAYOUT_pool + POOL_LAYOUT_valueBytes);
    fields_die(map, W(node, BUCKET_NODE_value), all / cell_bytes(map), W(map, BUCKETS_LAYOUT_cpuBytes));
  }
}

/// A CPU's cell of a value, 0 for a CPU that does not exist.
INLINE u64 cell_of(u64 map, u64 node, u32 cpu) {
  if ((u64)cpu * cell_bytes(map) >= W(map, BUCKETS_LAYOUT_pool + POOL_LAYOUT_valueBytes)) return 0;
  return W(node, BUCKET_NODE_value) + (u64)cpu * W(map, BUCKETS_LAYOUT_cpuBytes);
}

/// `pcpu_copy_value` and, for a new node, `pcpu_init_value`: this CPU's cell, or with `all` every CPU's.
INLINE void write_cells(u64 map, u64 node, u64 value, u64 all, int is_new) {
  u64 first = W(node, BUCKET_NODE_value);
  u32 stride = W(map, BUCKETS_LAYOUT_cpuBytes);
  if (all || is_new) {
    u32 left = W(map, BUCKETS_LAYOUT_pool + POOL_LAYOUT_valueBytes), size = cell_bytes(map);
    for (u64 cell = first, from = value; left > 0; left -= size, cell += stride, from += size) {
      if (all) copy(cell, from, size);
      else zero(cell, size);
    }
    if (all) return;
  }
  copy_value(map, first + bpf_get_smp_processor_id() * stride, value);
}
