/* lib: BPF programs compiled by farcall. */
#ifndef LIB_H
#define LIB_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the programs call; to be filled in before they run. Each is given R1 to R5, as many as it has parameters,
 * and returns R0. Pointers are those of the process.
 */
extern struct lib_helpers {
	uint64_t (*bpf_ktime_get_ns)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
	uint64_t (*bpf_loop)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
	uint64_t (*bpf_trace_printk)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
	uint64_t (*bpf_map_lookup_elem)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
} lib_helpers;

#ifndef FARCALL_MAP
#define FARCALL_MAP
/* A map. Functions of the table that take a map are given the address of one. */
struct farcall_map {
	uint32_t type, key_size, value_size, max_entries, map_flags, index;
	int64_t values; /* bytes from here to an array's values; 0: who provides the functions keeps them */
	void *user; /* yours */
	char name[24];
};

/* Element n of an array: values begin at multiples of 8 bytes. */
static inline void *farcall_array_value(struct farcall_map *map, uint32_t n)
{
	if (map->values == 0 || n >= map->max_entries)
		return 0;
	return (char *)map + map->values + (uint64_t)n * ((map->value_size + 7u) & ~7u);
}
#endif

/* array, 4 entries of 12 bytes, held here */
struct farcall_map *lib_map_numbers(void);
/* hash, 4 entries of 8 bytes */
struct farcall_map *lib_map_others(void);

/*
 * Programs: R1 is ctx, R0 the result. ctx is the struct user space knows (struct xdp_md and its like); addresses in its
 * 32-bit members are below 4 GiB.
 */
uint64_t prog(void *ctx);

#ifdef __cplusplus
}
#endif
#endif
