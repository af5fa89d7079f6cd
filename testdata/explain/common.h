/* What every program here needs. Each shows one message of the verifier; none of them is meant to load. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))
/* The compiler forgets what it knows of a value. */
#define opaque(x) asm volatile("" : "+r"(x))

struct value {
	__u64 packets;
	__u32 kinds[10];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct value);
} counters SEC(".maps");

char _license[] SEC("license") = "GPL";
