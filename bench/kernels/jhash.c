#include "kernel.h"

/* Bob Jenkins' lookup3 over 1 KB: 32-bit additions and rotates. */
INLINE u32 rol(u32 x, int by)
{
	return (x << by) | (x >> (32 - by));
}

u64 kernel(struct ctx *ctx)
{
	u32 *k = (u32 *)ADDRESS(ctx->data);
	u32 length = 256, a, b, c;

	a = b = c = 0xdeadbeef + (length << 2) + 17;
	while (length > 3) {
		a += k[0];
		b += k[1];
		c += k[2];
		a -= c; a ^= rol(c, 4); c += b;
		b -= a; b ^= rol(a, 6); a += c;
		c -= b; c ^= rol(b, 8); b += a;
		a -= c; a ^= rol(c, 16); c += b;
		b -= a; b ^= rol(a, 19); a += c;
		c -= b; c ^= rol(b, 4); b += a;
		length -= 3;
		k += 3;
	}
	a += k[0];
	c ^= b; c -= rol(b, 14);
	a ^= c; a -= rol(c, 11);
	b ^= a; b -= rol(a, 25);
	c ^= b; c -= rol(b, 16);
	a ^= c; a -= rol(c, 4);
	b ^= a; b -= rol(a, 14);
	c ^= b; c -= rol(b, 24);
	return c;
}
