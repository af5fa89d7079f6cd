// Programs of many functions, with everything a dump has words for: see src/machine/dump. Built by scripts/build-testdata.sh.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} stages SEC(".maps");

union word {
	__u64 whole;
	__u32 half[2];
};
enum color { RED, GREEN };
struct pair {
	__u64 a, b;
};

char seen[16];
volatile __u32 limit = 12;

/* Each function calls the next but one as well, so that distances go both ways. */
#define FUNCTION(n, next) \
	static __attribute__((noinline)) int step##n(__u64 *sum, int by) \
	{ \
		*sum += by ^ n; \
		if (*sum & 1) \
			return by; \
		return step##next(sum, by + 1) + n; \
	}
static __attribute__((noinline)) int step10(__u64 *sum, int by)
{
	__sync_fetch_and_add(sum, by);
	return by * 3;
}
FUNCTION(9, 10)
FUNCTION(8, 9)
FUNCTION(7, 8)
FUNCTION(6, 7)
FUNCTION(5, 6)
static __attribute__((noinline)) int step4(__u64 *sum, int by)
{
	return by < 5 ? step5(sum, by) : step10(sum, by);
}

#define LEAF(n, op) \
	static __attribute__((noinline)) int leaf##n(int a, int b) \
	{ \
		return a > b ? a op b : b op n; \
	}
LEAF(1, +)
LEAF(2, ^)
LEAF(3, <<)

/* A prototype that names many kinds of types. */
__attribute__((noinline)) int kinds(const struct pair *pair, volatile int *count, union word *word, enum color *color)
{
	if (!pair || !count || !word || !color)
		return -1;
	return (int)(pair->a + pair->b) + *count + word->half[1] + *color;
}
static __attribute__((noinline)) int tagged(__u64 __attribute__((btf_type_tag("user"))) *word, char (*text)[16], char *const restrict plain)
{
	return text ? (*text)[3] + plain[1] + (word != 0) : 0;
}

static __attribute__((noinline)) int each(__u32 index, void *ctx)
{
	*(__u64 *)ctx += index;
	return index > 7;
}

SEC("xdp") int twelve(struct xdp_md *ctx)
{
	__u64 sum = ctx->ingress_ifindex;
	int result = step4(&sum, (int)limit);
	__u32 key = result & 3;
	__u64 *slot = bpf_map_lookup_elem(&sums, &key);

	if (slot)
		*slot += sum;
	bpf_loop(8, each, &sum, 0);
	result = leaf1(leaf2(result, key), leaf3(key, result));
	return step10(&sum, result) & 3 ? XDP_PASS : XDP_DROP;
}

SEC("socket") int quotes(struct __sk_buff *skb)
{
	struct pair pair = { skb->len, skb->mark };
	union word word = { .whole = skb->hash };
	enum color color = RED;
	int count = skb->len;

	if (seen[0] == '\'' || seen[1] == '\\' || seen[2] == '"') /* "quoted" \ and	tabbed */
		return kinds(&pair, &count, &word, &color);
	return tagged(0, &seen, seen);
}

SEC("tc") int tail(struct __sk_buff *skb)
{
	__u32 now = bpf_ktime_get_ns() >> 7;

	if (skb->len > 100 && now < 0xfffffff0u)
		bpf_tail_call(skb, &stages, 1);
	seen[now & 15] = bpf_get_smp_processor_id();
	return skb->len > 60 ? 0 : 2;
}

SEC("tracepoint/syscalls/sys_enter_getpid") int alone(void *ctx)
{
	bpf_printk("%d", bpf_get_current_pid_tgid() >> 32);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
