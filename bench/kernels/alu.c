#include "kernel.h"

/* 64-bit arithmetic in one chain: xorshift, products, a data-dependent choice. */
u64 kernel(struct ctx *ctx)
{
	u64 x = *(u64 *)ADDRESS(ctx->data) | 1, sum = 0;

	for (u32 i = 0; i < 1000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		sum += x * 0x2545f4914f6cdd1dULL;
		if (sum & 1)
			sum ^= x >> 3;
	}
	return sum;
}
