// Programs that look at the arguments of calls, for the tests of the command line. Built by
//   clang -target bpf -mcpu=v3 -O2 -g -fdebug-compilation-dir=. -c tracing.bpf.c -o tracing.bpf.o && llvm-strip -g tracing.bpf.o
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

static long (*probe_read_str)(void *dst, __u32 size, const void *from) = (void *)115;
static long (*ringbuf_output)(void *ringbuf, void *data, __u64 size, __u64 flags) = (void *)130;
static long (*perf_event_output)(void *ctx, void *map, __u64 flags, void *data, __u64 size) = (void *)25;
static long (*get_stackid)(void *ctx, void *map, __u64 flags) = (void *)27;
static long (*map_push)(void *map, const void *value, __u64 flags) = (void *)87;
static long (*get_func_ret)(void *ctx, __u64 *value) = (void *)184;
static long (*get_func_arg_cnt)(void *ctx) = (void *)185;

enum mode { QUIET, LOUD = 5 };

struct settings {
	char name[8];
	enum mode mode;
	__u16 ports[3];
	__u8 mac[6];
	union {
		__u8 v6[16];
		__be32 v4;
	};
	__u32 flag : 1, level : 7;
	_Bool on;
};

const volatile struct settings settings = { .name = "none", .level = 3 };
volatile __u64 args[8];
volatile char path[16];

struct call_event {
	__u64 first;
	__u32 second;
	char what[12];
};
const struct call_event *unused __attribute__((unused));

struct wake_event {
	__u64 at;
	__be32 from;
	__be16 port;
	char long_name[66];
	__u64 more[4];
};
// Of the same size as nothing else, but not called an event.
struct pair {
	__u64 a, b;
};

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

struct {
	__uint(type, 23);
	__uint(max_entries, 4);
	__type(value, struct pair);
} stack SEC(".maps");

struct {
	__uint(type, 6);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wake_event);
} heap SEC(".maps");

struct {
	__uint(type, 7);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 64);
} stacks SEC(".maps");

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
} __attribute__((preserve_access_index));

static inline void note(int i, __u64 value)
{
	args[i] = value;
}

SEC("kprobe/do_unlinkat")
int on_call(struct pt_regs *ctx)
{
	note(0, ctx->di);
	note(1, ctx->si);
	note(2, ctx->dx);
	note(3, ctx->cx);
	note(4, ctx->r8);
	note(5, ctx->r9);
	probe_read_str((void *)path, sizeof(path), (void *)ctx->si);
	return 0;
}

SEC("kretprobe/do_unlinkat")
int on_return(struct pt_regs *ctx)
{
	note(0, ctx->ax);
	return 0;
}

SEC("ksyscall/openat")
int on_open(struct pt_regs *ctx)
{
	struct pt_regs *regs = (void *)ctx->di;

	note(0, regs->di);
	note(1, regs->si);
	note(3, regs->r10);
	return 0;
}

SEC("fexit/do_unlinkat")
int on_exit(__u64 *ctx)
{
	__u64 ret = 0;

	note(0, ctx[0]);
	note(1, ctx[1]);
	note(2, ctx[2]);
	note(3, get_func_arg_cnt(ctx));
	note(4, get_func_ret(ctx, &ret));
	note(5, ret);
	return 0;
}

SEC("raw_tp/sched_switch")
int on_switch(__u64 *ctx)
{
	struct call_event event = { .first = ctx[0], .second = ctx[1], .what = "switch" };
	struct pair pair = { ctx[0], ctx[1] };

	ringbuf_output(&ring, &event, sizeof(event), 0);
	struct wake_event wake = { .at = 1, .from = 0x0100000a, .port = 0x5000, .long_name = "somebody", .more = { 100000, 200000, 300000, 1ull << 63 } };

	ringbuf_output(&ring, &wake, sizeof(wake), 0);
	ringbuf_output(&ring, &pair, sizeof(pair), 0);
	ringbuf_output(&ring, &pair, 3, 0);
	perf_event_output(ctx, &perf, 0xffffffff, &event, sizeof(event));
	get_stackid(ctx, &stacks, 0);
	map_push(&stack, &pair, 0);
	pair.a++;
	map_push(&stack, &pair, 0);
	return 0;
}

extern int no_such_kfunc(__u64 value) __attribute__((section(".ksyms")));

SEC("raw_tp/sched_wakeup")
int on_wakeup(__u64 *ctx)
{
	return no_such_kfunc(ctx[0]);
}

struct open_record {
	__u64 common;
	int dfd;
	__be16 port;
	const char *filename;
};

SEC("tracepoint/syscalls/sys_enter_openat")
int on_record(struct open_record *ctx)
{
	note(0, ctx->dfd);
	note(1, ctx->port);
	probe_read_str((void *)path, sizeof(path), ctx->filename);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
