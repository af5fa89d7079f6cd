import type { HelperProto } from '../../helpers/index.ts';
import { progTypeContract } from '../../progtypes/index.ts';
import { bpf_func_id, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

const F = bpf_func_id;
const P = bpf_prog_type;

/** Helpers tracing programs have, which later releases let every program call. Source: `bpf_base_func_proto` of 7.2. */
const TRACING_HELPERS: ReadonlySet<number> = new Set([
  F.BPF_FUNC_get_current_uid_gid,
  F.BPF_FUNC_get_current_comm,
  F.BPF_FUNC_get_cgroup_classid,
  F.BPF_FUNC_perf_event_read,
  F.BPF_FUNC_current_task_under_cgroup,
  F.BPF_FUNC_perf_event_read_value,
  F.BPF_FUNC_send_signal,
  F.BPF_FUNC_send_signal_thread,
  F.BPF_FUNC_get_task_stack,
  F.BPF_FUNC_copy_from_user,
  F.BPF_FUNC_task_storage_get,
  F.BPF_FUNC_task_storage_delete,
  F.BPF_FUNC_task_pt_regs,
  F.BPF_FUNC_get_branch_snapshot,
  F.BPF_FUNC_find_vma,
  F.BPF_FUNC_copy_from_user_task,
]);

const BASE_LATER = [
  F.BPF_FUNC_get_current_pid_tgid,
  F.BPF_FUNC_get_current_cgroup_id,
  F.BPF_FUNC_get_ns_current_pid_tgid,
  F.BPF_FUNC_get_current_ancestor_cgroup_id,
];
const CGROUP_LATER = [F.BPF_FUNC_current_task_under_cgroup, F.BPF_FUNC_get_ns_current_pid_tgid];
const row = (types: readonly number[], helpers: readonly number[]): [number, ReadonlySet<number>][] =>
  types.map(type => [type, new Set(helpers)]);

/**
 * Helpers 6.12 lets a program type call and 6.1 did not: what both kernels answered when asked for each. Helpers with numbers the
 * older kernel does not know are not listed.
 */
const LATER_HELPERS: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  ...row(
    [
      P.BPF_PROG_TYPE_SOCKET_FILTER,
      P.BPF_PROG_TYPE_SCHED_CLS,
      P.BPF_PROG_TYPE_SCHED_ACT,
      P.BPF_PROG_TYPE_XDP,
      P.BPF_PROG_TYPE_CGROUP_SKB,
      P.BPF_PROG_TYPE_LWT_IN,
      P.BPF_PROG_TYPE_LWT_OUT,
      P.BPF_PROG_TYPE_LWT_XMIT,
      P.BPF_PROG_TYPE_LWT_SEG6LOCAL,
      P.BPF_PROG_TYPE_SOCK_OPS,
      P.BPF_PROG_TYPE_SK_SKB,
      P.BPF_PROG_TYPE_SK_REUSEPORT,
      P.BPF_PROG_TYPE_FLOW_DISSECTOR,
      P.BPF_PROG_TYPE_SK_LOOKUP,
    ],
    BASE_LATER,
  ),
  ...row(
    [
      P.BPF_PROG_TYPE_CGROUP_SOCK,
      P.BPF_PROG_TYPE_CGROUP_DEVICE,
      P.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
      P.BPF_PROG_TYPE_CGROUP_SYSCTL,
      P.BPF_PROG_TYPE_CGROUP_SOCKOPT,
    ],
    CGROUP_LATER,
  ),
  ...row([P.BPF_PROG_TYPE_SK_MSG], [F.BPF_FUNC_get_ns_current_pid_tgid]),
  ...row([P.BPF_PROG_TYPE_RAW_TRACEPOINT, P.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE], [F.BPF_FUNC_get_attach_cookie]),
]);

/** Helpers that sleep: where programs cannot, 6.1 does not have them at all. */
const SLEEPING: ReadonlySet<number> = new Set([F.BPF_FUNC_copy_from_user, F.BPF_FUNC_copy_from_user_task]);

/** The contract of a helper as this kernel offers it to this program; undefined where it does not. */
export function helperContract(env: VerifierEnv, funcId: number): HelperProto | undefined {
  const { rules, prog, contract } = env;
  if (!rules.baseHelpersComplete) {
    if (LATER_HELPERS.get(prog.type)?.has(funcId) === true) return undefined;
    if (SLEEPING.has(funcId) && !prog.sleepable) return undefined;
  }
  const proto = contract.helperProto(funcId, prog);
  if (proto !== undefined || !rules.tracingHelpersForAll || !TRACING_HELPERS.has(funcId)) return proto;
  if (!prog.capBpf || !prog.capPerfmon) return undefined;
  if (funcId === F.BPF_FUNC_get_cgroup_classid) {
    return progTypeContract(P.BPF_PROG_TYPE_CGROUP_SOCK)?.helperProto(funcId, prog);
  }
  return progTypeContract(P.BPF_PROG_TYPE_TRACEPOINT)?.helperProto(funcId, prog);
}
