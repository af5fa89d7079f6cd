/*
 * Shapes that a BTF reader and a C dump have to get right. Built to shapes.o, whose .BTF and .BTF.ext are
 * shapes.btf and shapes.btf.ext:
 *   clang-19 -O2 -g -fdebug-compilation-dir=. -target bpf -mcpu=v3 -c shapes.c -o shapes.o
 *   llvm-objcopy-19 --dump-section .BTF=shapes.btf --dump-section .BTF.ext=shapes.btf.ext shapes.o
 * and to shapeseb.btf with -target bpfeb.
 * shapes.raw, shapes.json and shapes.h are what bpftool 7.5 prints of shapes.btf in its formats.
 */
#define SEC(name) __attribute__((section(name), used))
#define __tag(x) __attribute__((btf_type_tag(#x)))
#define __decl(x) __attribute__((btf_decl_tag(#x)))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed long long s64;

enum color { RED, GREEN = 5, BLUE = -1 };
enum wide { WIDE_LOW = 1, WIDE_HIGH = 0x123456789abcULL };
enum wide_signed { WS_MIN = -0x7fffffffffffffffLL, WS_ONE = 1 };
enum small { SMALL_A, SMALL_B } __attribute__((mode(byte)));
enum word { WORD_A, WORD_B } __attribute__((mode(word)));
enum forward;

struct opaque;
union opaque_union;
struct node;
typedef struct node *node_ptr;
typedef int (*compare_fn)(const struct node *a, const struct node *b, ...);

struct node {
	struct node *next;
	node_ptr prev;
	compare_fn compare;
	void (*callbacks[3])(void);
	int (*(*pick)(int which))(struct opaque *, union opaque_union *);
};

struct bits {
	u32 a : 3;
	u32 : 2;
	u32 b : 7;
	int c : 1;
	u64 d : 33;
	_Bool e : 1;
	u8 f;
	u16 g : 9;
	enum color color : 4;
};

struct gaps {
	u8 a;
	u64 b __attribute__((aligned(16)));
	u8 c;
	struct { u8 x; u32 y; } d __attribute__((aligned(32)));
	u8 e;
};

struct packed_one {
	u8 a;
	u64 b;
	u16 c;
} __attribute__((packed));

struct outer {
	union {
		u64 whole;
		struct {
			u32 low;
			u32 high;
		};
		struct { u8 bytes[8]; } named;
	};
	struct packed_one packed;
	const volatile u32 *const restrict_me;
	char matrix[2][3][4];
	struct node *nodes[5];
	int (*table)[7];
	struct {
		enum { INNER_A, INNER_B = 7 } kind;
		union opaque_union *where;
	} *anonymous;
	struct {} empty;
	float ratio;
	double precise;
	struct task __tag(rcu) *__tag(user) tagged;
	__int128 huge;
	char flexible[];
};

/* Equal names in different name spaces and scopes. */
typedef struct color_s { int v; } color_t;
int RED_count(void) { struct color_s { long w; } x = { 1 }; static volatile long keep; keep = x.w; return (int)keep; }

struct __decl(important) tagged_struct {
	int member __decl(member_tag);
};

struct loop_a { struct loop_b *b; };
struct loop_b { struct loop_a a; struct loop_b *self; };
typedef struct loop_c { struct loop_d *d; } loop_c_t;
struct loop_d { loop_c_t *c; loop_c_t by_value; };

static volatile int static_counter = 1;
u64 global_total = 2;
const volatile int rodata_limit = 3;
extern int external_value __attribute__((section(".kconfig"), weak));
extern void external_func(struct opaque *) __attribute__((section(".ksyms"), weak));
struct outer *outer_ptr;
struct bits all_bits;
struct gaps all_gaps;
enum wide wide_value;
enum wide_signed wide_signed_value;
enum small small_value;
enum word word_value;
struct tagged_struct tagged_value;
struct loop_b loop_b_value;
struct loop_d loop_d_value;
color_t color_value;

static __attribute__((noinline)) int helper(struct node *node, u32 count __decl(arg_tag))
{
	static_counter += (int)count;
	return node ? static_counter : rodata_limit;
}

SEC("socket") int prog(struct outer *ctx)
{
	global_total += (u64)helper((struct node *)ctx, 4);
	if (&external_value)
		global_total += (u64)external_value;
	if (external_func)
		external_func(0);
	return (int)ctx->whole;
}

SEC("socket") int prog2(struct outer *ctx)
{
	return (int)ctx->packed.c;
}

char _license[] SEC("license") = "GPL";
