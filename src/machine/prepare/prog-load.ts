import type { Btf } from '../../btf/index.ts';
import { bpf_attach_type as A, BPF_PROG_FLAGS, ERRNO, bpf_prog_type as P } from '../../uapi/index.ts';
import { PROG_FLAG_RELEASES, PROG_TYPE_RELEASES, releaseNumber } from '../../verifier/index.ts';

/** Who loads. */
export interface LoadCaps {
  readonly bpf: boolean;
  readonly perfmon: boolean;
  readonly netAdmin: boolean;
  readonly sysAdmin: boolean;
}

/** What `bpf(BPF_PROG_LOAD)` looks at before the verifier does. */
export interface ProgLoadAttr {
  readonly type: number;
  readonly attachType: number;
  readonly flags: number;
  readonly insnCount: number;
  readonly attachBtfId: number;
  readonly attachesToProg: boolean;
  readonly kernelBtf: Btf | undefined;
  /** The kernel's release, 6012 for 6.12; default: one that has everything. */
  readonly release?: number;
}

/** Licenses that let a program call what is GPL only. Source: `include/linux/license.h`. */
export const GPL_LICENSES: readonly string[] = [
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
];

const KNOWN_FLAGS = Object.values(BPF_PROG_FLAGS).reduce((all, flag) => all | flag, 0);
const MAX_INSNS = 1_000_000;
const MAX_INSNS_UNPRIVILEGED = 4096;

/** Types that need CAP_NET_ADMIN beside CAP_BPF (`is_net_admin_prog_type`). */
const NET_ADMIN: ReadonlySet<number> = new Set([
  P.BPF_PROG_TYPE_SCHED_CLS,
  P.BPF_PROG_TYPE_SCHED_ACT,
  P.BPF_PROG_TYPE_XDP,
  P.BPF_PROG_TYPE_LWT_IN,
  P.BPF_PROG_TYPE_LWT_OUT,
  P.BPF_PROG_TYPE_LWT_XMIT,
  P.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  P.BPF_PROG_TYPE_SK_SKB,
  P.BPF_PROG_TYPE_SK_MSG,
  P.BPF_PROG_TYPE_FLOW_DISSECTOR,
  P.BPF_PROG_TYPE_CGROUP_DEVICE,
  P.BPF_PROG_TYPE_CGROUP_SOCK,
  P.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  P.BPF_PROG_TYPE_CGROUP_SOCKOPT,
  P.BPF_PROG_TYPE_CGROUP_SYSCTL,
  P.BPF_PROG_TYPE_SOCK_OPS,
  P.BPF_PROG_TYPE_EXT,
  P.BPF_PROG_TYPE_NETFILTER,
]);
/** Types that need CAP_PERFMON beside CAP_BPF (`is_perfmon_prog_type`). */
const PERFMON: ReadonlySet<number> = new Set([
  P.BPF_PROG_TYPE_KPROBE,
  P.BPF_PROG_TYPE_TRACEPOINT,
  P.BPF_PROG_TYPE_PERF_EVENT,
  P.BPF_PROG_TYPE_RAW_TRACEPOINT,
  P.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
  P.BPF_PROG_TYPE_TRACING,
  P.BPF_PROG_TYPE_LSM,
  P.BPF_PROG_TYPE_STRUCT_OPS,
  P.BPF_PROG_TYPE_EXT,
]);
/** Types that may name a target in BTF. */
const BTF_TARGETS: ReadonlySet<number> = new Set([
  P.BPF_PROG_TYPE_TRACING,
  P.BPF_PROG_TYPE_LSM,
  P.BPF_PROG_TYPE_STRUCT_OPS,
  P.BPF_PROG_TYPE_EXT,
]);

/** Attach types a program type insists on; types without a row take any. Source: `bpf_prog_load_check_attach`. */
const ATTACH_TYPES: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  [
    P.BPF_PROG_TYPE_CGROUP_SOCK,
    [
      A.BPF_CGROUP_INET_SOCK_CREATE,
      A.BPF_CGROUP_INET_SOCK_RELEASE,
      A.BPF_CGROUP_INET4_POST_BIND,
      A.BPF_CGROUP_INET6_POST_BIND,
    ],
  ],
  [
    P.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    [
      A.BPF_CGROUP_INET4_BIND,
      A.BPF_CGROUP_INET6_BIND,
      A.BPF_CGROUP_INET4_CONNECT,
      A.BPF_CGROUP_INET6_CONNECT,
      A.BPF_CGROUP_UNIX_CONNECT,
      A.BPF_CGROUP_INET4_GETPEERNAME,
      A.BPF_CGROUP_INET6_GETPEERNAME,
      A.BPF_CGROUP_UNIX_GETPEERNAME,
      A.BPF_CGROUP_INET4_GETSOCKNAME,
      A.BPF_CGROUP_INET6_GETSOCKNAME,
      A.BPF_CGROUP_UNIX_GETSOCKNAME,
      A.BPF_CGROUP_UDP4_SENDMSG,
      A.BPF_CGROUP_UDP6_SENDMSG,
      A.BPF_CGROUP_UNIX_SENDMSG,
      A.BPF_CGROUP_UDP4_RECVMSG,
      A.BPF_CGROUP_UDP6_RECVMSG,
      A.BPF_CGROUP_UNIX_RECVMSG,
    ],
  ],
  [P.BPF_PROG_TYPE_CGROUP_SKB, [A.BPF_CGROUP_INET_INGRESS, A.BPF_CGROUP_INET_EGRESS]],
  [P.BPF_PROG_TYPE_CGROUP_SOCKOPT, [A.BPF_CGROUP_SETSOCKOPT, A.BPF_CGROUP_GETSOCKOPT]],
  [P.BPF_PROG_TYPE_SK_LOOKUP, [A.BPF_SK_LOOKUP]],
  [P.BPF_PROG_TYPE_SK_REUSEPORT, [A.BPF_SK_REUSEPORT_SELECT, A.BPF_SK_REUSEPORT_SELECT_OR_MIGRATE]],
  [P.BPF_PROG_TYPE_NETFILTER, [A.BPF_NETFILTER]],
  [P.BPF_PROG_TYPE_SYSCALL, [0]],
  [P.BPF_PROG_TYPE_EXT, [0]],
]);

/** Types a kernel built as Debian builds it has: all but LIRC_MODE2. */
const KNOWN_TYPES: ReadonlySet<number> = new Set(
  Object.values(P).filter(type => type < P.__MAX_BPF_PROG_TYPE && type !== P.BPF_PROG_TYPE_LIRC_MODE2),
);

/** The attach type the kernel takes for one that old loaders leave at 0. Source: `bpf_prog_load_fixup_attach_type`. */
export function fixupAttachType(type: number, attachType: number): number {
  if (attachType !== 0) return attachType;
  if (type === P.BPF_PROG_TYPE_CGROUP_SOCK) return A.BPF_CGROUP_INET_SOCK_CREATE;
  return type === P.BPF_PROG_TYPE_SK_REUSEPORT ? A.BPF_SK_REUSEPORT_SELECT : attachType;
}

/** `attachType` where programs of that type may have it, else the first they may have. */
export function usableAttachType(type: number, attachType: number): number {
  const allowed = ATTACH_TYPES.get(type);
  return allowed === undefined || allowed.includes(attachType) ? attachType : allowed[0];
}

/** 0, or the errno (positive) with which the kernel refuses before it verifies. Source: `kernel/bpf/syscall.c: bpf_prog_load`. */
export function checkProgLoad(attr: ProgLoadAttr, caps: LoadCaps): number {
  const { type, insnCount } = attr;
  if ((attr.flags & (~KNOWN_FLAGS | unknownFlags(attr.release))) !== 0) return ERRNO.EINVAL;
  const bpf = caps.bpf || caps.sysAdmin;
  if (insnCount === 0 || insnCount > (bpf ? MAX_INSNS : MAX_INSNS_UNPRIVILEGED)) return ERRNO.E2BIG;
  if (!bpf && type !== P.BPF_PROG_TYPE_SOCKET_FILTER && type !== P.BPF_PROG_TYPE_CGROUP_SKB) return ERRNO.EPERM;
  if (NET_ADMIN.has(type) && !caps.netAdmin && !caps.sysAdmin) return ERRNO.EPERM;
  if (PERFMON.has(type) && !caps.perfmon && !caps.sysAdmin) return ERRNO.EPERM;
  if (attr.attachBtfId !== 0 && !attr.attachesToProg && attr.kernelBtf === undefined) return ERRNO.EINVAL;
  if (attr.attachBtfId !== 0 && !BTF_TARGETS.has(type)) return ERRNO.EINVAL;
  if (attr.attachesToProg && type !== P.BPF_PROG_TYPE_TRACING && type !== P.BPF_PROG_TYPE_EXT) return ERRNO.EINVAL;
  const allowed = ATTACH_TYPES.get(type);
  if (allowed !== undefined && !allowed.includes(attr.attachType)) return ERRNO.EINVAL;
  const known = KNOWN_TYPES.has(type) && isIn(PROG_TYPE_RELEASES[type], attr.release);
  return known && type !== P.BPF_PROG_TYPE_UNSPEC ? 0 : ERRNO.EINVAL;
}

/** Whether something that came with `since` is in a kernel's release. */
export const isIn = (since: string | undefined, release: number | undefined): boolean =>
  release === undefined || since === undefined || releaseNumber(since) <= release;

/** Load flags a release does not know. */
function unknownFlags(release: number | undefined): number {
  return PROG_FLAG_RELEASES.reduce((flags, since, bit) => (isIn(since, release) ? flags : flags | (1 << bit)), 0);
}
