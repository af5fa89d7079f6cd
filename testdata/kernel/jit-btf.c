// Programs with code that only exists with BTF: callbacks, loads that may fault, kernel functions. For a kernel lab:
//   clang-19 -target bpfel -mcpu=v4 -g -O2 -c jit-btf.c
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define noinline __attribute__((noinline))
#define ksym __attribute__((section(".ksyms")))
#define uint(name, val) int (*name)[val]
#define type(name, val) typeof(val) *name

static void *(*bpf_map_lookup_elem)(void *, const void *) = (void *)1;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static long (*bpf_for_each_map_elem)(void *, void *, void *, u64) = (void *)164;
static long (*bpf_timer_init)(void *, void *, u64) = (void *)169;
static long (*bpf_timer_set_callback)(void *, void *) = (void *)170;
static long (*bpf_timer_start)(void *, u64, u64) = (void *)171;
static long (*bpf_loop)(u32, void *, void *, u64) = (void *)181;

struct bpf_timer {
	u64 __opaque[2];
} __attribute__((aligned(8)));
struct with_timer {
	u64 n;
	struct bpf_timer t;
};
struct {
	uint(type, 2);
	uint(max_entries, 8);
	type(key, u32);
	type(value, u64);
} numbers SEC(".maps");
struct {
	uint(type, 2);
	uint(max_entries, 1);
	type(key, u32);
	type(value, struct with_timer);
} timers SEC(".maps");

u64 total;
u32 seen[4];
const volatile u32 limit = 9;

static noinline int add(u32 i, void *ctx)
{
	*(u64 *)ctx += i;
	return i > 90;
}

static noinline int each(void *map, u32 *key, u64 *value, void *ctx)
{
	total += *value + *key;
	return 0;
}

static noinline int fired(void *map, int *key, struct with_timer *value)
{
	value->n++;
	return 0;
}

SEC("socket") int loops(void *ctx)
{
	u64 sum = 0;

	bpf_loop(bpf_get_prandom_u32() & 127, add, &sum, 0);
	return sum;
}

SEC("socket") int loops_by_call(void *ctx)
{
	u64 sum = 0;

	bpf_loop(limit, add, &sum, 0);
	bpf_loop(limit, add, &sum, total & 1);
	return sum;
}

SEC("socket") int every_element(void *ctx)
{
	return bpf_for_each_map_elem(&numbers, each, 0, 0);
}

SEC("tc") int timers_set(void *ctx)
{
	u32 zero = 0;
	struct with_timer *v = bpf_map_lookup_elem(&timers, &zero);

	if (!v)
		return 0;
	bpf_timer_init(&v->t, &timers, 1);
	bpf_timer_set_callback(&v->t, fired);
	bpf_timer_start(&v->t, 1000, 0);
	return v->n;
}

noinline int global_sum(u64 a, u64 b, u64 c, u64 d, u64 e)
{
	return a + b * c - (d ^ e) + seen[a & 3];
}

noinline int global_mem(u64 *p)
{
	return p ? *p : 0;
}

SEC("tc") int globals(void *ctx)
{
	u64 v = total;

	return global_sum(1, 2, total, v, limit) + global_mem(&v);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
	int pid;
	int tgid;
	u32 flags;
	u16 migration_disabled;
	int prio;
	u64 start_time;
	char comm[16];
	struct task_struct *parent;
	struct task_struct *real_parent;
};
#pragma clang attribute pop

SEC("tp_btf/sched_switch") int probes(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	u64 sum = prev->pid;

	sum += prev->parent->parent->tgid;
	sum += prev->real_parent->flags;
	sum += next->parent->start_time;
	sum += next->parent->comm[3];
	sum += next->real_parent->migration_disabled;
	return sum & 1;
}

/* Every width, signed too, at offsets that are and are not multiples of 4. */
SEC("tp_btf/sched_switch") int probes_askew(u64 *ctx)
{
	struct task_struct *p = ((struct task_struct *)ctx[1])->parent;
	u64 sum = p->start_time;

	sum += *(u32 *)&p->comm[0];
	sum += *(u16 *)&p->comm[5];
	sum += p->comm[7];
	sum += *(u64 *)&p->comm[1];
	sum += *(u64 *)&p->comm[3];
	sum += (s64) * (s8 *)&p->comm[2];
	sum += (s64) * (s8 *)&p->comm[4];
	sum += (s64) * (s16 *)&p->comm[1];
	sum += (s64) * (s16 *)&p->comm[2];
	sum += (s64) * (s32 *)&p->pid;
	return (int)sum & 1;
}

static noinline u64 parent_of(struct task_struct *p, u64 salt)
{
	return salt + p->parent->pid;
}

SEC("tp_btf/sched_switch") int probes_in_function(u64 *ctx)
{
	struct task_struct *p = (void *)ctx[1];

	return parent_of(p->parent, 1) + parent_of(p->real_parent, 2) > 5 ? 1 : 0;
}

struct bpf_cpumask {
	int unused;
};
struct cpumask {
	int unused;
};
struct bpf_iter_num {
	u64 __opaque[1];
} __attribute__((aligned(8)));
extern struct bpf_cpumask *bpf_cpumask_create(void) ksym;
extern void bpf_cpumask_release(struct bpf_cpumask *) ksym;
extern void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *) ksym;
extern _Bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *) ksym;
extern u32 bpf_cpumask_first(const struct cpumask *) ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) ksym;
extern struct task_struct *bpf_task_from_pid(s32 pid) ksym;
extern void bpf_task_release(struct task_struct *p) ksym;

SEC("tp_btf/task_newtask") int cpumasks(u64 *ctx)
{
	struct bpf_cpumask *m = bpf_cpumask_create();

	if (!m)
		return 0;
	bpf_cpumask_set_cpu(bpf_get_prandom_u32() & 3, m);
	u32 r = bpf_cpumask_first((void *)m);
	r += bpf_cpumask_test_cpu(r, (void *)m);
	bpf_cpumask_release(m);
	return r & 1;
}

SEC("socket") int iterator(void *ctx)
{
	struct bpf_iter_num it;
	int *v, sum = 0;

	bpf_iter_num_new(&it, limit & 3, limit);
	while ((v = bpf_iter_num_next(&it)))
		sum += *v;
	bpf_iter_num_destroy(&it);
	return sum;
}

SEC("tp_btf/task_newtask") int from_pid(u64 *ctx)
{
	struct task_struct *t = bpf_task_from_pid((s32)total - 5);

	if (!t)
		return 0;
	int v = t->pid;
	bpf_task_release(t);
	return v & 1;
}

SEC("fexit/bpf_fentry_test1") int leave(u64 *ctx)
{
	total += ctx[1];
	return 0;
}

SEC("syscall") int from_user(void *ctx)
{
	seen[1] = limit;
	__sync_fetch_and_add(&total, 3);
	return __sync_val_compare_and_swap(&seen[2], 1, 2);
}

char _license[] SEC("license") = "GPL";
