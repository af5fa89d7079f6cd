import type { Insn } from '../isa/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import { cgroupDeviceAccess, cgroupSockoptAccess, cgroupSysctlAccess } from './access/cgroup.ts';
import { netfilterAccess } from './access/netfilter.ts';
import type { AccessRule } from './access/rules.ts';
import {
  cgroupSkbAccess,
  flowDissectorAccess,
  lwtAccess,
  skSkbAccess,
  socketFilterAccess,
  tcAccess,
} from './access/skb.ts';
import {
  cgroupSockAccess,
  cgroupSockAddrAccess,
  skLookupAccess,
  skMsgAccess,
  skReuseportAccess,
  sockOpsAccess,
} from './access/sock.ts';
import { structOpsAccess } from './access/struct-ops.ts';
import {
  kprobeAccess,
  lircMode2Access,
  lsmAccess,
  perfEventAccess,
  rawTracepointWritableAccess,
  syscallAccess,
  tracepointAccess,
  tracingAccess,
  tracingCtxAccess,
} from './access/tracing.ts';
import { xdpAccess } from './access/xdp.ts';
import type { ProgFacts, ProgTypeContract } from './contract.ts';
import { convertSockopt, convertSysctl } from './convert/cgroup.ts';
import { convertPerfEvent } from './convert/perf-event.ts';
import { convertFlowDissector, convertSkb, convertSkSkb, convertTcSkb, unclonePrologue } from './convert/skb.ts';
import { convertSkLookup, convertSkMsg, convertSkReuseport, convertSock, convertSockAddr } from './convert/sock.ts';
import { convertSockOps } from './convert/sock-ops.ts';
import { convertXdp } from './convert/xdp.ts';
import { BASE } from './protos/base.ts';
import * as net from './protos/net.ts';
import type { ProtoSet } from './protos/proto-set.ts';
import { STRUCT_OPS_PROTOS } from './protos/struct-ops.ts';
import * as tracing from './protos/tracing.ts';

const T = bpf_prog_type;

const NONE: ProtoSet = new Map();

/** The helpers of programs of a type, where they are not the same for all. */
type Protos = ProtoSet | ((prog: ProgFacts) => ProtoSet);

type Shape = Omit<ProgTypeContract, 'type' | 'helperProto' | 'isValidAccess'>;

function contract(type: number, protos: Protos, isValidAccess: AccessRule, shape: Shape = {}): ProgTypeContract {
  const setOf = typeof protos === 'function' ? protos : () => protos;
  return { type, helperProto: (id, prog) => setOf(prog).get(id)?.(prog), isValidAccess, ...shape };
}

const lsmProtos = (prog: ProgFacts): ProtoSet =>
  prog.attachType === bpf_attach_type.BPF_LSM_CGROUP ? tracing.LSM_CGROUP : tracing.LSM;
const structOpsProtos = (prog: ProgFacts): ProtoSet => STRUCT_OPS_PROTOS.get(prog.structOps?.structName ?? '') ?? NONE;

/** `TC_ACT_SHOT`, `SK_DROP` */
const TC_PROLOGUE = unclonePrologue(2);
const SK_PROLOGUE = unclonePrologue(0);
/** These may write without one. */
const NO_PROLOGUE = (): readonly Insn[] => [];

/** Source: `include/linux/bpf_types.h`; extensions have the rules of what they replace. */
const CONTRACTS: readonly ProgTypeContract[] = [
  contract(T.BPF_PROG_TYPE_SOCKET_FILTER, net.SOCKET_FILTER, socketFilterAccess, { convertAccess: convertSkb }),
  contract(T.BPF_PROG_TYPE_SCHED_CLS, net.TC, tcAccess, { convertAccess: convertTcSkb, prologue: TC_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_SCHED_ACT, net.TC, tcAccess, { convertAccess: convertTcSkb, prologue: TC_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_XDP, net.XDP, xdpAccess, { convertAccess: convertXdp, prologue: NO_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_CGROUP_SKB, net.CGROUP_SKB, cgroupSkbAccess, { convertAccess: convertSkb }),
  contract(T.BPF_PROG_TYPE_CGROUP_SOCK, net.CGROUP_SOCK, cgroupSockAccess, { convertAccess: convertSock }),
  contract(T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, net.CGROUP_SOCK_ADDR, cgroupSockAddrAccess, {
    convertAccess: convertSockAddr,
  }),
  contract(T.BPF_PROG_TYPE_LWT_IN, net.LWT_IN, lwtAccess, { convertAccess: convertSkb }),
  contract(T.BPF_PROG_TYPE_LWT_OUT, net.LWT_OUT, lwtAccess, { convertAccess: convertSkb }),
  contract(T.BPF_PROG_TYPE_LWT_XMIT, net.LWT_XMIT, lwtAccess, { convertAccess: convertSkb, prologue: TC_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_LWT_SEG6LOCAL, net.LWT_SEG6LOCAL, lwtAccess, { convertAccess: convertSkb }),
  contract(T.BPF_PROG_TYPE_SOCK_OPS, net.SOCK_OPS, sockOpsAccess, { convertAccess: convertSockOps }),
  contract(T.BPF_PROG_TYPE_SK_SKB, net.SK_SKB, skSkbAccess, { convertAccess: convertSkSkb, prologue: SK_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_SK_MSG, net.SK_MSG, skMsgAccess, { convertAccess: convertSkMsg, prologue: NO_PROLOGUE }),
  contract(T.BPF_PROG_TYPE_FLOW_DISSECTOR, net.FLOW_DISSECTOR, flowDissectorAccess, {
    convertAccess: convertFlowDissector,
  }),
  contract(T.BPF_PROG_TYPE_KPROBE, tracing.KPROBE, kprobeAccess),
  contract(T.BPF_PROG_TYPE_TRACEPOINT, tracing.TRACEPOINT, tracepointAccess),
  contract(T.BPF_PROG_TYPE_PERF_EVENT, tracing.PERF_EVENT, perfEventAccess, { convertAccess: convertPerfEvent }),
  contract(T.BPF_PROG_TYPE_RAW_TRACEPOINT, tracing.RAW_TRACEPOINT, tracingCtxAccess),
  contract(T.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, tracing.RAW_TRACEPOINT, rawTracepointWritableAccess),
  contract(T.BPF_PROG_TYPE_TRACING, tracing.TRACING, tracingAccess),
  contract(T.BPF_PROG_TYPE_CGROUP_DEVICE, net.CGROUP_DEVICE, cgroupDeviceAccess),
  contract(T.BPF_PROG_TYPE_CGROUP_SYSCTL, net.CGROUP_SYSCTL, cgroupSysctlAccess, { convertAccess: convertSysctl }),
  contract(T.BPF_PROG_TYPE_CGROUP_SOCKOPT, net.CGROUP_SOCKOPT, cgroupSockoptAccess, {
    convertAccess: convertSockopt,
    prologue: NO_PROLOGUE,
  }),
  contract(T.BPF_PROG_TYPE_LIRC_MODE2, net.LIRC_MODE2, lircMode2Access),
  contract(T.BPF_PROG_TYPE_SK_REUSEPORT, net.SK_REUSEPORT, skReuseportAccess, { convertAccess: convertSkReuseport }),
  contract(T.BPF_PROG_TYPE_SK_LOOKUP, net.SK_LOOKUP, skLookupAccess, { convertAccess: convertSkLookup }),
  contract(T.BPF_PROG_TYPE_STRUCT_OPS, structOpsProtos, structOpsAccess),
  contract(T.BPF_PROG_TYPE_EXT, NONE, () => false),
  contract(T.BPF_PROG_TYPE_LSM, lsmProtos, lsmAccess),
  contract(T.BPF_PROG_TYPE_SYSCALL, tracing.SYSCALL, syscallAccess),
  contract(T.BPF_PROG_TYPE_NETFILTER, BASE, netfilterAccess),
];

const BY_TYPE: ReadonlyMap<number, ProgTypeContract> = new Map(CONTRACTS.map(row => [row.type, row]));

/** The rules of a `BPF_PROG_TYPE_*`; undefined for numbers Linux does not have. */
export function progTypeContract(type: number): ProgTypeContract | undefined {
  return BY_TYPE.get(type);
}
