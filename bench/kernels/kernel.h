/*
 * One kernel a file: `kernel(ctx)` reads what lies between `data` and `data_end` and returns a number. The same source goes
 * to BPF, where a context holds 32-bit addresses as that of an XDP program does, and to the machine itself.
 */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#ifdef __bpf__
struct ctx {
	u32 data;
	u32 data_end;
};
#define ADDRESS(x) ((u8 *)(long)(x))
#else
struct ctx {
	u8 *data;
	u8 *data_end;
};
#define ADDRESS(x) (x)
#endif

#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

u64 kernel(struct ctx *ctx);

#endif
