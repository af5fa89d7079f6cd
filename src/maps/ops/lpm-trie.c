// Longest-prefix-match tries (kernel/bpf/lpm_trie.c; src/maps/lpm-trie.ts has the layout). Bit 0 of a key is the most significant of
// its first byte.
#include "pool.h"
#include "value.h"

#define INTERMEDIATE 1

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE32(x) __builtin_bswap32(x)
#else
#define BE32(x) (x)
#endif

INLINE u64 trie_lock(u64 map) {
  u64 locks = W(map, MAP_HANDLE_locks);
  return likely(locks == 0) ? 0 : locks + MAP_LOCKS_map;
}
INLINE u32 bit(u64 data, u32 index) { return (B(data, index >> 3) >> (7 - (index & 7))) & 1; }
INLINE u64 child_slot(u64 node, u64 data) { return node + LPM_NODE_child + 4 * bit(data, W(node, LPM_NODE_prefixlen)); }

/// Whether the first `bits` bits are the same.
INLINE int same_bits(u64 a, u64 b, u32 bits, u32 size) {
  u32 off = 0;
  for (; bits >= 32; bits -= 32, off += 4)
    if (W(a, off) != W(b, off)) return 0;
  if (bits == 0) return 1;
  if (off + 4 <= size) return ((u64)BE32(W(a, off) ^ W(b, off)) >> (32 - bits)) == 0;
  for (; bits >= 8; bits -= 8, off++)
    if (B(a, off) != B(b, off)) return 0;
  return ((B(a, off) ^ B(b, off)) >> (8 - bits)) == 0 || bits == 0;
}

/// `longest_prefix_match`: leading bits both share, at most `limit`.
INLINE u32 shared_bits(u64 a, u64 b, u32 limit) {
  u32 at = 0;
  for (; at + 32 <= limit; at += 32)
    if (W(a, at >> 3) != W(b, at >> 3)) break;
  for (; at < limit; at += 8) {
    u32 diff = B(a, at >> 3) ^ B(b, at >> 3);
    if (diff == 0) continue;
    if (!(diff & 0xf0)) at += 4, diff <<= 4;
    if (!(diff & 0xc0)) at += 2, diff <<= 2;
    if (!(diff & 0x80)) at += 1;
    return at < limit ? at : limit;
  }
  return limit;
}

INLINE u32 node_match(u64 node, u64 data, u32 prefixlen) {
  u32 own = W(node, LPM_NODE_prefixlen);
  return shared_bits(node + LPM_NODE_data, data, own < prefixlen ? own : prefixlen);
}

INLINE u64 trie_find(u64 map, u64 key, u32 size) {
  u32 prefixlen = W(key, 0);
  u64 data = key + 4, found = 0, at;
  if (prefixlen > 8 * size) return 0;
  at = trie_lock(map);
  lock(at);
  for (u64 node = W(map, LPM_LAYOUT_root); node != 0;) {
    u32 own = W(node, LPM_NODE_prefixlen);
    if (own > prefixlen || !same_bits(node + LPM_NODE_data, data, own, size)) break;
    if (W(node, LPM_NODE_flags) != INTERMEDIATE) found = node;
    if (own == 8 * size) break;
    node = W(node + 4 * bit(data, own), LPM_NODE_child);
  }
  unlock(at);
  return found == 0 ? 0 : W(found, LPM_NODE_value);
}

/// Whether a node of a trie of words is none of `word`'s: its bits are others, or more.
INLINE int parts(u64 node, u32 word, u32 own, u32 prefixlen) {
  return own > prefixlen || ((u64)(BE32(W(node, LPM_NODE_data)) ^ word) >> (32 - own)) != 0;
}
INLINE u64 word_child(u64 node, u32 word, u32 own) { return node + LPM_NODE_child + ((word >> (31 - own) & 1) << 2); }

OP u64 lpm_lookup(u64 map, u64 key) { return trie_find(map, key, W(map, MAP_HANDLE_keySizeBytes) - 4); }
OP u64 lpm_lookup20(u64 map, u64 key) { return trie_find(map, key, 16); }
/// Keys of 32 bits, in a register.
OP u64 lpm_lookup8(u64 map, u64 key) {
  u32 prefixlen = W(key, 0), word = BE32(W(key, 4));
  u64 found = 0, at;
  if (prefixlen > 32) return 0;
  at = trie_lock(map);
  lock(at);
  for (u64 node = W(map, LPM_LAYOUT_root); node != 0;) {
    u32 own = W(node, LPM_NODE_prefixlen);
    if (unlikely(parts(node, word, own, prefixlen))) break;
    if (W(node, LPM_NODE_flags) != INTERMEDIATE) found = node;
    if (own == 32) break;
    node = W(word_child(node, word, own), 0);
  }
  unlock(at);
  return found == 0 ? 0 : W(found, LPM_NODE_value);
}

/// A node without children; 0 when memory is spent.
COLD u64 trie_node(u64 map, u64 prefixlen, u64 data, u64 flags) {
  u64 node = pool_take(map, map + LPM_LAYOUT_pool);
  if (node == 0) return 0;
  W(node, LPM_NODE_child) = 0;
  W(node, LPM_NODE_child + 4) = 0;
  W(node, LPM_NODE_flags) = flags;
  W(node, LPM_NODE_prefixlen) = prefixlen;
  copy(node + LPM_NODE_data, data, W(map, MAP_HANDLE_keySizeBytes) - 4);
  return node;
}

/// The slot of the node where a key's way down the trie ends: one that parts from it, one of its own prefix, or none.
COLD u64 trie_slot(u64 map, u64 prefixlen, u64 data) {
  u64 slot = map + LPM_LAYOUT_root;
  if (W(map, MAP_HANDLE_keySizeBytes) == 8) {
    u32 word = BE32(W(data, 0));
    for (u64 node = W(slot, 0); node != 0; node = W(slot, 0)) {
      u32 own = W(node, LPM_NODE_prefixlen);
      if (own >= (u32)prefixlen || parts(node, word, own, prefixlen)) break;
      slot = word_child(node, word, own);
    }
    return slot;
  }
  for (u64 node = W(slot, 0); node != 0; node = W(slot, 0)) {
    u32 own = W(node, LPM_NODE_prefixlen);
    if (own >= (u32)prefixlen || !same_bits(node + LPM_NODE_data, data, own, W(map, MAP_HANDLE_keySizeBytes) - 4)) break;
    slot = child_slot(node, data);
  }
  return slot;
}

INLINE s64 trie_put(u64 map, u64 key, u64 value, u64 flags) {
  u32 prefixlen = W(key, 0), matched = 0;
  u64 data = key + 4;
  u64 slot = trie_slot(map, prefixlen, data);
  u64 node = W(slot, 0), fresh, fork;
  int exact = 0, replaces;
  if (node != 0) {
    matched = node_match(node, data, prefixlen);
    exact = W(node, LPM_NODE_prefixlen) == matched && matched == prefixlen;
  }
  replaces = exact && W(node, LPM_NODE_flags) != INTERMEDIATE;
  if (replaces) {
    if (flags == BPF_NOEXIST) return -EEXIST;
  } else {
    if (flags == BPF_EXIST) return -ENOENT;
    if (W(map, LPM_LAYOUT_count) >= W(map, MAP_HANDLE_maxEntries)) return -ENOSPC;
  }
  fresh = trie_node(map, prefixlen, data, 0);
  if (fresh == 0) return -ENOMEM;
  if (exact) {
    W(fresh, LPM_NODE_child) = W(node, LPM_NODE_child);
    W(fresh, LPM_NODE_child + 4) = W(node, LPM_NODE_child + 4);
    W(slot, 0) = fresh;
  } else if (node != 0 && matched != prefixlen) {
    u32 side = bit(data, matched);
    fork = trie_node(map, matched, node + LPM_NODE_data, INTERMEDIATE);
    if (fork == 0) {
      pool_give(map, map + LPM_LAYOUT_pool, fresh);
      return -ENOMEM;
    }
    W(fork + 4 * side, LPM_NODE_child) = fresh;
    W(fork + 4 * (1 - side), LPM_NODE_child) = node;
    W(slot, 0) = fork;
  } else {
    if (node != 0) W(fresh + 4 * bit(node + LPM_NODE_data, matched), LPM_NODE_child) = node;
    W(slot, 0) = fresh;
  }
  copy_new_value(map, W(fresh, LPM_NODE_value), value);
  if (!replaces) W(map, LPM_LAYOUT_count) += 1;
  if (exact) pool_give(map, map + LPM_LAYOUT_pool, node);
  return 0;
}

/// `trie_update_elem`, with the checks of presence and fullness that 6.12.6 and 6.13 brought: earlier kernels ignore BPF_NOEXIST
/// and BPF_EXIST here and refuse to replace an entry of a full trie.
OP s64 lpm_update(u64 map, u64 key, u64 value, u64 flags) {
  u64 at;
  s64 error;
  if (flags > BPF_EXIST || W(key, 0) > 8 * (W(map, MAP_HANDLE_keySizeBytes) - 4)) return -EINVAL;
  at = trie_lock(map);
  lock(at);
  error = trie_put(map, key, value, flags);
  unlock(at);
  return error;
}

INLINE s64 trie_drop(u64 map, u64 key) {
  u32 prefixlen = W(key, 0);
  u64 data = key + 4;
  u64 parent_slot = map + LPM_LAYOUT_root, slot = parent_slot, parent = 0;
  u64 node = W(slot, 0), left, right;
  while (node != 0) {
    u32 own = W(node, LPM_NODE_prefixlen);
    if (own >= prefixlen || !same_bits(node + LPM_NODE_data, data, own, W(map, MAP_HANDLE_keySizeBytes) - 4)) break;
    parent = node;
    parent_slot = slot;
    slot = child_slot(node, data);
    node = W(slot, 0);
  }
  if (node == 0 || W(node, LPM_NODE_prefixlen) != prefixlen || W(node, LPM_NODE_flags) == INTERMEDIATE ||
      node_match(node, data, prefixlen) != prefixlen)
    return -ENOENT;
  W(map, LPM_LAYOUT_count) -= 1;
  left = W(node, LPM_NODE_child);
  right = W(node, LPM_NODE_child + 4);
  if (left != 0 && right != 0) {
    W(node, LPM_NODE_flags) = INTERMEDIATE;
    return 0;
  }
  if (left == 0 && right == 0 && parent != 0 && W(parent, LPM_NODE_flags) == INTERMEDIATE) {
    // An intermediate parent would be left with one child.
    u32 first = W(parent, LPM_NODE_child);
    W(parent_slot, 0) = first == node ? W(parent, LPM_NODE_child + 4) : first;
    pool_give(map, map + LPM_LAYOUT_pool, parent);
  } else {
    W(slot, 0) = left != 0 ? left : right;
  }
  pool_give(map, map + LPM_LAYOUT_pool, node);
  return 0;
}

/// `trie_delete_elem`
OP s64 lpm_delete(u64 map, u64 key) {
  u64 at;
  s64 error;
  if (W(key, 0) > 8 * (W(map, MAP_HANDLE_keySizeBytes) - 4)) return -EINVAL;
  at = trie_lock(map);
  lock(at);
  error = trie_drop(map, key);
  unlock(at);
  return error;
}
/// Leading bits a node shares with a key, for walks.
OP u64 lpm_match(u64 node, u64 data, u64 prefixlen) { return node_match(node, data, prefixlen); }
