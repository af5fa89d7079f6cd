// Tail calls from functions, in every order with functions that call and do not; exceptions. For a kernel lab:
//   clang-19 -target bpfel -mcpu=v4 -g -O2 -c jit-tails.c
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define noinline static __attribute__((__noinline__))
#define uint(name, val) int (*name)[val]
#define type(name, val) typeof(val) *name

struct __sk_buff {
	u32 len, pkt_type, mark;
};
static long (*bpf_tail_call)(void *, void *, u32) = (void *)12;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
extern void bpf_throw(u64 cookie) __attribute__((section(".ksyms")));

struct {
	uint(type, 3);
	uint(max_entries, 4);
	type(key, u32);
	type(value, u32);
} programs SEC(".maps");

#define KEEP(x) asm volatile("" : "+r"(x))

noinline int leaf(struct __sk_buff *skb)
{
	int n = skb->len;

	KEEP(n);
	return n;
}

noinline int caller(struct __sk_buff *skb)
{
	int n = leaf(skb) + 1;

	KEEP(n);
	return n;
}

noinline int tail(struct __sk_buff *skb)
{
	volatile u64 room[3] = { skb->mark };

	bpf_tail_call(skb, &programs, 1);
	return room[0];
}

noinline int tail_anywhere(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, bpf_get_prandom_u32());
	return leaf(skb);
}

noinline int both(struct __sk_buff *skb)
{
	int n = caller(skb);

	n += tail(skb);
	n += caller(skb);
	KEEP(n);
	return n;
}

SEC("tc") int calls_behind_tails(struct __sk_buff *skb)
{
	int n = tail(skb);

	n += caller(skb);
	n += leaf(skb);
	return n;
}

SEC("tc") int calls_before_tails(struct __sk_buff *skb)
{
	int n = caller(skb);

	n += leaf(skb);
	n += tail(skb);
	return n;
}

SEC("tc") int tails_within(struct __sk_buff *skb)
{
	int n = both(skb);

	n += tail_anywhere(skb);
	bpf_tail_call(skb, &programs, 3);
	return n;
}

SEC("tc") int tails_last(struct __sk_buff *skb)
{
	volatile u64 room[20] = { skb->mark };
	int n = both(skb);

	bpf_tail_call(skb, &programs, n);
	return room[0];
}

noinline u64 thrower(struct __sk_buff *skb)
{
	u64 n = skb->len;

	if (n > 1000)
		bpf_throw(n);
	KEEP(n);
	return n;
}

SEC("tc") int throws(struct __sk_buff *skb)
{
	u64 n = thrower(skb);

	if (skb->mark == 7)
		bpf_throw(1);
	return n + leaf(skb);
}

__attribute__((__noinline__)) int caught(u64 cookie)
{
	return cookie + 3;
}

SEC("tc") __attribute__((btf_decl_tag("exception_callback:caught"))) int throws_to(struct __sk_buff *skb)
{
	volatile u64 room[5] = { skb->mark };

	thrower(skb);
	return room[0];
}

char _license[] SEC("license") = "GPL";
