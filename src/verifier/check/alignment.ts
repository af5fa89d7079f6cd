import {
  PTR_TO_ARENA,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
} from '../../helpers/index.ts';
import { type Scalar, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { RegState } from '../state/reg.ts';

/** `NET_IP_ALIGN` where Linux cares: bytes by which an IP header misses alignment for the Ethernet header before it. */
const IP_ALIGN = 2;

/** Whether a multiple of `size` (1, 2, 4 or 8) whatever the unknown bits are: the lowest bits of the sum decide. */
const isAligned = (varOff: Scalar, add: number, size: number): boolean =>
  ((varOff.maskLo | (varOff.valueLo + add)) & (size - 1)) === 0;

/** Source: `check_pkt_ptr_alignment`. */
function checkPktPtrAlignment(env: VerifierEnv, reg: RegState, off: number, size: number, strict: boolean): void {
  if (!strict || size === 1 || isAligned(reg.scalar, IP_ALIGN + reg.off + off, size)) return;
  env.refuse('packetMisaligned', IP_ALIGN, tnumText(reg.scalar), reg.off, off, size);
}

/** By type; '' for the others. */
const DESCRIPTIONS: readonly string[] = (() => {
  const names: string[] = new Array(32).fill('');
  names[PTR_TO_FLOW_KEYS] = 'flow keys ';
  names[PTR_TO_MAP_KEY] = 'key ';
  names[PTR_TO_MAP_VALUE] = 'value ';
  names[PTR_TO_CTX] = 'context ';
  names[PTR_TO_STACK] = 'stack ';
  names[PTR_TO_SOCKET] = 'sock ';
  names[PTR_TO_SOCK_COMMON] = 'sock_common ';
  names[PTR_TO_TCP_SOCK] = 'tcp_sock ';
  names[PTR_TO_XDP_SOCK] = 'xdp_sock ';
  return names;
})();

/**
 * Refuses an access that is not naturally aligned where that matters: on the stack always, elsewhere if the program or
 * the CPU asks for it. `off` excludes `reg.off`.
 *
 * Source: `kernel/bpf/verifier.c: check_ptr_alignment, check_generic_ptr_alignment`.
 */
export function checkPtrAlignment(
  env: VerifierEnv,
  reg: RegState,
  off: number,
  size: number,
  strictAlignmentOnce: boolean,
): void {
  const { type } = reg;
  let strict = env.strictAlignment || strictAlignmentOnce;
  if (type === PTR_TO_PACKET || type === PTR_TO_PACKET_META) {
    checkPktPtrAlignment(env, reg, off, size, strict);
    return;
  }
  if (type === PTR_TO_ARENA) return;
  // Spills are followed by slot: accesses must not straddle them.
  if (type === PTR_TO_STACK) strict = true;
  if (!strict || size === 1 || isAligned(reg.scalar, reg.off + off, size)) return;
  env.refuse('misaligned', DESCRIPTIONS[type] ?? '', tnumText(reg.scalar), reg.off, off, size);
}
