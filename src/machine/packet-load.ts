import type { PacketAccess } from '../helpers/index.ts';
import type { LinearMemory } from '../mem/index.ts';

/** Negative offsets name the network and the link-layer header (`include/uapi/linux/filter.h`). */
const SKF_NET_OFF = -0x100000;
const SKF_LL_OFF = -0x200000;

/**
 * The bytes `ld_abs` and `ld_ind` want, in network order; undefined where the kernel has none and ends the program.
 *
 * Source: `net/core/filter.c: bpf_skb_load_helper_8` and siblings, `kernel/bpf/core.c: bpf_internal_load_pointer_neg_helper`.
 */
export function packetLoad(
  mem: LinearMemory,
  packet: PacketAccess | undefined,
  off: number,
  sizeBytes: 1 | 2 | 4,
): number | undefined {
  if (packet === undefined) return undefined;
  let addr: number;
  if (off >= 0) {
    addr = packet.data + off;
    if (addr < packet.data) return undefined;
  } else {
    if (off >= SKF_NET_OFF) addr = packet.networkAddr + off - SKF_NET_OFF;
    else if (off >= SKF_LL_OFF) addr = packet.macAddr + off - SKF_LL_OFF;
    else return undefined;
    if (addr < packet.hardStart) return undefined;
  }
  if (addr + sizeBytes > packet.dataEnd) return undefined;
  const { view } = mem;
  return sizeBytes === 1
    ? view.getUint8(addr)
    : sizeBytes === 2
      ? view.getUint16(addr, false)
      : view.getUint32(addr, false);
}
