import { bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { checkMemAccessRegion } from './mem-region.ts';
import { type AccessType, BPF_WRITE } from './pointer-kinds.ts';

/** Program types that may read packets directly. */
const READS: ReadonlySet<number> = new Set([
  bpf_prog_type.BPF_PROG_TYPE_LWT_IN,
  bpf_prog_type.BPF_PROG_TYPE_LWT_OUT,
  bpf_prog_type.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  bpf_prog_type.BPF_PROG_TYPE_SK_REUSEPORT,
  bpf_prog_type.BPF_PROG_TYPE_FLOW_DISSECTOR,
  bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB,
]);
/** Program types that may also write them. */
const WRITES: ReadonlySet<number> = new Set([
  bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS,
  bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT,
  bpf_prog_type.BPF_PROG_TYPE_XDP,
  bpf_prog_type.BPF_PROG_TYPE_LWT_XMIT,
  bpf_prog_type.BPF_PROG_TYPE_SK_SKB,
  bpf_prog_type.BPF_PROG_TYPE_SK_MSG,
]);

/**
 * Whether programs of this type may access packets so, or hand them to a callee that does. Notes that the program does.
 *
 * Source: `kernel/bpf/verifier.c: may_access_direct_pkt_data`.
 * @param meta of the call; undefined for an instruction's own access
 */
export function mayAccessDirectPktData(
  env: VerifierEnv,
  meta: { readonly pktAccess: boolean } | undefined,
  t: AccessType,
): boolean {
  const { type } = env.prog;
  if (WRITES.has(type) || (t !== BPF_WRITE && READS.has(type))) {
    if (meta !== undefined) return meta.pktAccess;
    env.seenDirectWrite = true;
    return true;
  }
  if (type !== bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCKOPT) return false;
  if (t === BPF_WRITE) env.seenDirectWrite = true;
  return true;
}

/**
 * Refuses an access beyond what the program has compared with the packet's end. `off` includes the pointer's fixed
 * offset; a variable part lies before what was compared.
 *
 * Source: `kernel/bpf/verifier.c: check_packet_access`.
 */
export function checkPacketAccess(
  env: VerifierEnv,
  regno: number,
  off: number,
  size: number,
  zeroSizeAllowed: boolean,
): void {
  const reg = env.regs[regno];
  if (reg.scalar.sminHi < 0) env.refuse('memMinNegative', regno);
  const { range } = reg.info;
  if (range < 0) env.refuseWith(ERRNO.EINVAL, 'packetOutside', regno);
  const regions = env.rules.packetsAreRegions;
  if (regions && off < 0) env.refuse('memMinNegative', regno);
  if (!checkMemAccessRegion(env, regno, off, size, range, zeroSizeAllowed)) {
    env.refuse(regions ? 'memMinOutside' : 'packetOutside', regno);
  }
  const last = (off + reg.scalar.umaxLo + size - 1) >>> 0;
  if (last > env.maxPktOffset) env.maxPktOffset = last;
}
