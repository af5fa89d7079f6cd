import { PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK } from '../../helpers/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';

/** Result of the rules below: not allowed; else the size of the field if it may be read in part, or 0. */
const NO = -1;
const U32 = 4;
const U64 = 8;

const BPF_SOCK_BYTES = 80;
/** Offsets in `struct bpf_sock`. */
const SOCK = {
  family: 4,
  type: 8,
  protocol: 12,
  prioEnd: 24,
  srcIp4: 24,
  srcIp6End: 44,
  srcPort: 44,
  dstPort: 48,
  dstPortEnd: 50,
  dstIp4: 52,
  dstIp6End: 72,
  state: 72,
  rxQueueMapping: 76,
} as const;

const isNarrow = (size: number, fieldSize: number): boolean => size <= fieldSize && (size & (size - 1)) === 0;

const EXACT: ReadonlySet<number> = new Set([
  SOCK.state,
  SOCK.family,
  SOCK.type,
  SOCK.protocol,
  SOCK.srcPort,
  SOCK.rxQueueMapping,
]);

/** Source: `net/core/filter.c: bpf_sock_is_valid_access`. */
function sockField(off: number, size: number): number {
  if (off < 0 || off >= BPF_SOCK_BYTES || off % size !== 0) return NO;
  if (EXACT.has(off) || (off >= SOCK.srcIp4 && off < SOCK.srcIp6End) || (off >= SOCK.dstIp4 && off < SOCK.dstIp6End))
    return isNarrow(size, U32) ? U32 : NO;
  if (off >= SOCK.dstPort && off < SOCK.dstPortEnd) {
    // Four bytes: the port and the zeros behind it, as before it had 16 bits.
    const fieldSize = size === U32 ? U32 : 2;
    return isNarrow(size, fieldSize) ? fieldSize : NO;
  }
  if (off >= SOCK.dstPortEnd && off < SOCK.dstIp4) return NO;
  return size === U32 ? 0 : NO;
}

/** Source: `net/core/filter.c: bpf_sock_common_is_valid_access`. */
const sockCommonField = (off: number, size: number): number =>
  off >= SOCK.type && off < SOCK.prioEnd ? NO : sockField(off, size);

const TCP_SOCK_BYTES = 112;
const TCP_BYTES_RECEIVED = 80;
const TCP_BYTES_ACKED = 88;

/** Source: `net/core/filter.c: bpf_tcp_sock_is_valid_access`. */
function tcpSockField(off: number, size: number): number {
  if (off < 0 || off >= TCP_SOCK_BYTES || off % size !== 0) return NO;
  return size === (off === TCP_BYTES_RECEIVED || off === TCP_BYTES_ACKED ? U64 : U32) ? 0 : NO;
}

/** Source: `net/core/filter.c: bpf_xdp_sock_is_valid_access`: there is one field, `queue_id`. */
const xdpSockField = (off: number, size: number): number =>
  off >= 0 && off < U32 && off % size === 0 && size === U32 ? 0 : NO;

const RULES: ReadonlyMap<number, (off: number, size: number) => number> = new Map([
  [PTR_TO_SOCK_COMMON, sockCommonField],
  [PTR_TO_SOCKET, sockField],
  [PTR_TO_TCP_SOCK, tcpSockField],
  [PTR_TO_XDP_SOCK, xdpSockField],
]);

/**
 * Refuses a load from a socket that is not of a field as programs see it. `off` includes the pointer's fixed offset.
 *
 * Source: `kernel/bpf/verifier.c: check_sock_access`.
 */
export function checkSockAccess(env: VerifierEnv, insnIdx: number, regno: number, off: number, size: number): void {
  const reg = env.regs[regno];
  if (reg.scalar.sminHi < 0) env.refuse('memMinNegative', regno);
  const field = RULES.get(reg.type)?.(off, size) ?? NO;
  if (field === NO) env.refuse('sockAccess', regno, regTypeStr(reg.type), off, size);
  env.insnAux[insnIdx].own().ctxFieldSize = field;
}

/** `sizeof(struct bpf_flow_keys)` */
const FLOW_KEYS_BYTES = 56;

/** Source: `kernel/bpf/verifier.c: check_flow_keys_access`. */
export function checkFlowKeysAccess(env: VerifierEnv, off: number, size: number): void {
  if (size < 0 || off < 0 || off + size > FLOW_KEYS_BYTES) env.refuse('flowKeysAccess', off, size);
}
