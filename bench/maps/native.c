/*
 * The loops of bench/maps.mjs over tables in C: reads lines "LOOP ENTRIES TIMES" and answers "NANOSECONDS SUM". Every round does
 * 1,000 operations on keys that come in no order.
 *
 * - empty: the loop alone
 * - array: 64-byte values in a row
 * - chained: nodes of their own behind buckets, hashed by lookup3 as Linux and uthash do
 * - open: keys beside values in one array, quadratic probing, as khash does
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPS 1000

struct value { uint64_t word[8]; };
struct node { struct node *next; uint32_t hash; uint64_t key; struct value value; };

static uint32_t entries, mask, seed;
static struct value *array;
static struct node **buckets, *nodes;
static uint64_t *slot_keys;
static uint8_t *slot_used;
static struct value *slot_values;
static uint32_t slot_mask;

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

static uint32_t hash64(uint64_t key)
{
	uint32_t a = 0xdeadbeef + 8, b = a, c = a;

	a += (uint32_t)key;
	b += key >> 32;
	c ^= b, c -= rol(b, 14);
	a ^= c, a -= rol(c, 11);
	b ^= a, b -= rol(a, 25);
	c ^= b, c -= rol(b, 16);
	a ^= c, a -= rol(c, 4);
	b ^= a, b -= rol(a, 14);
	c ^= b, c -= rol(b, 24);
	return c;
}

static struct value *chained_find(uint64_t key)
{
	uint32_t hash = hash64(key);

	for (struct node *at = buckets[hash & mask]; at; at = at->next)
		if (at->hash == hash && at->key == key)
			return &at->value;
	return NULL;
}

static uint32_t open_slot(uint64_t key)
{
	uint32_t at = (uint32_t)(key >> 33 ^ key ^ key << 11) & slot_mask;

	for (uint32_t step = 1; slot_used[at] && slot_keys[at] != key; step++)
		at = (at + step) & slot_mask;
	return at;
}

static void make(uint32_t count)
{
	if (count == entries)
		return;
	free(array), free(buckets), free(nodes), free(slot_keys), free(slot_used), free(slot_values);
	entries = count;
	mask = count - 1;
	slot_mask = 2 * count - 1;
	array = calloc(count, sizeof(*array));
	buckets = calloc(count, sizeof(*buckets));
	nodes = calloc(count, sizeof(*nodes));
	slot_keys = calloc(2 * count, sizeof(*slot_keys));
	slot_used = calloc(2 * count, 1);
	slot_values = calloc(2 * count, sizeof(*slot_values));
	for (uint32_t i = 0; i < count; i++) {
		struct node *node = &nodes[i];
		uint32_t at = open_slot(i);

		array[i].word[0] = i;
		node->key = i;
		node->hash = hash64(i);
		node->value.word[0] = i;
		node->next = buckets[node->hash & mask];
		buckets[node->hash & mask] = node;
		slot_keys[at] = i;
		slot_used[at] = 1;
		slot_values[at].word[0] = i;
	}
}

#define LOOP(name, body)                                                     \
	static __attribute__((noinline)) uint64_t name(uint32_t times)       \
	{                                                                    \
		uint64_t sum = 0;                                            \
		struct value from = { { 0 } };                               \
		while (times-- > 0)                                          \
			for (int i = 0; i < OPS; i++) {                      \
				uint64_t key;                                \
				seed = seed * 1664525 + 1013904223;          \
				key = (seed >> 8) & mask;                    \
				from.word[0] = key;                          \
				__asm__ volatile("" : : "r"(&from) : "memory"); \
				body                                         \
			}                                                    \
		return sum;                                                  \
	}

LOOP(empty, sum += key;)
LOOP(array_lookup, if (key < entries) sum += array[key].word[0];)
LOOP(chained_lookup, struct value *v = chained_find(key); if (v) sum += v->word[0];)
LOOP(chained_update, struct value *v = chained_find(key); if (v) *v = from; sum += key;)
LOOP(open_lookup, uint32_t at = open_slot(key); if (slot_used[at]) sum += slot_values[at].word[0];)
LOOP(open_update, slot_values[open_slot(key)] = from; sum += key;)

static const struct { const char *name; uint64_t (*run)(uint32_t); } loops[] = {
	{ "empty", empty }, { "array_lookup", array_lookup }, { "chained_lookup", chained_lookup },
	{ "chained_update", chained_update }, { "open_lookup", open_lookup }, { "open_update", open_update },
};

int main(void)
{
	char name[32];
	uint32_t count, times;

	while (scanf("%31s %u %u", name, &count, &times) == 3) {
		struct timespec from, to;
		uint64_t sum = 0;

		make(count);
		for (unsigned i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
			if (strcmp(loops[i].name, name))
				continue;
			seed = 1;
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
			sum = loops[i].run(times);
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		}
		printf("%.0f %llu\n", (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec), (unsigned long long)sum);
		fflush(stdout);
	}
	return 0;
}
