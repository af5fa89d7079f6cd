// Defines what link-a.c defines, with another type.
#include "fixture.h"

u64 counter_a = 9;

char _license[] SEC("license") = "GPL";
