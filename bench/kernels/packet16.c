#include "kernel.h"

/* As packet.c, the payload by words of 16 bits: a check and hardly anything else in each round. */
#define SWAP16(x) ((u16)__builtin_bswap16(x))

u64 kernel(struct ctx *ctx)
{
	u8 *data = ADDRESS(ctx->data), *end = ADDRESS(ctx->data_end);
	u32 sum = 0, header, addresses;
	u8 *ip, *udp, *at;

	if (data + 14 > end)
		return 1;
	if (*(u16 *)(data + 12) != SWAP16(0x0800))
		return 2;
	ip = data + 14;
	if (ip + 20 > end)
		return 1;
	if (ip[0] >> 4 != 4)
		return 3;
	header = (ip[0] & 15) * 4;
	if (header < 20)
		return 4;
	if (ip[9] != 17)
		return 5;
	addresses = *(u32 *)(ip + 12) ^ *(u32 *)(ip + 16);
	udp = ip + header;
	if (udp + 8 > end)
		return 1;
	at = udp;
	for (u32 i = 0; i < 2048; i++) {
		if (at + 2 > end)
			break;
		sum += *(u16 *)at;
		at += 2;
	}
	if (at + 1 <= end)
		sum += *at;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u64)addresses << 32 | (u32)SWAP16(*(u16 *)(udp + 2)) << 16 | sum;
}
