// Helpers and kernel functions that need BTF, callbacks or read-only strings. Each program returns what a helper said,
// folded to 32 bits; helpers.tsv has what Linux 6.12.107 returned for the packet 00 01 02 … 3f.
//
// clang -g -O2 --target=bpfel -mcpu=v3 -Wno-unused-variable -I <directory of vmlinux.h> -c helpers.c -o helpers.o && llvm-strip -g helpers.o
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} elements SEC(".maps");

static u32 fold(const char *text, int size)
{
	u32 sum = 0;

	for (int i = 0; i < size && i < 64; i++)
		sum = sum * 31 + (unsigned char)text[i];
	return sum;
}

#define TC(name) SEC("tc") int name(struct __sk_buff *skb)

/* bpf_snprintf */
#define FORMAT(name, format, ...)                                     \
	TC(name)                                                      \
	{                                                             \
		char out[64] = {}, word[] = "hey";                    \
		u32 ip[4] = { 0x0100a8c0, 0, 0, 0x01000000 };         \
		static const char fmt[] = format;                     \
		u64 args[] = { __VA_ARGS__ };                         \
		long size = bpf_snprintf(out, 64, fmt, args, sizeof(args)); \
		return fold(out, 64) * 7 + size;                      \
	}
#define STR ((u64)word)
#define IP ((u64)ip)

FORMAT(format_int, "%d %u %x|%5d|%-5d|%05d", -1, -1, 0xabc, 42, 42, -42)
FORMAT(format_long, "%lld %llx %lx", -5, 0xdeadbeefcafeULL, 1ULL << 40)
FORMAT(format_char, "%c%3c%-3c|%+d|% d", 65, 66, 67, 7, 7)
FORMAT(format_pointer, "%px %p", 0xffff888000000000ULL, 0)
FORMAT(format_cut, "0123456789012345678901234567890123456789012345678901234567890123456789 %d", 1)
FORMAT(format_bad_string, "%s", 8)
FORMAT(format_flags, "%-010x|%+05d|%0 5d|%X", 255, 3, 4, 0xbeef)
FORMAT(format_wide_pointer, "%20px|%-20px|", 0x1234, 0x5678)
FORMAT(format_bad_ip, "%pI4 %pi6", 8, 8)
FORMAT(format_signed, "%ld|%li|%lu", -1, -2, -3)
FORMAT(format_strings, "%s|%6s|%pks|%-6s|%10pks", STR, STR, STR, STR, STR)
FORMAT(format_ip_upper, "%pI4|%pI6", IP, IP)
FORMAT(format_ip_lower, "%pi4|%pi6", IP, IP)

/* bpf_strncmp */
#define COMPARE(name, a, size, b)                        \
	TC(name)                                         \
	{                                                \
		char left[16] = a;                       \
		static const char right[] = b;           \
		return bpf_strncmp(left, size, right);   \
	}

COMPARE(compare_equal, "abc", 4, "abc")
COMPARE(compare_less, "abc", 4, "abd")
COMPARE(compare_more, "b", 2, "abc")
COMPARE(compare_prefix, "abc", 2, "abd")
COMPARE(compare_unsigned, "\xff", 2, "a")

/* bpf_loop, bpf_for_each_map_elem */
static long add(u32 i, void *ctx)
{
	*(u64 *)ctx += i;
	return i == 9;
}
static long visit(void *map, u32 *key, u64 *value, void *ctx)
{
	*(u64 *)ctx += *key * 3 + *value;
	(*value)++;
	return *key == 2;
}

#define LOOP(name, count, flags)                              \
	TC(name)                                              \
	{                                                     \
		u64 sum = 0;                                  \
		long calls = bpf_loop(count, add, &sum, flags); \
		return sum * 100 + calls;                     \
	}

LOOP(loop_all, 5, 0)
LOOP(loop_stop, 50, 0)
LOOP(loop_none, 0, 0)
LOOP(loop_too_many, (1 << 23) + 1, 0)
LOOP(loop_flags, 5, 1)

TC(each_stop)
{
	u64 sum = 0;
	long calls = bpf_for_each_map_elem(&elements, visit, &sum, 0);

	return sum * 100 + calls;
}
TC(each_flags)
{
	u64 sum = 0;

	return bpf_for_each_map_elem(&elements, visit, &sum, 1);
}

/* bpf_iter_num, bpf_iter_bits */
#define NUMBERS(name, start, end)                                \
	TC(name)                                                 \
	{                                                        \
		struct bpf_iter_num it;                          \
		int *item, sum = 0;                              \
		int error = bpf_iter_num_new(&it, start, end);   \
		while ((item = bpf_iter_num_next(&it)))          \
			sum = sum * 3 + *item;                   \
		bpf_iter_num_destroy(&it);                       \
		return sum * 1000 + error;                       \
	}

NUMBERS(numbers, -3, 6)
NUMBERS(numbers_empty, 6, 6)
NUMBERS(numbers_backwards, 6, 3)
NUMBERS(numbers_too_many, 0, 1 << 24)

#define BITS(name, count, ...)                                   \
	TC(name)                                                 \
	{                                                        \
		struct bpf_iter_bits it;                         \
		int *bit, sum = 0;                               \
		u64 words[] = { __VA_ARGS__ };                   \
		int error = bpf_iter_bits_new(&it, words, count); \
		while ((bit = bpf_iter_bits_next(&it)))          \
			sum = sum * 7 + *bit;                    \
		bpf_iter_bits_destroy(&it);                      \
		return sum * 1000 + error;                       \
	}

BITS(bits_word, 1, 0x8000000000000013)
BITS(bits_words, 3, 1ULL << 63, 0, 5)
BITS(bits_none, 0, 1)
BITS(bits_too_many, 512, 1)

/* dynptrs over packets */
TC(slice)
{
	struct bpf_dynptr ptr;
	u8 buf[8] = {}, *bytes;

	if (bpf_dynptr_from_skb(skb, 0, &ptr))
		return -1;
	bytes = bpf_dynptr_slice(&ptr, 4, buf, 8);
	return bytes ? bytes[0] + bpf_dynptr_size(&ptr) * 256 : -2;
}
TC(slice_outside)
{
	struct bpf_dynptr ptr;
	u8 buf[8] = {}, *bytes;

	bpf_dynptr_from_skb(skb, 0, &ptr);
	bytes = bpf_dynptr_slice(&ptr, skb->len - 7, buf, 8);
	return bytes ? bytes[0] : -2;
}
TC(adjusted)
{
	struct bpf_dynptr ptr;
	u8 buf[8] = {};
	int error;

	bpf_dynptr_from_skb(skb, 0, &ptr);
	error = bpf_dynptr_adjust(&ptr, 4, 20);
	error += bpf_dynptr_read(buf, 8, &ptr, 8, 0);
	error = error * 100 + bpf_dynptr_size(&ptr);
	return error + bpf_dynptr_adjust(&ptr, 1, 17) + buf[0] * 3;
}
TC(written)
{
	struct bpf_dynptr ptr;
	u8 buf[4] = { 1, 2, 3, 4 };
	int error;

	bpf_dynptr_from_skb(skb, 0, &ptr);
	error = bpf_dynptr_write(&ptr, 2, buf, 4, 0);
	error += bpf_dynptr_write(&ptr, 2, buf, 4, 8) * 3;
	return error + bpf_dynptr_write(&ptr, skb->len, buf, 4, 0) * 5;
}
SEC("cgroup_skb/ingress") int written_read_only(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;
	u8 buf[4] = { 1, 2, 3, 4 };

	bpf_dynptr_from_skb(skb, 0, &ptr);
	return bpf_dynptr_write(&ptr, 2, buf, 4, 0) == -22;
}
TC(from_skb_flags)
{
	struct bpf_dynptr ptr;
	int error = bpf_dynptr_from_skb(skb, 1, &ptr);

	return error * 100 + (int)bpf_dynptr_size(&ptr);
}
