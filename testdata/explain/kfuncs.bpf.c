#include "common.h"

struct task_struct {
	int pid;
	struct task_struct *parent;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct bpf_iter_num___own { __u64 opaque; };

extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num___own *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

/* calling kernel function bpf_task_from_pid is not allowed */
SEC("socket")
int kfunc_type(struct __sk_buff *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return 0;
}

/* Possibly NULL pointer passed to trusted arg0 */
SEC("tp_btf/sched_switch")
int kfunc_null(unsigned long long *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	bpf_task_release(task);
	return 0;
}

/* R1 must be a rcu pointer */
SEC("tp_btf/sched_switch")
int kfunc_untrusted(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1];
	struct task_struct *parent = prev->parent->parent;
	struct task_struct *task = bpf_task_acquire(parent);

	if (task)
		bpf_task_release(task);
	return 0;
}

/* Unreleased reference of a kernel function */
SEC("tp_btf/sched_switch")
int kfunc_leak(unsigned long long *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	return task ? task->pid : 0;
}

/* release kernel function bpf_task_release expects refcounted PTR_TO_BTF_ID */
SEC("tp_btf/sched_switch")
int kfunc_release(unsigned long long *ctx)
{
	bpf_task_release((void *)ctx[1]);
	return 0;
}

/* expected an initialized iter_num as arg #1 */
SEC("tp_btf/sched_switch")
int iterator_unset(unsigned long long *ctx)
{
	struct bpf_iter_num___own it = {};
	int *i = bpf_iter_num_next(&it);

	return i ? *i : 0;
}

/* bpf_rcu_read_unlock is missing */
SEC("tp_btf/sched_switch")
int rcu_missing(unsigned long long *ctx)
{
	bpf_rcu_read_lock();
	return 0;
}

struct file {
	unsigned int f_flags;
} __attribute__((preserve_access_index));
extern struct file *bpf_get_task_exe_file(struct task_struct *task) __ksym;
extern void bpf_put_file(struct file *file) __ksym;

/* R1 must be referenced or trusted */
SEC("lsm.s/file_open")
int kfunc_trusted(unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = bpf_get_task_exe_file(task->real_parent);

	if (file)
		bpf_put_file(file);
	return 0;
}
