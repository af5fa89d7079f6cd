// To be linked with link-b.c: each calls and reads what the other defines.
#include "fixture.h"

struct shared {
	int a;
	u64 b;
};

struct {
	NUMBER(type, 1);
	NUMBER(max_entries, 16);
	TYPED(key, u32);
	TYPED(value, struct shared);
} map_a SEC(".maps");

extern int counter_b;
extern int fn_b(int x);
extern u32 LINUX_KERNEL_VERSION KCONFIG;

int counter_a = 5;
static volatile int mine = 1;
WEAK int either = 1;

static NOINLINE int same_name(int x)
{
	return x + mine + (int)ktime();
}

WEAK NOINLINE int weak_fn(int x)
{
	return x + 1 + (int)ktime();
}

int NOINLINE fn_a(int x)
{
	return same_name(x) + counter_b;
}

SEC("tc")
int prog_a(struct xdp_md *ctx)
{
	u32 key = LINUX_KERNEL_VERSION;
	struct shared *shared = map_lookup(&map_a, &key);
	return fn_b(weak_fn(ctx->data)) + either + (shared ? shared->a : 0);
}

char _license[] SEC("license") = "GPL";
