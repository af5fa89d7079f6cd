#include "common.h"

/* R1 offset is outside of the packet */
SEC("xdp")
int packet_short(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;

	if (data + 14 > end)
		return XDP_PASS;
	if (data[23] == 6)
		return XDP_DROP;
	return XDP_PASS;
}

/* The same, with an offset from the packet */
SEC("xdp")
int packet_variable(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;
	__u32 header;

	if (data + 34 > end)
		return XDP_PASS;
	header = (data[14] & 15) * 4;
	data += header;
	return data[16] == 80 ? XDP_DROP : XDP_PASS;
}

/* R0 invalid mem access 'map_value_or_null' */
SEC("xdp")
int lookup_unchecked(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	value->packets++;
	return XDP_PASS;
}

/* R1 invalid mem access 'scalar' */
SEC("kprobe/do_unlinkat")
int kernel_pointer(struct { unsigned long regs[21]; } *ctx)
{
	struct name { const char *text; } *name = (void *)ctx->regs[13];

	return name->text != 0;
}

/* R6 invalid mem access 'scalar': a helper was called that may move the packet */
SEC("tc")
int packet_moved(struct __sk_buff *skb)
{
	unsigned char *data = (void *)(long)skb->data;
	unsigned char *end = (void *)(long)skb->data_end;

	if (data + 14 > end)
		return 0;
	bpf_skb_pull_data(skb, 100);
	return data[13];
}

/* R0 max value is outside of the allowed memory range */
SEC("xdp")
int index_too_large(struct xdp_md *ctx)
{
	__u32 key = 0, kind = ctx->rx_queue_index;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	if (!value)
		return XDP_PASS;
	if (kind > 10)
		return XDP_PASS;
	value->kinds[kind]++;
	return XDP_PASS;
}

/* R0 unbounded memory access */
SEC("xdp")
int index_unlimited(struct xdp_md *ctx)
{
	__u32 key = 0, kind = ctx->rx_queue_index;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	if (!value)
		return XDP_PASS;
	value->kinds[kind]++;
	return XDP_PASS;
}

/* R0 min value is negative, either use unsigned index or do a if (index >=0) check. */
SEC("xdp")
int index_negative(struct xdp_md *ctx)
{
	__u32 key = 0;
	long kind = (signed char)ctx->rx_queue_index;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	if (!value)
		return XDP_PASS;
	if (kind < 10)
		value->kinds[kind]++;
	return XDP_PASS;
}

/* R0 min value is outside of the allowed memory range */
SEC("xdp")
int field_beyond(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		((__u64 *)value)[6] = 1;
	return XDP_PASS;
}

/* math between map_value pointer and register with unbounded min value is not allowed */
SEC("xdp")
int offset_signed(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct value *value = bpf_map_lookup_elem(&counters, &key);
	__s64 delta;

	if (!value)
		return XDP_PASS;
	delta = value->packets;
	if (delta < 48)
		return *((char *)value + delta);
	return XDP_PASS;
}

/* R0 pointer arithmetic on map_value_or_null prohibited, null-check it first */
SEC("xdp")
int null_arithmetic(struct xdp_md *ctx)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&counters, &key);
	char *kinds = value + 8;

	opaque(kinds);
	if (value)
		*kinds = 1;
	return XDP_PASS;
}

/* dereference of modified ctx ptr */
SEC("xdp")
int context_moved(struct xdp_md *ctx)
{
	__u32 *field = &ctx->ingress_ifindex;

	opaque(field);
	return *field == 1;
}

/* invalid bpf_context access */
SEC("xdp")
int context_field(struct xdp_md *ctx)
{
	return ((__u32 *)ctx)[6] == 1;
}

/* cannot write into packet */
SEC("cgroup_skb/egress")
int packet_write(struct __sk_buff *skb)
{
	unsigned char *data = (void *)(long)skb->data;
	unsigned char *end = (void *)(long)skb->data_end;

	if (data + 20 > end)
		return 1;
	data[8] = 64;
	return 1;
}

/* R1 leaks addr into map (without CAP_PERFMON) */
SEC("socket")
int leaks_address(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		value->packets = (__u64)skb;
	return 0;
}

/* write into map forbidden */
const volatile __u32 limit = 10;

SEC("xdp")
int write_constant(struct xdp_md *ctx)
{
	*(volatile __u32 *)&limit = 20;
	return XDP_PASS;
}

/* R1 pointer arithmetic on pkt_end prohibited */
SEC("xdp")
int end_moved(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;

	end -= 14;
	opaque(end);
	if (data > end)
		return XDP_PASS;
	return data[13];
}

/* R1 bitwise operator &= on pointer prohibited */
SEC("xdp")
int align_pointer(struct xdp_md *ctx)
{
	unsigned long data = ctx->data;

	asm volatile("%0 &= -4" : "+r"(data));
	return *(__u32 *)data == 1;
}

/* misaligned packet access (with strict alignment) */
SEC("xdp")
int packet_misaligned(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;

	if (data + 34 > end)
		return XDP_PASS;
	return *(__u32 *)(data + 27) == 1;
}

/* only read is supported */
struct task_struct {
	int pid;
	struct task_struct *parent;
} __attribute__((preserve_access_index));

SEC("tp_btf/sched_switch")
int kernel_write(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1];

	prev->pid = 1;
	return 0;
}

/* access beyond struct task_struct at off 100000 size 1 */
SEC("tp_btf/sched_switch")
int kernel_beyond(unsigned long long *ctx)
{
	char *prev = (void *)ctx[1];

	return prev[100000];
}

/* R0 pointer arithmetic of map value goes out of range, prohibited for !root (without CAP_PERFMON) */
SEC("socket")
int unprivileged_sum(struct __sk_buff *skb)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&counters, &key);

	if (!value)
		return 0;
	value += 64;
	opaque(value);
	value -= 32;
	opaque(value);
	return *value;
}
