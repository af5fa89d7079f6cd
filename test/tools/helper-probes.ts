/**
 * Writes C sources of programs that call every helper of every program type once, for a kernel to say which of its
 * functions stands behind each.
 *   npx tsx test/tools/helper-probes.ts OUT_DIR [HELPERS.json [TYPES [IDS]]]
 *   for f in OUT_DIR/*.c; do clang -g -O2 -target bpf -Wno-everything -c $f -o ${f%.c}.o; done
 * HELPERS.json has which helpers a program type may call, by number ({"helpers": {"1": [1, 2, …]}}); types it says
 * nothing of are asked for all. TYPES and IDS, numbers with commas between, ask for some only.
 * `record-helper-symbols.ts` reads what the kernel answers.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ArgProto, HELPERS, type HelperDef } from '../../src/helpers/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';

const [dir, list, types, ids] = process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: helper-probes OUT_DIR [HELPERS.json [TYPES [IDS]]]\n');
  process.exit(2);
}
const known: Record<string, readonly number[]> =
  list === undefined ? {} : JSON.parse(readFileSync(list, 'utf8')).helpers;

const asked = (all: string | undefined, n: number): boolean => all === undefined || all.split(',').includes(String(n));

/** Section, program type, the type of its argument, and how to reach a socket from it. */
const SECTIONS: readonly (readonly [section: string, type: number, ctx: string, sock?: string])[] = [
  ['socket', 1, '__sk_buff', 'ctx->sk'],
  ['kprobe', 2, 'pt_regs'],
  ['kprobe.multi', 2, 'pt_regs'],
  ['uprobe.multi', 2, 'pt_regs'],
  ['uprobe.s', 2, 'pt_regs'],
  ['tc', 3, '__sk_buff', 'ctx->sk'],
  ['action', 4, '__sk_buff', 'ctx->sk'],
  ['tracepoint', 5, 'pt_regs'],
  ['xdp', 6, 'xdp_md', 'LOOKUP'],
  ['perf_event', 7, 'bpf_perf_event_data'],
  ['cgroup_skb/ingress', 8, '__sk_buff', 'ctx->sk'],
  ['cgroup/sock_create', 9, 'bpf_sock', 'ctx'],
  ['lwt_in', 10, '__sk_buff', 'ctx->sk'],
  ['lwt_out', 11, '__sk_buff', 'ctx->sk'],
  ['lwt_xmit', 12, '__sk_buff', 'ctx->sk'],
  ['sockops', 13, 'bpf_sock_ops', 'ctx->sk'],
  ['sk_skb/stream_verdict', 14, '__sk_buff', 'ctx->sk'],
  ['cgroup/dev', 15, 'pt_regs'],
  ['sk_msg', 16, 'sk_msg_md', 'ctx->sk'],
  ['raw_tp', 17, 'pt_regs'],
  ['cgroup/connect4', 18, 'bpf_sock_addr', 'ctx->sk'],
  ['cgroup/bind4', 18, 'bpf_sock_addr', 'ctx->sk'],
  ['cgroup/sendmsg4', 18, 'bpf_sock_addr', 'ctx->sk'],
  ['lwt_seg6local', 19, '__sk_buff', 'ctx->sk'],
  ['sk_reuseport/migrate', 21, 'sk_reuseport_md', 'ctx->sk'],
  ['flow_dissector', 22, '__sk_buff'],
  ['cgroup/sysctl', 23, 'pt_regs'],
  ['raw_tp.w', 24, 'pt_regs'],
  ['cgroup/getsockopt', 25, 'bpf_sockopt', 'ctx->sk'],
  ['cgroup/setsockopt', 25, 'bpf_sockopt', 'ctx->sk'],
  ['fentry/tcp_sendmsg', 26, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['fexit/tcp_sendmsg', 26, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['fentry/security_file_open', 26, 'u64_ctx'],
  ['fmod_ret/bpf_modify_return_test', 26, 'u64_ctx'],
  ['tp_btf/consume_skb', 26, 'u64_ctx'],
  ['tp_btf/inet_sock_set_state', 26, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['iter/task', 26, 'u64_ctx'],
  ['iter.s/task', 26, 'u64_ctx'],
  ['iter/tcp', 26, 'u64_ctx', '(struct sock *)ctx->r[1]'],
  ['lsm/file_open', 29, 'u64_ctx'],
  ['lsm.s/bprm_committed_creds', 29, 'u64_ctx'],
  ['lsm/socket_post_create', 29, 'u64_ctx'],
  ['lsm/inet_conn_request', 29, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['lsm_cgroup/socket_bind', 29, 'u64_ctx'],
  ['lsm_cgroup/socket_post_create', 29, 'u64_ctx', '*(struct sock **)(ctx->r[0] + 24)'],
  ['lsm_cgroup/inet_conn_request', 29, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['lsm_cgroup/inet_csk_clone', 29, 'u64_ctx', '(struct sock *)ctx->r[0]'],
  ['sk_lookup', 30, 'bpf_sk_lookup', 'ctx->sk'],
  ['syscall', 31, 'u64_ctx'],
  ['netfilter', 32, 'u64_ctx'],
];

const MAPS: Readonly<Record<number, string>> = {
  22: 'perf_events',
  25: 'perf_events',
  55: 'perf_events',
  111: 'perf_events',
  121: 'perf_events',
  27: 'stacks',
  33: 'cgroups',
  37: 'cgroups',
  51: 'devices',
  52: 'socks',
  53: 'socks',
  60: 'socks',
  70: 'sock_hash',
  71: 'sock_hash',
  72: 'sock_hash',
  82: 'ports',
  87: 'queue',
  88: 'queue',
  89: 'queue',
  107: 'sk_local',
  108: 'sk_local',
  130: 'ring',
  131: 'ring',
  132: 'ring',
  133: 'ring',
  134: 'ring',
  198: 'ring',
  145: 'inode_local',
  146: 'inode_local',
  156: 'task_local',
  157: 'task_local',
  164: 'hash',
  169: 'timers',
  195: 'percpu',
  209: 'user_ring',
  210: 'cgroup_local',
  211: 'cgroup_local',
};

const PRELUDE = `
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
struct __sk_buff { u32 w[42]; struct bpf_sock *sk; };
struct bpf_sock_ops { u32 w[46]; struct bpf_sock *sk; };
struct sk_msg_md { void *data, *data_end; u32 w[14]; struct bpf_sock *sk; };
struct bpf_sock_addr { u32 w[16]; struct bpf_sock *sk; };
struct sk_reuseport_md { void *data, *data_end; u32 w[6]; struct bpf_sock *sk; };
struct bpf_sockopt { struct bpf_sock *sk; };
struct bpf_sk_lookup { struct bpf_sock *sk; };
struct xdp_md; struct pt_regs; struct bpf_sock; struct sock; struct bpf_perf_event_data;
struct u64_ctx { u64 r[8]; };
struct bpf_spin_lock { u32 val; };
struct bpf_timer { u64 opaque[2]; } __attribute__((aligned(8)));
struct bpf_dynptr { u64 opaque[2]; } __attribute__((aligned(8)));
struct task_struct { int x; };
struct rq { int x; };
struct timed { struct bpf_timer t; u64 x; };
struct locked { struct bpf_spin_lock l; u32 x; };
struct kept { struct task_struct __attribute__((btf_type_tag("kptr"))) *p; };

static void *(*const lookup)(void *, const void *) = (void *)1;
static struct task_struct *(*const current)(void) = (void *)158;
static struct bpf_sock *(*const skc_lookup)(void *, void *, u32, u64, u64) = (void *)99;
static long (*const sk_release)(void *) = (void *)86;
static void *(*const ring_reserve)(void *, u64, u64) = (void *)131;
static void (*const ring_discard)(void *, u64) = (void *)133;
static long (*const from_mem)(void *, u32, u64, struct bpf_dynptr *) = (void *)197;
static long (*const dyn_reserve)(void *, u32, u64, struct bpf_dynptr *) = (void *)198;
static void (*const dyn_discard)(struct bpf_dynptr *, u64) = (void *)200;
static void (*const lock)(void *) = (void *)93;
static void (*const unlock)(void *) = (void *)94;
static const char fmt[] = "text";
static long each(void *a, void *b, void *c, void *d) { return 0; }
static int timer_cb(void *m, void *k, void *v) { return 0; }
#define MARK(n) asm volatile("r0 = %0" ::"i"(n) : "r0", "memory")
char LICENSE[] SEC("license") = "GPL";
`;

/** Maps by name: only those a file needs are made. */
const MAP_DEFS: Readonly<Record<string, string>> = {
  array: map(2, 'u32', 'u64[8]', 1),
  hash: map(1, 'u32', 'u64', 4),
  perf_events: map(4, 'u32', 'u32', 4),
  cgroups: map(8, 'u32', 'u32', 1),
  devices: map(14, 'u32', 'u32', 1),
  socks: map(15, 'u32', 'u32', 1),
  sock_hash: map(18, 'u32', 'u32', 1),
  percpu: map(6, 'u32', 'u64', 1),
  ports: map(20, 'u32', 'u64', 1),
  timers: map(2, 'u32', 'struct timed', 1),
  locks: map(2, 'u32', 'struct locked', 1),
  kepts: map(2, 'u32', 'struct kept', 1),
  stacks: '__uint(type, 7); __uint(key_size, 4); __uint(value_size, 1016); __uint(max_entries, 4);',
  queue: '__uint(type, 22); __uint(value_size, 8); __uint(max_entries, 4);',
  ring: '__uint(type, 27); __uint(max_entries, 4096);',
  user_ring: '__uint(type, 31); __uint(max_entries, 4096);',
  sk_local: local(24),
  inode_local: local(28),
  task_local: local(29),
  cgroup_local: local(32),
};

function map(type: number, key: string, value: string, entries: number): string {
  return `__uint(type, ${type}); __type(key, ${key}); __type(value, ${value}); __uint(max_entries, ${entries});`;
}

function local(type: number): string {
  return `__uint(type, ${type}); __uint(map_flags, 1); __type(key, int); __type(value, u64);`;
}

/** Programs a file: the kernel opens and loads the file once for each. */
const PER_FILE = 12;
const FROM = 0x5afe01;
const TO = 0x5afe02;

function isSock(arg: ArgProto): boolean {
  return /SOCK_COMMON|PTR_TO_SOCKET$/.test(arg.type);
}

/** C of a program's body; undefined where no arguments can be made. */
function body(def: HelperDef, type: number, section: string, sock: string | undefined): string | undefined {
  const proto = def.variants?.find(variant => variant.progTypes.includes(type))?.proto ?? def.proto;
  const before: string[] = [];
  const after: string[] = [];
  let ok = true;
  const socket = (): string => {
    if (def.id === 86 || sock === 'LOOKUP') {
      before.push('void *sk = skc_lookup(ctx, buf, 12, -1, 0); if (!sk) return 0;');
      if (def.id !== 86) after.push('sk_release(sk);');
      return 'sk';
    }
    if (sock === undefined) {
      ok = false;
      return '0';
    }
    if (sock === 'ctx') return 'ctx';
    before.push(`void *sk = (void *)${sock}; if (!sk) return 0;`);
    return 'sk';
  };
  const btf = (name: string): string => {
    if (name === 'task_struct') {
      before.push('void *task = current();');
      return 'task';
    }
    if (/^sock(_common)?$/.test(name)) return socket();
    if (/tcp_sendmsg|inet_sock|tcp$/.test(section) && name === 'tcp_sock') return '(void *)ctx->r[0]';
    if (name === 'file' && /file_open/.test(section)) return '(void *)ctx->r[0]';
    if (name === 'sk_buff' && section === 'tp_btf/consume_skb') return '(void *)ctx->r[0]';
    if (name === 'linux_binprm' && /bprm/.test(section)) return '(void *)ctx->r[0]';
    if (name === 'seq_file' && /^iter/.test(section)) {
      return '*(void **)(*(void **)ctx)';
    }
    ok = false;
    return '0';
  };
  const value = (map: string, as: string): string => {
    before.push(`u32 zero = 0; ${as} *v = lookup(&${map}, &zero); if (!v) return 0;`);
    return 'v';
  };
  const args = proto.args.map(arg => {
    switch (arg.type) {
      case 'ARG_PTR_TO_CTX':
        // Tracing programs have no context these could take; they take the socket itself.
        if ((type === 26 || type === 29) && [46, 49, 57, 122].includes(def.id)) return socket();
        return 'ctx';
      case 'ARG_ANYTHING':
        return '0';
      case 'ARG_CONST_SIZE':
      case 'ARG_CONST_SIZE_OR_ZERO':
      case 'ARG_CONST_ALLOC_SIZE_OR_ZERO':
        return '8';
      case 'ARG_CONST_MAP_PTR':
        return `&${MAPS[def.id] ?? 'hash'}`;
      case 'ARG_PTR_TO_MAP_KEY':
      case 'ARG_PTR_TO_MAP_VALUE':
      case 'ARG_PTR_TO_MEM':
        return 'buf';
      case 'ARG_PTR_TO_STACK':
        return 'buf';
      case 'ARG_PTR_TO_CONST_STR':
        return 'fmt';
      case 'ARG_PTR_TO_FUNC':
        return def.id === 170 ? 'timer_cb' : 'each';
      case 'ARG_PTR_TO_TIMER':
        return `&${value('timers', 'struct timed')}->t`;
      case 'ARG_PTR_TO_SPIN_LOCK': {
        const p = `&${value('locks', 'struct locked')}->l`;
        if (def.id === 93) after.push(`unlock(${p});`);
        else before.push(`lock(${p});`);
        return p;
      }
      case 'ARG_KPTR_XCHG_DEST':
        return `&${value('kepts', 'struct kept')}->p`;
      case 'ARG_PTR_TO_PERCPU_BTF_ID':
        return '&runqueues';
      case 'ARG_PTR_TO_RINGBUF_MEM':
        before.push('void *rec = ring_reserve(&ring, 8, 0); if (!rec) return 0;');
        return 'rec';
      case 'ARG_PTR_TO_DYNPTR':
        if (def.id === 197) {
          value('array', 'char');
          return '&dyn';
        }
        if (def.id === 198) {
          after.push('dyn_discard(&dyn, 0);');
          return '&dyn';
        }
        if (def.id === 199 || def.id === 200) before.push('dyn_reserve(&ring, 8, 0, &dyn);');
        else before.push(`from_mem(${value('array', 'char')}, 8, 0, &dyn);`);
        return '&dyn';
      case 'ARG_PTR_TO_BTF_ID':
        return def.id === 194 ? '(void *)0' : btf(arg.btfName ?? '');
      default:
        if (!isSock(arg)) {
          ok = false;
          return '0';
        }
        return socket();
    }
  });
  if (!ok) return undefined;
  if (def.id === 197) args[0] = 'v';
  const release = ['RET_PTR_TO_SOCKET', 'RET_PTR_TO_SOCK_COMMON'].includes(proto.ret) && [84, 85, 99].includes(def.id);
  if (def.id === 131) after.push('if (r) ring_discard((void *)r, 0);');
  if (release) after.push('if (r) sk_release((void *)r);');
  const call = `((u64 (*)(${args.map(() => 'void *').join(', ') || 'void'}))${def.id}UL)(${args.map(a => `(void *)(${/^(\d|each|timer_cb)/.test(a) ? `(long)${a}` : a})`).join(', ')})`;
  // The compiler must not move the setting up of arguments that themselves need calls between the marks.
  return [
    'u64 buf[16] = {}; struct bpf_dynptr dyn; asm volatile("" ::"r"(buf) : "memory");',
    ...before,
    `MARK(${FROM}); u64 r = ${call}; asm volatile("" : "+r"(r)); MARK(${TO});`,
    ...after,
    // Hooks that return nothing must let everything pass.
    section === 'lsm_cgroup/inet_csk_clone' ? 'return 1;' : 'return 0;',
  ].join('\n  ');
}

/** `expected_attach_type` of raw programs, where one is wanted. */
const ATTACH: Readonly<Record<number, number>> = { 9: 2, 18: 10, 25: 21, 30: 36, 32: 45 };

const insn = (code: number, imm: number): string => toHex(encodeInsns([{ code, dst: 0, src: 0, off: 0, imm }]));

/** Helpers without arguments, as raw instructions: for kernels that take their time over objects. */
function rawPrograms(): string {
  const out: string[] = [];
  for (const type of new Set(SECTIONS.map(section => section[1]))) {
    for (const def of HELPERS) {
      if (def === undefined || def.proto.args.length > 0 || known[String(type)]?.includes(def.id) !== true) continue;
      const code = [insn(0xb7, FROM), insn(0x85, def.id), insn(0xb7, TO), insn(0xb7, 0), insn(0x95, 0)];
      const flags = type === 31 ? 16 : 0;
      out.push(
        `name p${type}_${def.id}\ntype ${type}\nattach ${ATTACH[type] ?? 0}\nflags ${flags}\nnorun\ninsn ${code.join(' ')}\nend\n`,
      );
    }
  }
  return out.join('');
}

mkdirSync(dir, { recursive: true });
writeFileSync(join(dir, 'plain.prog'), rawPrograms());
let count = 0;
for (const [i, [section, type, ctx, sock]] of SECTIONS.entries()) {
  const allowed = known[String(type)];
  if (!asked(types, type)) continue;
  const programs: string[] = [];
  for (const def of HELPERS) {
    // Behind the tail call there is no function; the local storage's map wants no entries, which loaders will not have.
    // What the list leaves empty is asked for all.
    if (def === undefined || def.id === 12 || def.id === 81 || !asked(ids, def.id)) continue;
    if (allowed !== undefined && allowed.length > 0 && !allowed.includes(def.id)) continue;
    const code = body(def, type, section, sock);
    if (code !== undefined)
      programs.push(`SEC("${section}") int p${type}_${def.id}(struct ${ctx} *ctx)\n{\n  ${code}\n}\n`);
  }
  for (let part = 0; part * PER_FILE < programs.length; part++) {
    const text = programs.slice(part * PER_FILE, (part + 1) * PER_FILE).join('\n');
    const maps = Object.entries(MAP_DEFS).filter(([name]) => text.includes(`&${name},`) || text.includes(`&${name})`));
    if (/ring_reserve|dyn_reserve/.test(text) && !maps.some(([name]) => name === 'ring'))
      maps.push(['ring', MAP_DEFS['ring']]);
    const out = [
      PRELUDE,
      ...maps.map(([name, def]) => `struct { ${def} } ${name} SEC(".maps");`),
      text.includes('runqueues') ? 'extern const struct rq runqueues __attribute__((section(".ksyms")));' : '',
      text,
    ];
    const name = `${String(i).padStart(2, '0')}-${section.replace(/\W+/g, '_')}-${String(part).padStart(2, '0')}.c`;
    writeFileSync(join(dir, name), out.join('\n'));
  }
  count += programs.length;
}
process.stdout.write(`${count} programs\n`);
