#include "common.h"

/* invalid indirect access to stack R1 off=-8 size=16 */
SEC("kprobe/do_unlinkat")
int stack_beyond(void *ctx)
{
	char name[8];

	bpf_get_current_comm(name, 16);
	return name[0] == 'x';
}

/* invalid variable-offset write to stack */
SEC("xdp")
int stack_index(struct xdp_md *ctx)
{
	char seen[16] = {};
	__u32 i = ctx->rx_queue_index & 31;

	*(volatile char *)(seen + i) = 1;
	return *(volatile char *)seen;
}

/* invalid indirect read from stack (without CAP_PERFMON): a key of which only a part was written */
SEC("socket")
int stack_padding(struct __sk_buff *skb)
{
	struct { __u8 kind; __u32 id; } key;

	key.kind = 1;
	opaque(skb);
	return bpf_map_lookup_elem(&counters, &key) != 0;
}

/* invalid read from stack off -8+0 size 8 (without CAP_PERFMON) */
SEC("socket")
__attribute__((naked)) int stack_unwritten(void)
{
	asm volatile("*(u64 *)(r10 - 16) = r1;	\
	r0 = *(u64 *)(r10 - 8);			\
	exit;" ::: "memory");
}

/* R2 unbounded memory access, use 'var &= const' or 'if (var < const)' */
SEC("kprobe/do_unlinkat")
int size_unlimited(struct { unsigned long regs[21]; } *ctx)
{
	char buffer[64];
	unsigned int length = ctx->regs[12] & 0x7fffffff;

	bpf_probe_read_kernel(buffer, length, (void *)ctx->regs[13]);
	return buffer[0] == 0;
}

/* R2 min value is negative, either use unsigned or 'var &= const' */
SEC("kprobe/do_unlinkat")
int size_negative(struct { unsigned long regs[21]; } *ctx)
{
	char buffer[64];
	long length = ctx->regs[12];

	if (length > 64)
		return 0;
	bpf_probe_read_kernel(buffer, length, (void *)ctx->regs[13]);
	return buffer[0] == 0;
}

/* R4 invalid zero-sized read */
SEC("tc")
int size_zero(struct __sk_buff *skb)
{
	char buffer[32];
	__u32 length = skb->len & 31;

	bpf_skb_load_bytes(skb, 0, buffer, length);
	return buffer[0] == 'x';
}

/* R0 !read_ok: the variable is set on one path only */
SEC("xdp")
__attribute__((naked)) int value_unset(void)
{
	asm volatile("w2 = *(u32 *)(r1 + 12);	\
	if w2 != 1 goto +1;			\
	w0 = 2;					\
	exit;" ::: "memory");
}

/* R1 !read_ok: destroyed by a call */
SEC("xdp")
__attribute__((naked)) int value_destroyed(void)
{
	asm volatile("call %[time];	\
	r0 = *(u32 *)(r1 + 12);		\
	exit;" :: [time]"i"(BPF_FUNC_ktime_get_ns) : "memory");
}

/* frame pointer is read only */
SEC("xdp")
__attribute__((naked)) int frame_pointer(void)
{
	asm volatile("r10 += -64; r0 = 2; exit;" ::: "memory");
}

static noinline int first(struct xdp_md *ctx)
{
	char a[320];

	bpf_probe_read_kernel(a, sizeof(a), ctx);
	return a[7];
}

static noinline int second(struct xdp_md *ctx)
{
	char b[240];
	int n = first(ctx);

	b[n & 127] = 1;
	opaque(n);
	bpf_xdp_load_bytes(ctx, 0, b, sizeof(b));
	return b[n & 63];
}

/* combined stack size of 3 calls is 576. Too large */
SEC("xdp")
int stack_combined(struct xdp_md *ctx)
{
	return second(ctx) ? XDP_DROP : XDP_PASS;
}
