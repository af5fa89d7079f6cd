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

enum big_values {
	BIG = 9223372036854775809ULL,
	NOT_IN_TARGET = 9223372036854775810ULL,
};

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 77,
	BPF_MAP_TYPE_NONE_SUCH = 78,
};

typedef unsigned char u8;

typedef unsigned int u32;

typedef unsigned long long u64;

union anonymous_holder {
	struct {
		int a;
		int b[4];
	};
	long c;
};

struct bits {
	u32 a: 5;
	u32 b: 20;
	long: 39;
	u64 wide: 40;
	int s: 3;
};

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

struct flexible {
	int count;
	struct list_head items[0];
};

struct several;

struct matches {
	int a;
	struct list_head *p;
	enum bpf_map_type *e;
	int (*f)(struct several *, long);
};

struct matches_not {
	int a;
	long changed_sign;
};

struct nested {
	struct {
		struct {
			u8 pad;
			u32 deep;
		};
		union {
			int x;
			char bytes[4];
		};
	};
};

struct no_such_struct {
	int x;
};

struct several {
	int one;
	long two;
};

typedef struct several several_t;

struct sizes {
	u32 grows;
	int grows_signed;
	void *pointer;
	short becomes_pointer;
	u8 shrinks[8];
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

typedef void (*callback_t)(struct several *, int, char);

typedef int (*initcall_t)(void);


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
