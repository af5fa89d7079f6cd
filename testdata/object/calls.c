// Calls between functions: static and global ones of .text, a hidden and a weak one, a chain, recursion of names, a
// callback taken by address, two programs in one section, and one that begins with a question mark.
#include "fixture.h"

static NOINLINE int leaf(int x)
{
	return x * 3 + (int)ktime();
}

static NOINLINE int middle(int x)
{
	return leaf(x + 1) + leaf(x + 2);
}

NOINLINE int global_fn(int x)
{
	return middle(x) ^ 5;
}

HIDDEN NOINLINE int hidden_fn(int x)
{
	return leaf(x) - 1;
}

WEAK NOINLINE int weak_fn(int x)
{
	return x + (int)ktime();
}

static int on_each(u32 index, void *data)
{
	*(u64 *)data += index + leaf(index);
	return 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return global_fn(ctx->data) & 1;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	u64 sum = 0;
	loop(10, on_each, &sum, 0);
	return (hidden_fn(ctx->data) + weak_fn((int)sum)) & 1;
}

SEC("?tc")
int optional(void *ctx)
{
	return weak_fn(1);
}

SEC("fentry.s/do_nanosleep")
int traced(void *ctx)
{
	return leaf(1);
}

char _license[] SEC("license") = "GPL";
u32 _version SEC("version") = 0x060c00;
