// A packet parser made of tail calls: each protocol is a program of its own in a prog array the object fills itself.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

enum stage { PARSE_IPV4, PARSE_IPV6, PARSE_TCP, PARSE_UDP, STAGES };

enum verdict { SEEN_OTHER, SEEN_TCP, SEEN_UDP, SEEN_DNS, SEEN_TRUNCATED, VERDICTS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

int parse_ipv4(struct __sk_buff *skb);
int parse_ipv6(struct __sk_buff *skb);
int parse_tcp(struct __sk_buff *skb);
int parse_udp(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGES);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} stages SEC(".maps") = {
	.values = {
		[PARSE_IPV4] = (void *)&parse_ipv4,
		[PARSE_IPV6] = (void *)&parse_ipv6,
		[PARSE_TCP] = (void *)&parse_tcp,
		[PARSE_UDP] = (void *)&parse_udp,
	},
};

static __always_inline int verdict(__u32 which)
{
	__u64 *count = bpf_map_lookup_elem(&verdicts, &which);

	if (count)
		__sync_fetch_and_add(count, 1);
	return which == SEEN_TRUNCATED ? TC_ACT_SHOT : TC_ACT_OK;
}

/* cb[0]: where the next header begins. */
static __always_inline int transport(struct __sk_buff *skb, __u8 protocol, __u32 off)
{
	skb->cb[0] = off;
	if (protocol == IPPROTO_TCP)
		bpf_tail_call(skb, &stages, PARSE_TCP);
	else if (protocol == IPPROTO_UDP)
		bpf_tail_call(skb, &stages, PARSE_UDP);
	return verdict(SEEN_OTHER);
}

SEC("tc")
int parse_udp(struct __sk_buff *skb)
{
	struct ports ports;

	if (bpf_skb_load_bytes(skb, skb->cb[0], &ports, sizeof(ports)) < 0)
		return verdict(SEEN_TRUNCATED);
	if (ports.src == bpf_htons(53) || ports.dst == bpf_htons(53))
		return verdict(SEEN_DNS);
	return verdict(SEEN_UDP);
}

SEC("tc")
int parse_tcp(struct __sk_buff *skb)
{
	struct ports ports;

	if (bpf_skb_load_bytes(skb, skb->cb[0], &ports, sizeof(ports)) < 0)
		return verdict(SEEN_TRUNCATED);
	return verdict(SEEN_TCP);
}

SEC("tc")
int parse_ipv4(struct __sk_buff *skb)
{
	struct ipv4_hdr ip;

	if (bpf_skb_load_bytes(skb, skb->cb[0], &ip, sizeof(ip)) < 0)
		return verdict(SEEN_TRUNCATED);
	return transport(skb, ip.protocol, skb->cb[0] + (ip.ver_ihl & 15) * 4);
}

SEC("tc")
int parse_ipv6(struct __sk_buff *skb)
{
	struct ipv6_hdr ip;

	if (bpf_skb_load_bytes(skb, skb->cb[0], &ip, sizeof(ip)) < 0)
		return verdict(SEEN_TRUNCATED);
	return transport(skb, ip.nexthdr, skb->cb[0] + sizeof(ip));
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
	skb->cb[0] = sizeof(struct eth_hdr);
	if (skb->protocol == bpf_htons(ETH_P_IP))
		bpf_tail_call(skb, &stages, PARSE_IPV4);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		bpf_tail_call(skb, &stages, PARSE_IPV6);
	return verdict(SEEN_OTHER);
}

char LICENSE[] SEC("license") = "GPL";
