#include "common.h"

struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } parsers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");

struct account { struct bpf_spin_lock lock; __u32 bytes; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, struct account); } accounts SEC(".maps");

struct event { __u32 pid; char comm[16]; };

/* program of this type cannot use helper */
SEC("xdp")
int helper_type(struct xdp_md *ctx)
{
	return bpf_skb_load_bytes(ctx, 0, ctx, 4);
}

/* R2 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_ */
SEC("xdp")
int key_by_value(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;

	return bpf_map_lookup_elem(&counters, (void *)(long)key) != 0;
}

/* R1 type=map_value_or_null expected=... */
SEC("xdp")
int null_argument(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct value *value = bpf_map_lookup_elem(&counters, &key);

	return bpf_map_update_elem(&counters, &key, value, BPF_ANY);
}

/* cannot pass map_type 3 into func bpf_map_lookup_elem#1 */
SEC("xdp")
int map_kind(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&parsers, &key) != 0;
}

/* Unreleased reference id=2 alloc_insn=4: a ring buffer record is dropped on one path */
SEC("tp/sched/sched_switch")
int record_dropped(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	if (event->pid == 0)
		return 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* R6 invalid mem access 'scalar': used after it was given back */
SEC("tp/sched/sched_switch")
int record_reused(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	bpf_ringbuf_submit(event, 0);
	event->pid = 1;
	return 0;
}

/* R1 must be referenced when passed to release function */
SEC("tc")
int release_other(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (sk)
		bpf_sk_release(sk);
	return 0;
}

/* tail_call would lead to reference leak */
SEC("tc")
int tail_call_leak(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), -1, 0);

	if (!sk)
		return 0;
	bpf_tail_call(skb, &parsers, 0);
	bpf_sk_release(sk);
	return 0;
}

/* function calls are not allowed while holding a lock */
SEC("tc")
int call_locked(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct account *account = bpf_map_lookup_elem(&accounts, &key);

	if (!account)
		return 0;
	bpf_spin_lock(&account->lock);
	account->bytes += bpf_ktime_get_ns();
	bpf_spin_unlock(&account->lock);
	return 0;
}

/* bpf_spin_unlock is missing */
SEC("tc")
int unlock_missing(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct account *account = bpf_map_lookup_elem(&accounts, &key);

	if (!account)
		return 0;
	bpf_spin_lock(&account->lock);
	if (account->bytes > 1000)
		return 1;
	account->bytes += skb->len;
	bpf_spin_unlock(&account->lock);
	return 0;
}

/* tracing progs cannot use bpf_spin_lock yet */
SEC("kprobe/do_unlinkat")
int lock_tracing(void *ctx)
{
	__u32 key = 0;
	struct account *account = bpf_map_lookup_elem(&accounts, &key);

	return account ? account->bytes : 0;
}

/* At program exit the register R0 has smin=2 smax=2 should have been in [0, 1] */
SEC("cgroup/sock_create")
int return_range(struct bpf_sock *sk)
{
	return sk->family == 2 ? 1 : 2;
}

/* helper call might sleep in a non-sleepable prog */
SEC("fentry/do_unlinkat")
int helper_sleeps(unsigned long long *ctx)
{
	char name[16];

	bpf_copy_from_user(name, sizeof(name), (void *)ctx[1]);
	return 0;
}

/* Expected an initialized dynptr as arg #2 */
SEC("xdp")
int dynptr_unset(struct xdp_md *ctx)
{
	struct bpf_dynptr view;
	char buffer[8];

	return bpf_dynptr_read(buffer, sizeof(buffer), &view, 0, 0);
}

/* R3 is not a known constant */
SEC("tp/sched/sched_switch")
int size_variable(void *ctx)
{
	__u32 size = bpf_get_prandom_u32() & 63;
	void *record = bpf_ringbuf_reserve(&events, size, 0);

	if (record)
		bpf_ringbuf_discard(record, 0);
	return 0;
}

/* CO-RE: a field no kernel has */
struct task_struct {
	int pid;
	int farcall_missing;
} __attribute__((preserve_access_index));

SEC("tp_btf/sched_switch")
int core_missing(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1];

	return prev->farcall_missing;
}

/* invalid func unknown#9999 */
SEC("xdp")
int helper_unknown(struct xdp_md *ctx)
{
	static long (*farcall_unknown)(void) = (void *)9999;

	return farcall_unknown();
}
