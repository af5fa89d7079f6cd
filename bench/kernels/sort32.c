#include "kernel.h"

/* As sort.c, with indices of 32 bits: BPF extends them at every use. */
u64 kernel(struct ctx *ctx)
{
	u64 *data = (u64 *)ADDRESS(ctx->data);
	u64 a[32], sum = 0;

	for (u32 i = 0; i < 32; i++)
		a[i] = data[i];
	for (u32 i = 1; i < 32; i++) {
		u64 x = a[i];
		u32 j = i;

		while (j > 0 && a[j - 1] > x) {
			a[j] = a[j - 1];
			j--;
		}
		a[j] = x;
	}
	for (u32 i = 0; i < 32; i++)
		sum = sum * 31 + a[i];
	return sum;
}
