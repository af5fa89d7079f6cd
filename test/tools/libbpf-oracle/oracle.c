// Asks libbpf what it would hand to a kernel, without a kernel.
//
//   oracle --btf VMLINUX_BTF [--kallsyms FILE] [--config FILE] [--release 6.12.0] OBJECT...
//
// Every bpf(2) call libbpf makes ends here: objects get file descriptors of /dev/null, feature probes succeed. One JSON
// line an event and one "end" line an object. Build: see build.sh (the linker's --wrap reroutes libbpf's libc calls).
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FD 4096

static const char *btf_path, *kallsyms_path = "/dev/null", *config_path = "/dev/null", *release = "6.12.0";
static struct bpf_object *obj;
static char fd_name[MAX_FD][64]; // what a descriptor stands for: map or program name
static char messages[1 << 16];
static size_t messages_len;
static int seen_prog[1 << 14];

long __real_syscall(long, ...);
FILE *__real_fopen(const char *, const char *);
int __real_open(const char *, int, ...);
int __real_access(const char *, int);

// Debian's libelf.a is built without the support library that holds these; only caches of raw chunks need them.
__attribute__((weak)) int eu_search_tree_init(void *tree, void *compare)
{
	(void)tree, (void)compare;
	return 0;
}
__attribute__((weak)) void eu_search_tree_fini(void *tree, void *release_node)
{
	(void)tree, (void)release_node;
}

static void json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *p = (const void *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 32 || *p > 126)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

static void json_hex(const void *data, size_t size)
{
	const unsigned char *p = data;
	putchar('"');
	for (size_t i = 0; i < size; i++)
		printf("%02x", p[i]);
	putchar('"');
}

static unsigned long long fnv(const void *data, size_t size)
{
	const unsigned char *p = data;
	unsigned long long h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static int fake_fd(const char *name)
{
	int fd = __real_open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fd < MAX_FD)
		snprintf(fd_name[fd], sizeof(fd_name[fd]), "%s", name);
	return fd;
}

static int prog_index(const void *insns)
{
	struct bpf_program *prog;
	int i = 0;
	if (obj)
		bpf_object__for_each_program(prog, obj) {
			if (bpf_program__insns(prog) == insns)
				return i;
			i++;
		}
	return -1;
}

static void print_maps_used(const struct bpf_insn *insns, size_t count)
{
	int first = 1;
	printf(",\"fds\":{");
	for (size_t i = 0; i + 1 < count; i++) {
		if (insns[i].code != 0x18)
			continue;
		if (insns[i].src_reg == 1 || insns[i].src_reg == 2) {
			int fd = insns[i].imm;
			printf("%s\"%d\":", first ? "" : ",", fd);
			json_string(fd >= 0 && fd < MAX_FD ? fd_name[fd] : "?");
			first = 0;
		}
		i++;
	}
	printf("}");
}

static void print_prog(struct bpf_program *prog, const struct bpf_insn *insns, size_t count)
{
	printf("{\"event\":\"prog\",\"name\":");
	json_string(bpf_program__name(prog));
	printf(",\"section\":");
	json_string(bpf_program__section_name(prog));
	printf(",\"insns\":");
	json_hex(insns, count * sizeof(*insns));
	print_maps_used(insns, count);
}

static int prog_load(const union bpf_attr *attr)
{
	const void *insns = (const void *)(unsigned long)attr->insns;
	int index = prog_index(insns), i = 0;
	struct bpf_program *prog, *found = NULL;
	if (index < 0)
		return fake_fd("probe");
	bpf_object__for_each_program(prog, obj)
		if (i++ == index)
			found = prog;
	seen_prog[index] = 1;
	print_prog(found, insns, attr->insn_cnt);
	printf(",\"type\":%u,\"attach_type\":%u,\"flags\":%u", attr->prog_type, attr->expected_attach_type, attr->prog_flags);
	printf(",\"func_cnt\":%u,\"func_info\":", attr->func_info_cnt);
	json_hex((const void *)(unsigned long)attr->func_info, (size_t)attr->func_info_cnt * attr->func_info_rec_size);
	printf(",\"line_cnt\":%u,\"line_rec\":%u,\"line_hash\":\"%016llx\"}\n", attr->line_info_cnt, attr->line_info_rec_size,
	       fnv((const void *)(unsigned long)attr->line_info, (size_t)attr->line_info_cnt * attr->line_info_rec_size));
	return fake_fd(bpf_program__name(found));
}

static int map_update(const union bpf_attr *attr)
{
	int fd = attr->map_fd;
	const char *name = fd < MAX_FD ? fd_name[fd] : "";
	struct bpf_map *map;
	if (!obj)
		return 0;
	bpf_object__for_each_map(map, obj) {
		enum bpf_map_type type = bpf_map__type(map);
		if (strncmp(bpf_map__name(map), name, BPF_OBJ_NAME_LEN - 1)) // the kernel's side knows 15 bytes
			continue;
		if (strstr(name, ".kconfig")) {
			printf("{\"event\":\"kconfig\",\"data\":");
			json_hex((const void *)(unsigned long)attr->value, bpf_map__value_size(map));
			printf("}\n");
		}
		if (type != BPF_MAP_TYPE_ARRAY_OF_MAPS && type != BPF_MAP_TYPE_HASH_OF_MAPS && type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		unsigned key = *(const unsigned *)(unsigned long)attr->key, value = *(const unsigned *)(unsigned long)attr->value;
		printf("{\"event\":\"slot\",\"map\":");
		json_string(name);
		printf(",\"index\":%u,\"value\":", key);
		json_string(value < MAX_FD ? fd_name[value] : "?");
		printf("}\n");
		break;
	}
	return 0;
}

static long fail(int error)
{
	errno = error;
	return -1;
}

static long fake_bpf(int cmd, union bpf_attr *attr)
{
	switch (cmd) {
	case BPF_MAP_CREATE: {
		char name[17] = "";
		memcpy(name, attr->map_name, 16);
		// libbpf maps data maps into memory: sparse files will do.
		int fd = memfd_create(name, MFD_CLOEXEC);
		if (fd >= 0 && fd < MAX_FD && ftruncate(fd, 1ll << 33) == 0)
			snprintf(fd_name[fd], sizeof(fd_name[fd]), "%s", name);
		return fd;
	}
	case BPF_PROG_LOAD:
		return prog_load(attr);
	case BPF_BTF_LOAD:
		return fake_fd("btf");
	case BPF_MAP_UPDATE_ELEM:
		return map_update(attr);
	case BPF_BTF_GET_NEXT_ID:
	case BPF_MAP_GET_NEXT_ID:
	case BPF_PROG_GET_NEXT_ID:
		return fail(ENOENT);
	case BPF_LINK_CREATE:
		return fail(EBADF); // what the probe of uprobe_multi links hopes for
	case BPF_OBJ_GET:
	case BPF_TOKEN_CREATE:
		return fail(ENOENT);
	default:
		return 0;
	}
}

long __wrap_syscall(long nr, ...)
{
	va_list ap;
	long a[6];
	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == __NR_bpf)
		return fake_bpf(a[0], (void *)a[1]);
	if (nr == __NR_perf_event_open)
		return fake_fd("perf");
	long result = __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	// libbpf keeps the descriptors it gave maps at first and moves the real ones there.
	if (nr == __NR_dup3 && result >= 0 && result < MAX_FD && a[0] < MAX_FD)
		memcpy(fd_name[result], fd_name[a[0]], sizeof(fd_name[0]));
	return result;
}

// Only the files named on the command line stand for the system's.
static const char *reroute(const char *path)
{
	if (!strcmp(path, "/sys/kernel/btf/vmlinux"))
		return btf_path;
	if (!strcmp(path, "/proc/kallsyms"))
		return kallsyms_path;
	if (!strncmp(path, "/boot/", 6) || !strcmp(path, "/proc/config.gz"))
		return config_path;
	if (!strncmp(path, "/sys/", 5) || !strncmp(path, "/proc/", 6))
		return NULL;
	return path;
}

static int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	if (write(fd, text, strlen(text)) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (strstr(path, "kprobe/type"))
		return fdopen(text_fd("6\n"), "r");
	path = reroute(path);
	if (!path) {
		errno = ENOENT;
		return NULL;
	}
	return __real_fopen(path, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
	if (strstr(path, "cpu/possible"))
		return text_fd("0-3\n");
	path = reroute(path);
	return path ? __real_open(path, flags, 0600) : fail(ENOENT);
}

// What the same functions are called where files may be large.
FILE *__wrap_fopen64(const char *path, const char *mode)
{
	return __wrap_fopen(path, mode);
}
int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

int __wrap_access(const char *path, int mode)
{
	path = reroute(path);
	return path ? __real_access(path, mode) : fail(ENOENT);
}

int __wrap_uname(struct utsname *name)
{
	memset(name, 0, sizeof(*name));
	snprintf(name->release, sizeof(name->release), "%s", release);
	snprintf(name->version, sizeof(name->version), "#1 SMP");
	return 0;
}

void *__wrap_gzopen(const char *path, const char *mode)
{
	(void)mode;
	path = reroute(path);
	return path ? __real_fopen(path, "r") : NULL;
}
void *__wrap_gzopen64(const char *path, const char *mode)
{
	return __wrap_gzopen(path, mode);
}
char *__wrap_gzgets(void *file, char *buf, int len)
{
	return fgets(buf, len, file);
}
int __wrap_gzclose(void *file)
{
	return fclose(file);
}

static int collect(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level > LIBBPF_WARN || messages_len + 512 > sizeof(messages))
		return 0;
	int n = vsnprintf(messages + messages_len, sizeof(messages) - messages_len, format, args);
	if (n > 0)
		messages_len += (size_t)n < sizeof(messages) - messages_len ? (size_t)n : sizeof(messages) - messages_len - 1;
	return 0;
}

static void print_map(const struct bpf_map *map, const char *inner_of)
{
	size_t size = 0;
	const void *data = inner_of ? NULL : bpf_map__initial_value((struct bpf_map *)map, &size);
	printf("{\"event\":\"map\",\"name\":");
	json_string(inner_of ? inner_of : bpf_map__name(map));
	printf(",\"inner\":%d,\"type\":%u,\"key\":%u,\"value\":%u,\"max\":%u,\"flags\":%u,\"numa\":%u,\"extra\":\"%llu\","
	       "\"key_id\":%u,\"value_id\":%u,\"pinned\":%d,\"autocreate\":%d",
	       inner_of != NULL, bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
	       bpf_map__map_flags(map), bpf_map__numa_node(map), (unsigned long long)bpf_map__map_extra(map),
	       bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map), inner_of ? 0 : bpf_map__pin_path(map) != NULL,
	       inner_of ? 1 : bpf_map__autocreate(map));
	// The shadow of a struct_ops map holds pointers of this process.
	if (data && bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
		printf(",\"data_size\":%zu,\"data_hash\":\"%016llx\"", size, fnv(data, size));
	printf("}\n");
}

// The object with every undefined symbol weak: libbpf then loads it though a module's kfunc or variable is unknown.
static struct bpf_object *open_weakened(const char *path, struct bpf_object_open_opts *opts)
{
	static unsigned char bytes[1 << 24];
	static char name[64];
	int fd = __real_open(path, O_RDONLY);
	ssize_t size = read(fd, bytes, sizeof(bytes));
	const char *base = strrchr(path, '/');
	Elf64_Ehdr *ehdr = (void *)bytes;
	close(fd);
	if (size < (ssize_t)sizeof(*ehdr))
		return NULL;
	Elf64_Shdr *shdrs = (void *)(bytes + ehdr->e_shoff);
	for (int i = 0; i < ehdr->e_shnum; i++) {
		if (shdrs[i].sh_type != SHT_SYMTAB)
			continue;
		Elf64_Sym *syms = (void *)(bytes + shdrs[i].sh_offset);
		for (size_t j = 1; j < shdrs[i].sh_size / sizeof(*syms); j++)
			if (syms[j].st_shndx == SHN_UNDEF && ELF64_ST_BIND(syms[j].st_info) == STB_GLOBAL)
				syms[j].st_info = ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(syms[j].st_info));
	}
	snprintf(name, sizeof(name), "%s", base ? base + 1 : path);
	if (strchr(name, '.'))
		*strchr(name, '.') = 0;
	opts->object_name = name;
	return bpf_object__open_mem(bytes, size, opts);
}

static void one(const char *path, int weaken)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int err = 0, i = 0;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = btf_path);

	libbpf_set_print(collect);
	obj = weaken ? open_weakened(path, &opts) : bpf_object__open_file(path, &opts);
	if (!obj) {
		err = -errno;
		goto end;
	}
	bpf_object__for_each_map(map, obj) {
		print_map(map, NULL);
		struct bpf_map *inner = bpf_map__inner_map(map);
		if (inner)
			print_map(inner, bpf_map__name(map));
	}
	bpf_object__for_each_program(prog, obj) {
		printf("{\"event\":\"open_prog\",\"name\":");
		json_string(bpf_program__name(prog));
		printf(",\"section\":");
		json_string(bpf_program__section_name(prog));
		printf(",\"type\":%u,\"attach_type\":%u,\"autoload\":%d}\n", bpf_program__type(prog),
		       bpf_program__expected_attach_type(prog), bpf_program__autoload(prog));
		bpf_program__set_autoload(prog, true);
		if (bpf_program__type(prog) == BPF_PROG_TYPE_UNSPEC)
			bpf_program__set_type(prog, BPF_PROG_TYPE_SOCKET_FILTER);
	}
	bpf_object__for_each_map(map, obj)
		bpf_map__set_pin_path(map, NULL);
	err = bpf_object__load(obj);
	// Programs that libbpf gave up on after relocating everything, for want of an attach target.
	int reached_load = err == 0 || strstr(messages, "failed to prepare load attributes") || strstr(messages, "isn't referenced anywhere") ||
			   strstr(messages, "missing BPF prog type");
	if (reached_load) {
		bpf_object__for_each_program(prog, obj) {
			if (!seen_prog[i++]) {
				print_prog(prog, bpf_program__insns(prog), bpf_program__insn_cnt(prog));
				printf(",\"given_up\":true}\n");
			}
		}
	}
end:
	printf("{\"event\":\"end\",\"weakened\":%d,\"opened\":%d,\"err\":%d,\"messages\":", weaken, obj != NULL, err);
	json_string(messages);
	printf("}\n");
	fflush(stdout);
	// Once more, so that one missing symbol does not hide everything else.
	_exit(!weaken && obj && strstr(messages, "extern") && err ? 77 : 0);
}

static int run(const char *path, int weaken)
{
	int status;
	printf("{\"event\":\"begin\",\"file\":");
	json_string(path);
	printf("}\n");
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		one(path, weaken);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("\n{\"event\":\"end\",\"weakened\":%d,\"opened\":0,\"err\":-999,\"messages\":\"libbpf crashed: signal %d\"}\n", weaken,
	       WTERMSIG(status));
	return 0;
}

int main(int argc, char **argv)
{
	int i = 1;
	for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
		if (!strcmp(argv[i], "--btf"))
			btf_path = argv[i + 1];
		else if (!strcmp(argv[i], "--kallsyms"))
			kallsyms_path = argv[i + 1];
		else if (!strcmp(argv[i], "--config"))
			config_path = argv[i + 1];
		else if (!strcmp(argv[i], "--release"))
			release = argv[i + 1];
		else
			break;
	}
	if (!btf_path || i >= argc) {
		fprintf(stderr, "usage: %s --btf FILE [--kallsyms FILE] [--config FILE] [--release R] OBJECT...\n", argv[0]);
		return 2;
	}
	for (; i < argc; i++)
		if (run(argv[i], 0) == 77)
			run(argv[i], 1);
	return 0;
}
