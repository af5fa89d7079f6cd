#include "common.h"

/* BPF program is too large. Processed 1000001 insn */
SEC("xdp")
int loop_long(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;
	__u32 sum = 0;

	for (__u32 i = 0; i < 300000; i++) {
		if (data + i + 1 > end)
			break;
		sum += i;
		opaque(sum);
	}
	return sum & 1;
}

/* The sequence of 8193 jumps is too complex. */
SEC("xdp")
int loop_branches(struct xdp_md *ctx)
{
	__u32 odd = 0;

	for (__u32 i = 0; i < 10000; i++) {
		if (bpf_get_prandom_u32() & 1) {
			odd++;
			opaque(odd);
		}
	}
	return odd > 5000;
}

/* infinite loop detected */
SEC("xdp")
int loop_endless(struct xdp_md *ctx)
{
	while (*(volatile __u32 *)&ctx->rx_queue_index != 7)
		;
	return XDP_PASS;
}

/* back-edge (without CAP_BPF) */
SEC("socket")
int loop_unprivileged(struct __sk_buff *skb)
{
	__u32 n = skb->len, sum = 0;

	for (__u32 i = 0; i < 100; i++) {
		sum += n;
		opaque(sum);
	}
	return sum;
}

/* unreachable insn */
SEC("xdp")
__attribute__((naked)) int dead_code(void)
{
	asm volatile("r0 = 2; exit; r0 = 1; exit;" ::: "memory");
}

/* last insn is not an exit or jmp */
SEC("xdp")
int no_return(struct xdp_md *ctx)
{
	if (ctx->rx_queue_index == 0)
		return XDP_PASS;
	bpf_ktime_get_ns();
	__builtin_unreachable();
}

/* div by zero */
SEC("xdp")
__attribute__((naked)) int division(void)
{
	asm volatile("r0 = 7; r0 /= 0; exit;" ::: "memory");
}

static noinline int level8(int n) { opaque(n); return n; }
#define LEVEL(a, b) static noinline int a(int n) { opaque(n); n = b(n); opaque(n); return n; }
LEVEL(level7, level8)
LEVEL(level6, level7)
LEVEL(level5, level6)
LEVEL(level4, level5)
LEVEL(level3, level4)
LEVEL(level2, level3)
LEVEL(level1, level2)

/* the call stack of 9 frames is too deep */
SEC("xdp")
int calls_deep(struct xdp_md *ctx)
{
	return level1(ctx->rx_queue_index) == 1;
}
