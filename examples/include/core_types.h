/* The few kernel types the tracing examples read, with only the members they need.
 * CO-RE finds each member's real place in the kernel the program meets. */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nsproxy;

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	struct task_struct *real_parent;
	char comm[16];
};

/* From 5.14 on a task keeps its state in __state; before, in state. */
struct task_struct___before_5_14 {
	long state;
};
struct task_struct___since_5_14 {
	unsigned int __state;
};

struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
};

struct trace_event_raw_sys_enter {
	struct trace_entry ent;
	long id;
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	struct trace_entry ent;
	long id;
	long ret;
};

#pragma clang attribute pop

#endif
