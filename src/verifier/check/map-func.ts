import { bpf_attach_type, bpf_func_id, bpf_map_type, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { funcIdName } from './func-id-name.ts';

const M = bpf_map_type;
const F = bpf_func_id;
const P = bpf_prog_type;

const RINGBUF_FUNCS = [
  F.BPF_FUNC_ringbuf_output,
  F.BPF_FUNC_ringbuf_reserve,
  F.BPF_FUNC_ringbuf_query,
  F.BPF_FUNC_ringbuf_reserve_dynptr,
  F.BPF_FUNC_ringbuf_submit_dynptr,
  F.BPF_FUNC_ringbuf_discard_dynptr,
];
const PERF_EVENT_FUNCS = [
  F.BPF_FUNC_perf_event_read,
  F.BPF_FUNC_perf_event_output,
  F.BPF_FUNC_skb_output,
  F.BPF_FUNC_perf_event_read_value,
  F.BPF_FUNC_xdp_output,
];
const SOCKMAP_FUNCS = [
  F.BPF_FUNC_sk_redirect_map,
  F.BPF_FUNC_sock_map_update,
  F.BPF_FUNC_msg_redirect_map,
  F.BPF_FUNC_sk_select_reuseport,
  F.BPF_FUNC_map_lookup_elem,
];
const SOCKHASH_FUNCS = [
  F.BPF_FUNC_sk_redirect_hash,
  F.BPF_FUNC_sock_hash_update,
  F.BPF_FUNC_msg_redirect_hash,
  F.BPF_FUNC_sk_select_reuseport,
  F.BPF_FUNC_map_lookup_elem,
];
const QUEUE_FUNCS = [F.BPF_FUNC_map_peek_elem, F.BPF_FUNC_map_pop_elem, F.BPF_FUNC_map_push_elem];

type Rows = ReadonlyMap<number, readonly number[]>;

/** The helpers that take a map of a type; types not here go with any helper whose own row allows. */
const FUNCS_OF_MAP: Rows = new Map<number, readonly number[]>([
  [M.BPF_MAP_TYPE_PROG_ARRAY, [F.BPF_FUNC_tail_call]],
  [M.BPF_MAP_TYPE_PERF_EVENT_ARRAY, PERF_EVENT_FUNCS],
  [M.BPF_MAP_TYPE_RINGBUF, RINGBUF_FUNCS],
  [M.BPF_MAP_TYPE_USER_RINGBUF, [F.BPF_FUNC_user_ringbuf_drain]],
  [M.BPF_MAP_TYPE_STACK_TRACE, [F.BPF_FUNC_get_stackid]],
  [M.BPF_MAP_TYPE_CGROUP_ARRAY, [F.BPF_FUNC_skb_under_cgroup, F.BPF_FUNC_current_task_under_cgroup]],
  [M.BPF_MAP_TYPE_CGROUP_STORAGE, [F.BPF_FUNC_get_local_storage]],
  [M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, [F.BPF_FUNC_get_local_storage]],
  [M.BPF_MAP_TYPE_DEVMAP, [F.BPF_FUNC_redirect_map, F.BPF_FUNC_map_lookup_elem]],
  [M.BPF_MAP_TYPE_DEVMAP_HASH, [F.BPF_FUNC_redirect_map, F.BPF_FUNC_map_lookup_elem]],
  [M.BPF_MAP_TYPE_CPUMAP, [F.BPF_FUNC_redirect_map]],
  [M.BPF_MAP_TYPE_XSKMAP, [F.BPF_FUNC_redirect_map, F.BPF_FUNC_map_lookup_elem]],
  [M.BPF_MAP_TYPE_ARRAY_OF_MAPS, [F.BPF_FUNC_map_lookup_elem]],
  [M.BPF_MAP_TYPE_HASH_OF_MAPS, [F.BPF_FUNC_map_lookup_elem]],
  [M.BPF_MAP_TYPE_SOCKMAP, SOCKMAP_FUNCS],
  [M.BPF_MAP_TYPE_SOCKHASH, SOCKHASH_FUNCS],
  [M.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, [F.BPF_FUNC_sk_select_reuseport]],
  [M.BPF_MAP_TYPE_QUEUE, QUEUE_FUNCS],
  [M.BPF_MAP_TYPE_STACK, QUEUE_FUNCS],
  [M.BPF_MAP_TYPE_SK_STORAGE, [F.BPF_FUNC_sk_storage_get, F.BPF_FUNC_sk_storage_delete, F.BPF_FUNC_kptr_xchg]],
  [M.BPF_MAP_TYPE_INODE_STORAGE, [F.BPF_FUNC_inode_storage_get, F.BPF_FUNC_inode_storage_delete, F.BPF_FUNC_kptr_xchg]],
  [M.BPF_MAP_TYPE_TASK_STORAGE, [F.BPF_FUNC_task_storage_get, F.BPF_FUNC_task_storage_delete, F.BPF_FUNC_kptr_xchg]],
  [M.BPF_MAP_TYPE_CGRP_STORAGE, [F.BPF_FUNC_cgrp_storage_get, F.BPF_FUNC_cgrp_storage_delete, F.BPF_FUNC_kptr_xchg]],
  [M.BPF_MAP_TYPE_BLOOM_FILTER, [F.BPF_FUNC_map_peek_elem, F.BPF_FUNC_map_push_elem]],
]);

const QUEUES = [M.BPF_MAP_TYPE_QUEUE, M.BPF_MAP_TYPE_STACK];
const PEEKED = [...QUEUES, M.BPF_MAP_TYPE_BLOOM_FILTER];

/** The map types a helper takes; helpers not here take any. */
const MAPS_OF_FUNC: Rows = new Map<number, readonly number[]>([
  [F.BPF_FUNC_tail_call, [M.BPF_MAP_TYPE_PROG_ARRAY]],
  ...PERF_EVENT_FUNCS.map(func => [func, [M.BPF_MAP_TYPE_PERF_EVENT_ARRAY]] as const),
  ...RINGBUF_FUNCS.map(func => [func, [M.BPF_MAP_TYPE_RINGBUF]] as const),
  [F.BPF_FUNC_user_ringbuf_drain, [M.BPF_MAP_TYPE_USER_RINGBUF]],
  [F.BPF_FUNC_get_stackid, [M.BPF_MAP_TYPE_STACK_TRACE]],
  [F.BPF_FUNC_current_task_under_cgroup, [M.BPF_MAP_TYPE_CGROUP_ARRAY]],
  [F.BPF_FUNC_skb_under_cgroup, [M.BPF_MAP_TYPE_CGROUP_ARRAY]],
  [
    F.BPF_FUNC_redirect_map,
    [M.BPF_MAP_TYPE_DEVMAP, M.BPF_MAP_TYPE_DEVMAP_HASH, M.BPF_MAP_TYPE_CPUMAP, M.BPF_MAP_TYPE_XSKMAP],
  ],
  [F.BPF_FUNC_sk_redirect_map, [M.BPF_MAP_TYPE_SOCKMAP]],
  [F.BPF_FUNC_msg_redirect_map, [M.BPF_MAP_TYPE_SOCKMAP]],
  [F.BPF_FUNC_sock_map_update, [M.BPF_MAP_TYPE_SOCKMAP]],
  [F.BPF_FUNC_sk_redirect_hash, [M.BPF_MAP_TYPE_SOCKHASH]],
  [F.BPF_FUNC_msg_redirect_hash, [M.BPF_MAP_TYPE_SOCKHASH]],
  [F.BPF_FUNC_sock_hash_update, [M.BPF_MAP_TYPE_SOCKHASH]],
  [F.BPF_FUNC_get_local_storage, [M.BPF_MAP_TYPE_CGROUP_STORAGE, M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE]],
  [
    F.BPF_FUNC_sk_select_reuseport,
    [M.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, M.BPF_MAP_TYPE_SOCKMAP, M.BPF_MAP_TYPE_SOCKHASH],
  ],
  [F.BPF_FUNC_map_pop_elem, QUEUES],
  [F.BPF_FUNC_map_peek_elem, PEEKED],
  [F.BPF_FUNC_map_push_elem, PEEKED],
  [
    F.BPF_FUNC_map_lookup_percpu_elem,
    [M.BPF_MAP_TYPE_PERCPU_ARRAY, M.BPF_MAP_TYPE_PERCPU_HASH, M.BPF_MAP_TYPE_LRU_PERCPU_HASH],
  ],
  [F.BPF_FUNC_sk_storage_get, [M.BPF_MAP_TYPE_SK_STORAGE]],
  [F.BPF_FUNC_sk_storage_delete, [M.BPF_MAP_TYPE_SK_STORAGE]],
  [F.BPF_FUNC_inode_storage_get, [M.BPF_MAP_TYPE_INODE_STORAGE]],
  [F.BPF_FUNC_inode_storage_delete, [M.BPF_MAP_TYPE_INODE_STORAGE]],
  [F.BPF_FUNC_task_storage_get, [M.BPF_MAP_TYPE_TASK_STORAGE]],
  [F.BPF_FUNC_task_storage_delete, [M.BPF_MAP_TYPE_TASK_STORAGE]],
  [F.BPF_FUNC_cgrp_storage_get, [M.BPF_MAP_TYPE_CGRP_STORAGE]],
  [F.BPF_FUNC_cgrp_storage_delete, [M.BPF_MAP_TYPE_CGRP_STORAGE]],
]);

/** Program types in whose programs no socket is locked when they change a sockmap. */
const SOCKMAP_UPDATERS: ReadonlySet<number> = new Set([
  P.BPF_PROG_TYPE_SOCKET_FILTER,
  P.BPF_PROG_TYPE_SCHED_CLS,
  P.BPF_PROG_TYPE_SCHED_ACT,
  P.BPF_PROG_TYPE_XDP,
  P.BPF_PROG_TYPE_SK_REUSEPORT,
  P.BPF_PROG_TYPE_FLOW_DISSECTOR,
  P.BPF_PROG_TYPE_SK_LOOKUP,
]);

/** Says why not where the helper updates or deletes. Source: `may_update_sockmap`. */
function mayUpdateSockmap(env: VerifierEnv, funcId: number): boolean {
  if (funcId !== F.BPF_FUNC_map_update_elem && funcId !== F.BPF_FUNC_map_delete_elem) return false;
  const { type, attachType } = env.prog;
  if (
    SOCKMAP_UPDATERS.has(type) ||
    (type === P.BPF_PROG_TYPE_TRACING && attachType === bpf_attach_type.BPF_TRACE_ITER) ||
    (type === P.BPF_PROG_TYPE_SOCK_OPS && funcId === F.BPF_FUNC_map_delete_elem)
  )
    return true;
  env.say('sockmapUpdate');
  return false;
}

const isSockMap = (type: number): boolean => type === M.BPF_MAP_TYPE_SOCKMAP || type === M.BPF_MAP_TYPE_SOCKHASH;

/** Source: `allow_tail_call_in_subprogs`. */
export const allowTailCallInSubprogs = (env: VerifierEnv): boolean => env.jitRequested && env.jit.subprogTailCalls;

/**
 * Whether helper and map go together, asked of the map's type and then of the helper. Refuses.
 * Source: `kernel/bpf/verifier.c: check_map_func_compatibility`.
 */
export function checkMapFuncCompatibility(env: VerifierEnv, map: VerifierMap | undefined, funcId: number): void {
  if (map === undefined) return;
  const funcs = FUNCS_OF_MAP.get(map.type);
  const maps = MAPS_OF_FUNC.get(funcId);
  if (
    (funcs !== undefined && !funcs.includes(funcId) && !(isSockMap(map.type) && mayUpdateSockmap(env, funcId))) ||
    (maps !== undefined && !maps.includes(map.type))
  )
    env.refuse('mapFunc', map.type, funcIdName(funcId), funcId);
  if (funcId === F.BPF_FUNC_tail_call && env.subprogs.count > 1 && !allowTailCallInSubprogs(env))
    env.refuse('tailCallSubprogs');
}
