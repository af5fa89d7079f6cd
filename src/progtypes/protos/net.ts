import { bpf_attach_type } from '../../uapi/index.ts';
import type { ProgFacts } from '../contract.ts';
import { isAs7_2 } from '../release.ts';
import { BASE, CGROUP_COMMON, CGROUP_CURRENT, MAP_PROTOS, SK_BASE } from './base.ts';
import { onlyIf, type ProtoSet, protoSet } from './proto-set.ts';

const A = bpf_attach_type;
const SK_STORAGE = ['bpf_sk_storage_get', 'bpf_sk_storage_delete'] as const;
const SYNCOOKIES = [
  'bpf_tcp_raw_gen_syncookie_ipv4',
  'bpf_tcp_raw_gen_syncookie_ipv6',
  'bpf_tcp_raw_check_syncookie_ipv4',
  'bpf_tcp_raw_check_syncookie_ipv6',
] as const;

/** Packets tell their network namespace from 7.2 on at the latest. */
const NETNS_COOKIE = onlyIf(isAs7_2, ['bpf_get_netns_cookie']);

/** Source: `net/core/filter.c: sk_filter_func_proto`. */
export const SOCKET_FILTER: ProtoSet = protoSet(
  [
    'bpf_skb_load_bytes',
    'bpf_skb_load_bytes_relative',
    'bpf_get_socket_cookie',
    'bpf_get_socket_uid',
    'bpf_skb_event_output',
  ],
  NETNS_COOKIE,
  SK_BASE,
);

/** Source: `cg_skb_func_proto`. */
export const CGROUP_SKB: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  protoSet([
    'bpf_sk_fullsock',
    ...SK_STORAGE,
    'bpf_skb_event_output',
    'bpf_skb_cgroup_id',
    'bpf_skb_ancestor_cgroup_id',
    'bpf_sk_cgroup_id',
    'bpf_sk_ancestor_cgroup_id',
    'bpf_sk_lookup_tcp',
    'bpf_sk_lookup_udp',
    'bpf_sk_release',
    'bpf_skc_lookup_tcp',
    'bpf_tcp_sock',
    'bpf_get_listener_sock',
    'bpf_skb_ecn_set_ce',
  ]),
  SOCKET_FILTER,
);

/** Source: `tc_cls_act_func_proto`. */
export const TC: ProtoSet = protoSet(
  [
    'bpf_skb_store_bytes',
    'bpf_skb_load_bytes',
    'bpf_skb_load_bytes_relative',
    'bpf_skb_pull_data',
    'bpf_csum_diff',
    'bpf_csum_update',
    'bpf_csum_level',
    'bpf_l3_csum_replace',
    'bpf_l4_csum_replace',
    'bpf_clone_redirect',
    'bpf_get_cgroup_classid',
    'bpf_skb_vlan_push',
    'bpf_skb_vlan_pop',
    'bpf_skb_change_proto',
    'bpf_skb_change_type',
    'bpf_skb_adjust_room',
    'bpf_skb_change_tail',
    'bpf_skb_change_head',
    'bpf_skb_get_tunnel_key',
    'bpf_skb_set_tunnel_key',
    'bpf_skb_get_tunnel_opt',
    'bpf_skb_set_tunnel_opt',
    'bpf_redirect',
    'bpf_redirect_neigh',
    'bpf_redirect_peer',
    'bpf_get_route_realm',
    'bpf_get_hash_recalc',
    'bpf_set_hash_invalid',
    'bpf_set_hash',
    'bpf_skb_event_output',
    'bpf_get_smp_processor_id',
    'bpf_skb_under_cgroup',
    'bpf_get_socket_cookie',
    'bpf_get_socket_uid',
    'bpf_skb_fib_lookup',
    'bpf_skb_check_mtu',
    'bpf_sk_fullsock',
    ...SK_STORAGE,
    'bpf_skb_get_xfrm_state',
    'bpf_skb_cgroup_classid',
    'bpf_skb_cgroup_id',
    'bpf_skb_ancestor_cgroup_id',
    'bpf_tc_sk_lookup_tcp',
    'bpf_tc_sk_lookup_udp',
    'bpf_sk_release',
    'bpf_tcp_sock',
    'bpf_get_listener_sock',
    'bpf_tc_skc_lookup_tcp',
    'bpf_tcp_check_syncookie',
    'bpf_skb_ecn_set_ce',
    'bpf_tcp_gen_syncookie',
    'bpf_sk_assign',
    'bpf_skb_set_tstamp',
    ...SYNCOOKIES,
  ],
  NETNS_COOKIE,
  SK_BASE,
);

/** Source: `xdp_func_proto`. */
export const XDP: ProtoSet = protoSet(
  [
    'bpf_xdp_event_output',
    'bpf_get_smp_processor_id',
    'bpf_csum_diff',
    'bpf_xdp_adjust_head',
    'bpf_xdp_adjust_meta',
    'bpf_xdp_redirect',
    'bpf_xdp_redirect_map',
    'bpf_xdp_adjust_tail',
    'bpf_xdp_get_buff_len',
    'bpf_xdp_load_bytes',
    'bpf_xdp_store_bytes',
    'bpf_xdp_fib_lookup',
    'bpf_xdp_check_mtu',
    'bpf_xdp_sk_lookup_udp',
    'bpf_xdp_sk_lookup_tcp',
    'bpf_sk_release',
    'bpf_xdp_skc_lookup_tcp',
    'bpf_tcp_check_syncookie',
    'bpf_tcp_gen_syncookie',
    ...SYNCOOKIES,
  ],
  SK_BASE,
);

/** Source: `lwt_out_func_proto`. */
export const LWT_OUT: ProtoSet = protoSet(
  [
    'bpf_skb_load_bytes',
    'bpf_skb_pull_data',
    'bpf_csum_diff',
    'bpf_get_cgroup_classid',
    'bpf_get_route_realm',
    'bpf_get_hash_recalc',
    'bpf_skb_event_output',
    'bpf_get_smp_processor_id',
    'bpf_skb_under_cgroup',
  ],
  SK_BASE,
);
/** Source: `lwt_in_func_proto`. */
export const LWT_IN: ProtoSet = protoSet(['bpf_lwt_in_push_encap'], LWT_OUT);
/** Source: `lwt_xmit_func_proto`. */
export const LWT_XMIT: ProtoSet = protoSet(
  [
    'bpf_skb_get_tunnel_key',
    'bpf_skb_set_tunnel_key',
    'bpf_skb_get_tunnel_opt',
    'bpf_skb_set_tunnel_opt',
    'bpf_redirect',
    'bpf_clone_redirect',
    'bpf_skb_change_tail',
    'bpf_skb_change_head',
    'bpf_skb_store_bytes',
    'bpf_csum_update',
    'bpf_csum_level',
    'bpf_l3_csum_replace',
    'bpf_l4_csum_replace',
    'bpf_set_hash_invalid',
    'bpf_lwt_xmit_push_encap',
  ],
  LWT_OUT,
);
/** Source: `lwt_seg6local_func_proto`. */
export const LWT_SEG6LOCAL: ProtoSet = protoSet(
  [
    'bpf_lwt_seg6_store_bytes',
    'bpf_lwt_seg6_action',
    'bpf_lwt_seg6_adjust_srh',
    ['bpf_skb_pull_data', prog => (isAs7_2(prog) ? undefined : 'bpf_skb_pull_data')],
  ],
  LWT_OUT,
);

/** Source: `sock_filter_func_proto`. */
export const CGROUP_SOCK: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  CGROUP_CURRENT,
  protoSet([
    'bpf_get_socket_cookie_sock',
    'bpf_get_netns_cookie_sock',
    'bpf_event_output_data',
    'bpf_sk_storage_get_cg_sock',
    'bpf_ktime_get_coarse_ns',
  ]),
  onlyIf(
    prog => isAs7_2(prog) && prog.attachType === A.BPF_CGROUP_INET_SOCK_CREATE,
    ['bpf_sock_create_setsockopt', 'bpf_sock_create_getsockopt'],
  ),
  BASE,
);

const isConnect = (prog: ProgFacts): boolean =>
  prog.attachType === A.BPF_CGROUP_INET4_CONNECT || prog.attachType === A.BPF_CGROUP_INET6_CONNECT;
/** Every attach type of `cgroup_sock_addr` there is in 6.12. */
const SOCKOPT_ATTACH: ReadonlySet<number> = new Set([
  A.BPF_CGROUP_INET4_BIND,
  A.BPF_CGROUP_INET6_BIND,
  A.BPF_CGROUP_INET4_CONNECT,
  A.BPF_CGROUP_INET6_CONNECT,
  A.BPF_CGROUP_UNIX_CONNECT,
  A.BPF_CGROUP_UDP4_RECVMSG,
  A.BPF_CGROUP_UDP6_RECVMSG,
  A.BPF_CGROUP_UNIX_RECVMSG,
  A.BPF_CGROUP_UDP4_SENDMSG,
  A.BPF_CGROUP_UDP6_SENDMSG,
  A.BPF_CGROUP_UNIX_SENDMSG,
  A.BPF_CGROUP_INET4_GETPEERNAME,
  A.BPF_CGROUP_INET6_GETPEERNAME,
  A.BPF_CGROUP_UNIX_GETPEERNAME,
  A.BPF_CGROUP_INET4_GETSOCKNAME,
  A.BPF_CGROUP_INET6_GETSOCKNAME,
  A.BPF_CGROUP_UNIX_GETSOCKNAME,
]);

/** Of these, those that 7.2 no longer lets at options. */
const UNIX_NAMES: ReadonlySet<number> = new Set([A.BPF_CGROUP_UNIX_GETPEERNAME, A.BPF_CGROUP_UNIX_GETSOCKNAME]);

/** Source: `sock_addr_func_proto`. */
export const CGROUP_SOCK_ADDR: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  CGROUP_CURRENT,
  onlyIf(isConnect, ['bpf_bind']),
  onlyIf(
    prog => SOCKOPT_ATTACH.has(prog.attachType) && !(isAs7_2(prog) && UNIX_NAMES.has(prog.attachType)),
    ['bpf_sock_addr_setsockopt', 'bpf_sock_addr_getsockopt'],
  ),
  protoSet([
    'bpf_get_socket_cookie_sock_addr',
    'bpf_get_netns_cookie_sock_addr',
    'bpf_event_output_data',
    'bpf_sock_addr_sk_lookup_tcp',
    'bpf_sock_addr_sk_lookup_udp',
    'bpf_sk_release',
    'bpf_sock_addr_skc_lookup_tcp',
    ...SK_STORAGE,
  ]),
  SK_BASE,
);

/** Source: `sock_ops_func_proto`. */
export const SOCK_OPS: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  protoSet([
    'bpf_sock_ops_setsockopt',
    'bpf_sock_ops_getsockopt',
    'bpf_sock_ops_cb_flags_set',
    'bpf_sock_map_update',
    'bpf_sock_hash_update',
    'bpf_get_socket_cookie_sock_ops',
    'bpf_event_output_data',
    ...SK_STORAGE,
    'bpf_get_netns_cookie_sock_ops',
    'bpf_sock_ops_load_hdr_opt',
    'bpf_sock_ops_store_hdr_opt',
    'bpf_sock_ops_reserve_hdr_opt',
    'bpf_tcp_sock',
  ]),
  SK_BASE,
);

/** Source: `sk_msg_func_proto`. */
export const SK_MSG: ProtoSet = protoSet(
  [
    'bpf_msg_redirect_map',
    'bpf_msg_redirect_hash',
    'bpf_msg_apply_bytes',
    'bpf_msg_cork_bytes',
    'bpf_msg_pull_data',
    'bpf_msg_push_data',
    'bpf_msg_pop_data',
    'bpf_event_output_data',
    'bpf_get_current_uid_gid',
    ...SK_STORAGE,
    'bpf_get_netns_cookie_sk_msg',
    'bpf_get_cgroup_classid_curr',
  ],
  SK_BASE,
);

/** Source: `sk_skb_func_proto`. */
export const SK_SKB: ProtoSet = protoSet(
  [
    'bpf_skb_store_bytes',
    'bpf_skb_load_bytes',
    'sk_skb_pull_data',
    'sk_skb_change_tail',
    'sk_skb_change_head',
    'sk_skb_adjust_room',
    'bpf_get_socket_cookie',
    'bpf_get_socket_uid',
    'bpf_sk_redirect_map',
    'bpf_sk_redirect_hash',
    'bpf_skb_event_output',
    'bpf_sk_lookup_tcp',
    'bpf_sk_lookup_udp',
    'bpf_sk_release',
    'bpf_skc_lookup_tcp',
  ],
  SK_BASE,
);

/** Source: `flow_dissector_func_proto`. */
export const FLOW_DISSECTOR: ProtoSet = protoSet(['bpf_flow_dissector_load_bytes'], SK_BASE);

/** Source: `sk_reuseport_func_proto`. */
export const SK_REUSEPORT: ProtoSet = protoSet(
  [
    'sk_select_reuseport',
    'sk_reuseport_load_bytes',
    'sk_reuseport_load_bytes_relative',
    'bpf_get_socket_ptr_cookie',
    'bpf_ktime_get_coarse_ns',
  ],
  BASE,
);

/** Source: `sk_lookup_func_proto`. */
export const SK_LOOKUP: ProtoSet = protoSet(
  ['bpf_event_output_data', 'bpf_sk_lookup_assign', 'bpf_sk_release'],
  SK_BASE,
);

/** Source: `kernel/bpf/cgroup.c: cgroup_dev_func_proto`. */
export const CGROUP_DEVICE: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  CGROUP_CURRENT,
  protoSet(['bpf_event_output_data']),
  BASE,
);

/** Source: `kernel/bpf/cgroup.c: sysctl_func_proto`. */
export const CGROUP_SYSCTL: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  CGROUP_CURRENT,
  protoSet([
    'bpf_sysctl_get_name',
    'bpf_sysctl_get_current_value',
    'bpf_sysctl_get_new_value',
    'bpf_sysctl_set_new_value',
    'bpf_ktime_get_coarse_ns',
    'bpf_event_output_data',
  ]),
  BASE,
);

/** Source: `kernel/bpf/cgroup.c: cg_sockopt_func_proto`. */
export const CGROUP_SOCKOPT: ProtoSet = protoSet(
  [],
  CGROUP_COMMON,
  CGROUP_CURRENT,
  onlyIf(prog => prog.attachType === A.BPF_CGROUP_SETSOCKOPT, ['bpf_sk_setsockopt', 'bpf_sk_getsockopt']),
  protoSet(['bpf_get_netns_cookie_sockopt', ...SK_STORAGE, 'bpf_tcp_sock', 'bpf_event_output_data']),
  BASE,
);

/** Source: `drivers/media/rc/bpf-lirc.c: lirc_mode2_func_proto`. */
export const LIRC_MODE2: ProtoSet = protoSet(
  [
    'bpf_rc_repeat',
    'bpf_rc_keydown',
    'bpf_rc_pointer_rel',
    ...MAP_PROTOS,
    'bpf_ktime_get_ns',
    'bpf_ktime_get_boot_ns',
    'bpf_tail_call',
    'bpf_get_prandom_u32',
  ],
  onlyIf(prog => prog.capPerfmon, ['bpf_trace_printk']),
);
