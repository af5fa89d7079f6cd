#include "kernel.h"

/* Walks TCP options of many segments: short loops, a choice among kinds, byte orders. */
#define BYTES 40
#define SEGMENTS 16

struct options {
	u32 mss;
	u32 scale;
	u64 timestamps;
	u32 sack;
};

static NOINLINE int parse(u8 *at, u8 *end, struct options *found)
{
	for (u32 i = 0; i < BYTES; i++) {
		u32 kind, length;

		if (at + 1 > end)
			return 0;
		kind = at[0];
		if (kind == 0)
			return 0;
		if (kind == 1) {
			at++;
			continue;
		}
		if (at + 2 > end)
			return -1;
		length = at[1];
		if (length < 2 || at + length > end)
			return -1;
		switch (kind) {
		case 2:
			if (length == 4)
				found->mss = (u32)at[2] << 8 | at[3];
			break;
		case 3:
			if (length == 3)
				found->scale = at[2] > 14 ? 14 : at[2];
			break;
		case 4:
			found->sack = 1;
			break;
		case 8:
			if (length == 10)
				found->timestamps = (u64)__builtin_bswap32(*(u32 *)(at + 2)) << 32 |
						    __builtin_bswap32(*(u32 *)(at + 6));
			break;
		}
		at += length;
	}
	return 0;
}

u64 kernel(struct ctx *ctx)
{
	u8 *data = ADDRESS(ctx->data), *end = ADDRESS(ctx->data_end);
	u64 sum = 0;

	for (u32 n = 0; n < SEGMENTS; n++) {
		u8 *at = data + n * BYTES;
		struct options found = {};

		if (at + BYTES > end)
			break;
		if (parse(at, at + BYTES, &found))
			sum++;
		sum = sum * 31 + found.mss + found.scale + found.timestamps + found.sack;
	}
	return sum;
}
