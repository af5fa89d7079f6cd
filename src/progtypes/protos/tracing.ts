import { bpfLsmIsLockedSockoptHook, bpfLsmIsUnlockedSockoptHook } from '../../helpers/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { ProgFacts } from '../contract.ts';
import { iterTarget } from '../iter-targets.ts';
import { BASE, bpfProgCheckRecur, bpfProgHasTrampoline, CGROUP_COMMON, MAP_PROTOS } from './base.ts';
import { onlyIf, type ProtoEntry, type ProtoSet, protoSet } from './proto-set.ts';

const A = bpf_attach_type;

/** CPUs on which kernel and user space share no addresses still have the old `bpf_probe_read`. */
const SEPARATE_SPACES: ReadonlySet<string> = new Set(['x86_64', 'arm64', 'ppc64', 'ppc64le', 'riscv64', 'loong64']);
const separate =
  (name: string) =>
  (prog: ProgFacts): string | undefined =>
    SEPARATE_SPACES.has(prog.arch) ? name : undefined;

const COMMON: readonly ProtoEntry[] = [
  ...MAP_PROTOS,
  'bpf_map_lookup_percpu_elem',
  'bpf_ktime_get_ns',
  'bpf_ktime_get_boot_ns',
  'bpf_tail_call',
  'bpf_get_current_task',
  'bpf_get_current_task_btf',
  'bpf_task_pt_regs',
  'bpf_get_current_uid_gid',
  'bpf_get_current_comm',
  'bpf_trace_printk',
  'bpf_get_smp_processor_id',
  'bpf_get_numa_node_id',
  'bpf_perf_event_read',
  'bpf_get_prandom_u32',
  ['bpf_probe_write_user', prog => (prog.capSysAdmin ? 'bpf_probe_write_user' : undefined)],
  'bpf_probe_read_user',
  'bpf_probe_read_kernel',
  'bpf_probe_read_user_str',
  'bpf_probe_read_kernel_str',
  ['bpf_probe_read', separate('bpf_probe_read_compat')],
  ['bpf_probe_read_str', separate('bpf_probe_read_compat_str')],
  'bpf_cgrp_storage_get',
  'bpf_cgrp_storage_delete',
  'bpf_current_task_under_cgroup',
  'bpf_send_signal',
  'bpf_send_signal_thread',
  'bpf_perf_event_read_value',
  'bpf_ringbuf_output',
  'bpf_ringbuf_reserve',
  'bpf_ringbuf_submit',
  'bpf_ringbuf_discard',
  'bpf_ringbuf_query',
  'bpf_jiffies64',
  ['bpf_get_task_stack', prog => (prog.sleepable ? 'bpf_get_task_stack_sleepable' : 'bpf_get_task_stack')],
  'bpf_copy_from_user',
  'bpf_copy_from_user_task',
  'bpf_snprintf_btf',
  'bpf_per_cpu_ptr',
  'bpf_this_cpu_ptr',
  ['bpf_task_storage_get', prog => (bpfProgCheckRecur(prog) ? 'bpf_task_storage_get_recur' : 'bpf_task_storage_get')],
  [
    'bpf_task_storage_delete',
    prog => (bpfProgCheckRecur(prog) ? 'bpf_task_storage_delete_recur' : 'bpf_task_storage_delete'),
  ],
  'bpf_for_each_map_elem',
  'bpf_snprintf',
  'bpf_get_func_ip_tracing',
  'bpf_get_branch_snapshot',
  'bpf_find_vma',
  'bpf_trace_vprintk',
];

/** Source: `kernel/trace/bpf_trace.c: bpf_tracing_func_proto`. */
const BPF_TRACING: ProtoSet = protoSet(COMMON, BASE);

const isKprobeMulti = (prog: ProgFacts): boolean =>
  prog.attachType === A.BPF_TRACE_KPROBE_MULTI || prog.attachType === A.BPF_TRACE_KPROBE_SESSION;
const isUprobeMulti = (prog: ProgFacts): boolean => prog.attachType === A.BPF_TRACE_UPROBE_MULTI;

/** Source: `kprobe_prog_func_proto`; Debian's kernels have no `bpf_override_return`. */
export const KPROBE: ProtoSet = protoSet(
  [
    'bpf_perf_event_output',
    'bpf_get_stackid',
    ['bpf_get_stack', prog => (prog.sleepable ? 'bpf_get_stack_sleepable' : 'bpf_get_stack')],
    [
      'bpf_get_func_ip',
      prog => {
        if (isKprobeMulti(prog)) return 'bpf_get_func_ip_kprobe_multi';
        return isUprobeMulti(prog) ? 'bpf_get_func_ip_uprobe_multi' : 'bpf_get_func_ip_kprobe';
      },
    ],
    [
      'bpf_get_attach_cookie',
      prog => {
        if (isKprobeMulti(prog)) return 'bpf_get_attach_cookie_kmulti';
        return isUprobeMulti(prog) ? 'bpf_get_attach_cookie_umulti' : 'bpf_get_attach_cookie_trace';
      },
    ],
  ],
  BPF_TRACING,
);

/** Source: `tp_prog_func_proto`. */
export const TRACEPOINT: ProtoSet = protoSet(
  ['bpf_perf_event_output_tp', 'bpf_get_stackid_tp', 'bpf_get_stack_tp', 'bpf_get_attach_cookie_trace'],
  BPF_TRACING,
);

/** Source: `pe_prog_func_proto`. */
export const PERF_EVENT: ProtoSet = protoSet(
  [
    'bpf_perf_event_output_tp',
    'bpf_get_stackid_pe',
    'bpf_get_stack_pe',
    'bpf_perf_prog_read_value',
    'bpf_read_branch_records',
    'bpf_get_attach_cookie_pe',
  ],
  BPF_TRACING,
);

/** Source: `raw_tp_prog_func_proto`. */
export const RAW_TRACEPOINT: ProtoSet = protoSet(
  ['bpf_perf_event_output_raw_tp', 'bpf_get_stackid_raw_tp', 'bpf_get_stack_raw_tp', 'bpf_get_attach_cookie_tracing'],
  BPF_TRACING,
);

const isIter = (prog: ProgFacts): boolean => prog.attachType === A.BPF_TRACE_ITER;
/** Iterators over sockets that may set options. */
const isSocketIter = (prog: ProgFacts): boolean => {
  const target = isIter(prog) ? iterTarget(prog.attachFuncName) : undefined;
  return target === 'tcp' || target === 'unix';
};

/** Source: `tracing_prog_func_proto`, `bpf_iter_get_func_proto`. */
export const TRACING: ProtoSet = protoSet(
  [
    'bpf_skb_output',
    'bpf_xdp_output',
    'bpf_skc_to_tcp6_sock',
    'bpf_skc_to_tcp_sock',
    'bpf_skc_to_tcp_timewait_sock',
    'bpf_skc_to_tcp_request_sock',
    'bpf_skc_to_udp6_sock',
    'bpf_skc_to_unix_sock',
    'bpf_skc_to_mptcp_sock',
    'bpf_sk_storage_get_tracing',
    'bpf_sk_storage_delete_tracing',
    'bpf_sock_from_file',
    'bpf_get_socket_ptr_cookie',
    'bpf_xdp_get_buff_len_trace',
    'bpf_d_path',
    [
      'bpf_get_attach_cookie',
      prog =>
        (prog.rawType === bpf_prog_type.BPF_PROG_TYPE_TRACING && prog.attachType === A.BPF_TRACE_RAW_TP) ||
        bpfProgHasTrampoline(prog)
          ? 'bpf_get_attach_cookie_tracing'
          : undefined,
    ],
  ],
  onlyIf(isIter, ['bpf_seq_printf', 'bpf_seq_write', 'bpf_seq_printf_btf']),
  onlyIf(bpfProgHasTrampoline, ['bpf_get_func_arg', 'bpf_get_func_ret', 'bpf_get_func_arg_cnt']),
  RAW_TRACEPOINT,
  onlyIf(isSocketIter, ['bpf_sk_setsockopt', 'bpf_sk_getsockopt']),
);

/** Options of sockets in LSM hooks of a control group. */
const sockopt =
  (locked: string, unlocked: string) =>
  (prog: ProgFacts): string | undefined => {
    if (prog.attachType !== A.BPF_LSM_CGROUP) return undefined;
    if (bpfLsmIsLockedSockoptHook(prog.attachFuncName)) return locked;
    return bpfLsmIsUnlockedSockoptHook(prog.attachFuncName) ? unlocked : undefined;
  };

const LSM_OWN = protoSet(
  [
    'bpf_inode_storage_get',
    'bpf_inode_storage_delete',
    'bpf_sk_storage_get',
    'bpf_sk_storage_delete',
    'bpf_spin_lock',
    'bpf_spin_unlock',
    'bpf_bprm_opts_set',
    'bpf_ima_inode_hash',
    'bpf_ima_file_hash',
    ['bpf_get_attach_cookie', prog => (bpfProgHasTrampoline(prog) ? 'bpf_get_attach_cookie' : undefined)],
    ['bpf_setsockopt', sockopt('bpf_sk_setsockopt', 'bpf_unlocked_sk_setsockopt')],
    ['bpf_getsockopt', sockopt('bpf_sk_getsockopt', 'bpf_unlocked_sk_getsockopt')],
  ],
  TRACING,
);

/** Programs of LSM hooks that are not in a control group. Source: `kernel/bpf/bpf_lsm.c: bpf_lsm_func_proto`. */
export const LSM: ProtoSet = LSM_OWN;
/** Programs of LSM hooks in a control group. */
export const LSM_CGROUP: ProtoSet = protoSet([], CGROUP_COMMON, LSM_OWN);

/** Source: `kernel/bpf/syscall.c: syscall_prog_func_proto`. */
export const SYSCALL: ProtoSet = protoSet(
  [
    ['bpf_sys_bpf', prog => (prog.capPerfmon ? 'bpf_sys_bpf' : undefined)],
    'bpf_btf_find_by_name_kind',
    'bpf_sys_close',
    'bpf_kallsyms_lookup_name',
  ],
  TRACING,
);
