// Checks the Internet checksum of whole packets in a bounded loop: the kind of loop Linux verifies since 5.3.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

#define MAX_WORDS 750

__u64 packets, bad_headers;
__u32 last_sum;

SEC("xdp")
int checksum(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u16 *word = data;
	__u64 sum = 0;
	int i;

	for (i = 0; i < MAX_WORDS; i++) {
		if ((void *)(word + 1) > end)
			break;
		sum += *word++;
	}
	if ((void *)word + 1 <= end)
		sum += *(__u8 *)word;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	last_sum = (__u16)~sum;
	packets++;
	return XDP_PASS;
}

/* Only the IPv4 header: drops packets whose header was damaged on the way. */
SEC("xdp")
int check_ip_header(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct eth_hdr *eth = data;
	struct ipv4_hdr *ip = (void *)(eth + 1);
	__u16 *word = (void *)ip;
	__u32 sum = 0;
	int i, words;

	if ((void *)(ip + 1) > end || eth->proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	words = (ip->ver_ihl & 15) * 2;
	for (i = 0; i < 30; i++) {
		if (i >= words || (void *)(word + 1) > end)
			break;
		sum += *word++;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff) {
		bad_headers++;
		return XDP_DROP;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
