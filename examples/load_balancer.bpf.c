// A small layer-4 load balancer. Its functions call each other four deep, static ones and global ones:
//   balance -> forward -> pick_backend -> flow_hash -> mix
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

#define BACKENDS 4

struct flow {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 pad[3];
};

struct backend {
	__be32 addr;
	__u8 mac[6];
	__u16 weight;
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, __u32);
} connections SEC(".maps");

/* The virtual address served, 10.0.0.100, and how many backends take part. */
const volatile __be32 vip = bpf_htonl(0x0a000064);
const volatile __u32 backend_count = BACKENDS;
const volatile __u32 hash_seed = 0x9e3779b9;

/* Written by user space when backends come and go; the counters by the program. */
struct backend backends[BACKENDS] = {
	{ .addr = bpf_htonl(0x0a000101), .mac = { 2, 0, 0, 0, 0, 1 }, .weight = 1 },
	{ .addr = bpf_htonl(0x0a000102), .mac = { 2, 0, 0, 0, 0, 2 }, .weight = 1 },
	{ .addr = bpf_htonl(0x0a000103), .mac = { 2, 0, 0, 0, 0, 3 }, .weight = 1 },
	{ .addr = bpf_htonl(0x0a000104), .mac = { 2, 0, 0, 0, 0, 4 }, .weight = 1 },
};

__u64 new_flows;
__u64 not_ours;

static __noinline __u32 mix(__u32 a, __u32 b)
{
	a ^= b;
	a *= 0x85ebca6b;
	a ^= a >> 13;
	a *= 0xc2b2ae35;
	return a ^ (a >> 16);
}

static __noinline __u32 flow_hash(const struct flow *flow)
{
	__u32 hash = hash_seed;

	hash = mix(hash, flow->saddr);
	hash = mix(hash, flow->daddr);
	hash = mix(hash, ((__u32)flow->sport << 16) | flow->dport);
	return mix(hash, flow->protocol);
}

/* The backend a flow belongs to, chosen once and then remembered. */
__noinline int pick_backend(struct flow *flow)
{
	__u32 *known, chosen, count = backend_count;

	if (!flow)
		return -1;
	known = bpf_map_lookup_elem(&connections, flow);
	if (known)
		return *known;
	if (count == 0 || count > BACKENDS)
		return -1;
	chosen = flow_hash(flow) % count;
	bpf_map_update_elem(&connections, flow, &chosen, BPF_ANY);
	__sync_fetch_and_add(&new_flows, 1);
	return chosen;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __noinline int forward(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct eth_hdr *eth = data;
	struct ipv4_hdr *ip = (void *)(eth + 1);
	struct ports *ports = (void *)(ip + 1);
	struct backend *backend;
	struct flow flow = {};
	__u64 sum;
	__u32 chosen;

	if ((void *)(ports + 1) > end)
		return XDP_PASS;
	flow.saddr = ip->saddr;
	flow.daddr = ip->daddr;
	flow.sport = ports->src;
	flow.dport = ports->dst;
	flow.protocol = ip->protocol;
	chosen = pick_backend(&flow);
	if (chosen >= BACKENDS)
		return XDP_ABORTED;
	backend = &backends[chosen];

	/* RFC 1624: the checksum changes by the difference of the two addresses. */
	sum = (__u16)~ip->check;
	sum += (__u16)~(ip->daddr & 0xffff);
	sum += (__u16)~(ip->daddr >> 16);
	sum += backend->addr & 0xffff;
	sum += backend->addr >> 16;
	ip->check = ~fold(sum);
	ip->daddr = backend->addr;
	__builtin_memcpy(eth->src, eth->dst, 6);
	__builtin_memcpy(eth->dst, backend->mac, 6);
	__sync_fetch_and_add(&backend->packets, 1);
	__sync_fetch_and_add(&backend->bytes, end - data);
	return XDP_TX;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct eth_hdr *eth = data;
	struct ipv4_hdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->proto != bpf_htons(ETH_P_IP) || ip->ver_ihl != 0x45 || ip->daddr != vip ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)) {
		__sync_fetch_and_add(&not_ours, 1);
		return XDP_PASS;
	}
	return forward(ctx);
}

char LICENSE[] SEC("license") = "GPL";
