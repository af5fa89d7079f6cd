// Ring buffers that programs fill (kernel/bpf/ringbuf.c; src/maps/ringbuf.ts has the layout).
#include "value.h"

#define HDR_BYTES 8
#define BUSY 0x80000000u
#define DISCARD 0x40000000u
#define LEN_MASK 0x3fffffffu
/// `RINGBUF_MAX_RECORD_SZ`
#define MAX_RECORD_BYTES 0x3fffffffu
#define PAGE_MASK (~4095ull)
#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2

INLINE u64 ring_lock(u64 map) {
  u64 locks = W(map, MAP_HANDLE_locks);
  return likely(locks == 0) ? 0 : locks + MAP_LOCKS_map;
}
INLINE u64 ring_data(u64 map, u64 ring, u64 position) {
  return ring + RING_data + ((u32)position & W(map, RINGBUF_LAYOUT_mask));
}
INLINE u32 record_bytes(u32 len) { return (len + HDR_BYTES + 7) & ~7u; }

/// `__bpf_ringbuf_reserve`: a busy record's bytes, 0 when there is no room.
INLINE u64 ring_take(u64 map, u64 size) {
  u64 ring = W(map, RINGBUF_LAYOUT_ring);
  u32 mask = W(map, RINGBUF_LAYOUT_mask);
  u64 at, producer, pending, end, header;
  u32 bytes;
  if (size > MAX_RECORD_BYTES) return 0;
  bytes = record_bytes(size);
  if (bytes > mask + 1) return 0;
  at = ring_lock(map);
  lock(at);
  producer = D(ring, RING_producerPos);
  pending = D(ring, RING_pendingPos);
  end = producer + bytes;
  while (pending < producer) {
    u32 len = W(ring_data(map, ring, pending), 0);
    if (len & BUSY) break;
    pending += record_bytes(len & LEN_MASK);
  }
  D(ring, RING_pendingPos) = pending;
  // Neither what is unread nor what is uncommitted may fill the ring.
  if (end - D(ring, RING_consumerPos) > mask || end - pending > mask) {
    unlock(at);
    return 0;
  }
  header = ring_data(map, ring, producer);
  W(header, 0) = (u32)size | BUSY;
  W(header, 4) = (header - ring) >> 12;
  D(ring, RING_producerPos) = end;
  unlock(at);
  return header + HDR_BYTES;
}

/// `bpf_ringbuf_commit`; the ring is found by the page offset in the record's header.
INLINE void ring_commit(u64 sample, u64 flags, u32 discard) {
  u64 header = sample - HDR_BYTES;
  u64 ring = (header & PAGE_MASK) - ((u64)W(header, 4) << 12);
  u64 map = W(ring, RING_map);
  u32 len = (W(header, 0) & LEN_MASK) | discard;
  if (W(map, MAP_HANDLE_locks) == 0) W(header, 0) = len;
  else __sync_lock_test_and_set((u32 *)header, len);
  if ((flags & BPF_RB_FORCE_WAKEUP) ||
      (!(flags & BPF_RB_NO_WAKEUP) && ring_data(map, ring, D(ring, RING_consumerPos)) == header))
    count(W(map, MAP_HANDLE_locks), map + RINGBUF_LAYOUT_wakeups, 1);
}

OP u64 ringbuf_reserve(u64 map, u64 size, u64 flags) { return flags != 0 ? 0 : ring_take(map, size); }
OP u64 ringbuf_submit(u64 sample, u64 flags) {
  ring_commit(sample, flags, 0);
  return 0;
}
OP u64 ringbuf_discard(u64 sample, u64 flags) {
  ring_commit(sample, flags, DISCARD);
  return 0;
}
OP s64 ringbuf_output(u64 map, u64 data, u64 size, u64 flags) {
  u64 sample;
  if (flags > (BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) return -EINVAL;
  sample = ring_take(map, size);
  if (sample == 0) return -EAGAIN;
  copy(sample, data, size);
  ring_commit(sample, flags, 0);
  return 0;
}
OP u64 ringbuf_query(u64 map, u64 what) {
  u64 ring = W(map, RINGBUF_LAYOUT_ring);
  if (what == 0) return D(ring, RING_producerPos) - D(ring, RING_consumerPos);
  if (what == 1) return W(map, RINGBUF_LAYOUT_mask) + 1;
  if (what == 2) return D(ring, RING_consumerPos);
  return what == 3 ? D(ring, RING_producerPos) : 0;
}
