#include "kernel.h"

#define BLOCKS 4

INLINE u32 ror(u32 x, u32 n) { return (x >> n) | (x << (32 - n)); }

/* SHA-256 of four blocks; the 64 constants lie in front of them. The last 16 words of the schedule are on the stack. */
u64 kernel(struct ctx *ctx)
{
	u32 *k = (u32 *)ADDRESS(ctx->data);
	u32 *block = k + 64;
	u32 w[16];
	u32 s0 = 0x6a09e667, s1 = 0xbb67ae85, s2 = 0x3c6ef372, s3 = 0xa54ff53a;
	u32 s4 = 0x510e527f, s5 = 0x9b05688c, s6 = 0x1f83d9ab, s7 = 0x5be0cd19;

	if ((u8 *)(block + 16 * BLOCKS) > ADDRESS(ctx->data_end))
		return 0;
	for (u32 n = 0; n < BLOCKS; n++, block += 16) {
		u32 a = s0, b = s1, c = s2, d = s3, e = s4, f = s5, g = s6, h = s7;

		for (u32 i = 0; i < 64; i++) {
			u32 x, y, t;

			if (i < 16) {
				x = __builtin_bswap32(block[i]);
			} else {
				x = w[(i + 1) & 15];
				y = w[(i + 14) & 15];
				x = (ror(x, 7) ^ ror(x, 18) ^ (x >> 3)) + (ror(y, 17) ^ ror(y, 19) ^ (y >> 10));
				x += w[i & 15] + w[(i + 9) & 15];
			}
			w[i & 15] = x;
			t = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + x;
			h = g;
			g = f;
			f = e;
			e = d + t;
			t += (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
			d = c;
			c = b;
			b = a;
			a = t;
		}
		s0 += a;
		s1 += b;
		s2 += c;
		s3 += d;
		s4 += e;
		s5 += f;
		s6 += g;
		s7 += h;
	}
	return ((u64)(s0 ^ s2 ^ s4 ^ s6) << 32) | (s1 ^ s3 ^ s5 ^ s7);
}
