#include "kernel.h"

/* CRC-32 of 1 KB through a table of 256 words, which it makes first. */
u64 kernel(struct ctx *ctx)
{
	u32 *table = (u32 *)ADDRESS(ctx->data);
	u8 *data = (u8 *)(table + 256);
	u32 crc = ~0u;

	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (u32 k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
		table[i] = c;
	}
	for (u32 i = 0; i < 1024; i++)
		crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
	return (u32)~crc;
}
