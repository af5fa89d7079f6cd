// Global data of every section, by symbol and by section with an offset.
#include "fixture.h"

int counter = 7;
static volatile int hits;
const volatile u64 limit = 1000;
static const volatile u8 table[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
HIDDEN int secret;
int custom SEC(".data.custom") = 3;
int hidden_only HIDDEN SEC(".data.private_to_the_object") = 4;
const volatile int tuned SEC(".rodata.tuning_parameters") = 5;
int zeroes[4] SEC(".bss.more");

SEC("socket")
int count(void *ctx)
{
	counter += table[hits & 15] + table[3];
	hits++;
	secret = counter;
	custom += tuned + hidden_only;
	zeroes[2] = custom;
	return counter > limit;
}

char _license[] SEC("license") = "Dual MIT/GPL";
