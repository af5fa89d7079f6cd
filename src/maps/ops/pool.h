// Nodes of maps (src/maps/pool.ts has what they look like).
#pragma once
#include "ops.h"

/// A node whose key and value hold anything, or 0 when there may be no more.
INLINE u64 pool_take(u64 map, u64 pool) {
  u64 at = W(map, MAP_HANDLE_locks);
  u64 node, value;
  lock(at);
  node = W(pool, POOL_LAYOUT_free);
  if (likely(node != 0)) {
    W(pool, POOL_LAYOUT_free) = W(node, NODE_freeLink);
    unlock(at);
    return node;
  }
  for (;;) {
    node = W(pool, POOL_LAYOUT_fresh);
    if (likely(node != W(pool, POOL_LAYOUT_freshEnd))) break;
    unlock(at);
    if (gate_grow(map, pool) == 0) return 0;
    lock(at);
  }
  value = W(pool, POOL_LAYOUT_freshValue);
  W(pool, POOL_LAYOUT_fresh) = node + W(pool, POOL_LAYOUT_nodeStride);
  W(pool, POOL_LAYOUT_freshValue) = value + W(pool, POOL_LAYOUT_valueStride);
  unlock(at);
  W(node, NODE_value) = value;
  return node;
}

INLINE void pool_give(u64 map, u64 pool, u64 node) {
  u64 at = W(map, MAP_HANDLE_locks);
  lock(at);
  W(node, NODE_freeLink) = W(pool, POOL_LAYOUT_free);
  W(pool, POOL_LAYOUT_free) = node;
  unlock(at);
}
