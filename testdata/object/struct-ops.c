// Two struct_ops variables, one of them made on demand only.
#include "fixture.h"

struct sock;

struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 flags;
	char name[16];
};

SEC("struct_ops/threshold")
u32 threshold(u64 *ctx)
{
	return 2;
}

SEC("struct_ops")
int avoid(u64 *ctx)
{
	return 0;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops plain = {
	.ssthresh = (void *)threshold,
	.cong_avoid = (void *)avoid,
	.flags = 5,
	.name = "plain",
};

SEC("?.struct_ops")
struct tcp_congestion_ops spare = {
	.ssthresh = (void *)threshold,
	.name = "spare",
};

char _license[] SEC("license") = "GPL";
