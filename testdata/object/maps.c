// Maps declared in BTF, with every attribute there is.
#include "fixture.h"

struct key {
	u32 a;
	u16 b;
};

struct {
	NUMBER(type, 1);
	NUMBER(max_entries, 128);
	TYPED(key, struct key);
	TYPED(value, u64);
	NUMBER(map_flags, 1);
	NUMBER(pinning, 1);
} hash SEC(".maps");

struct {
	NUMBER(type, 2);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	NUMBER(value_size, 24);
	NUMBER(numa_node, 1);
} array SEC(".maps");

struct {
	NUMBER(type, 27);
	NUMBER(max_entries, 5000);
} ring SEC(".maps");

struct {
	NUMBER(type, 30);
	NUMBER(max_entries, 64);
	TYPED(value, u32);
	NUMBER(map_extra, 3);
} bloom SEC(".maps");

struct inner {
	NUMBER(type, 2);
	NUMBER(max_entries, 2);
	TYPED(key, u32);
	TYPED(value, u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	NUMBER(type, 12);
	NUMBER(max_entries, 3);
	NUMBER(key_size, 4);
	VALUES(values, struct inner);
} outer SEC(".maps") = {
	.values = { &inner_a, 0, &inner_b },
};

int target_a(struct xdp_md *ctx);
int target_b(struct xdp_md *ctx);

struct {
	NUMBER(type, 3);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	VALUES(values, int(struct xdp_md *));
} jumps SEC(".maps") = {
	.values = { [1] = &target_a, [3] = &target_b },
};

SEC("xdp")
int target_a(struct xdp_md *ctx)
{
	struct key key = { 1, 2 };
	u64 *value = map_lookup(&hash, &key);
	return value ? (int)*value : 0;
}

SEC("xdp")
int target_b(struct xdp_md *ctx)
{
	u32 key = 1;
	void **inner = map_lookup(&outer, &key);
	if (inner)
		map_lookup(inner, &key);
	tail_call(ctx, &jumps, 1);
	return map_lookup(&array, &key) != 0;
}

char _license[] SEC("license") = "GPL";
