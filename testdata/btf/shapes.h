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

enum color {
	RED = 0,
	GREEN = 5,
	BLUE = -1,
};

enum small {
	SMALL_A = 0,
	SMALL_B = 1,
} __attribute__((mode(byte)));

enum wide {
	WIDE_LOW = 1ULL,
	WIDE_HIGH = 20015998343868ULL,
};

enum wide_signed {
	WS_MIN = -9223372036854775807LL,
	WS_ONE = 1LL,
};

enum word {
	WORD_A = 0LL,
	WORD_B = 1LL,
} __attribute__((mode(word)));

typedef unsigned char u8;

typedef unsigned int u32;

typedef unsigned long long u64;

typedef unsigned short u16;

struct bits {
	u32 a: 3;
	char: 2;
	u32 b: 7;
	int c: 1;
	u64 d: 33;
	_Bool e: 1;
	u8 f;
	u16 g: 9;
	enum color color: 4;
};

struct color_s {
	int v;
};

typedef struct color_s color_t;

struct gaps {
	u8 a;
	long: 64;
	u64 b;
	u8 c;
	long: 0;
	struct {
		u8 x;
		u32 y;
	} d;
	u8 e;
	long: 64;
	long: 64;
};

struct loop_b;

struct loop_a {
	struct loop_b *b;
};

struct loop_b {
	struct loop_a a;
	struct loop_b *self;
};

struct loop_d;

struct loop_c {
	struct loop_d *d;
};

typedef struct loop_c loop_c_t;

struct loop_d {
	loop_c_t *c;
	loop_c_t by_value;
};

struct node;

typedef struct node *node_ptr;

typedef int (*compare_fn)(const struct node *, const struct node *, ...);

struct opaque;

union opaque_union;

struct node {
	struct node *next;
	node_ptr prev;
	compare_fn compare;
	void (*callbacks[3])(void);
	int (* (*pick)(int))(struct opaque *, union opaque_union *);
};

struct packed_one {
	u8 a;
	u64 b;
	u16 c;
} __attribute__((packed));

struct task;

struct outer {
	union {
		u64 whole;
		struct {
			u32 low;
			u32 high;
		};
		struct {
			u8 bytes[8];
		} named;
	};
	struct packed_one packed;
	volatile const u32 * const restrict_me;
	char matrix[2][3][4];
	struct node *nodes[5];
	int (*table)[7];
	struct {
		enum {
			INNER_A = 0,
			INNER_B = 7,
		} kind;
		union opaque_union *where;
	} *anonymous;
	struct {} empty;
	float ratio;
	double precise;
	struct task __attribute__((btf_type_tag("rcu"))) *tagged;
	long: 64;
	__int128 huge;
	char flexible[0];
};

struct tagged_struct {
	int member;
};


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
