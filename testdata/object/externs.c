// Externs: .kconfig of every type, kernel symbols with and without type, kernel functions, weak ones.
#include "fixture.h"

enum libbpf_tristate { TRI_NO = 0, TRI_YES = 1, TRI_MODULE = 2 };
struct task_struct {
	int pid;
};
struct rq {
	int cpu;
};

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern _Bool CONFIG_BPF_SYSCALL KCONFIG;
extern enum libbpf_tristate CONFIG_BONDING KCONFIG;
extern char CONFIG_LETTER KCONFIG;
extern char CONFIG_NAME[6] KCONFIG;
extern u64 CONFIG_LARGE KCONFIG;
extern short CONFIG_NEGATIVE KCONFIG;
extern u16 CONFIG_MISSING KCONFIG WEAK;

extern const void some_symbol KSYM;
extern const struct rq runqueues KSYM;
extern const int absent KSYM WEAK;
extern void bpf_task_release(struct task_struct *task) KSYM;
extern int bpf_not_there(int x) KSYM WEAK;

SEC("raw_tp/sched_switch")
int look(void *ctx)
{
	u64 sum = LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL + CONFIG_BONDING + CONFIG_LETTER;
	sum += CONFIG_NAME[1] + CONFIG_LARGE + CONFIG_NEGATIVE + CONFIG_MISSING;
	sum += (u64)&some_symbol + (u64)&runqueues;
	if (&absent)
		sum++;
	if (bpf_not_there)
		sum += bpf_not_there((int)sum);
	bpf_task_release((void *)sum);
	return (int)sum;
}

char _license[] SEC("license") = "GPL";
