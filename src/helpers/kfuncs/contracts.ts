import { LATER_KFUNCS } from './contracts-later.ts';
import {
  KF_ACQUIRE,
  KF_DESTRUCTIVE,
  KF_ITER_DESTROY,
  KF_ITER_NEW,
  KF_ITER_NEXT,
  KF_RCU,
  KF_RCU_PROTECTED,
  KF_RELEASE,
  KF_RET_NULL,
  KF_SLEEPABLE,
  KF_TRUSTED_ARGS,
  type KfuncFilter,
  type KfuncHook,
  type KfuncSet,
} from './kfunc-set.ts';

/**
 * Which kernel functions programs may call: flags, program kinds and conditions, by name. What they take and give is in
 * the kernel's BTF. Names are those the kernel registers; whether a kernel has one, its BTF says.
 *
 * Source: `include/linux/btf.h`, every `BTF_KFUNCS_START` and `register_btf_kfunc_id_set` of 6.12.
 */
export * from './kfunc-set.ts';

/** A kernel function as one set registers it. */
export interface KfuncContract {
  readonly name: string;
  /** `KF_*` */
  readonly flags: number;
  readonly hooks: readonly KfuncHook[];
  readonly filter?: KfuncFilter | undefined;
  /** First kernel that has it. */
  readonly since: string;
}

const A = KF_ACQUIRE;
const N = KF_RET_NULL;
const R = KF_RELEASE;
const T = KF_TRUSTED_ARGS;
const S = KF_SLEEPABLE;
const U = KF_RCU;
const NEW = KF_ITER_NEW;
const NEXT = KF_ITER_NEXT | KF_RET_NULL;
const END = KF_ITER_DESTROY;

/** `generic_btf_ids` of `kernel/bpf/helpers.c`. */
const GENERIC: KfuncSet = {
  hooks: ['tracing', 'tc', 'xdp', 'struct_ops', 'syscall', 'cgroup'],
  rows: [
    ['crash_kexec', '6.1', KF_DESTRUCTIVE],
    ['bpf_obj_new_impl', '6.2', A | N],
    ['bpf_percpu_obj_new_impl', '6.7', A | N],
    ['bpf_obj_drop_impl', '6.2', R],
    ['bpf_percpu_obj_drop_impl', '6.7', R],
    ['bpf_refcount_acquire_impl', '6.4', A | N | U],
    ['bpf_list_push_front_impl', '6.2'],
    ['bpf_list_push_back_impl', '6.2'],
    ['bpf_list_pop_front', '6.2', A | N],
    ['bpf_list_pop_back', '6.2', A | N],
    ['bpf_task_acquire', '6.2', A | U | N],
    ['bpf_task_release', '6.2', R],
    ['bpf_rbtree_remove', '6.3', A | N],
    ['bpf_rbtree_add_impl', '6.3'],
    ['bpf_rbtree_first', '6.3', N],
    ['bpf_cgroup_acquire', '6.2', A | U | N],
    ['bpf_cgroup_release', '6.2', R],
    ['bpf_cgroup_ancestor', '6.2', A | U | N],
    ['bpf_cgroup_from_id', '6.4', A | N],
    ['bpf_task_under_cgroup', '6.5', U],
    ['bpf_task_get_cgroup1', '6.8', A | U | N],
    ['bpf_task_from_pid', '6.2', A | N],
    ['bpf_throw', '6.7'],
  ],
};

/** `common_btf_ids` of `kernel/bpf/helpers.c`, `arena.c`, `map_iter.c`: for every kind of program. */
const COMMON: KfuncSet = {
  hooks: ['common'],
  rows: [
    ['bpf_cast_to_kern_ctx', '6.2'],
    ['bpf_rdonly_cast', '6.2'],
    ['bpf_rcu_read_lock', '6.2'],
    ['bpf_rcu_read_unlock', '6.2'],
    ['bpf_dynptr_slice', '6.4', N],
    ['bpf_dynptr_slice_rdwr', '6.4', N],
    ['bpf_iter_num_new', '6.4', NEW],
    ['bpf_iter_num_next', '6.4', NEXT],
    ['bpf_iter_num_destroy', '6.4', END],
    ['bpf_iter_task_vma_new', '6.7', NEW | U],
    ['bpf_iter_task_vma_next', '6.7', NEXT],
    ['bpf_iter_task_vma_destroy', '6.7', END],
    ['bpf_iter_css_task_new', '6.7', NEW | T],
    ['bpf_iter_css_task_next', '6.7', NEXT],
    ['bpf_iter_css_task_destroy', '6.7', END],
    ['bpf_iter_css_new', '6.7', NEW | T | KF_RCU_PROTECTED],
    ['bpf_iter_css_next', '6.7', NEXT],
    ['bpf_iter_css_destroy', '6.7', END],
    ['bpf_iter_task_new', '6.7', NEW | T | KF_RCU_PROTECTED],
    ['bpf_iter_task_next', '6.7', NEXT],
    ['bpf_iter_task_destroy', '6.7', END],
    ['bpf_dynptr_adjust', '6.5'],
    ['bpf_dynptr_is_null', '6.5'],
    ['bpf_dynptr_is_rdonly', '6.5'],
    ['bpf_dynptr_size', '6.5'],
    ['bpf_dynptr_clone', '6.5'],
    ['bpf_modify_return_test_tp', '6.12'],
    ['bpf_wq_init', '6.10'],
    ['bpf_wq_set_callback_impl', '6.10'],
    ['bpf_wq_start', '6.10'],
    ['bpf_preempt_disable', '6.10'],
    ['bpf_preempt_enable', '6.10'],
    ['bpf_iter_bits_new', '6.11', NEW],
    ['bpf_iter_bits_next', '6.11', NEXT],
    ['bpf_iter_bits_destroy', '6.11', END],
    ['bpf_copy_from_user_str', '6.12', S],
    ['bpf_arena_alloc_pages', '6.9', T | S],
    ['bpf_arena_free_pages', '6.9', T | S],
    ['bpf_map_sum_elem_count', '6.6', T],
  ],
};

/** `cpumask_kfunc_btf_ids` of `kernel/bpf/cpumask.c`. */
const CPUMASK: KfuncSet = {
  hooks: ['tracing', 'struct_ops', 'syscall'],
  rows: [
    ['bpf_cpumask_create', '6.3', A | N],
    ['bpf_cpumask_release', '6.3', R],
    ['bpf_cpumask_acquire', '6.3', A | T],
    ['bpf_cpumask_first', '6.3', U],
    ['bpf_cpumask_first_zero', '6.3', U],
    ['bpf_cpumask_first_and', '6.5', U],
    ['bpf_cpumask_set_cpu', '6.3', U],
    ['bpf_cpumask_clear_cpu', '6.3', U],
    ['bpf_cpumask_test_cpu', '6.3', U],
    ['bpf_cpumask_test_and_set_cpu', '6.3', U],
    ['bpf_cpumask_test_and_clear_cpu', '6.3', U],
    ['bpf_cpumask_setall', '6.3', U],
    ['bpf_cpumask_clear', '6.3', U],
    ['bpf_cpumask_and', '6.3', U],
    ['bpf_cpumask_or', '6.3', U],
    ['bpf_cpumask_xor', '6.3', U],
    ['bpf_cpumask_equal', '6.3', U],
    ['bpf_cpumask_intersects', '6.3', U],
    ['bpf_cpumask_subset', '6.3', U],
    ['bpf_cpumask_empty', '6.3', U],
    ['bpf_cpumask_full', '6.3', U],
    ['bpf_cpumask_copy', '6.3', U],
    ['bpf_cpumask_any_distribute', '6.5', U],
    ['bpf_cpumask_any_and_distribute', '6.5', U],
    ['bpf_cpumask_weight', '6.8', U],
  ],
};

const TCP_CONGESTION: KfuncSet = {
  hooks: ['struct_ops'],
  rows: [
    ['tcp_reno_ssthresh', '5.13'],
    ['tcp_reno_cong_avoid', '5.13'],
    ['tcp_reno_undo_cwnd', '5.13'],
    ['tcp_slow_start', '5.13'],
    ['tcp_cong_avoid_ai', '5.13'],
    ['cubictcp_init', '5.13'],
    ['cubictcp_recalc_ssthresh', '5.13'],
    ['cubictcp_cong_avoid', '5.13'],
    ['cubictcp_state', '5.13'],
    ['cubictcp_cwnd_event', '5.13'],
    ['cubictcp_acked', '5.13'],
    ['dctcp_init', '5.13'],
    ['dctcp_update_alpha', '5.13'],
    ['dctcp_cwnd_event', '5.13'],
    ['dctcp_ssthresh', '5.13'],
    ['dctcp_cwnd_undo', '5.13'],
    ['dctcp_state', '5.13'],
    ['bbr_init', '5.13'],
    ['bbr_main', '5.13'],
    ['bbr_sndbuf_expand', '5.13'],
    ['bbr_undo_cwnd', '5.13'],
    ['bbr_cwnd_event', '5.13'],
    ['bbr_ssthresh', '5.13'],
    ['bbr_min_tso_segs', '5.13'],
    ['bbr_set_state', '5.13'],
  ],
};

/** `net/`: packets, sockets, metadata, connections, tunnels. */
const NETWORK: readonly KfuncSet[] = [
  {
    hooks: ['tc', 'sched_act', 'sk_skb', 'socket_filter', 'cgroup', 'lwt', 'netfilter', 'tracing'],
    rows: [['bpf_dynptr_from_skb', '6.4', T]],
  },
  { hooks: ['xdp'], rows: [['bpf_dynptr_from_xdp', '6.4']] },
  { hooks: ['cgroup'], rows: [['bpf_sock_addr_set_sun_path', '6.7']] },
  { hooks: ['tc'], rows: [['bpf_sk_assign_tcp_reqsk', '6.9', T]] },
  { hooks: ['tracing'], filter: 'iter', rows: [['bpf_sock_destroy', '6.5', T]] },
  {
    hooks: ['xdp'],
    rows: [
      ['bpf_xdp_metadata_rx_timestamp', '6.3', T],
      ['bpf_xdp_metadata_rx_hash', '6.3', T],
      ['bpf_xdp_metadata_rx_vlan_tag', '6.8', T],
      ['bpf_xdp_get_xfrm_state', '6.8', N | A],
      ['bpf_xdp_xfrm_state_release', '6.8', R],
      ['bpf_xdp_flow_lookup', '6.11', T | N],
    ],
  },
  {
    hooks: ['xdp', 'tc'],
    rows: [
      ['bpf_xdp_ct_alloc', '6.0', A | N],
      ['bpf_xdp_ct_lookup', '5.18', A | N],
      ['bpf_skb_ct_alloc', '6.0', A | N],
      ['bpf_skb_ct_lookup', '5.18', A | N],
      ['bpf_ct_insert_entry', '6.0', A | N | R],
      ['bpf_ct_release', '5.18', R],
      ['bpf_ct_set_timeout', '6.0', T],
      ['bpf_ct_change_timeout', '6.0', T],
      ['bpf_ct_set_status', '6.0', T],
      ['bpf_ct_change_status', '6.0', T],
      ['bpf_ct_set_nat_info', '6.1', T],
    ],
  },
  {
    hooks: ['tc'],
    rows: [
      ['bpf_skb_get_xfrm_info', '6.2'],
      ['bpf_skb_set_xfrm_info', '6.2'],
      ['bpf_skb_set_fou_encap', '6.4'],
      ['bpf_skb_get_fou_encap', '6.4'],
    ],
  },
  {
    hooks: ['tc', 'tracing', 'syscall'],
    rows: [
      ['bpf_kfunc_call_test_release', '5.18', R],
      ['bpf_kfunc_call_memb_release', '5.18', R],
    ],
  },
  {
    hooks: ['fmodret'],
    rows: [
      ['bpf_modify_return_test', '6.1'],
      ['bpf_modify_return_test2', '6.5'],
      ['bpf_modify_return_test_tp', '6.12'],
      ['bpf_fentry_test1', '6.1', S],
    ],
  },
];

const OTHERS: readonly KfuncSet[] = [
  // kernel/bpf/crypto.c
  {
    hooks: ['syscall'],
    rows: [
      ['bpf_crypto_ctx_create', '6.10', A | N | S],
      ['bpf_crypto_ctx_release', '6.10', R],
      ['bpf_crypto_ctx_acquire', '6.10', A | U | N],
    ],
  },
  {
    hooks: ['tc', 'sched_act', 'xdp'],
    rows: [
      ['bpf_crypto_decrypt', '6.10', U],
      ['bpf_crypto_encrypt', '6.10', U],
    ],
  },
  // kernel/trace/bpf_trace.c, kernel/cgroup/rstat.c
  {
    hooks: ['tracing'],
    rows: [
      ['bpf_lookup_user_key', '6.1', A | N | S],
      ['bpf_lookup_system_key', '6.1', A | N],
      ['bpf_key_put', '6.1', R],
      ['bpf_verify_pkcs7_signature', '6.1', S],
      ['cgroup_rstat_updated', '6.1'],
      ['cgroup_rstat_flush', '6.1', S],
    ],
  },
  {
    hooks: ['kprobe'],
    filter: 'kprobe-session',
    rows: [
      ['bpf_session_is_return', '6.10'],
      ['bpf_session_cookie', '6.10'],
    ],
  },
  // fs/bpf_fs_kfuncs.c, fs/verity/measure.c
  {
    hooks: ['tracing'],
    filter: 'lsm',
    rows: [
      ['bpf_get_task_exe_file', '6.12', A | T | N],
      ['bpf_put_file', '6.12', R],
      ['bpf_path_d_path', '6.12', T],
      ['bpf_get_dentry_xattr', '6.12', S | T],
      ['bpf_get_file_xattr', '6.8', S | T],
      ['bpf_get_fsverity_digest', '6.8', T],
    ],
  },
  // drivers/hid/bpf/hid_bpf_dispatch.c: other rules for programs that are run by hand
  {
    hooks: ['struct_ops'],
    rows: [
      ['hid_bpf_get_data', '6.3', N],
      ['hid_bpf_allocate_context', '6.3', A | N | S],
      ['hid_bpf_release_context', '6.3', R | S],
      ['hid_bpf_hw_request', '6.3', S],
      ['hid_bpf_hw_output_report', '6.8', S],
      ['hid_bpf_input_report', '6.8', S],
      ['hid_bpf_try_input_report', '6.11'],
    ],
  },
  {
    hooks: ['syscall'],
    rows: [
      ['hid_bpf_allocate_context', '6.3', A | N],
      ['hid_bpf_release_context', '6.3', R],
      ['hid_bpf_hw_request', '6.3'],
      ['hid_bpf_hw_output_report', '6.8'],
      ['hid_bpf_input_report', '6.8'],
    ],
  },
  // kernel/sched/ext.c
  {
    hooks: ['struct_ops'],
    rows: [
      ['scx_bpf_select_cpu_dfl', '6.12', U],
      ['scx_bpf_dispatch', '6.12', U],
      ['scx_bpf_dispatch_vtime', '6.12', U],
      ['scx_bpf_dispatch_nr_slots', '6.12'],
      ['scx_bpf_dispatch_cancel', '6.12'],
      ['scx_bpf_consume', '6.12'],
      ['scx_bpf_reenqueue_local', '6.12'],
    ],
  },
  {
    hooks: ['struct_ops', 'syscall'],
    rows: [
      ['scx_bpf_create_dsq', '6.12', S],
      ['scx_bpf_dispatch_from_dsq_set_slice', '6.12', U],
      ['scx_bpf_dispatch_from_dsq_set_vtime', '6.12', U],
      ['scx_bpf_dispatch_from_dsq', '6.12', U],
      ['scx_bpf_dispatch_vtime_from_dsq', '6.12', U],
    ],
  },
  {
    hooks: ['struct_ops', 'tracing', 'syscall'],
    rows: [
      ['scx_bpf_kick_cpu', '6.12'],
      ['scx_bpf_dsq_nr_queued', '6.12'],
      ['scx_bpf_destroy_dsq', '6.12'],
      ['bpf_iter_scx_dsq_new', '6.12', NEW | KF_RCU_PROTECTED],
      ['bpf_iter_scx_dsq_next', '6.12', NEXT],
      ['bpf_iter_scx_dsq_destroy', '6.12', END],
      ['scx_bpf_exit_bstr', '6.12', T],
      ['scx_bpf_error_bstr', '6.12', T],
      ['scx_bpf_dump_bstr', '6.12', T],
      ['scx_bpf_cpuperf_cap', '6.12'],
      ['scx_bpf_cpuperf_cur', '6.12'],
      ['scx_bpf_cpuperf_set', '6.12'],
      ['scx_bpf_nr_cpu_ids', '6.12'],
      ['scx_bpf_get_possible_cpumask', '6.12', A],
      ['scx_bpf_get_online_cpumask', '6.12', A],
      ['scx_bpf_put_cpumask', '6.12', R],
      ['scx_bpf_get_idle_cpumask', '6.12', A],
      ['scx_bpf_get_idle_smtmask', '6.12', A],
      ['scx_bpf_put_idle_cpumask', '6.12', R],
      ['scx_bpf_test_and_clear_cpu_idle', '6.12'],
      ['scx_bpf_pick_idle_cpu', '6.12', U],
      ['scx_bpf_pick_any_cpu', '6.12', U],
      ['scx_bpf_task_running', '6.12', U],
      ['scx_bpf_task_cpu', '6.12', U],
      ['scx_bpf_cpu_rq', '6.12'],
      ['scx_bpf_task_cgroup', '6.12', U | A],
    ],
  },
];

const SETS: readonly KfuncSet[] = [GENERIC, COMMON, CPUMASK, TCP_CONGESTION, ...NETWORK, ...OTHERS, ...LATER_KFUNCS];

/** Every registration of a kernel function, in no particular order; a function may have several. */
export const KFUNC_CONTRACTS: readonly KfuncContract[] = SETS.flatMap(({ hooks, filter, rows }) =>
  rows.map(([name, since, flags]) => ({ name, since, flags: flags ?? 0, hooks, filter })),
);

const BY_NAME: ReadonlyMap<string, readonly KfuncContract[]> = KFUNC_CONTRACTS.reduce((map, contract) => {
  map.set(contract.name, [...(map.get(contract.name) ?? []), contract]);
  return map;
}, new Map<string, readonly KfuncContract[]>());

/** The registrations of one function; none for a name the table does not have. */
export const kfuncContracts = (name: string): readonly KfuncContract[] => BY_NAME.get(name) ?? [];
