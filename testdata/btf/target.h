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
	BIG = 9223372036854775810ULL,
};

enum bpf_map_type {
	BPF_MAP_TYPE_UNSPEC = 0,
	BPF_MAP_TYPE_HASH = 1,
};

typedef unsigned char u8;

typedef unsigned int u32;

typedef unsigned long long u64;

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

struct task_struct {
	long state;
	struct task_struct *real_parent;
	u32 flags: 7;
	u32 in_execve: 1;
	int prio;
	union {
		struct {
			int pid;
			int tgid;
		};
		u64 both;
	};
	char comm[32];
	struct list_head tasks;
	struct list_head children;
};

typedef int (*initcall_t)(void);

struct several {
	char pad[8];
	int one;
	long two;
};

struct several___2 {
	char other[8];
	int one;
	long two;
};

struct sizes {
	u64 grows;
	long grows_signed;
	int *pointer;
	void *becomes_pointer;
	u8 shrinks[4];
};

struct nested {
	long before;
	union {
		struct {
			u32 deep;
		};
		struct {
			char bytes[4];
		};
	};
};

struct bits {
	u64 head: 30;
	int: 2;
	u32 a: 5;
	long: 27;
	u64 b: 33;
	long: 31;
	u64 wide: 40;
	unsigned int s: 3;
};

struct matches {
	long more;
	int (*f)(struct several *, long);
	enum bpf_map_type *e;
	struct list_head *p;
	int a;
};

struct matches_not {
	int a;
	unsigned long changed_sign;
};

enum becomes_enum64 {
	BE_ONE = 7LL,
	BE_MINUS = -9LL,
	BE_LARGE = 4294967296LL,
};

typedef struct several several_t;

typedef int (*callback_t)(struct several *, int, char);

struct flexible {
	long count;
	long extra;
	struct list_head items[0];
};

struct all {
	struct task_struct a;
	initcall_t b;
	struct several c;
	struct several___2 d;
	struct sizes e;
	struct nested g;
	struct bits h;
	struct matches i;
	struct matches_not j;
	enum becomes_enum64 k;
	enum big_values l;
	several_t m;
	callback_t n;
	enum bpf_map_type o;
	struct flexible f;
};


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
