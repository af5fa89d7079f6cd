// Queues and stacks: one ring, read from the one end or the other (kernel/bpf/queue_stack_maps.c).
#include "value.h"

INLINE u64 queue_lock(u64 map) {
  u64 locks = W(map, MAP_HANDLE_locks);
  return likely(locks == 0) ? 0 : locks + MAP_LOCKS_map;
}
INLINE u64 queue_slot(u64 map, u32 index) {
  return W(map, QUEUE_LAYOUT_elements) + (u64)index * W(map, MAP_HANDLE_valueSizeBytes);
}
INLINE u32 queue_after(u64 map, u32 index) { return index + 1 >= W(map, QUEUE_LAYOUT_size) ? 0 : index + 1; }

INLINE s64 queue_take(u64 map, u64 value, int stack, int remove) {
  u64 at = queue_lock(map);
  u32 size = W(map, MAP_HANDLE_valueSizeBytes);
  u32 head, tail, index;
  lock(at);
  head = W(map, QUEUE_LAYOUT_head);
  tail = W(map, QUEUE_LAYOUT_tail);
  if (head == tail) {
    unlock(at);
    zero(value, size);
    return -ENOENT;
  }
  index = stack ? (head == 0 ? W(map, QUEUE_LAYOUT_size) - 1 : head - 1) : tail;
  copy(value, queue_slot(map, index), size);
  if (remove && stack) W(map, QUEUE_LAYOUT_head) = index;
  if (remove && !stack) W(map, QUEUE_LAYOUT_tail) = queue_after(map, tail);
  unlock(at);
  return 0;
}

OP s64 queue_pop(u64 map, u64 value) { return queue_take(map, value, 0, 1); }
OP s64 queue_peek(u64 map, u64 value) { return queue_take(map, value, 0, 0); }
OP s64 stack_pop(u64 map, u64 value) { return queue_take(map, value, 1, 1); }
OP s64 stack_peek(u64 map, u64 value) { return queue_take(map, value, 1, 0); }

/// With BPF_EXIST a full map drops its oldest element.
OP s64 queue_push(u64 map, u64 value, u64 flags) {
  u64 at;
  u32 head, tail;
  if ((flags & BPF_NOEXIST) || flags > BPF_EXIST) return -EINVAL;
  at = queue_lock(map);
  lock(at);
  head = W(map, QUEUE_LAYOUT_head);
  tail = W(map, QUEUE_LAYOUT_tail);
  if (queue_after(map, head) == tail) {
    if (!(flags & BPF_EXIST)) {
      unlock(at);
      return -E2BIG;
    }
    W(map, QUEUE_LAYOUT_tail) = queue_after(map, tail);
  }
  copy(queue_slot(map, head), value, W(map, MAP_HANDLE_valueSizeBytes));
  W(map, QUEUE_LAYOUT_head) = queue_after(map, head);
  unlock(at);
  return 0;
}
