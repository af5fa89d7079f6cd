// Tells user space of every new flow through a ring buffer, and of DNS questions with their first bytes.
#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

enum event_kind { NEW_FLOW = 1, DNS_QUESTION = 2 };

struct flow_event {
	__u64 at;
	__u32 kind;
	__u32 cpu;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u32 len;
	__u8 protocol;
	__u8 dns[19];
};

struct flow_id {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow_id);
	__type(value, __u64);
} flows SEC(".maps");

__u64 lost;

static __noinline int report(struct __sk_buff *skb, struct flow_id *id, enum event_kind kind, __u32 payload)
{
	struct flow_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return -1;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->at = bpf_ktime_get_ns();
	event->cpu = bpf_get_smp_processor_id();
	event->kind = kind;
	event->saddr = id->saddr;
	event->daddr = id->daddr;
	event->sport = id->sport;
	event->dport = id->dport;
	event->protocol = id->protocol;
	event->len = skb->len;
	if (kind == DNS_QUESTION && bpf_skb_load_bytes(skb, payload, event->dns, sizeof(event->dns)) < 0) {
		bpf_ringbuf_discard(event, 0);
		return -1;
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tc")
int watch_flows(struct __sk_buff *skb)
{
	const __u32 ip_off = sizeof(struct eth_hdr);
	struct flow_id id = {};
	struct ipv4_hdr ip;
	struct ports ports;
	__u64 one = 1, *seen;
	__u32 l4;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ip_off, &ip, sizeof(ip)) < 0)
		return TC_ACT_OK;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return TC_ACT_OK;
	l4 = ip_off + (ip.ver_ihl & 15) * 4;
	if (bpf_skb_load_bytes(skb, l4, &ports, sizeof(ports)) < 0)
		return TC_ACT_OK;
	id.saddr = ip.saddr;
	id.daddr = ip.daddr;
	id.sport = ports.src;
	id.dport = ports.dst;
	id.protocol = ip.protocol;
	seen = bpf_map_lookup_elem(&flows, &id);
	if (seen) {
		*seen += 1;
	} else {
		bpf_map_update_elem(&flows, &id, &one, BPF_ANY);
		report(skb, &id, NEW_FLOW, 0);
	}
	if (ip.protocol == IPPROTO_UDP && ports.dst == bpf_htons(53))
		report(skb, &id, DNS_QUESTION, l4 + 8);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
