// A cgroup firewall: a longest-prefix table of networks for each direction, held by a map of maps.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

enum direction { INGRESS, EGRESS, DIRECTIONS };
enum action { DENY = 0, ALLOW = 1 };

struct network {
	__u32 prefix_len;
	__be32 addr;
};

struct rules {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct network);
	__type(value, __u32);
} ingress_rules SEC(".maps"), egress_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32);
	__array(values, struct rules);
} tables SEC(".maps") = {
	.values = { [INGRESS] = &ingress_rules, [EGRESS] = &egress_rules },
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16);
	__type(value, struct network);
} denied SEC(".maps");

__u64 passed, dropped;

static __noinline int decide(struct __sk_buff *skb, __u32 direction)
{
	struct network peer = { .prefix_len = 32 };
	struct ipv4_hdr ip;
	void *table;
	__u32 *rule;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0)
		return ALLOW;
	peer.addr = direction == INGRESS ? ip.saddr : ip.daddr;
	table = bpf_map_lookup_elem(&tables, &direction);
	if (!table)
		return ALLOW;
	rule = bpf_map_lookup_elem(table, &peer);
	if (rule && *rule == DENY) {
		bpf_map_push_elem(&denied, &peer, BPF_EXIST);
		__sync_fetch_and_add(&dropped, 1);
		return DENY;
	}
	__sync_fetch_and_add(&passed, 1);
	return ALLOW;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	return decide(skb, INGRESS);
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	return decide(skb, EGRESS);
}

char LICENSE[] SEC("license") = "GPL";
