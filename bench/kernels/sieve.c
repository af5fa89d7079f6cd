#include "kernel.h"

/* Primes below 8192, a byte a number. */
#define N 8192

u64 kernel(struct ctx *ctx)
{
	u8 *composite = ADDRESS(ctx->data);
	u64 sum = 0;

	for (u64 i = 0; i < N; i += 8)
		*(volatile u64 *)(composite + i) = 0;
	for (u64 i = 2; i < N; i++) {
		if (composite[i])
			continue;
		sum += i;
		for (u64 j = i * i; j < N; j += i)
			composite[j] = 1;
	}
	return sum;
}
