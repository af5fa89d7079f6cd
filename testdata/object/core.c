// CO-RE relocations of every kind clang 14 can make; core-target.c has the types of the kernel they meet.
#include "fixture.h"

struct point {
	int x;
	int y;
} CORE;

enum colour { RED = 1, GREEN = 2, BLUE = 7 };
enum gone { NOWHERE = 3 };

struct task {
	int pid;
	u64 start;
	struct point at;
	char comm[16];
	u32 state : 3;
	int level : 5;
	u32 width;
	struct task *parent;
	int vanished;
} CORE;

struct missing {
	int a;
} CORE;

typedef int count_t;

SEC("raw_tp")
int relocate(struct task *task)
{
	u64 sum = task->pid;
	sum += task->start;
	sum += task->at.y;
	sum += task->comm[3];
	sum += task->width;
	sum += task->parent->parent->pid;
	sum += (u64)__builtin_preserve_access_index(&task->at);
	sum += __builtin_preserve_field_info(task->start, 0);
	sum += __builtin_preserve_field_info(task->start, 1);
	sum += __builtin_preserve_field_info(task->vanished, 2);
	sum += __builtin_preserve_field_info(task->level, 3);
	sum += __builtin_preserve_field_info(task->state, 4);
	sum += __builtin_preserve_field_info(task->state, 5);
	sum += __builtin_preserve_field_info(task->state, 0);
	sum += __builtin_btf_type_id(*(struct point *)0, 0);
	sum += __builtin_btf_type_id(*(struct point *)0, 1);
	sum += __builtin_preserve_type_info(*(struct point *)0, 0);
	sum += __builtin_preserve_type_info(*(struct missing *)0, 0);
	sum += __builtin_preserve_type_info(*(struct point *)0, 1);
	sum += __builtin_preserve_type_info(*(count_t *)0, 0);
	sum += __builtin_preserve_enum_value(*(enum colour *)BLUE, 1);
	sum += __builtin_preserve_enum_value(*(enum colour *)RED, 0);
	sum += __builtin_preserve_enum_value(*(enum gone *)NOWHERE, 0);
	if (sum == 1)
		sum += ((struct missing *)task)->a;
	return (int)sum;
}

static NOINLINE int in_subprog(struct point *p)
{
	return p->y;
}

SEC("raw_tp")
int through_subprog(struct point *p)
{
	return in_subprog(p) + p->x;
}

char _license[] SEC("license") = "GPL";
