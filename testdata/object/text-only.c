// No sections named: everything in .text.
#include "fixture.h"

static NOINLINE int helper(int x)
{
	return x + (int)ktime();
}

int prog(struct xdp_md *ctx)
{
	return helper(ctx->data);
}
