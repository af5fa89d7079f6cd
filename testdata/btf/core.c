/*
 * CO-RE relocations of every kind. Built like shapes.c, to core.btf and core.btf.ext.
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

u64 sink[32];

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
	return 0;
}
