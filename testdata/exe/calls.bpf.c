// Everything an executable has to repeat: callbacks, callbacks in callbacks, tail calls, exceptions, memory that moves or
// that the kernel's functions change. Built by scripts/build-testdata.sh.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NOINLINE static __attribute__((noinline))

struct value {
	__u64 count, sum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct value);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, struct value);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

int later(struct xdp_md *ctx);
int last(struct xdp_md *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} stages SEC(".maps") = { .values = { [1] = (void *)later, [2] = (void *)last } };

__u64 total;

struct walk {
	__u64 seen;
	__u32 depth;
	__u32 left;
};

static long each_value(void *map, __u32 *key, struct value *value, struct walk *walk)
{
	value->count++;
	walk->seen += value->count * (*key + 1);
	return walk->seen > 1000;
}

static long inner(__u32 index, struct walk *walk)
{
	walk->seen += index * walk->depth + 1;
	return walk->left-- == 0;
}

static long outer(__u32 index, struct walk *walk)
{
	walk->depth = index + 1;
	walk->left = 5;
	bpf_loop(index + 2, inner, walk, 0);
	bpf_for_each_map_elem(&counts, each_value, walk, 0);
	return 0;
}

SEC("xdp")
int callbacks(struct xdp_md *ctx)
{
	struct walk walk = { .seen = 1 };

	bpf_loop(6, outer, &walk, 0);
	total += walk.seen;
	return walk.seen;
}

NOINLINE __u32 fold(const __u8 *bytes, __u32 size, __u32 seed)
{
	for (__u32 i = 0; i < size && i < 32; i++)
		seed = seed * 31 + bytes[i];
	return seed;
}

SEC("xdp")
int moves(struct xdp_md *ctx)
{
	__u8 head[32];
	__u64 key;

	if (bpf_xdp_adjust_head(ctx, 4) || bpf_xdp_adjust_tail(ctx, -8))
		return XDP_ABORTED;
	if (bpf_xdp_load_bytes(ctx, 0, head, sizeof(head)))
		return XDP_DROP;
	key = fold(head, sizeof(head), 7) % 4;
	struct value *value = bpf_map_lookup_elem(&flows, &key);
	struct value fresh = { .count = 1, .sum = key };
	if (value) {
		value->count++;
		value->sum += fold(head, 8, value->sum);
	} else {
		bpf_map_update_elem(&flows, &key, &fresh, BPF_ANY);
	}
	bpf_xdp_store_bytes(ctx, 8, &key, sizeof(key));
	__u64 *event = bpf_ringbuf_reserve(&events, 16, 0);
	if (event) {
		event[0] = key;
		event[1] = bpf_ktime_get_ns();
		bpf_ringbuf_submit(event, 0);
	}
	bpf_printk("key %llu of %u", key, fold(head, 4, 1));
	return XDP_PASS + key;
}

SEC("xdp")
int last(struct xdp_md *ctx)
{
	total += 100;
	return 77;
}

SEC("xdp")
int later(struct xdp_md *ctx)
{
	total += 10;
	bpf_tail_call(ctx, &stages, total % 3);
	return total;
}

SEC("xdp")
int tail_calls(struct xdp_md *ctx)
{
	total++;
	bpf_tail_call(ctx, &stages, 3);
	bpf_tail_call(ctx, &stages, 1);
	return 1;
}
