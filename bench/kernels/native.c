/*
 * Runs kernels compiled for this machine: reads lines "INDEX TIMES" and answers "NANOSECONDS RESULT". Data of kernel INDEX
 * is the file in argument INDEX + 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "kernel.h"

#define KERNEL(name) u64 kernel_##name(struct ctx *);
KERNELS
#undef KERNEL
#define KERNEL(name) kernel_##name,
static u64 (*const kernels[])(struct ctx *) = { KERNELS };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct ctx *of = calloc(argc, sizeof(*of));
	unsigned index, times;

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		u8 *data = aligned_alloc(64, 1 << 16);

		if (!file)
			return 1;
		of[i - 1].data = data;
		of[i - 1].data_end = data + fread(data, 1, 1 << 16, file);
		fclose(file);
	}
	while (scanf("%u %u", &index, &times) == 2) {
		u64 result = 0;
		double from = now();

		for (unsigned n = 0; n < times; n++)
			result = kernels[index](&of[index]);
		printf("%.0f %llu\n", now() - from, result);
		fflush(stdout);
	}
	return 0;
}
