// What the sources of this directory need of a BPF library, so that any clang with a BPF target builds them.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
#define WEAK __attribute__((weak))
#define HIDDEN __attribute__((visibility("hidden")))
#define KCONFIG __attribute__((section(".kconfig")))
#define KSYM __attribute__((section(".ksyms")))
#define TAG(text) __attribute__((btf_decl_tag(text)))
#define CORE __attribute__((preserve_access_index))

#define NUMBER(name, value) int(*name)[value]
#define TYPED(name, type) type *name
#define VALUES(name, type) __typeof__(type) *name[]
#define ENUM_OF(name, value) enum { name##__unique = value } name

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime)(void) = (void *)5;
static long (*tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static long (*loop)(u32 count, void *callback, void *data, u64 flags) = (void *)181;
