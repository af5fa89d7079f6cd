// Maps as before BTF: structures in a `maps` section, of the sizes that several loaders gave them.
#include "fixture.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags;
};
struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};
struct rust_map {
	u32 type, key_size, value_size, max_entries, map_flags, id, pinning;
};

struct bpf_map_def plain SEC("maps") = { 1, 4, 8, 100, 1 };
struct bpf_elf_map template SEC("maps") = { 2, 4, 4, 1, 0, 42, 0, 0, 0 };
struct bpf_elf_map holder SEC("maps") = { 12, 4, 4, 1, 0, 7, 2, 42, 0 };
struct rust_map pinned SEC("maps") = { 1, 4, 4, 16, 0, 0, 1 };

SEC("classifier")
int use(void *ctx)
{
	u32 key = 0;
	u64 value = 1;
	map_update(&plain, &key, &value, 0);
	map_update(&pinned, &key, &value, 0);
	return map_lookup(&holder, &key) != 0;
}

char _license[] SEC("license") = "GPL";
