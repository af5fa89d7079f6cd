#include "kernel.h"

/* SipHash-2-4 of 1 KB: 64-bit additions and rotates. */
#define ROL(x, by) (((x) << (by)) | ((x) >> (64 - (by))))
#define ROUND                                                       \
	do {                                                        \
		v0 += v1; v1 = ROL(v1, 13); v1 ^= v0; v0 = ROL(v0, 32); \
		v2 += v3; v3 = ROL(v3, 16); v3 ^= v2;               \
		v0 += v3; v3 = ROL(v3, 21); v3 ^= v0;               \
		v2 += v1; v1 = ROL(v1, 17); v1 ^= v2; v2 = ROL(v2, 32); \
	} while (0)

u64 kernel(struct ctx *ctx)
{
	u64 *data = (u64 *)ADDRESS(ctx->data);
	u64 key0 = 0x0706050403020100ULL, key1 = 0x0f0e0d0c0b0a0908ULL;
	u64 v0 = key0 ^ 0x736f6d6570736575ULL, v1 = key1 ^ 0x646f72616e646f6dULL;
	u64 v2 = key0 ^ 0x6c7967656e657261ULL, v3 = key1 ^ 0x7465646279746573ULL;

	for (u32 i = 0; i < 128; i++) {
		u64 m = data[i];

		v3 ^= m;
		ROUND;
		ROUND;
		v0 ^= m;
	}
	v3 ^= 1024ULL << 56;
	ROUND;
	ROUND;
	v0 ^= 1024ULL << 56;
	v2 ^= 0xff;
	ROUND;
	ROUND;
	ROUND;
	ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}
