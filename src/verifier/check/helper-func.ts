import { bpf_func_id, bpf_map_type } from '../../uapi/index.ts';
import type { VerifierMap } from '../input.ts';

const F = bpf_func_id;

/** What kinds of helpers there are, as far as the verifier tells them apart by number. */

const ACQUIRE: ReadonlySet<number> = new Set([
  F.BPF_FUNC_sk_lookup_tcp,
  F.BPF_FUNC_sk_lookup_udp,
  F.BPF_FUNC_skc_lookup_tcp,
  F.BPF_FUNC_ringbuf_reserve,
  F.BPF_FUNC_kptr_xchg,
]);

/** The helper returns something to be given back. Source: `is_acquire_function`. */
export const isAcquireFunction = (funcId: number, map: VerifierMap | undefined): boolean =>
  ACQUIRE.has(funcId) ||
  (funcId === F.BPF_FUNC_map_lookup_elem &&
    map !== undefined &&
    (map.type === bpf_map_type.BPF_MAP_TYPE_SOCKMAP || map.type === bpf_map_type.BPF_MAP_TYPE_SOCKHASH));

const PTR_CAST: ReadonlySet<number> = new Set([
  F.BPF_FUNC_tcp_sock,
  F.BPF_FUNC_sk_fullsock,
  F.BPF_FUNC_skc_to_tcp_sock,
  F.BPF_FUNC_skc_to_tcp6_sock,
  F.BPF_FUNC_skc_to_udp6_sock,
  F.BPF_FUNC_skc_to_mptcp_sock,
  F.BPF_FUNC_skc_to_tcp_timewait_sock,
  F.BPF_FUNC_skc_to_tcp_request_sock,
]);

/** The helper returns what it was given, as something else. Source: `is_ptr_cast_function`. */
export const isPtrCastFunction = (funcId: number): boolean => PTR_CAST.has(funcId);

/** Source: `is_dynptr_ref_function`. */
export const isDynptrRefFunction = (funcId: number): boolean => funcId === F.BPF_FUNC_dynptr_data;

const STORAGE_GET: ReadonlySet<number> = new Set([
  F.BPF_FUNC_sk_storage_get,
  F.BPF_FUNC_inode_storage_get,
  F.BPF_FUNC_task_storage_get,
  F.BPF_FUNC_cgrp_storage_get,
]);

/** Source: `is_storage_get_function`. */
export const isStorageGetFunction = (funcId: number): boolean => STORAGE_GET.has(funcId);
