// An exception callback: named by a tag of the program, called by nobody.
#include "fixture.h"

extern void bpf_throw(u64 cookie) KSYM;

NOINLINE int on_exception(u64 cookie)
{
	return (int)cookie + 1;
}

static NOINLINE int may_throw(int x)
{
	if (x > 5)
		bpf_throw(x);
	return x;
}

TAG("exception_callback:on_exception")
SEC("tc")
int throws(struct xdp_md *ctx)
{
	return may_throw(ctx->data);
}

char _license[] SEC("license") = "GPL";
