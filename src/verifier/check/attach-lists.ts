// What may be attached to where, by name: sets the kernel keeps by BTF id.

export { LSM_DISABLED_HOOKS, LSM_SLEEPABLE_HOOKS } from '../../helpers/index.ts';

const hooks = (names: string): ReadonlySet<string> => new Set(names.split(/\s+/).map(name => `bpf_lsm_${name}`));

/** Functions of the LSM that look like hooks by their names and are none. Source: `include/linux/bpf_lsm.h`. */
const LSM_NO_HOOKS = hooks(
  'find_cgroup_shim func_proto get_retval_range init is_sleepable_hook is_trusted verify_prog',
);

/** Source: `bpf_lsm_hooks`, which the kernel makes of `include/linux/lsm_hook_defs.h`. */
export const isLsmHook = (name: string): boolean => name.startsWith('bpf_lsm_') && !LSM_NO_HOOKS.has(name);

/** Functions no tracing program may be attached to. Source: `kernel/bpf/verifier.c: btf_id_deny`. */
export const TRACING_DENIED: ReadonlySet<string> = new Set([
  'migrate_disable',
  'migrate_enable',
  'rcu_read_unlock_strict',
  'preempt_count_add',
  'preempt_count_sub',
  '__rcu_read_lock',
  '__rcu_read_unlock',
]);

/** Functions that never return. Source: `kernel/bpf/verifier.c: noreturn_deny`. */
export const NORETURN_DENIED: ReadonlySet<string> = new Set([
  '__ia32_sys_exit',
  '__ia32_sys_exit_group',
  '__kunit_abort',
  'kunit_try_catch_throw',
  '__module_put_and_kthread_exit',
  '__x64_sys_exit',
  '__x64_sys_exit_group',
  'do_exit',
  'do_group_exit',
  'kthread_complete_and_exit',
  'kthread_exit',
  'make_task_dead',
]);

/** Functions errors may be injected into that must not sleep. Source: `btf_non_sleepable_error_inject`. */
export const NON_SLEEPABLE_ERROR_INJECT: ReadonlySet<string> = new Set([
  '__filemap_add_folio',
  'should_fail_alloc_page',
  'should_failslab',
]);

const SYSCALL = /^__(x64|ia32|arm64|riscv|s390x?|powerpc)_(compat_)?sys_/;
/** Others than system calls that are marked so outside file systems and drivers. */
const ERROR_INJECT: ReadonlySet<string> = new Set([
  ...NON_SLEEPABLE_ERROR_INJECT,
  'should_fail_bio',
  'page_pool_alloc_pages',
  'bpf_fentry_test1',
]);

/**
 * Whether errors may be injected into a kernel function, in kernels that have error injection at all. BTF does not tell:
 * system calls and the functions known here count. Source: `ALLOW_ERROR_INJECTION`.
 */
export const mayInjectError = (name: string): boolean => SYSCALL.test(name) || ERROR_INJECT.has(name);

/** What is known of a struct of operations that programs may implement (`struct bpf_struct_ops`). */
export interface StructOpsRules {
  /** Members of function pointer type that programs may not implement: they have no stub. */
  readonly unsupported: ReadonlySet<string>;
  /** Members that may sleep; undefined: all may. */
  readonly sleepable: ReadonlySet<string> | undefined;
}

/** Source: `net/ipv4/bpf_tcp_ca.c, net/bpf/bpf_dummy_struct_ops.c, drivers/hid/bpf/hid_bpf_struct_ops.c, kernel/sched/ext.c`. */
export const STRUCT_OPS_RULES: ReadonlyMap<string, StructOpsRules> = new Map<string, StructOpsRules>([
  ['tcp_congestion_ops', { unsupported: new Set(['get_info']), sleepable: undefined }],
  ['bpf_dummy_ops', { unsupported: new Set(), sleepable: new Set(['test_sleepable']) }],
  [
    'hid_bpf_ops',
    {
      unsupported: new Set(),
      sleepable: new Set(['hid_rdesc_fixup', 'hid_hw_request', 'hid_hw_output_report']),
    },
  ],
  [
    'sched_ext_ops',
    {
      unsupported: new Set(),
      sleepable: new Set([
        'init_task',
        'cgroup_init',
        'cgroup_exit',
        'cgroup_prep_move',
        'cpu_online',
        'cpu_offline',
        'init',
        'exit',
      ]),
    },
  ],
]);
