/*
 * CO-RE relocations of every kind. Built like shapes.c, to core.btf and core.btf.ext, and for bpfeb to coreeb.*.
 * target.c, built likewise, is the "kernel". core.log is what libbpf 1.5 says of relocating one to the other:
 *   bpftool -d gen min_core_btf target.btf /dev/null core.o 2>&1 | grep -o 'relo #.*'
 */
#define SEC(name) __attribute__((section(name), used))
#define __pai __attribute__((preserve_access_index))

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

enum field_info { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT };

struct list_head { struct list_head *next, *prev; } __pai;
struct task_struct {
	int pid;
	char comm[16];
	struct task_struct *real_parent;
	u32 in_execve : 1;
	struct list_head children;
} __pai;
struct task_struct___flavor {
	long no_such_field;
	int prio;
} __pai;
struct no_such_struct { int x; } __pai;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 77, BPF_MAP_TYPE_NONE_SUCH = 78 };
typedef int (*initcall_t)(void);
union anonymous_holder { struct { int a; int b[4]; }; long c; } __pai;

struct several { int one; long two; } __pai;
struct sizes { u32 grows; int grows_signed; void *pointer; short becomes_pointer; u8 shrinks[8]; } __pai;
struct flexible { int count; struct list_head items[]; } __pai;
struct nested { struct { struct { u8 pad; u32 deep; }; union { int x; char bytes[4]; }; }; } __pai;
struct bits { u32 a : 5; u32 b : 20; u64 wide : 40; int s : 3; } __pai;
struct matches { int a; struct list_head *p; enum bpf_map_type *e; int (*f)(struct several *, long); } __pai;
struct matches_not { int a; long changed_sign; } __pai;
enum becomes_enum64 { BE_ONE = 1, BE_MINUS = -5 };
enum big_values { BIG = 0x8000000000000001ULL, NOT_IN_TARGET };
typedef struct several several_t;
typedef void (*callback_t)(struct several *, int, char);

u64 sink[64];

SEC("socket") int prog(struct task_struct *t)
{
	struct task_struct___flavor *f = (void *)t;
	struct list_head *l = (void *)t;
	union anonymous_holder *h = (void *)t;
	int i = 0;

	sink[i++] = (u64)t->pid;
	sink[i++] = (u64)t->comm[3];
	sink[i++] = (u64)l->prev;
	sink[i++] = (u64)h->b[2];
	sink[i++] = (u64)t->children.prev;
	sink[i++] = __builtin_preserve_field_info(t->pid, BYTE_SIZE);
	sink[i++] = __builtin_preserve_field_info(t->pid, EXISTS);
	sink[i++] = __builtin_preserve_field_info(f->no_such_field, EXISTS);
	sink[i++] = __builtin_preserve_field_info(f->prio, BYTE_OFFSET);
	sink[i++] = __builtin_preserve_field_info(t->pid, SIGNED);
	sink[i++] = __builtin_preserve_field_info(t->in_execve, BYTE_OFFSET);
	sink[i++] = __builtin_preserve_field_info(t->in_execve, BYTE_SIZE);
	sink[i++] = __builtin_preserve_field_info(t->in_execve, LSHIFT);
	sink[i++] = __builtin_preserve_field_info(t->in_execve, RSHIFT);
	sink[i++] = __builtin_btf_type_id(*(struct task_struct *)0, 0);
	sink[i++] = __builtin_btf_type_id(*(struct task_struct *)0, 1);
	sink[i++] = __builtin_preserve_type_info(*(struct task_struct *)0, 0);
	sink[i++] = __builtin_preserve_type_info(*(struct no_such_struct *)0, 0);
	sink[i++] = __builtin_preserve_type_info(*(struct task_struct *)0, 1);
	sink[i++] = __builtin_preserve_type_info(*(struct list_head *)0, 2);
	sink[i++] = __builtin_preserve_type_info(*(initcall_t *)0, 0);
	sink[i++] = __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_HASH, 0);
	sink[i++] = __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_NONE_SUCH, 0);
	sink[i++] = __builtin_preserve_enum_value(*(enum bpf_map_type *)BPF_MAP_TYPE_HASH, 1);
	sink[i++] = (u64)f->no_such_field;

	struct several *sv = (void *)t;
	struct sizes *sz = (void *)t;
	struct flexible *fl = (void *)t;
	struct nested *n = (void *)t;
	struct bits *b = (void *)t;

	sink[i++] = (u64)sv->two;
	sink[i++] = (u64)sv[2].two;
	sink[i++] = (u64)sz->grows;
	sink[i++] = (u64)sz->grows_signed;
	sink[i++] = (u64)sz->pointer;
	sink[i++] = __builtin_preserve_field_info(sz->becomes_pointer, EXISTS);
	sink[i++] = __builtin_preserve_field_info(sz->shrinks[2], EXISTS);
	sink[i++] = __builtin_preserve_field_info(sz->shrinks[6], EXISTS);
	sink[i++] = (u64)fl->items[5].prev;
	sink[i++] = n->deep;
	sink[i++] = (u64)n->bytes[2];
	sink[i++] = __builtin_preserve_field_info(b->b, BYTE_OFFSET);
	sink[i++] = __builtin_preserve_field_info(b->b, BYTE_SIZE);
	sink[i++] = __builtin_preserve_field_info(b->b, LSHIFT);
	sink[i++] = __builtin_preserve_field_info(b->b, RSHIFT);
	sink[i++] = __builtin_preserve_field_info(b->wide, LSHIFT);
	sink[i++] = __builtin_preserve_field_info(b->s, SIGNED);
	sink[i++] = __builtin_preserve_type_info(*(struct matches *)0, 2);
	sink[i++] = __builtin_preserve_type_info(*(struct matches_not *)0, 2);
	sink[i++] = __builtin_preserve_type_info(*(several_t *)0, 1);
	sink[i++] = __builtin_preserve_type_info(*(callback_t *)0, 0);
	sink[i++] = __builtin_preserve_enum_value(*(enum becomes_enum64 *)BE_ONE, 1);
	sink[i++] = __builtin_preserve_enum_value(*(enum becomes_enum64 *)BE_MINUS, 1);
	sink[i++] = __builtin_preserve_enum_value(*(enum big_values *)BIG, 1);
	sink[i++] = __builtin_preserve_enum_value(*(enum big_values *)NOT_IN_TARGET, 1);
	return 0;
}
