// The kernel's side of core.c: fields moved, widened, turned into bitfields, gone.
#include "fixture.h"

struct point {
	u64 added;
	int y;
	int x;
};

enum colour { GREEN = 5, BLUE = 9 };

struct task {
	u64 start;
	u64 pad[4];
	int pid;
	struct point at;
	u32 flags : 4;
	u32 state : 4;
	int level : 9;
	char comm[32];
	u64 width;
	struct task *parent;
};

typedef int count_t;

struct task task;
count_t count;
enum colour colour;
