import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';

/**
 * What a section name asks of the loader beside type and attach type.
 *
 * - `attachable`: attached with `BPF_PROG_ATTACH`
 * - `attach_type_optional`: old kernels may load it without an expected attach type
 * - `attach_btf`: the target is a BTF type of the kernel or of another program
 * - `sleepable`, `xdp_frags`: program flags (see {@link SectionMatch.flags})
 * - `usdt`: attached as multi-uprobe where the kernel can
 */
export type SectionFlag = 'attachable' | 'attach_type_optional' | 'attach_btf' | 'sleepable' | 'xdp_frags' | 'usdt';

/** A row of the table of section names. */
export interface SectionDef {
  /** The name without a trailing `+`. */
  readonly name: string;
  /** Whether `name/…` matches too; without it only `name` itself does. */
  readonly extras: boolean;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** Expected attach type, 0 where none is implied. */
  readonly attachType: number;
  readonly flags: readonly SectionFlag[];
}

/** What a section name says about the programs in it. */
export interface SectionMatch {
  readonly def: SectionDef;
  readonly type: number;
  readonly attachType: number;
  /** What follows the first slash of an `extras` section: traced function, `category/tracepoint`, member; else ''. */
  readonly attachTarget: string;
  /** `BPF_F_SLEEPABLE`, `BPF_F_XDP_HAS_FRAGS`: the flags of `BPF_PROG_LOAD`. */
  readonly flags: number;
  /** False for names that begin with `?`. */
  readonly autoload: boolean;
}

/** `prog_flags` of `BPF_PROG_LOAD` that section names set (`include/uapi/linux/bpf.h`). */
export const BPF_F_SLEEPABLE = 1 << 4;
export const BPF_F_XDP_HAS_FRAGS = 1 << 5;

type Suffix<Key> = Key extends `BPF_PROG_TYPE_${infer Name}` ? Name : never;
type ProgTypeSuffix = Suffix<keyof typeof bpf_prog_type>;
type AttachName = keyof typeof bpf_attach_type;

function row(pattern: string, type: ProgTypeSuffix, attach?: AttachName, ...flags: SectionFlag[]): SectionDef {
  const extras = pattern.endsWith('+');
  return {
    name: extras ? pattern.slice(0, -1) : pattern,
    extras,
    type: bpf_prog_type[`BPF_PROG_TYPE_${type}`],
    attachType: attach === undefined ? 0 : bpf_attach_type[attach],
    flags,
  };
}

/**
 * The section names libbpf 1.5 knows, and at the end those later releases added. cilium/ebpf accepts the same names.
 *
 * Source: `tools/lib/bpf/libbpf.c: section_defs`.
 */
export const SECTION_DEFS: readonly SectionDef[] = [
  row('socket', 'SOCKET_FILTER'),
  row('sk_reuseport/migrate', 'SK_REUSEPORT', 'BPF_SK_REUSEPORT_SELECT_OR_MIGRATE', 'attachable'),
  row('sk_reuseport', 'SK_REUSEPORT', 'BPF_SK_REUSEPORT_SELECT', 'attachable'),
  row('kprobe+', 'KPROBE'),
  row('uprobe+', 'KPROBE'),
  row('uprobe.s+', 'KPROBE', undefined, 'sleepable'),
  row('kretprobe+', 'KPROBE'),
  row('uretprobe+', 'KPROBE'),
  row('uretprobe.s+', 'KPROBE', undefined, 'sleepable'),
  row('kprobe.multi+', 'KPROBE', 'BPF_TRACE_KPROBE_MULTI'),
  row('kretprobe.multi+', 'KPROBE', 'BPF_TRACE_KPROBE_MULTI'),
  row('kprobe.session+', 'KPROBE', 'BPF_TRACE_KPROBE_SESSION'),
  row('uprobe.multi+', 'KPROBE', 'BPF_TRACE_UPROBE_MULTI'),
  row('uretprobe.multi+', 'KPROBE', 'BPF_TRACE_UPROBE_MULTI'),
  row('uprobe.multi.s+', 'KPROBE', 'BPF_TRACE_UPROBE_MULTI', 'sleepable'),
  row('uretprobe.multi.s+', 'KPROBE', 'BPF_TRACE_UPROBE_MULTI', 'sleepable'),
  row('ksyscall+', 'KPROBE'),
  row('kretsyscall+', 'KPROBE'),
  row('usdt+', 'KPROBE', undefined, 'usdt'),
  row('usdt.s+', 'KPROBE', undefined, 'usdt', 'sleepable'),
  row('tc/ingress', 'SCHED_CLS', 'BPF_TCX_INGRESS'),
  row('tc/egress', 'SCHED_CLS', 'BPF_TCX_EGRESS'),
  row('tcx/ingress', 'SCHED_CLS', 'BPF_TCX_INGRESS'),
  row('tcx/egress', 'SCHED_CLS', 'BPF_TCX_EGRESS'),
  row('tc', 'SCHED_CLS'),
  row('classifier', 'SCHED_CLS'),
  row('action', 'SCHED_ACT'),
  row('netkit/primary', 'SCHED_CLS', 'BPF_NETKIT_PRIMARY'),
  row('netkit/peer', 'SCHED_CLS', 'BPF_NETKIT_PEER'),
  row('tracepoint+', 'TRACEPOINT'),
  row('tp+', 'TRACEPOINT'),
  row('raw_tracepoint+', 'RAW_TRACEPOINT'),
  row('raw_tp+', 'RAW_TRACEPOINT'),
  row('raw_tracepoint.w+', 'RAW_TRACEPOINT_WRITABLE'),
  row('raw_tp.w+', 'RAW_TRACEPOINT_WRITABLE'),
  row('tp_btf+', 'TRACING', 'BPF_TRACE_RAW_TP', 'attach_btf'),
  row('fentry+', 'TRACING', 'BPF_TRACE_FENTRY', 'attach_btf'),
  row('fmod_ret+', 'TRACING', 'BPF_MODIFY_RETURN', 'attach_btf'),
  row('fexit+', 'TRACING', 'BPF_TRACE_FEXIT', 'attach_btf'),
  row('fentry.s+', 'TRACING', 'BPF_TRACE_FENTRY', 'attach_btf', 'sleepable'),
  row('fmod_ret.s+', 'TRACING', 'BPF_MODIFY_RETURN', 'attach_btf', 'sleepable'),
  row('fexit.s+', 'TRACING', 'BPF_TRACE_FEXIT', 'attach_btf', 'sleepable'),
  row('freplace+', 'EXT', undefined, 'attach_btf'),
  row('lsm+', 'LSM', 'BPF_LSM_MAC', 'attach_btf'),
  row('lsm.s+', 'LSM', 'BPF_LSM_MAC', 'attach_btf', 'sleepable'),
  row('lsm_cgroup+', 'LSM', 'BPF_LSM_CGROUP', 'attach_btf'),
  row('iter+', 'TRACING', 'BPF_TRACE_ITER', 'attach_btf'),
  row('iter.s+', 'TRACING', 'BPF_TRACE_ITER', 'attach_btf', 'sleepable'),
  row('syscall', 'SYSCALL', undefined, 'sleepable'),
  row('xdp.frags/devmap', 'XDP', 'BPF_XDP_DEVMAP', 'xdp_frags'),
  row('xdp/devmap', 'XDP', 'BPF_XDP_DEVMAP', 'attachable'),
  row('xdp.frags/cpumap', 'XDP', 'BPF_XDP_CPUMAP', 'xdp_frags'),
  row('xdp/cpumap', 'XDP', 'BPF_XDP_CPUMAP', 'attachable'),
  row('xdp.frags', 'XDP', 'BPF_XDP', 'xdp_frags'),
  row('xdp', 'XDP', 'BPF_XDP', 'attachable', 'attach_type_optional'),
  row('perf_event', 'PERF_EVENT'),
  row('lwt_in', 'LWT_IN'),
  row('lwt_out', 'LWT_OUT'),
  row('lwt_xmit', 'LWT_XMIT'),
  row('lwt_seg6local', 'LWT_SEG6LOCAL'),
  row('sockops', 'SOCK_OPS', 'BPF_CGROUP_SOCK_OPS', 'attachable', 'attach_type_optional'),
  row('sk_skb/stream_parser', 'SK_SKB', 'BPF_SK_SKB_STREAM_PARSER', 'attachable', 'attach_type_optional'),
  row('sk_skb/stream_verdict', 'SK_SKB', 'BPF_SK_SKB_STREAM_VERDICT', 'attachable', 'attach_type_optional'),
  row('sk_skb/verdict', 'SK_SKB', 'BPF_SK_SKB_VERDICT', 'attachable', 'attach_type_optional'),
  row('sk_skb', 'SK_SKB'),
  row('sk_msg', 'SK_MSG', 'BPF_SK_MSG_VERDICT', 'attachable', 'attach_type_optional'),
  row('lirc_mode2', 'LIRC_MODE2', 'BPF_LIRC_MODE2', 'attachable', 'attach_type_optional'),
  row('flow_dissector', 'FLOW_DISSECTOR', 'BPF_FLOW_DISSECTOR', 'attachable', 'attach_type_optional'),
  row('cgroup_skb/ingress', 'CGROUP_SKB', 'BPF_CGROUP_INET_INGRESS', 'attachable', 'attach_type_optional'),
  row('cgroup_skb/egress', 'CGROUP_SKB', 'BPF_CGROUP_INET_EGRESS', 'attachable', 'attach_type_optional'),
  row('cgroup/skb', 'CGROUP_SKB'),
  row('cgroup/sock_create', 'CGROUP_SOCK', 'BPF_CGROUP_INET_SOCK_CREATE', 'attachable'),
  row('cgroup/sock_release', 'CGROUP_SOCK', 'BPF_CGROUP_INET_SOCK_RELEASE', 'attachable'),
  row('cgroup/sock', 'CGROUP_SOCK', 'BPF_CGROUP_INET_SOCK_CREATE', 'attachable', 'attach_type_optional'),
  row('cgroup/post_bind4', 'CGROUP_SOCK', 'BPF_CGROUP_INET4_POST_BIND', 'attachable'),
  row('cgroup/post_bind6', 'CGROUP_SOCK', 'BPF_CGROUP_INET6_POST_BIND', 'attachable'),
  row('cgroup/bind4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET4_BIND', 'attachable'),
  row('cgroup/bind6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET6_BIND', 'attachable'),
  row('cgroup/connect4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET4_CONNECT', 'attachable'),
  row('cgroup/connect6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET6_CONNECT', 'attachable'),
  row('cgroup/connect_unix', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UNIX_CONNECT', 'attachable'),
  row('cgroup/sendmsg4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UDP4_SENDMSG', 'attachable'),
  row('cgroup/sendmsg6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UDP6_SENDMSG', 'attachable'),
  row('cgroup/sendmsg_unix', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UNIX_SENDMSG', 'attachable'),
  row('cgroup/recvmsg4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UDP4_RECVMSG', 'attachable'),
  row('cgroup/recvmsg6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UDP6_RECVMSG', 'attachable'),
  row('cgroup/recvmsg_unix', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UNIX_RECVMSG', 'attachable'),
  row('cgroup/getpeername4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET4_GETPEERNAME', 'attachable'),
  row('cgroup/getpeername6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET6_GETPEERNAME', 'attachable'),
  row('cgroup/getpeername_unix', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UNIX_GETPEERNAME', 'attachable'),
  row('cgroup/getsockname4', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET4_GETSOCKNAME', 'attachable'),
  row('cgroup/getsockname6', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_INET6_GETSOCKNAME', 'attachable'),
  row('cgroup/getsockname_unix', 'CGROUP_SOCK_ADDR', 'BPF_CGROUP_UNIX_GETSOCKNAME', 'attachable'),
  row('cgroup/sysctl', 'CGROUP_SYSCTL', 'BPF_CGROUP_SYSCTL', 'attachable'),
  row('cgroup/getsockopt', 'CGROUP_SOCKOPT', 'BPF_CGROUP_GETSOCKOPT', 'attachable'),
  row('cgroup/setsockopt', 'CGROUP_SOCKOPT', 'BPF_CGROUP_SETSOCKOPT', 'attachable'),
  row('cgroup/dev', 'CGROUP_DEVICE', 'BPF_CGROUP_DEVICE', 'attachable', 'attach_type_optional'),
  row('struct_ops+', 'STRUCT_OPS'),
  row('struct_ops.s+', 'STRUCT_OPS', undefined, 'sleepable'),
  row('sk_lookup', 'SK_LOOKUP', 'BPF_SK_LOOKUP', 'attachable'),
  row('netfilter', 'NETFILTER', 'BPF_NETFILTER'),
  // After 1.5.
  row('uprobe.session+', 'KPROBE', 'BPF_TRACE_UPROBE_SESSION'),
  row('uprobe.session.s+', 'KPROBE', 'BPF_TRACE_UPROBE_SESSION', 'sleepable'),
  row('fsession+', 'TRACING', 'BPF_TRACE_FSESSION', 'attach_btf'),
  row('fsession.s+', 'TRACING', 'BPF_TRACE_FSESSION', 'attach_btf', 'sleepable'),
];

const BY_NAME: ReadonlyMap<string, SectionDef> = new Map(SECTION_DEFS.map(def => [def.name, def]));

function loadFlags(def: SectionDef): number {
  return (
    (def.flags.includes('sleepable') ? BPF_F_SLEEPABLE : 0) |
    (def.flags.includes('xdp_frags') ? BPF_F_XDP_HAS_FRAGS : 0)
  );
}

/**
 * What the name of an ELF section says about the programs in it; undefined for names libbpf does not know (their
 * programs have no type until someone sets one).
 *
 * A name matches a row exactly, or, where the row takes extras, as `row/…`. There is no prefix matching: `socket1` and
 * `xdp_prog` are unknown, as since libbpf 1.0. A leading `?` only says that the program is not loaded by itself.
 *
 * Source: `tools/lib/bpf/libbpf.c: sec_def_matches, bpf_object__init_prog`.
 */
export function matchSection(section: string): SectionMatch | undefined {
  const autoload = !section.startsWith('?');
  const name = autoload ? section : section.slice(1);
  const exact = BY_NAME.get(name);
  const slash = name.indexOf('/');
  const prefix = exact === undefined && slash >= 0 ? BY_NAME.get(name.slice(0, slash)) : undefined;
  const def = exact ?? (prefix?.extras === true ? prefix : undefined);
  if (def === undefined) return undefined;
  return {
    def,
    type: def.type,
    attachType: def.attachType,
    attachTarget: def.extras && slash >= 0 ? name.slice(slash + 1) : '',
    flags: loadFlags(def),
    autoload,
  };
}
