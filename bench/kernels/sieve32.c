#include "kernel.h"

/* As sieve.c, with indices of 32 bits. */
#define N 8192

u64 kernel(struct ctx *ctx)
{
	u8 *composite = ADDRESS(ctx->data);
	u64 sum = 0;

	for (u32 i = 0; i < N; i += 8)
		*(volatile u64 *)(composite + i) = 0;
	for (u32 i = 2; i < N; i++) {
		if (composite[i])
			continue;
		sum += i;
		for (u32 j = i * i; j < N; j += i)
			composite[j] = 1;
	}
	return sum;
}
