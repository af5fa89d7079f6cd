// What every operation is written with. Addresses are offsets into the machine's linear memory, 32 bits in a 64-bit register;
// words of handles and nodes are u32 at the offsets of layout.h, which is generated from the layouts of src/maps.
#pragma once
#include "layout.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define INLINE static inline __attribute__((always_inline))
/// A function engines link and JavaScript calls.
#define OP __attribute__((section("ops"), used, noinline))
/// A function only operations call.
#define COLD static __attribute__((section("ops"), noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define B(addr, off) (*(u8 *)((addr) + (off)))
#define H(addr, off) (*(u16 *)((addr) + (off)))
#define W(addr, off) (*(u32 *)((addr) + (off)))
#define D(addr, off) (*(u64 *)((addr) + (off)))

#define ENOENT 2
#define E2BIG 7
#define EAGAIN 11
#define ENOMEM 12
#define EEXIST 17
#define EINVAL 22
#define ENOSPC 28
#define EOPNOTSUPP 95

#define BPF_NOEXIST 1
#define BPF_EXIST 2
#define BPF_F_LOCK 4

/// Helpers of programs; a map type without operations here answers through them.
static u64 (*bpf_map_lookup_elem)(u64, u64) = (void *)1;
static u64 (*bpf_map_update_elem)(u64, u64, u64, u64) = (void *)2;
static u64 (*bpf_map_delete_elem)(u64, u64) = (void *)3;
static u64 (*bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*bpf_map_lookup_percpu_elem)(u64, u64, u64) = (void *)195;

/// Gates: what only the JavaScript side can do. Numbers no program can call.
static u64 (*gate_grow)(u64 map, u64 pool) = (void *)GATE_GROW;
static u64 (*gate_field_dies)(u64 map, u64 index, u64 addr) = (void *)GATE_FIELD_DIES;

#define LOOKS 64

/// Locks are words; address 0 stands for none, which is what maps have where one thread runs the machine.
/// Who waits looks a while before it tries again: looking leaves the cache line with whoever has the lock.
INLINE void lock(u64 word) {
  if (unlikely(word != 0))
    while (__sync_lock_test_and_set((u32 *)word, 1) != 0)
      for (u32 left = LOOKS; left > 0 && *(volatile u32 *)word != 0; left--)
        ;
}
INLINE void unlock(u64 word) {
  if (unlikely(word != 0)) __sync_lock_test_and_set((u32 *)word, 0);
}
/// Adds to a counter that other threads may change where `word` is a lock.
INLINE void count(u64 word, u64 counter, s32 by) {
  if (unlikely(word != 0)) __sync_fetch_and_add((u32 *)counter, by);
  else W(counter, 0) += by;
}

/// `map_flags > BPF_EXIST`, with BPF_F_LOCK beside them where `locked` names it.
INLINE int flags_unknown(u64 flags, u64 locked) { return (flags & ~locked) > BPF_EXIST; }

/// `check_flags` of hash-like maps.
INLINE s64 check_presence(int exists, u64 flags) {
  if (exists) return (flags & 3) == BPF_NOEXIST ? -EEXIST : 0;
  return (flags & 3) == BPF_EXIST ? -ENOENT : 0;
}
