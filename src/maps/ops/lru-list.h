// Who is evicted from an LRU hash (kernel/bpf/bpf_lru_list.c of 6.12, list by list and scan by scan; src/maps/bpf-lru-list.ts has
// the layout). Lists are circular; a link is the address of a node's `next` word, or of a head.
#pragma once
#include "buckets.h"

enum { ACTIVE, INACTIVE, FREE, LOCAL_FREE, LOCAL_PENDING };

#define LOCAL_FREE_TARGET 128
#define PERCPU_FREE_TARGET 4
#define HEAD_BYTES 8

#define NEXT(link) W(link, 0)
#define PREV(link) W(link, 4)
#define TYPE(link) B(link, LRU_NODE_type - LRU_NODE_next)
#define REF(link) B(link, LRU_NODE_ref - LRU_NODE_next)
#define CPU(link) H(link, LRU_NODE_cpu - LRU_NODE_next)

INLINE int lru_is_percpu(u64 map) { return (W(map, MAP_HANDLE_flags) & BPF_F_NO_COMMON_LRU) != 0; }
INLINE u32 lru_scans(u64 map) { return lru_is_percpu(map) ? PERCPU_FREE_TARGET : LOCAL_FREE_TARGET; }
INLINE u64 lru_list_of(u64 map, u32 cpu) {
  u64 lists = W(map, LRU_HASH_LAYOUT_lists);
  return lru_is_percpu(map) ? lists + (u64)cpu * LRU_LIST_sizeBytes : lists;
}
INLINE u64 lru_local(u64 map, u32 cpu) {
  return W(map, LRU_HASH_LAYOUT_lists) + LRU_LIST_sizeBytes + (u64)cpu * LRU_LOCAL_sizeBytes;
}
/// One lock for all lists of a map.
INLINE u64 lru_lock(u64 map) {
  u64 locks = W(map, MAP_HANDLE_locks);
  return likely(locks == 0) ? 0 : locks + MAP_LOCKS_map;
}

INLINE int is_empty(u64 head) { return NEXT(head) == (u32)head; }
INLINE void list_remove(u64 link) {
  u64 next = NEXT(link), prev = PREV(link);
  NEXT(prev) = next;
  PREV(next) = prev;
}
INLINE void list_add_first(u64 head, u64 link) {
  u64 next = NEXT(head);
  NEXT(link) = next;
  PREV(link) = head;
  NEXT(head) = link;
  PREV(next) = link;
}

INLINE void lru_count(u64 list, u32 type, s32 by) {
  if (type == ACTIVE) W(list, LRU_LIST_countActive) += by;
  else if (type == INACTIVE) W(list, LRU_LIST_countInactive) += by;
}
/// Rotation goes on before a node that leaves its place.
INLINE void step_rotation(u64 list, u64 link) {
  if (W(list, LRU_LIST_nextInactiveRotation) == (u32)link) W(list, LRU_LIST_nextInactiveRotation) = PREV(link);
}

/// `__bpf_lru_node_move_to_free`
INLINE void move_to_free(u64 list, u64 link, u64 free_head, u32 type) {
  step_rotation(list, link);
  lru_count(list, TYPE(link), -1);
  TYPE(link) = type;
  list_remove(link);
  list_add_first(free_head, link);
}

/// `__bpf_lru_node_move`, and `__bpf_lru_node_move_in` for nodes from a local list.
INLINE void lru_move(u64 list, u64 link, u32 type) {
  u32 from = TYPE(link);
  if (from != type) {
    lru_count(list, from, -1);
    lru_count(list, type, 1);
    TYPE(link) = type;
  }
  REF(link) = 0;
  step_rotation(list, link);
  list_remove(link);
  list_add_first(list + (u64)type * HEAD_BYTES, link);
}

/// Takes a node out of the table because it is evicted; 0 when it is in none.
INLINE int lru_evict(u64 map, u64 link) {
  u64 node = link - LRU_NODE_next;
  u32 hash = W(node, BUCKET_NODE_hash);
  u64 at = bucket_lock(map, hash);
  int there;
  lock(at);
  there = bucket_unlink(map, node, hash);
  unlock(at);
  if (there) node_dies(map, node);
  return there;
}

INLINE void rotate_active(u64 map, u64 list) {
  u64 head = list + LRU_LIST_active;
  u64 first = NEXT(head);
  u32 left = lru_scans(map);
  for (u64 link = PREV(head); link != head;) {
    u64 prev = PREV(link);
    lru_move(list, link, REF(link) ? ACTIVE : INACTIVE);
    if (--left == 0 || link == first) break;
    link = prev;
  }
}

INLINE void rotate_inactive(u64 map, u64 list) {
  u64 head = list + LRU_LIST_inactive;
  u64 link, last, next = head;
  u32 left = lru_scans(map);
  if (is_empty(head)) return;
  link = W(list, LRU_LIST_nextInactiveRotation);
  last = NEXT(link);
  if (last == head) last = NEXT(last);
  while (left > 0) {
    if (link == head) {
      link = PREV(link);
      // Every node has become active meanwhile.
      if (link == head) break;
      continue;
    }
    next = PREV(link);
    if (REF(link)) lru_move(list, link, ACTIVE);
    if (link == last) break;
    link = next;
    left--;
  }
  W(list, LRU_LIST_nextInactiveRotation) = next;
}

/// `__bpf_lru_list_rotate`: used nodes of the tails get another turn, unused active ones become inactive.
COLD u64 lru_rotate(u64 map, u64 list) {
  if (W(list, LRU_LIST_countInactive) < W(list, LRU_LIST_countActive)) rotate_active(map, list);
  rotate_inactive(map, list);
  return 0;
}

INLINE u32 shrink_inactive(u64 map, u64 list, u32 target, u64 free_head, u32 type) {
  u64 head = list + LRU_LIST_inactive;
  u32 shrunk = 0, left = lru_scans(map);
  for (u64 link = PREV(head); link != head;) {
    u64 prev = PREV(link);
    if (REF(link)) {
      lru_move(list, link, ACTIVE);
    } else if (lru_evict(map, link)) {
      move_to_free(list, link, free_head, type);
      if (++shrunk == target) break;
    }
    if (--left == 0) break;
    link = prev;
  }
  return shrunk;
}

/// `__bpf_lru_list_shrink`: evicts up to `target` nodes to `free_head`.
COLD u64 lru_shrink(u64 map, u64 list, u64 target, u64 free_head, u64 type) {
  u64 head;
  if (shrink_inactive(map, list, target, free_head, type) > 0) return 0;
  // Everything was used: one goes all the same.
  head = list + (is_empty(list + LRU_LIST_inactive) ? LRU_LIST_active : LRU_LIST_inactive);
  for (u64 link = PREV(head); link != head; link = PREV(link)) {
    if (!lru_evict(map, link)) continue;
    move_to_free(list, link, free_head, type);
    break;
  }
  return 0;
}

/// The first link of the free list or, if it is empty, a node made now; 0 for neither. Not removed.
INLINE u64 first_free(u64 map, u64 list) {
  u64 head = list + LRU_LIST_free;
  u32 left;
  u64 node, link;
  if (!is_empty(head)) return NEXT(head);
  left = W(list, LRU_LIST_freshLeft);
  if (left == 0) return 0;
  node = pool_take(map, map + BUCKETS_LAYOUT_pool);
  if (node == 0) return 0;
  W(list, LRU_LIST_freshLeft) = left - 1;
  link = node + LRU_NODE_next;
  TYPE(link) = FREE;
  REF(link) = 0;
  list_add_first(head, link);
  return link;
}

INLINE u64 pop_percpu(u64 map, u32 cpu) {
  u64 list = lru_list_of(map, cpu);
  u64 link;
  lru_rotate(map, list);
  link = first_free(map, list);
  if (link == 0) {
    lru_shrink(map, list, PERCPU_FREE_TARGET, list + LRU_LIST_free, FREE);
    link = first_free(map, list);
  }
  if (link != 0) lru_move(list, link, INACTIVE);
  return link;
}

INLINE u64 pop_local_free(u64 local) {
  u64 head = local + LRU_LOCAL_free;
  u64 link;
  if (is_empty(head)) return 0;
  link = NEXT(head);
  list_remove(link);
  return link;
}

/// `bpf_lru_list_pop_free_to_local`
COLD u64 lru_refill(u64 map, u64 local) {
  u64 list = W(map, LRU_HASH_LAYOUT_lists);
  u64 pending = local + LRU_LOCAL_pending;
  u64 free_head = local + LRU_LOCAL_free;
  u32 left = LOCAL_FREE_TARGET;
  for (u64 link = PREV(pending); link != pending;) {
    u64 prev = PREV(link);
    lru_move(list, link, REF(link) ? ACTIVE : INACTIVE);
    link = prev;
  }
  lru_rotate(map, list);
  for (; left > 0; left--) {
    u64 link = first_free(map, list);
    if (link == 0) break;
    move_to_free(list, link, free_head, LOCAL_FREE);
  }
  if (left > 0) lru_shrink(map, list, left, free_head, LOCAL_FREE);
  return 0;
}

INLINE u64 pop_pending(u64 map, u64 local, int force) {
  u64 head = local + LRU_LOCAL_pending;
  for (u64 link = PREV(head); link != head; link = PREV(link)) {
    if ((!force && REF(link)) || !lru_evict(map, link)) continue;
    list_remove(link);
    return link;
  }
  return 0;
}

/// Takes from the local lists of all CPUs in turn.
COLD u64 lru_steal(u64 map, u64 local) {
  u32 first = W(local, LRU_LOCAL_nextSteal);
  u32 cpu = first;
  u64 link;
  do {
    u64 from = lru_local(map, cpu);
    link = pop_local_free(from);
    if (link == 0) link = pop_pending(map, from, 0);
    if (link == 0) link = pop_pending(map, from, 1);
    if (++cpu == W(map, LRU_HASH_LAYOUT_cpuCount)) cpu = 0;
  } while (link == 0 && cpu != first);
  W(local, LRU_LOCAL_nextSteal) = cpu;
  return link;
}

INLINE u64 pop_common(u64 map, u32 cpu) {
  u64 local = lru_local(map, cpu);
  u64 link = pop_local_free(local);
  if (link == 0) {
    lru_refill(map, local);
    link = pop_local_free(local);
  }
  if (link == 0) link = lru_steal(map, local);
  if (link == 0) return 0;
  TYPE(link) = LOCAL_PENDING;
  REF(link) = 0;
  list_add_first(local + LRU_LOCAL_pending, link);
  return link;
}

/// A node for a new element, evicting others if need be; 0 when even that yields none.
COLD u64 lru_pop(u64 map, u64 hash) {
  u32 cpu = bpf_get_smp_processor_id();
  u64 at = lru_lock(map);
  u64 link;
  lock(at);
  link = lru_is_percpu(map) ? pop_percpu(map, cpu) : pop_common(map, cpu);
  if (link != 0) {
    W(link, (s32)BUCKET_NODE_hash - LRU_NODE_next) = hash;
    CPU(link) = cpu;
  }
  unlock(at);
  return link == 0 ? 0 : link - LRU_NODE_next;
}

/// Gives back a node that is in no bucket.
COLD u64 lru_push(u64 map, u64 node) {
  u64 link = node + LRU_NODE_next;
  u64 at = lru_lock(map);
  u32 type;
  lock(at);
  type = TYPE(link);
  if (type == LOCAL_PENDING) {
    TYPE(link) = LOCAL_FREE;
    REF(link) = 0;
    list_remove(link);
    list_add_first(lru_local(map, CPU(link)) + LRU_LOCAL_free, link);
  } else if (type != FREE && type != LOCAL_FREE) {
    lru_move(lru_list_of(map, CPU(link)), link, FREE);
  }
  unlock(at);
  return 0;
}

INLINE void lru_set_ref(u64 node) {
  if (B(node, LRU_NODE_ref) == 0) B(node, LRU_NODE_ref) = 1;
}
