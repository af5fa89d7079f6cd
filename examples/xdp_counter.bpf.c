// Counts packets and bytes by protocol and lets everything pass.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

struct protocol_key {
	__u16 ethertype;
	__u8 ip_protocol;
	__u8 vlan;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct protocol_key);
	__type(value, struct traffic);
} by_protocol SEC(".maps");

/* 0: packets that ended before their headers did. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} truncated SEC(".maps");

static __always_inline int parse(void *data, void *end, struct protocol_key *key)
{
	struct eth_hdr *eth = data;
	void *next = eth + 1;
	__be16 proto;

	if (next > end)
		return -1;
	proto = eth->proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		struct vlan_tag *tag = next;

		next = tag + 1;
		if (next > end)
			return -1;
		key->vlan = 1;
		proto = tag->proto;
	}
	key->ethertype = bpf_ntohs(proto);
	if (proto == bpf_htons(ETH_P_IP)) {
		struct ipv4_hdr *ip = next;

		if ((void *)(ip + 1) > end)
			return -1;
		key->ip_protocol = ip->protocol;
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6_hdr *ip = next;

		if ((void *)(ip + 1) > end)
			return -1;
		key->ip_protocol = ip->nexthdr;
	}
	return 0;
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct protocol_key key = {};
	struct traffic *seen;

	if (parse(data, end, &key) < 0) {
		__u32 zero = 0;
		__u64 *count = bpf_map_lookup_elem(&truncated, &zero);

		if (count)
			*count += 1;
		return XDP_DROP;
	}
	seen = bpf_map_lookup_elem(&by_protocol, &key);
	if (seen) {
		__sync_fetch_and_add(&seen->packets, 1);
		__sync_fetch_and_add(&seen->bytes, end - data);
	} else {
		struct traffic first = { .packets = 1, .bytes = end - data };

		bpf_map_update_elem(&by_protocol, &key, &first, BPF_NOEXIST);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
