/*
 * A C program that embeds a shared object of farcall's, for test/differential/shared-object.test.ts. What a compiler made of
 * it is kept beside it, so that the test needs an assembler and a linker only:
 *
 *   clang -O1 -ffreestanding -fno-addrsig --target=powerpc64le-linux-gnu -mcpu=power8 -S caller.c -o ppc64le.s
 *   clang -O1 -ffreestanding -fno-addrsig --target=powerpc64-linux-gnu -mcpu=power8 -mabi=elfv1 -S caller.c -o ppc64.s
 *
 * lib.h is the header farcall writes; the test compares.
 */
#include "lib.h"

int printf(const char *, ...);
void exit(int);

static uint64_t calls;
static uint64_t kept = 7;

static uint64_t now(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	calls++;
	return 1000;
}

/* Everything it is given, by a function of another library that takes any number of arguments. */
static uint64_t trace(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	printf("trace %s %llu %llu %llu %llu %llu\n", (const char *)a, (unsigned long long)b, (unsigned long long)c,
	       (unsigned long long)d, (unsigned long long)e, (unsigned long long)calls);
	return 1;
}

static uint64_t lookup(uint64_t map, uint64_t key, uint64_t c, uint64_t d, uint64_t e)
{
	struct farcall_map *given = (struct farcall_map *)map;
	printf("lookup %s %u\n", given->name, *(unsigned *)key);
	return given == lib_map_others() ? (uint64_t)&kept : 0;
}

static uint64_t loop(uint64_t rounds, uint64_t function, uint64_t context, uint64_t flags, uint64_t e)
{
	uint64_t (*each)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) = (void *)function;
	uint64_t round;

	for (round = 0; round < rounds; round++)
		if (each(round, context, 0, 0, 0) != 0)
			return round + 1;
	return round;
}

void _start(void)
{
	static unsigned char context[64] = { 4 };
	uint64_t (*volatile pointer)(void *) = prog;
	uint64_t first, second;

	lib_helpers.bpf_ktime_get_ns = now;
	lib_helpers.bpf_trace_printk = trace;
	lib_helpers.bpf_map_lookup_elem = lookup;
	lib_helpers.bpf_loop = loop;
	first = prog(context);
	second = pointer(context);
	printf("%llu %llu %llu %llu\n", (unsigned long long)first, (unsigned long long)second, (unsigned long long)calls,
	       *(unsigned long long *)farcall_array_value(lib_map_numbers(), 2));
	exit(0);
}
