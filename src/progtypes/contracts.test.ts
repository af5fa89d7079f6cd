import { describe, expect, it } from 'vitest';
import { PROBED_HELPERS_6_12 } from '../../test/support/probed-helpers-6.12.ts';
import { ctxAccess, progFacts } from '../../test/support/prog-facts.ts';
import {
  kernelProtoOf,
  PTR_MAYBE_NULL,
  PTR_TO_FLOW_KEYS,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TP_BUFFER,
  SCALAR_VALUE,
} from '../helpers/index.ts';
import { bpf_attach_type, bpf_func_id, bpf_prog_type, helperId } from '../uapi/index.ts';
import { type ProgFacts, progTypeContract } from './index.ts';

const T = bpf_prog_type;
const A = bpf_attach_type;
const LAST_HELPER = bpf_func_id.__BPF_FUNC_MAX_ID - 1;

const numbers = (ranges: string): number[] =>
  ranges.split(',').flatMap(range => {
    const [from, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });

const helpersOf = (prog: ProgFacts): number[] =>
  Array.from({ length: LAST_HELPER }, (_, i) => i + 1).filter(
    id => progTypeContract(prog.type)?.helperProto(id, prog) !== undefined,
  );

const symbolOf = (prog: ProgFacts, helper: string): string | undefined => {
  const proto = progTypeContract(prog.type)?.helperProto(helperId(helper)!, prog);
  return proto === undefined ? undefined : kernelProtoOf(proto)?.symbol;
};

describe('helpers by program type', () => {
  it.each(PROBED_HELPERS_6_12)('of type %i, attach type %i are those the kernel has', (type, attachType, ranges) => {
    expect(helpersOf(progFacts(type, { attachType }))).toEqual(numbers(ranges));
  });

  it('every type of Linux has a contract', () => {
    const types = Object.values(T).filter(type => type > 0 && type <= T.BPF_PROG_TYPE_NETFILTER);
    expect(types.filter(type => progTypeContract(type) === undefined)).toEqual([]);
    expect(progTypeContract(0)).toBeUndefined();
    expect(progTypeContract(999)).toBeUndefined();
  });

  it('need capabilities', () => {
    const count = (caps: Partial<ProgFacts>): number =>
      helpersOf(progFacts(T.BPF_PROG_TYPE_SOCKET_FILTER, caps)).length;
    // Counted in bpf_base_func_proto, bpf_sk_base_func_proto and sk_filter_func_proto of 6.12.
    expect(count({ capBpf: false, capPerfmon: false })).toBe(30);
    expect(count({ capPerfmon: false })).toBe(54);
    expect(count({})).toBe(72);
  });

  it.each<[helper: string, prog: ProgFacts, symbol: string | undefined]>([
    ['bpf_get_stack', progFacts(T.BPF_PROG_TYPE_KPROBE), 'bpf_get_stack'],
    ['bpf_get_stack', progFacts(T.BPF_PROG_TYPE_KPROBE, { sleepable: true }), 'bpf_get_stack_sleepable'],
    ['bpf_get_stack', progFacts(T.BPF_PROG_TYPE_PERF_EVENT), 'bpf_get_stack_pe'],
    ['bpf_get_stack', progFacts(T.BPF_PROG_TYPE_TRACING), 'bpf_get_stack_raw_tp'],
    ['bpf_perf_event_output', progFacts(T.BPF_PROG_TYPE_XDP), 'bpf_xdp_event_output'],
    ['bpf_perf_event_output', progFacts(T.BPF_PROG_TYPE_SCHED_CLS), 'bpf_skb_event_output'],
    ['bpf_perf_event_output', progFacts(T.BPF_PROG_TYPE_SK_MSG), 'bpf_event_output_data'],
    [
      'bpf_get_attach_cookie',
      progFacts(T.BPF_PROG_TYPE_KPROBE, { attachType: A.BPF_TRACE_KPROBE_MULTI }),
      'bpf_get_attach_cookie_kprobe_multi',
    ],
    ['bpf_get_attach_cookie', progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_ITER }), undefined],
    [
      'bpf_get_attach_cookie',
      progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_FEXIT }),
      'bpf_get_attach_cookie_tracing',
    ],
    ['bpf_get_func_ret', progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_RAW_TP }), undefined],
    ['bpf_seq_write', progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_FENTRY }), undefined],
    ['bpf_seq_write', progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_ITER }), 'bpf_seq_write'],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_ITER, attachFuncName: 'bpf_iter_tcp' }),
      'bpf_sk_setsockopt',
    ],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_TRACING, { attachType: A.BPF_TRACE_ITER, attachFuncName: 'bpf_iter_udp' }),
      undefined,
    ],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_LSM, { attachType: A.BPF_LSM_CGROUP, attachFuncName: 'bpf_lsm_socket_post_create' }),
      'bpf_unlocked_sk_setsockopt',
    ],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_LSM, { attachType: A.BPF_LSM_CGROUP, attachFuncName: 'bpf_lsm_file_open' }),
      undefined,
    ],
    ['bpf_get_retval', progFacts(T.BPF_PROG_TYPE_LSM, { attachType: A.BPF_LSM_MAC }), undefined],
    ['bpf_get_retval', progFacts(T.BPF_PROG_TYPE_LSM, { attachType: A.BPF_LSM_CGROUP }), 'bpf_get_retval'],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_STRUCT_OPS, { structOps: { structName: 'tcp_congestion_ops', member: 'init' } }),
      'bpf_sk_setsockopt',
    ],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_STRUCT_OPS, { structOps: { structName: 'tcp_congestion_ops', member: 'release' } }),
      undefined,
    ],
    [
      'bpf_map_lookup_elem',
      progFacts(T.BPF_PROG_TYPE_STRUCT_OPS, { structOps: { structName: 'bpf_dummy_ops', member: 'test_1' } }),
      undefined,
    ],
    ['bpf_probe_write_user', progFacts(T.BPF_PROG_TYPE_KPROBE, { capSysAdmin: false }), undefined],
    ['bpf_probe_read', progFacts(T.BPF_PROG_TYPE_KPROBE, { arch: 's390x' }), undefined],
    // As 7.2 answered.
    ['bpf_get_netns_cookie', progFacts(T.BPF_PROG_TYPE_SCHED_CLS), undefined],
    ['bpf_get_netns_cookie', progFacts(T.BPF_PROG_TYPE_SCHED_CLS, { release: 7002 }), 'bpf_get_netns_cookie'],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_CGROUP_SOCK, { release: 7002, attachType: A.BPF_CGROUP_INET_SOCK_CREATE }),
      'bpf_sock_create_setsockopt',
    ],
    [
      'bpf_setsockopt',
      progFacts(T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, { release: 7002, attachType: A.BPF_CGROUP_UNIX_GETSOCKNAME }),
      undefined,
    ],
    ['bpf_skb_pull_data', progFacts(T.BPF_PROG_TYPE_LWT_SEG6LOCAL, { release: 7002 }), undefined],
    ['bpf_task_storage_get', progFacts(T.BPF_PROG_TYPE_LSM), 'bpf_task_storage_get'],
    ['bpf_task_storage_get', progFacts(T.BPF_PROG_TYPE_KPROBE), 'bpf_task_storage_get_recur'],
  ])('%s of %o is %s', (helper, prog, symbol) => expect(symbolOf(prog, helper)).toBe(symbol));
});

const NO = undefined;
type Case = readonly [
  type: number,
  access: string,
  expected: readonly [regType: number, fieldBytes?: number] | undefined,
  more?: Partial<ProgFacts>,
];

/** `r` or `w`, offset, `:`, size; `s` after `r` for a sign-extending load. */
const CASES: readonly Case[] = [
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r0:4', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r1:1', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r1:2', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r0:8', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w0:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w8:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w8:2', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r76:4', [PTR_TO_PACKET]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'rs76:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r80:4', [PTR_TO_PACKET_END]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r140:4', [PTR_TO_PACKET_META]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r88:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r136:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w48:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w64:8', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r144:8', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r152:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r152:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r168:8', [PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r180:1', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'w180:1', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r181:1', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r184:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r192:4', NO],
  [T.BPF_PROG_TYPE_SCHED_CLS, 'r-4:4', NO],
  [T.BPF_PROG_TYPE_SOCKET_FILTER, 'r76:4', NO],
  [T.BPF_PROG_TYPE_SOCKET_FILTER, 'w48:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SOCKET_FILTER, 'w8:4', NO],
  [T.BPF_PROG_TYPE_CGROUP_SKB, 'r76:4', [PTR_TO_PACKET]],
  [T.BPF_PROG_TYPE_CGROUP_SKB, 'r76:4', NO, { capBpf: false }],
  [T.BPF_PROG_TYPE_CGROUP_SKB, 'w152:8', NO, { capBpf: false }],
  [T.BPF_PROG_TYPE_CGROUP_SKB, 'r88:4', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_LWT_XMIT, 'r88:4', NO],
  [T.BPF_PROG_TYPE_LWT_XMIT, 'w32:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SK_SKB, 'r8:4', NO],
  [T.BPF_PROG_TYPE_SK_SKB, 'r88:4', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_FLOW_DISSECTOR, 'r144:8', [PTR_TO_FLOW_KEYS]],
  [T.BPF_PROG_TYPE_FLOW_DISSECTOR, 'r0:4', NO],
  [T.BPF_PROG_TYPE_XDP, 'r0:4', [PTR_TO_PACKET]],
  [T.BPF_PROG_TYPE_XDP, 'r8:4', [PTR_TO_PACKET_META]],
  [T.BPF_PROG_TYPE_XDP, 'r12:2', NO],
  [T.BPF_PROG_TYPE_XDP, 'w12:4', NO],
  [T.BPF_PROG_TYPE_XDP, 'r20:4', NO],
  [T.BPF_PROG_TYPE_XDP, 'r20:4', [SCALAR_VALUE], { attachType: A.BPF_XDP_DEVMAP }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'r48:2', [SCALAR_VALUE, 2], { attachType: A.BPF_CGROUP_INET_SOCK_CREATE }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'r48:4', [SCALAR_VALUE, 4], { attachType: A.BPF_CGROUP_INET_SOCK_CREATE }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'r50:2', NO, { attachType: A.BPF_CGROUP_INET_SOCK_CREATE }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'w16:4', [SCALAR_VALUE], { attachType: A.BPF_CGROUP_INET_SOCK_CREATE }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'w16:4', NO, { attachType: A.BPF_CGROUP_INET4_POST_BIND }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'r24:4', [SCALAR_VALUE, 4], { attachType: A.BPF_CGROUP_INET4_POST_BIND }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK, 'r24:4', NO, { attachType: A.BPF_CGROUP_INET6_POST_BIND }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'r8:8', [SCALAR_VALUE, 4], { attachType: A.BPF_CGROUP_INET6_CONNECT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'w8:8', [SCALAR_VALUE], { attachType: A.BPF_CGROUP_INET6_CONNECT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'w8:2', NO, { attachType: A.BPF_CGROUP_INET6_CONNECT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'r8:4', NO, { attachType: A.BPF_CGROUP_INET4_CONNECT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'r64:8', [PTR_TO_SOCKET], { attachType: A.BPF_CGROUP_INET4_CONNECT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'w28:4', NO, { attachType: A.BPF_CGROUP_INET4_CONNECT }],
  [T.BPF_PROG_TYPE_SOCK_OPS, 'r184:8', [PTR_TO_SOCKET | PTR_MAYBE_NULL]],
  [T.BPF_PROG_TYPE_SOCK_OPS, 'r212:1', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_SOCK_OPS, 'r208:2', NO],
  [T.BPF_PROG_TYPE_SOCK_OPS, 'w4:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SOCK_OPS, 'w8:4', NO],
  [T.BPF_PROG_TYPE_SK_MSG, 'r0:8', [PTR_TO_PACKET]],
  [T.BPF_PROG_TYPE_SK_MSG, 'r0:4', NO],
  [T.BPF_PROG_TYPE_SK_MSG, 'r72:8', [PTR_TO_SOCKET]],
  [T.BPF_PROG_TYPE_SK_LOOKUP, 'r36:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SK_LOOKUP, 'r36:2', [SCALAR_VALUE, 2]],
  [T.BPF_PROG_TYPE_SK_LOOKUP, 'r38:2', [SCALAR_VALUE, 2]],
  [T.BPF_PROG_TYPE_SK_LOOKUP, 'r68:4', NO],
  [T.BPF_PROG_TYPE_SK_REUSEPORT, 'r20:1', NO],
  [T.BPF_PROG_TYPE_SK_REUSEPORT, 'r20:2', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_SK_REUSEPORT, 'r48:8', [PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL]],
  [T.BPF_PROG_TYPE_CGROUP_DEVICE, 'r2:2', [SCALAR_VALUE, 4]],
  [T.BPF_PROG_TYPE_CGROUP_DEVICE, 'r4:2', NO],
  [T.BPF_PROG_TYPE_CGROUP_SYSCTL, 'w4:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_CGROUP_SYSCTL, 'w4:2', NO],
  [T.BPF_PROG_TYPE_CGROUP_SYSCTL, 'w0:4', NO],
  [T.BPF_PROG_TYPE_CGROUP_SOCKOPT, 'w36:4', [SCALAR_VALUE], { attachType: A.BPF_CGROUP_GETSOCKOPT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCKOPT, 'w36:4', NO, { attachType: A.BPF_CGROUP_SETSOCKOPT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCKOPT, 'w24:4', [SCALAR_VALUE], { attachType: A.BPF_CGROUP_SETSOCKOPT }],
  [T.BPF_PROG_TYPE_CGROUP_SOCKOPT, 'r8:8', [PTR_TO_PACKET], { attachType: A.BPF_CGROUP_SETSOCKOPT }],
  [T.BPF_PROG_TYPE_KPROBE, 'r160:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_KPROBE, 'r168:8', NO],
  [T.BPF_PROG_TYPE_KPROBE, 'r4:8', NO],
  [T.BPF_PROG_TYPE_KPROBE, 'w0:8', NO],
  [T.BPF_PROG_TYPE_KPROBE, 'w0:8', [SCALAR_VALUE], { release: 7002 }],
  [T.BPF_PROG_TYPE_TRACEPOINT, 'r0:8', NO],
  [T.BPF_PROG_TYPE_TRACEPOINT, 'r8184:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_TRACEPOINT, 'r8192:1', NO],
  [T.BPF_PROG_TYPE_PERF_EVENT, 'r168:2', [SCALAR_VALUE, 8]],
  [T.BPF_PROG_TYPE_PERF_EVENT, 'r160:4', NO],
  [T.BPF_PROG_TYPE_RAW_TRACEPOINT, 'r88:8', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_RAW_TRACEPOINT, 'r96:8', NO],
  [T.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 'r0:8', [PTR_TO_TP_BUFFER]],
  [T.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 'r0:4', NO],
  [T.BPF_PROG_TYPE_SYSCALL, 'w65528:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_SYSCALL, 'w65535:1', NO],
  [T.BPF_PROG_TYPE_SYSCALL, 'r1:2', NO],
  [T.BPF_PROG_TYPE_SYSCALL, 'r1:2', [SCALAR_VALUE], { release: 7002 }],
  [T.BPF_PROG_TYPE_LIRC_MODE2, 'r0:4', [SCALAR_VALUE]],
  [T.BPF_PROG_TYPE_EXT, 'r0:4', NO],
];

describe('context accesses', () => {
  it.each(CASES.map(([type, text, expected, more]) => ({ type, text, expected, more })))(
    'type $type, $text: $expected',
    ({ type, text, expected, more }) => {
      const [, kind, off, size] = /^(rs|r|w)(-?\d+):(\d+)$/.exec(text)!;
      const access = ctxAccess(kind === 'rs');
      const prog = progFacts(type, more);
      const ok = progTypeContract(type)!.isValidAccess(Number(off), Number(size), kind === 'w', prog, access);
      expect(ok ? [access.regType, access.ctxFieldSizeBytes] : undefined).toEqual(
        expected === undefined ? undefined : [expected[0], expected[1] ?? 0],
      );
    },
  );

  it('notes the use of tstamp_type', () => {
    const prog = progFacts(T.BPF_PROG_TYPE_SCHED_CLS);
    progTypeContract(prog.type)!.isValidAccess(180, 1, false, prog, ctxAccess());
    expect(prog.tstampTypeAccess).toBe(true);
  });
});
