// To be linked with link-a.c.
#include "fixture.h"

struct {
	NUMBER(type, 2);
	NUMBER(max_entries, 4);
	TYPED(key, u32);
	TYPED(value, u64);
} map_b SEC(".maps");

extern int counter_a;
extern int fn_a(int x);
extern u32 LINUX_KERNEL_VERSION KCONFIG;

u8 misaligned = 1;
int counter_b = 6;
static volatile u64 mine = 2;
int either = 2;

static NOINLINE int same_name(int x)
{
	return x - (int)mine - (int)ktime();
}

int NOINLINE weak_fn(int x)
{
	return x + 2 + (int)ktime();
}

int NOINLINE fn_b(int x)
{
	return same_name(x) + counter_a;
}

SEC("tc")
int prog_b(struct xdp_md *ctx)
{
	u32 key = 1;
	map_lookup(&map_b, &key);
	return fn_a(weak_fn(ctx->data)) + either + misaligned + LINUX_KERNEL_VERSION;
}

char _license[] SEC("license") = "GPL";
