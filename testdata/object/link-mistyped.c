// Declares what link-b.c defines, with another type.
#include "fixture.h"

extern u64 counter_b;

SEC("tc")
int prog_c(struct xdp_md *ctx)
{
	return (int)counter_b;
}

char _license[] SEC("license") = "GPL";
