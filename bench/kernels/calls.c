#include "kernel.h"

/* Three functions in one another, called 500 times. */
static NOINLINE u64 inner(u64 a, u64 b)
{
	return (a ^ b) * 0x9e3779b97f4a7c15ULL + (b >> 5);
}

static NOINLINE u64 middle(u64 a, u64 b, u64 c)
{
	u64 x = inner(a, c);

	return x + (b ^ (x >> 29));
}

static NOINLINE u64 outer(u64 a, u32 i)
{
	u64 x = middle(a, i, a >> 7);

	return x ^ (x << 11);
}

u64 kernel(struct ctx *ctx)
{
	u64 x = *(u64 *)ADDRESS(ctx->data);

	for (u32 i = 0; i < 500; i++)
		x = outer(x, i);
	return x;
}
