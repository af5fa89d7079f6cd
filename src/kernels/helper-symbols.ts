import { bpf_attach_type, bpf_prog_type, helperName } from '../uapi/index.ts';
import type { HelperUse } from './types.ts';

/** A function, and the programs it serves; what is left out matters not. The first rule that fits holds. */
interface Rule {
  readonly fn: string;
  /** For kernels that do not have `fn`. */
  readonly else?: string;
  readonly types?: readonly number[];
  readonly attach?: readonly number[];
  readonly sleepable?: true;
  readonly hooks?: readonly string[];
}

const T = bpf_prog_type;
const A = bpf_attach_type;

const TC = [T.BPF_PROG_TYPE_SCHED_CLS, T.BPF_PROG_TYPE_SCHED_ACT];
const XDP = [T.BPF_PROG_TYPE_XDP];
const KPROBE = [T.BPF_PROG_TYPE_KPROBE];
const PERF = [T.BPF_PROG_TYPE_PERF_EVENT];
const TRACEPOINT = [T.BPF_PROG_TYPE_TRACEPOINT];
/** Programs whose context is the arguments of what they are attached to. */
const TRACING = [T.BPF_PROG_TYPE_TRACING, T.BPF_PROG_TYPE_LSM, T.BPF_PROG_TYPE_STRUCT_OPS, T.BPF_PROG_TYPE_EXT];
const LSM = [T.BPF_PROG_TYPE_LSM];
const RAW_TP = [T.BPF_PROG_TYPE_RAW_TRACEPOINT, T.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE];
const SOCK = [T.BPF_PROG_TYPE_CGROUP_SOCK];
const SOCK_ADDR = [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR];
const SOCK_OPS = [T.BPF_PROG_TYPE_SOCK_OPS];
const SOCKOPT = [T.BPF_PROG_TYPE_CGROUP_SOCKOPT];
const SK_SKB = [T.BPF_PROG_TYPE_SK_SKB];
const SK_MSG = [T.BPF_PROG_TYPE_SK_MSG];
const SK_LOOKUP = [T.BPF_PROG_TYPE_SK_LOOKUP];
const REUSEPORT = [T.BPF_PROG_TYPE_SK_REUSEPORT];
const DISSECTOR = [T.BPF_PROG_TYPE_FLOW_DISSECTOR];
const SYSCALL = [T.BPF_PROG_TYPE_SYSCALL];
const LWT_IN = [T.BPF_PROG_TYPE_LWT_IN];
const LWT_XMIT = [T.BPF_PROG_TYPE_LWT_XMIT];
/** Programs that see a packet as `struct __sk_buff`. */
const SKB = [
  T.BPF_PROG_TYPE_SOCKET_FILTER,
  ...TC,
  T.BPF_PROG_TYPE_CGROUP_SKB,
  ...LWT_IN,
  T.BPF_PROG_TYPE_LWT_OUT,
  ...LWT_XMIT,
  T.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  ...SK_SKB,
];
/** Control groups' programs without a packet, and others whose events are the data they pass alone. */
const PLAIN_EVENTS = [
  ...SOCK,
  ...SOCK_OPS,
  T.BPF_PROG_TYPE_CGROUP_DEVICE,
  ...SK_MSG,
  ...SOCK_ADDR,
  T.BPF_PROG_TYPE_CGROUP_SYSCTL,
  ...SOCKOPT,
  ...SK_LOOKUP,
];
/** Programs that get the CPU's number without a promise that it stays. */
const RAW_CPU = [
  T.BPF_PROG_TYPE_SOCKET_FILTER,
  T.BPF_PROG_TYPE_CGROUP_SKB,
  ...PLAIN_EVENTS,
  ...SK_SKB,
  ...REUSEPORT,
  ...DISSECTOR,
  T.BPF_PROG_TYPE_NETFILTER,
];
/** Programs that cannot run inside themselves on one CPU: `bpf_prog_check_recur()`. */
const RECUR = [...KPROBE, ...TRACEPOINT, ...PERF, ...RAW_TP, ...SYSCALL, T.BPF_PROG_TYPE_TRACING];
/** LSM hooks that see a socket nobody has locked: `bpf_lsm_unlocked_sockopt_hooks`. */
const UNLOCKED_SOCK = ['socket_post_create', 'socket_socketpair'];
const ITER = [A.BPF_TRACE_ITER];
const KPROBE_MULTI = [A.BPF_TRACE_KPROBE_MULTI, A.BPF_TRACE_KPROBE_SESSION];
const UPROBE_MULTI = [A.BPF_TRACE_UPROBE_MULTI, A.BPF_TRACE_UPROBE_SESSION];

/** By name of the helper without `bpf_`: where its function is not called like the helper. */
const RULES: ReadonlyMap<string, readonly Rule[]> = new Map(
  Object.entries<readonly Rule[]>({
    probe_read: [{ fn: 'bpf_probe_read_compat' }],
    probe_read_str: [{ fn: 'bpf_probe_read_compat_str' }],
    get_prandom_u32: [{ fn: 'bpf_user_rnd_u32' }],
    get_smp_processor_id: [{ fn: 'bpf_get_raw_cpu_id', types: RAW_CPU }],
    get_cgroup_classid: [
      { fn: 'bpf_get_cgroup_classid_curr', types: PLAIN_EVENTS },
      { fn: 'bpf_get_cgroup_classid_curr', attach: [A.BPF_LSM_CGROUP] },
    ],
    redirect: [{ fn: 'bpf_xdp_redirect', types: XDP }],
    redirect_map: [{ fn: 'bpf_xdp_redirect_map' }],
    perf_event_output: [
      { fn: 'bpf_skb_event_output', types: SKB },
      { fn: 'bpf_xdp_event_output', types: XDP },
      { fn: 'bpf_event_output_data', types: PLAIN_EVENTS },
      { fn: 'bpf_perf_event_output_tp', types: [...TRACEPOINT, ...PERF] },
      { fn: 'bpf_perf_event_output_raw_tp', types: [...RAW_TP, ...TRACING] },
    ],
    skb_output: [{ fn: 'bpf_skb_event_output' }],
    xdp_output: [{ fn: 'bpf_xdp_event_output' }],
    get_stackid: [
      { fn: 'bpf_get_stackid_tp', types: TRACEPOINT },
      { fn: 'bpf_get_stackid_pe', types: PERF },
      { fn: 'bpf_get_stackid_raw_tp', types: [...RAW_TP, ...TRACING] },
    ],
    get_stack: [
      { fn: 'bpf_get_stack_tp', types: TRACEPOINT },
      { fn: 'bpf_get_stack_pe', types: PERF },
      { fn: 'bpf_get_stack_raw_tp', types: [...RAW_TP, ...TRACING, ...SYSCALL] },
      { fn: 'bpf_get_stack_sleepable', else: 'bpf_get_stack', types: KPROBE, sleepable: true },
    ],
    get_task_stack: [
      { fn: 'bpf_get_task_stack_sleepable', else: 'bpf_get_task_stack', types: SYSCALL },
      { fn: 'bpf_get_task_stack_sleepable', else: 'bpf_get_task_stack', sleepable: true },
    ],
    skb_load_bytes: [
      { fn: 'sk_reuseport_load_bytes', types: REUSEPORT },
      { fn: 'bpf_flow_dissector_load_bytes', types: DISSECTOR },
    ],
    skb_load_bytes_relative: [{ fn: 'sk_reuseport_load_bytes_relative', types: REUSEPORT }],
    skb_change_tail: [{ fn: 'sk_skb_change_tail', types: SK_SKB }],
    skb_pull_data: [{ fn: 'sk_skb_pull_data', types: SK_SKB }],
    skb_change_head: [{ fn: 'sk_skb_change_head', types: SK_SKB }],
    skb_adjust_room: [{ fn: 'sk_skb_adjust_room', types: SK_SKB }],
    get_socket_cookie: [
      { fn: 'bpf_get_socket_cookie_sock', types: SOCK },
      { fn: 'bpf_get_socket_cookie_sock_addr', types: SOCK_ADDR },
      { fn: 'bpf_get_socket_cookie_sock_ops', types: SOCK_OPS },
      { fn: 'bpf_get_socket_ptr_cookie', types: [...TRACING, ...REUSEPORT] },
    ],
    get_netns_cookie: [
      { fn: 'bpf_get_netns_cookie_sock', types: SOCK },
      { fn: 'bpf_get_netns_cookie_sock_addr', types: SOCK_ADDR },
      { fn: 'bpf_get_netns_cookie_sock_ops', types: SOCK_OPS },
      { fn: 'bpf_get_netns_cookie_sk_msg', types: SK_MSG },
      { fn: 'bpf_get_netns_cookie_sockopt', types: SOCKOPT },
    ],
    setsockopt: [
      { fn: 'bpf_sock_addr_setsockopt', types: SOCK_ADDR },
      { fn: 'bpf_sock_ops_setsockopt', types: SOCK_OPS },
      { fn: 'bpf_sock_create_setsockopt', types: SOCK },
      { fn: 'bpf_unlocked_sk_setsockopt', types: LSM, hooks: UNLOCKED_SOCK },
      { fn: 'bpf_sk_setsockopt' },
    ],
    getsockopt: [
      { fn: 'bpf_sock_addr_getsockopt', types: SOCK_ADDR },
      { fn: 'bpf_sock_ops_getsockopt', types: SOCK_OPS },
      { fn: 'bpf_sock_create_getsockopt', types: SOCK },
      { fn: 'bpf_unlocked_sk_getsockopt', types: LSM, hooks: UNLOCKED_SOCK },
      { fn: 'bpf_sk_getsockopt' },
    ],
    fib_lookup: [{ fn: 'bpf_xdp_fib_lookup', types: XDP }, { fn: 'bpf_skb_fib_lookup' }],
    check_mtu: [{ fn: 'bpf_xdp_check_mtu', types: XDP }, { fn: 'bpf_skb_check_mtu' }],
    lwt_push_encap: [{ fn: 'bpf_lwt_in_push_encap', types: LWT_IN }, { fn: 'bpf_lwt_xmit_push_encap' }],
    sk_lookup_tcp: [
      { fn: 'bpf_tc_sk_lookup_tcp', else: 'bpf_sk_lookup_tcp', types: TC },
      { fn: 'bpf_xdp_sk_lookup_tcp', types: XDP },
      { fn: 'bpf_sock_addr_sk_lookup_tcp', types: SOCK_ADDR },
    ],
    sk_lookup_udp: [
      { fn: 'bpf_tc_sk_lookup_udp', else: 'bpf_sk_lookup_udp', types: TC },
      { fn: 'bpf_xdp_sk_lookup_udp', types: XDP },
      { fn: 'bpf_sock_addr_sk_lookup_udp', types: SOCK_ADDR },
    ],
    skc_lookup_tcp: [
      { fn: 'bpf_tc_skc_lookup_tcp', else: 'bpf_skc_lookup_tcp', types: TC },
      { fn: 'bpf_xdp_skc_lookup_tcp', types: XDP },
      { fn: 'bpf_sock_addr_skc_lookup_tcp', types: SOCK_ADDR },
    ],
    sk_assign: [{ fn: 'bpf_sk_lookup_assign', types: SK_LOOKUP }],
    sk_select_reuseport: [{ fn: 'sk_select_reuseport' }],
    sk_storage_get: [{ fn: 'bpf_sk_storage_get_tracing', types: [T.BPF_PROG_TYPE_TRACING] }],
    sk_storage_delete: [{ fn: 'bpf_sk_storage_delete_tracing', types: [T.BPF_PROG_TYPE_TRACING] }],
    task_storage_get: [
      { fn: 'bpf_task_storage_get', types: [T.BPF_PROG_TYPE_TRACING], attach: ITER },
      { fn: 'bpf_task_storage_get_recur', else: 'bpf_task_storage_get', types: RECUR },
    ],
    task_storage_delete: [
      { fn: 'bpf_task_storage_delete', types: [T.BPF_PROG_TYPE_TRACING], attach: ITER },
      { fn: 'bpf_task_storage_delete_recur', else: 'bpf_task_storage_delete', types: RECUR },
    ],
    load_hdr_opt: [{ fn: 'bpf_sock_ops_load_hdr_opt' }],
    store_hdr_opt: [{ fn: 'bpf_sock_ops_store_hdr_opt' }],
    reserve_hdr_opt: [{ fn: 'bpf_sock_ops_reserve_hdr_opt' }],
    get_func_ip: [
      { fn: 'bpf_get_func_ip_tracing', types: TRACING },
      { fn: 'bpf_get_func_ip_kprobe_multi', attach: KPROBE_MULTI },
      { fn: 'bpf_get_func_ip_uprobe_multi', else: 'bpf_get_func_ip_kprobe', attach: UPROBE_MULTI },
      { fn: 'bpf_get_func_ip_kprobe' },
    ],
    get_attach_cookie: [
      { fn: 'bpf_get_attach_cookie', types: LSM },
      { fn: 'bpf_get_attach_cookie_pe', types: PERF },
      { fn: 'bpf_get_attach_cookie_tracing', types: [...TRACING, ...RAW_TP] },
      { fn: 'bpf_get_attach_cookie_kprobe_multi', attach: KPROBE_MULTI },
      { fn: 'bpf_get_attach_cookie_uprobe_multi', else: 'bpf_get_attach_cookie_trace', attach: UPROBE_MULTI },
      { fn: 'bpf_get_attach_cookie_trace' },
    ],
    get_func_arg: [{ fn: 'get_func_arg' }],
    get_func_ret: [{ fn: 'get_func_ret' }],
    get_func_arg_cnt: [{ fn: 'get_func_arg_cnt' }],
  }),
);

function fits(rule: Rule, progType: number, use: HelperUse): boolean {
  return (
    (rule.types === undefined || rule.types.includes(progType)) &&
    (rule.attach === undefined || (use.attachType !== undefined && rule.attach.includes(use.attachType))) &&
    (rule.sleepable === undefined || use.sleepable === true) &&
    (rule.hooks === undefined || (use.hook !== undefined && rule.hooks.includes(use.hook)))
  );
}

/**
 * The kernel function behind a helper in programs of a type, as the type's `get_func_proto()` chooses it. Most are
 * called like the helper. Numbers without a helper give `bpf_unknown_N`.
 *
 * Differs from Linux: extensions and struct_ops programs, whose helpers are those of what they replace, get what tracing
 * programs have.
 *
 * @param hasSymbol whether the kernel at hand has a function of that name; without it, it is taken to be 6.12
 */
export function helperSymbol(
  helperId: number,
  progType: number,
  use: HelperUse = {},
  hasSymbol?: (name: string) => boolean,
): string {
  const name = helperName(helperId);
  if (name === undefined) return `bpf_unknown_${helperId}`;
  const rule = RULES.get(name.slice('bpf_'.length))?.find(row => fits(row, progType, use));
  if (rule === undefined) return name;
  return rule.else !== undefined && hasSymbol?.(rule.fn) === false ? rule.else : rule.fn;
}
