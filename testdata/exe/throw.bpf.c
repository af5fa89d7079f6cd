// Exceptions: bpf_throw from main, from functions and from frames far in; with and without a callback. Built by
// scripts/build-testdata.sh.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NOINLINE static __attribute__((noinline))

extern void bpf_throw(__u64 cookie) __ksym;

__u64 caught;

__attribute__((noinline)) int on_throw(__u64 cookie)
{
	caught += cookie;
	return cookie + 1000;
}

NOINLINE __u64 deep(__u32 level, __u64 *sum)
{
	*sum = *sum * 31 + level;
	if (level > 40)
		bpf_throw(*sum & 0xffff);
	return *sum ^ level;
}

NOINLINE __u64 middle(__u32 level, __u64 *sum)
{
	__u64 own = *sum + level;
	__u64 got = deep(level + 1, &own);

	*sum += own;
	return got + own;
}

NOINLINE __u64 top(__u32 level)
{
	__u64 sum = level;

	return middle(level + 1, &sum) + middle(level * 3, &sum);
}

static int work(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 42 > end)
		bpf_throw(5);
	return top(data[25] & 31) + data[41];
}

SEC("xdp")
int plain(struct xdp_md *ctx)
{
	return work(ctx);
}

SEC("xdp")
__attribute__((btf_decl_tag("exception_callback:on_throw")))
int tagged(struct xdp_md *ctx)
{
	return work(ctx);
}
