import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { ProgFacts } from '../contract.ts';
import { onlyIf, type ProtoSet, protoSet } from './proto-set.ts';

const T = bpf_prog_type;
const A = bpf_attach_type;

export const MAP_PROTOS = [
  'bpf_map_lookup_elem',
  'bpf_map_update_elem',
  'bpf_map_delete_elem',
  'bpf_map_push_elem',
  'bpf_map_pop_elem',
  'bpf_map_peek_elem',
] as const;

const UNPRIVILEGED = [
  ...MAP_PROTOS,
  'bpf_map_lookup_percpu_elem',
  'bpf_get_prandom_u32',
  'bpf_get_raw_smp_processor_id',
  'bpf_get_numa_node_id',
  'bpf_tail_call',
  'bpf_ktime_get_ns',
  'bpf_ktime_get_boot_ns',
  'bpf_ktime_get_tai_ns',
  'bpf_ringbuf_output',
  'bpf_ringbuf_reserve',
  'bpf_ringbuf_submit',
  'bpf_ringbuf_discard',
  'bpf_ringbuf_query',
  'bpf_strncmp',
  'bpf_strtol',
  'bpf_strtoul',
  'bpf_get_current_pid_tgid',
  'bpf_get_ns_current_pid_tgid',
];

const WITH_CAP_BPF = [
  'bpf_spin_lock',
  'bpf_spin_unlock',
  'bpf_jiffies64',
  'bpf_per_cpu_ptr',
  'bpf_this_cpu_ptr',
  'bpf_timer_init',
  'bpf_timer_set_callback',
  'bpf_timer_start',
  'bpf_timer_cancel',
  'bpf_kptr_xchg',
  'bpf_for_each_map_elem',
  'bpf_loop',
  'bpf_user_ringbuf_drain',
  'bpf_ringbuf_reserve_dynptr',
  'bpf_ringbuf_submit_dynptr',
  'bpf_ringbuf_discard_dynptr',
  'bpf_dynptr_from_mem',
  'bpf_dynptr_read',
  'bpf_dynptr_write',
  'bpf_dynptr_data',
  'bpf_cgrp_storage_get',
  'bpf_cgrp_storage_delete',
  'bpf_get_current_cgroup_id',
  'bpf_get_current_ancestor_cgroup_id',
];

const WITH_CAP_PERFMON = [
  'bpf_trace_printk',
  'bpf_get_current_task',
  'bpf_get_current_task_btf',
  'bpf_probe_read_user',
  'bpf_probe_read_kernel',
  'bpf_probe_read_user_str',
  'bpf_probe_read_kernel_str',
  'bpf_snprintf_btf',
  'bpf_snprintf',
  'bpf_task_pt_regs',
  'bpf_trace_vprintk',
];

const perfmon = (prog: ProgFacts): boolean => prog.capPerfmon;

/** Helpers of every program type, by what the loader may do. Source: `kernel/bpf/helpers.c: bpf_base_func_proto`. */
export const BASE: ProtoSet = protoSet(
  UNPRIVILEGED,
  onlyIf(prog => prog.capBpf, WITH_CAP_BPF),
  onlyIf(prog => prog.capBpf && prog.capPerfmon, WITH_CAP_PERFMON),
);

/** Helpers of every networking type. Source: `net/core/filter.c: bpf_sk_base_func_proto`. */
export const SK_BASE: ProtoSet = protoSet(
  ['bpf_ktime_get_coarse_ns'],
  onlyIf(perfmon, [
    'bpf_skc_to_tcp6_sock',
    'bpf_skc_to_tcp_sock',
    'bpf_skc_to_tcp_timewait_sock',
    'bpf_skc_to_tcp_request_sock',
    'bpf_skc_to_udp6_sock',
    'bpf_skc_to_unix_sock',
    'bpf_skc_to_mptcp_sock',
  ]),
  BASE,
);

/** Attach types whose programs have no return value of a system call to see or set. */
const WITHOUT_RETVAL: ReadonlySet<number> = new Set([
  A.BPF_CGROUP_INET_INGRESS,
  A.BPF_CGROUP_INET_EGRESS,
  A.BPF_CGROUP_SOCK_OPS,
  A.BPF_CGROUP_UDP4_RECVMSG,
  A.BPF_CGROUP_UDP6_RECVMSG,
  A.BPF_CGROUP_UNIX_RECVMSG,
  A.BPF_CGROUP_INET4_GETPEERNAME,
  A.BPF_CGROUP_INET6_GETPEERNAME,
  A.BPF_CGROUP_UNIX_GETPEERNAME,
  A.BPF_CGROUP_INET4_GETSOCKNAME,
  A.BPF_CGROUP_INET6_GETSOCKNAME,
  A.BPF_CGROUP_UNIX_GETSOCKNAME,
]);
const hasRetval = (prog: ProgFacts): boolean => !WITHOUT_RETVAL.has(prog.attachType);

/** Source: `kernel/bpf/cgroup.c: cgroup_common_func_proto`. */
export const CGROUP_COMMON: ProtoSet = protoSet(
  ['bpf_get_local_storage'],
  onlyIf(hasRetval, ['bpf_get_retval', 'bpf_set_retval']),
);

/** Source: `kernel/bpf/cgroup.c: cgroup_current_func_proto`. */
export const CGROUP_CURRENT: ProtoSet = protoSet([
  'bpf_get_current_uid_gid',
  'bpf_get_current_comm',
  'bpf_get_cgroup_classid_curr',
  'bpf_current_task_under_cgroup',
]);

/** Programs that Linux keeps from running inside themselves. Source: `include/linux/bpf_verifier.h: bpf_prog_check_recur`. */
export function bpfProgCheckRecur(prog: ProgFacts): boolean {
  switch (prog.type) {
    case T.BPF_PROG_TYPE_TRACING:
      return prog.attachType !== A.BPF_TRACE_ITER;
    case T.BPF_PROG_TYPE_STRUCT_OPS:
    case T.BPF_PROG_TYPE_LSM:
      return false;
    default:
      return true;
  }
}

/** Programs that are called through a trampoline. Source: `kernel/bpf/trampoline.c: bpf_prog_has_trampoline`. */
export function bpfProgHasTrampoline(prog: ProgFacts): boolean {
  const { rawType, attachType } = prog;
  return (
    (rawType === T.BPF_PROG_TYPE_TRACING &&
      (attachType === A.BPF_TRACE_FENTRY || attachType === A.BPF_TRACE_FEXIT || attachType === A.BPF_MODIFY_RETURN)) ||
    (rawType === T.BPF_PROG_TYPE_LSM && attachType === A.BPF_LSM_MAC)
  );
}
