#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Proprietary";

/* cannot call GPL-restricted function from non-GPL compatible program */
SEC("kprobe/do_unlinkat")
int helper_gpl(void *ctx)
{
	char name[16];

	bpf_probe_read_kernel(name, sizeof(name), ctx);
	return 0;
}
