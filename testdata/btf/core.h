#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

typedef unsigned int u32;

typedef unsigned long long u64;

union anonymous_holder {
	struct {
		int a;
		int b[4];
	};
	long c;
};

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

struct no_such_struct {
	int x;
};

struct task_struct {
	int pid;
	char comm[16];
	struct task_struct *real_parent;
	u32 in_execve: 1;
	struct list_head children;
};

struct task_struct___flavor {
	long no_such_field;
	int prio;
};

typedef int (*initcall_t)(void);


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
