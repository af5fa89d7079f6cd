// A histogram of system call latencies by call number, with CO-RE: types come from core_types.h, places from the kernel.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "core_types.h"

#define SLOTS 26

struct histogram {
	__u64 slots[SLOTS];
	char comm[16];
	__u32 parent;
	__u32 state;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, __u64);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, struct histogram);
} latencies SEC(".maps");

const volatile _Bool in_microseconds = 1;
static struct histogram zero;

static __always_inline __u32 log2_of(__u64 value)
{
	__u32 result = 0, shift;

	shift = (value > 0xffffffff) << 5;
	value >>= shift;
	result |= shift;
	shift = (value > 0xffff) << 4;
	value >>= shift;
	result |= shift;
	shift = (value > 0xff) << 3;
	value >>= shift;
	result |= shift;
	shift = (value > 0xf) << 2;
	value >>= shift;
	result |= shift;
	shift = (value > 0x3) << 1;
	value >>= shift;
	result |= shift;
	return result | (value >> 1);
}

static __always_inline __u32 task_state(struct task_struct *task)
{
	struct task_struct___since_5_14 *since = (void *)task;

	if (bpf_core_field_exists(since->__state))
		return BPF_CORE_READ(since, __state);
	return BPF_CORE_READ((struct task_struct___before_5_14 *)task, state);
}

SEC("tracepoint/raw_syscalls/sys_enter")
int on_enter(struct trace_event_raw_sys_enter *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();

	bpf_map_update_elem(&started, &id, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int on_exit(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), *start, delta;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct histogram *histogram;
	__u32 call = ctx->id, slot;

	start = bpf_map_lookup_elem(&started, &id);
	if (!start)
		return 0;
	delta = bpf_ktime_get_ns() - *start;
	bpf_map_delete_elem(&started, &id);
	if (in_microseconds)
		delta /= 1000;
	histogram = bpf_map_lookup_elem(&latencies, &call);
	if (!histogram) {
		bpf_map_update_elem(&latencies, &call, &zero, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(&latencies, &call);
		if (!histogram)
			return 0;
		bpf_get_current_comm(histogram->comm, sizeof(histogram->comm));
		histogram->parent = BPF_CORE_READ(task, real_parent, tgid);
		histogram->state = task_state(task);
	}
	slot = log2_of(delta);
	if (slot >= SLOTS)
		slot = SLOTS - 1;
	__sync_fetch_and_add(&histogram->slots[slot], 1);
	if (ctx->ret < 0)
		bpf_printk("call %u failed: %ld", call, ctx->ret);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
