import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import { LSM_SLEEPABLE_HOOKS } from './lsm-hooks.ts';
import {
  ANY,
  BTF_SOCK,
  BTF_SOCK_OR_NULL,
  btf,
  CTX,
  CTX_OR_NULL,
  int,
  KEY,
  MAP,
  MEM_IN,
  MEM_INOUT,
  MEM_OUT,
  pointer,
  SIZE,
  SIZE_OR_ZERO,
  SOCKET_OR_NULL,
  TO_SOCK_COMMON_OR_NULL,
  TO_SOCKET_OR_NULL,
  TO_VALUE_OR_NULL,
  VALUE_OR_NULL,
} from './proto.ts';
import { HELPERS, helperByName } from './table.ts';
import type { HelperCaller, HelperProto } from './types.ts';

/** A contract of Linux: one of the `struct bpf_func_proto` a helper's number stands for. */
export interface KernelProto {
  readonly helperId: number;
  /** As Linux calls it, without `_proto`: `bpf_get_stack_pe`. */
  readonly name: string;
  /** The kernel function behind it. */
  readonly symbol: string;
  readonly proto: HelperProto;
}

/** Contract, of which helper, and what it is where it is not the helper's first one; `symbol` where it is not called so. */
type Variant = readonly [name: string, helper: string, proto?: HelperProto, symbol?: string];

const LOOKUP_ARGS = [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY];
const EVENT = int([CTX, MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly');
const SET_SOCK = int([BTF_SOCK, ANY, ANY, MEM_IN, SIZE]);
const GET_SOCK = int([BTF_SOCK, ANY, ANY, MEM_OUT, SIZE]);
const SET_CTX = int([CTX, ANY, ANY, MEM_IN, SIZE]);
const GET_CTX = int([CTX, ANY, ANY, MEM_OUT, SIZE]);
const COOKIE = int([CTX]);
const NETNS = int([CTX_OR_NULL]);
const STACKID = int([CTX, MAP, ANY], 'gplOnly');
const STACK = int([CTX, MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly');
const FIB = int([CTX, { type: 'ARG_PTR_TO_MEM' }, SIZE, ANY], 'gplOnly');

/** Source: every `struct bpf_func_proto` of Linux 6.12 beside those called like their helper. */
const VARIANTS: readonly Variant[] = [
  // kernel/bpf
  ['bpf_get_raw_smp_processor_id', 'bpf_get_smp_processor_id', int(), 'bpf_get_raw_cpu_id'],
  ['bpf_get_stackid_pe', 'bpf_get_stackid', int([CTX, MAP, ANY])],
  ['bpf_get_stack_sleepable', 'bpf_get_stack', STACK],
  ['bpf_get_stack_pe', 'bpf_get_stack', STACK],
  ['bpf_get_task_stack_sleepable', 'bpf_get_task_stack'],
  ['bpf_task_storage_get_recur', 'bpf_task_storage_get'],
  ['bpf_task_storage_delete_recur', 'bpf_task_storage_delete'],
  ['bpf_get_netns_cookie_sockopt', 'bpf_get_netns_cookie', NETNS],
  // kernel/trace
  ['bpf_probe_read_compat', 'bpf_probe_read'],
  ['bpf_probe_read_compat_str', 'bpf_probe_read_str'],
  ['bpf_get_func_ip_tracing', 'bpf_get_func_ip', int([CTX], 'gplOnly')],
  ['bpf_get_func_ip_kprobe', 'bpf_get_func_ip', int([CTX], 'gplOnly')],
  ['bpf_get_func_ip_kprobe_multi', 'bpf_get_func_ip', COOKIE],
  ['bpf_get_func_ip_uprobe_multi', 'bpf_get_func_ip', COOKIE],
  ['bpf_get_attach_cookie_kmulti', 'bpf_get_attach_cookie', COOKIE, 'bpf_get_attach_cookie_kprobe_multi'],
  ['bpf_get_attach_cookie_umulti', 'bpf_get_attach_cookie', COOKIE, 'bpf_get_attach_cookie_uprobe_multi'],
  ['bpf_get_attach_cookie_trace', 'bpf_get_attach_cookie', COOKIE],
  ['bpf_get_attach_cookie_pe', 'bpf_get_attach_cookie', COOKIE],
  ['bpf_get_attach_cookie_tracing', 'bpf_get_attach_cookie', COOKIE],
  ['bpf_perf_event_output_tp', 'bpf_perf_event_output', EVENT],
  ['bpf_perf_event_output_raw_tp', 'bpf_perf_event_output', EVENT],
  ['bpf_event_output_data', 'bpf_perf_event_output', EVENT],
  ['bpf_get_stackid_tp', 'bpf_get_stackid', STACKID],
  ['bpf_get_stackid_raw_tp', 'bpf_get_stackid', STACKID],
  ['bpf_get_stack_tp', 'bpf_get_stack', STACK],
  // Its buffer is declared as one that is read.
  ['bpf_get_stack_raw_tp', 'bpf_get_stack', int([CTX, MEM_IN, SIZE_OR_ZERO, ANY], 'gplOnly')],
  // net
  ['bpf_flow_dissector_load_bytes', 'bpf_skb_load_bytes', int([CTX, ANY, MEM_OUT, SIZE])],
  ['sk_reuseport_load_bytes', 'bpf_skb_load_bytes', int([CTX, ANY, MEM_OUT, SIZE])],
  ['sk_reuseport_load_bytes_relative', 'bpf_skb_load_bytes_relative', int([CTX, ANY, MEM_OUT, SIZE, ANY])],
  ['sk_skb_pull_data', 'bpf_skb_pull_data', int([CTX, ANY])],
  ['sk_skb_adjust_room', 'bpf_skb_adjust_room', int([CTX, ANY, ANY, ANY])],
  ['sk_skb_change_tail', 'bpf_skb_change_tail', int([CTX, ANY, ANY])],
  ['sk_skb_change_head', 'bpf_skb_change_head', int([CTX, ANY, ANY])],
  ['bpf_get_cgroup_classid_curr', 'bpf_get_cgroup_classid', int()],
  ['bpf_xdp_get_buff_len_trace', 'bpf_xdp_get_buff_len', int([btf('xdp_buff')]), 'bpf_xdp_get_buff_len'],
  ['bpf_xdp_redirect', 'bpf_redirect', int([ANY, ANY])],
  ['bpf_xdp_redirect_map', 'bpf_redirect_map', int([MAP, ANY, ANY])],
  ['bpf_skb_event_output', 'bpf_perf_event_output', EVENT],
  ['bpf_xdp_event_output', 'bpf_perf_event_output', EVENT],
  ['bpf_get_socket_cookie_sock_addr', 'bpf_get_socket_cookie', COOKIE],
  ['bpf_get_socket_cookie_sock', 'bpf_get_socket_cookie', COOKIE],
  ['bpf_get_socket_cookie_sock_ops', 'bpf_get_socket_cookie', COOKIE],
  ['bpf_get_socket_ptr_cookie', 'bpf_get_socket_cookie', int([BTF_SOCK_OR_NULL])],
  ['bpf_get_netns_cookie_sock', 'bpf_get_netns_cookie', NETNS],
  ['bpf_get_netns_cookie_sock_addr', 'bpf_get_netns_cookie', NETNS],
  ['bpf_get_netns_cookie_sock_ops', 'bpf_get_netns_cookie', NETNS],
  ['bpf_get_netns_cookie_sk_msg', 'bpf_get_netns_cookie', NETNS],
  ['bpf_sk_setsockopt', 'bpf_setsockopt', SET_SOCK],
  ['bpf_sk_getsockopt', 'bpf_getsockopt', GET_SOCK],
  ['bpf_unlocked_sk_setsockopt', 'bpf_setsockopt', SET_SOCK],
  ['bpf_unlocked_sk_getsockopt', 'bpf_getsockopt', GET_SOCK],
  ['bpf_sock_addr_setsockopt', 'bpf_setsockopt', SET_CTX],
  ['bpf_sock_addr_getsockopt', 'bpf_getsockopt', GET_CTX],
  ['bpf_sock_ops_setsockopt', 'bpf_setsockopt', SET_CTX],
  ['bpf_sock_ops_getsockopt', 'bpf_getsockopt', GET_CTX],
  // From 7.2 on.
  ['bpf_sock_create_setsockopt', 'bpf_setsockopt', SET_CTX],
  ['bpf_sock_create_getsockopt', 'bpf_getsockopt', GET_CTX],
  ['bpf_xdp_fib_lookup', 'bpf_fib_lookup', FIB],
  ['bpf_skb_fib_lookup', 'bpf_fib_lookup', FIB],
  ['bpf_skb_check_mtu', 'bpf_check_mtu'],
  ['bpf_xdp_check_mtu', 'bpf_check_mtu'],
  ['bpf_lwt_in_push_encap', 'bpf_lwt_push_encap'],
  ['bpf_lwt_xmit_push_encap', 'bpf_lwt_push_encap'],
  ['bpf_tc_skc_lookup_tcp', 'bpf_skc_lookup_tcp', pointer(TO_SOCK_COMMON_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_tc_sk_lookup_tcp', 'bpf_sk_lookup_tcp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_tc_sk_lookup_udp', 'bpf_sk_lookup_udp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_xdp_skc_lookup_tcp', 'bpf_skc_lookup_tcp', pointer(TO_SOCK_COMMON_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_xdp_sk_lookup_tcp', 'bpf_sk_lookup_tcp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_xdp_sk_lookup_udp', 'bpf_sk_lookup_udp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS, 'pktAccess')],
  ['bpf_sock_addr_skc_lookup_tcp', 'bpf_skc_lookup_tcp', pointer(TO_SOCK_COMMON_OR_NULL, LOOKUP_ARGS)],
  ['bpf_sock_addr_sk_lookup_tcp', 'bpf_sk_lookup_tcp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS)],
  ['bpf_sock_addr_sk_lookup_udp', 'bpf_sk_lookup_udp', pointer(TO_SOCKET_OR_NULL, LOOKUP_ARGS)],
  ['bpf_sock_ops_load_hdr_opt', 'bpf_load_hdr_opt', int([CTX, MEM_INOUT, SIZE, ANY])],
  ['bpf_sock_ops_store_hdr_opt', 'bpf_store_hdr_opt'],
  ['bpf_sock_ops_reserve_hdr_opt', 'bpf_reserve_hdr_opt'],
  ['sk_select_reuseport', 'bpf_sk_select_reuseport', int([CTX, MAP, KEY, ANY])],
  ['bpf_sk_lookup_assign', 'bpf_sk_assign', int([CTX, SOCKET_OR_NULL, ANY])],
  [
    'bpf_sk_storage_get_cg_sock',
    'bpf_sk_storage_get',
    pointer(TO_VALUE_OR_NULL, [MAP, CTX, VALUE_OR_NULL, ANY]),
    'bpf_sk_storage_get',
  ],
  [
    'bpf_sk_storage_get_tracing',
    'bpf_sk_storage_get',
    pointer(TO_VALUE_OR_NULL, [
      MAP,
      { type: 'ARG_PTR_TO_BTF_ID', btfName: 'sock_common', flags: ['PTR_MAYBE_NULL'] },
      VALUE_OR_NULL,
      ANY,
    ]),
  ],
  [
    'bpf_sk_storage_delete_tracing',
    'bpf_sk_storage_delete',
    int([MAP, { type: 'ARG_PTR_TO_BTF_ID', btfName: 'sock_common', flags: ['PTR_MAYBE_NULL'] }]),
  ],
];

/** Contracts called like their helper, whose kernel function is not. */
const SYMBOLS: Readonly<Record<string, string>> = {
  bpf_get_prandom_u32: 'bpf_user_rnd_u32',
  bpf_skb_output: 'bpf_skb_event_output',
  bpf_xdp_output: 'bpf_xdp_event_output',
  bpf_get_func_arg: 'get_func_arg',
  bpf_get_func_ret: 'get_func_ret',
  bpf_get_func_arg_cnt: 'get_func_arg_cnt',
};

/** Kernel functions whose paths `bpf_d_path` may print (`btf_allowlist_d_path`). */
const D_PATH_FUNCTIONS: ReadonlySet<string> = new Set([
  'security_file_permission',
  'security_inode_getattr',
  'security_file_open',
  'security_path_truncate',
  'vfs_truncate',
  'vfs_fallocate',
  'dentry_open',
  'vfs_getattr',
  'filp_close',
]);

/** Source: `kernel/trace/bpf_trace.c: bpf_d_path_allowed`. */
function dPathAllowed({ type, attachType, attachFuncName }: HelperCaller): boolean {
  if (type === bpf_prog_type.BPF_PROG_TYPE_TRACING && attachType === bpf_attach_type.BPF_TRACE_ITER) return true;
  if (type === bpf_prog_type.BPF_PROG_TYPE_LSM) return LSM_SLEEPABLE_HOOKS.has(attachFuncName);
  return D_PATH_FUNCTIONS.has(attachFuncName);
}

/** Source: `net/core/bpf_sk_storage.c: bpf_sk_storage_tracing_allowed`. */
function skStorageTracingAllowed({ attachType, attachFuncName, attachesToProg }: HelperCaller): boolean {
  if (attachesToProg === true) return false;
  switch (attachType) {
    case bpf_attach_type.BPF_TRACE_ITER:
    case bpf_attach_type.BPF_TRACE_RAW_TP:
      return true;
    case bpf_attach_type.BPF_TRACE_FENTRY:
    case bpf_attach_type.BPF_TRACE_FEXIT:
      return !attachFuncName.startsWith('bpf_sk_storage');
    default:
      return false;
  }
}

/** Source: `kernel/bpf/bpf_lsm.c: bpf_ima_inode_hash_allowed`. */
const imaAllowed = ({ attachFuncName }: HelperCaller): boolean => LSM_SLEEPABLE_HOOKS.has(attachFuncName);

const ALLOWED: Readonly<Record<string, HelperProto['allowed']>> = {
  bpf_d_path: dPathAllowed,
  bpf_ima_inode_hash: imaAllowed,
  bpf_ima_file_hash: imaAllowed,
  bpf_sk_storage_get_tracing: skStorageTracingAllowed,
  bpf_sk_storage_delete_tracing: skStorageTracingAllowed,
};

function withAllowed(name: string, proto: HelperProto): HelperProto {
  const allowed = ALLOWED[name];
  return allowed === undefined ? proto : { ...proto, allowed };
}

/** Every contract by its name in Linux. */
export const KERNEL_PROTOS: ReadonlyMap<string, KernelProto> = (() => {
  const table = new Map<string, KernelProto>();
  for (const def of HELPERS) {
    if (def === undefined) continue;
    const { id, name, proto } = def;
    table.set(name, { helperId: id, name, symbol: SYMBOLS[name] ?? name, proto: withAllowed(name, proto) });
  }
  for (const [name, helper, proto, symbol = name] of VARIANTS) {
    const def = helperByName(helper);
    if (def === undefined) continue;
    // A contract of its own, so that what is compiled from it and its symbol belong together.
    table.set(name, { helperId: def.id, name, symbol, proto: withAllowed(name, { ...(proto ?? def.proto) }) });
  }
  return table;
})();

const BY_PROTO: ReadonlyMap<HelperProto, KernelProto> = new Map(
  [...KERNEL_PROTOS.values()].map(row => [row.proto, row]),
);

/** The row a contract comes from: its name in Linux, the kernel function behind it. */
export function kernelProtoOf(proto: HelperProto): KernelProto | undefined {
  return BY_PROTO.get(proto);
}
