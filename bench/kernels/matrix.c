#include "kernel.h"

#define N 6

/* The fifth power of a matrix of 6 x 6 numbers, on the stack. */
u64 kernel(struct ctx *ctx)
{
	u32 *data = (u32 *)ADDRESS(ctx->data);
	u32 p[N * N], t[N * N];
	u64 sum = 0;

	if ((u8 *)(data + N * N) > ADDRESS(ctx->data_end))
		return 0;
	for (u32 i = 0; i < N * N; i++)
		p[i] = data[i];
#pragma clang loop unroll(disable)
	for (u32 n = 0; n < 4; n++) {
#pragma clang loop unroll(disable)
		for (u32 i = 0; i < N * N; i += N) {
#pragma clang loop unroll(disable)
			for (u32 j = 0; j < N; j++) {
				u32 x = 0;

				for (u32 k = 0; k < N; k++)
					x += p[i + k] * data[k * N + j];
				t[i + j] = x;
			}
		}
		for (u32 i = 0; i < N * N; i++)
			p[i] = t[i];
	}
	for (u32 i = 0; i < N * N; i++)
		sum = sum * 31 + p[i];
	return sum;
}
