import type { ProgFacts } from '../contract.ts';
import { BASE } from './base.ts';
import { type ProtoSet, protoSet } from './proto-set.ts';

const unlessRelease =
  (name: string) =>
  (prog: ProgFacts): string | undefined =>
    prog.structOps?.member === 'release' ? undefined : name;

/** Source: `net/ipv4/bpf_tcp_ca.c: bpf_tcp_ca_get_func_proto`. */
const TCP_CONGESTION: ProtoSet = protoSet(
  [
    'bpf_tcp_send_ack',
    'bpf_sk_storage_get',
    'bpf_sk_storage_delete',
    ['bpf_setsockopt', unlessRelease('bpf_sk_setsockopt')],
    ['bpf_getsockopt', unlessRelease('bpf_sk_getsockopt')],
    'bpf_ktime_get_coarse_ns',
  ],
  BASE,
);

/** Source: `kernel/sched/ext.c: bpf_scx_get_func_proto`. */
const SCHED_EXT: ProtoSet = protoSet(['bpf_task_storage_get', 'bpf_task_storage_delete'], BASE);

/** Helpers by struct implemented. `bpf_dummy_ops` has none: Linux gives it no function that chooses contracts. */
export const STRUCT_OPS_PROTOS: ReadonlyMap<string, ProtoSet> = new Map([
  ['tcp_congestion_ops', TCP_CONGESTION],
  ['sched_ext_ops', SCHED_EXT],
  ['hid_bpf_ops', BASE],
]);
