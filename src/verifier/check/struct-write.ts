import type { Btf } from '../../btf/index.ts';
import { bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { RegState } from '../state/reg.ts';

/** Bytes of a member of a struct of the kernel. */
interface Range {
  readonly start: number;
  readonly end: number;
}

const POINTER_BYTES = 8;

function memberIndex(btf: Btf, structId: number, name: string): number {
  const { types } = btf;
  for (let i = 0; i < types.vlen(structId); i++) if (btf.stringAt(types.item(structId, i, 0)) === name) return i;
  return -1;
}

/** Where `path` (`a.b`) is in a struct; members of unnamed structs and unions count as the struct's own. */
function memberRange(btf: Btf, struct: string, path: string): Range | undefined {
  const structId = btf.findByName(struct, 'STRUCT');
  return structId === 0 ? undefined : rangeIn(btf, structId, path.split('.'), 0, 0);
}

function rangeIn(btf: Btf, structId: number, path: readonly string[], base: number, depth: number): Range | undefined {
  const { types } = btf;
  const i = memberIndex(btf, structId, path[0]);
  if (i >= 0) {
    const start = base + (types.memberBitOffset(structId, i) >>> 3);
    const typeId = btf.skipModifiers(types.item(structId, i, 1));
    if (path.length > 1) return rangeIn(btf, typeId, path.slice(1), start, depth);
    const size = btf.kindOf(typeId) === 'PTR' ? POINTER_BYTES : btf.trySizeOf(typeId);
    return typeof size === 'number' ? { start, end: start + size } : undefined;
  }
  for (let j = 0; j < types.vlen(structId) && depth < 8; j++) {
    const typeId = btf.skipModifiers(types.item(structId, j, 1));
    const kind = btf.kindOf(typeId);
    if (types.item(structId, j, 0) !== 0 || (kind !== 'STRUCT' && kind !== 'UNION')) continue;
    const found = rangeIn(btf, typeId, path, base + (types.memberBitOffset(structId, j) >>> 3), depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

const isType = (reg: RegState, btf: Btf, name: string): boolean =>
  reg.info.btfId !== 0 && reg.info.btfId === btf.findByName(name, 'STRUCT');

/** Refuses stores to what is not among the members that may be written. */
type Writer = (env: VerifierEnv, btf: Btf, reg: RegState, off: number, size: number) => void;

/** Struct and member; `true`: an access may begin anywhere in it. */
const TCP_CA_MEMBERS: readonly (readonly [struct: string, path: string, anywhere?: true])[] = [
  ['sock', 'sk_pacing_rate'],
  ['sock', 'sk_pacing_status'],
  ['inet_connection_sock', 'icsk_ca_priv', true],
  ['inet_connection_sock', 'icsk_ack.pending'],
  ['tcp_sock', 'snd_cwnd'],
  ['tcp_sock', 'snd_cwnd_cnt'],
  ['tcp_sock', 'snd_cwnd_stamp'],
  ['tcp_sock', 'snd_ssthresh'],
  ['tcp_sock', 'ecn_flags'],
  ['tcp_sock', 'app_limited'],
];

/** The member an access may begin in. */
function firstRange(
  btf: Btf,
  members: readonly (readonly [struct: string, path: string, anywhere?: true])[],
  off: number,
): Range | undefined {
  for (const [struct, path, anywhere] of members) {
    const range = memberRange(btf, struct, path);
    if (range !== undefined && (anywhere ? off >= range.start && off < range.end : off === range.start)) return range;
  }
  return undefined;
}

/** Source: `net/ipv4/bpf_tcp_ca.c: bpf_tcp_ca_btf_struct_access`. */
const tcpCa: Writer = (env, btf, reg, off, size) => {
  if (!isType(reg, btf, 'tcp_sock')) env.refuse('btfAccessReadOnly');
  const range = firstRange(btf, TCP_CA_MEMBERS, off) ?? env.refuse('structWriteNoSupport', 'tcp_sock', off);
  if (off + size > range.end) env.refuse('structWriteBeyond', 'tcp_sock', off, size, range.end);
};

/** Source: `net/netfilter/nf_conntrack_bpf.c: _nf_conntrack_btf_struct_access`. */
const conntrack: Writer = (env, btf, reg, off, size) => {
  // Without connection tracking (a module, as a rule) nobody allows anything, and nobody says so.
  if (btf.findByName('bpf_ct_insert_entry', 'FUNC') === 0) env.fail(ERRNO.EACCES);
  if (!isType(reg, btf, 'nf_conn') && !isType(reg, btf, 'nf_conn___init')) env.refuse('btfAccessReadOnly');
  const range = firstRange(btf, [['nf_conn', 'mark']], off) ?? env.refuse('structWriteNoSupport', 'nf_conn', off);
  if (off + size > range.end) env.refuse('structWriteBeyond', 'nf_conn', off, size, range.end);
};

/** Source: `kernel/sched/ext.c: bpf_scx_btf_struct_access`. */
const schedExt: Writer = (env, btf, reg, off, size) => {
  for (const path of ['scx.slice', 'scx.dsq_vtime', 'scx.disallow']) {
    const range = isType(reg, btf, 'task_struct') ? memberRange(btf, 'task_struct', path) : undefined;
    if (range !== undefined && off >= range.start && off + size <= range.end) return;
  }
  env.fail(ERRNO.EACCES);
};

/** Source: `net/bpf/bpf_dummy_struct_ops.c: bpf_dummy_ops_btf_struct_access`. */
const dummyOps: Writer = (env, btf, reg, off, size) => {
  const state = btf.findByName('bpf_dummy_ops_state', 'STRUCT');
  if (state === 0) env.fail(ERRNO.EINVAL);
  if (reg.info.btfId !== state) env.refuse('dummyOpsStateOnly');
  if (off + size > btf.sizeOf(state)) env.refuse('dummyOpsBeyond', off, size);
};

/** Members BPF programs for HID devices may write; of names the closing NUL stays. */
const HID_MEMBERS: readonly (readonly [struct: string, members: readonly string[], keepBytes: number])[] = [
  ['hid_bpf_ctx', ['retval'], 0],
  ['hid_device', ['name', 'uniq', 'phys'], 1],
];

/** Source: `drivers/hid/bpf/hid_bpf_struct_ops.c: hid_bpf_ops_btf_struct_access`. */
const hidBpf: Writer = (env, btf, reg, off, size) => {
  for (const [struct, members, keepBytes] of HID_MEMBERS) {
    const structId = btf.findByName(struct, 'STRUCT');
    if (structId === 0) env.fail(ERRNO.EINVAL);
    if (reg.info.btfId !== structId) continue;
    if (off + size > btf.sizeOf(structId)) env.refuse('hidBpfBeyond', struct, off, size);
    for (const member of members) {
      const range = memberRange(btf, struct, member);
      if (range !== undefined && off >= range.start && off + size <= range.end - keepBytes) return;
    }
    env.refuse('hidBpfReadOnly', struct, off, size);
  }
  env.refuse('hidBpfStruct');
};

const STRUCT_OPS: ReadonlyMap<string, Writer> = new Map([
  ['tcp_congestion_ops', tcpCa],
  ['bpf_dummy_ops', dummyOps],
  ['hid_bpf_ops', hidBpf],
  ['sched_ext_ops', schedExt],
]);

/**
 * The rule for stores into structs of the kernel, if programs of this type (and, of struct_ops, for this struct) have
 * one of their own: it refuses what may not be written. Without one nothing may.
 *
 * Source: `struct bpf_verifier_ops.btf_struct_access`.
 */
export function structWriter(env: VerifierEnv): Writer | undefined {
  const { type, structOps } = env.prog;
  if (type === bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS || type === bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT)
    return conntrack;
  if (type === bpf_prog_type.BPF_PROG_TYPE_XDP) return conntrack;
  if (type !== bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS || structOps === undefined) return undefined;
  return STRUCT_OPS.get(structOps.structName);
}
