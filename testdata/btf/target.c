/*
 * The types core.c is relocated to, with fields moved, grown, wrapped and missing.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct list_head { struct list_head *next, *prev; };
struct task_struct {
	long state;
	struct task_struct *real_parent;
	u32 flags : 7, in_execve : 1;
	int prio;
	union { struct { int pid, tgid; }; u64 both; };
	char comm[32];
	struct list_head tasks, children;
};
enum bpf_map_type { BPF_MAP_TYPE_UNSPEC, BPF_MAP_TYPE_HASH };
typedef int initcall_entry_t;
typedef int (*initcall_t)(void);
struct several { char pad[8]; int one; long two; };
struct several___2 { char other[8]; int one; long two; };
struct sizes { u64 grows; long grows_signed; int *pointer; void *becomes_pointer; u8 shrinks[4]; };
struct flexible { long count; long extra; struct list_head items[]; };
struct nested { long before; union { struct { u32 deep; }; struct { char bytes[4]; }; }; };
struct bits { u64 head : 30; u32 a : 5; u64 b : 33; u64 wide : 40; unsigned int s : 3; };
struct several_fwd;
struct matches { long more; int (*f)(struct several *, long); enum bpf_map_type *e; struct list_head *p; int a; };
struct matches_not { int a; unsigned long changed_sign; };
enum becomes_enum64 { BE_ONE = 7, BE_MINUS = -9, BE_LARGE = 0x100000000LL };
enum big_values { BIG = 0x8000000000000002ULL };
typedef struct several several_t;
typedef int (*callback_t)(struct several *, int, char);

struct all {
	struct task_struct a; initcall_t b; struct several c; struct several___2 d; struct sizes e; struct nested g;
	struct bits h; struct matches i; struct matches_not j; enum becomes_enum64 k; enum big_values l; several_t m;
	callback_t n; enum bpf_map_type o; struct flexible f;
} all;
