import { SK_BUFF } from './context-layout.ts';
import { ntohs, readU32, writeU32 } from './memory.ts';
import { type HelperEnv, type PacketAccess, ProgramFault } from './types.ts';

/** The longest skb helpers may make (`include/linux/skbuff.h: SKB_MAX_ALLOC`, 4 KiB pages). */
export const SKB_MAX_LEN_BYTES = 16384 - 320;

/** The packet of this run; ends the run for programs that have none. */
export function packetOf(env: HelperEnv): PacketAccess {
  if (env.packet === undefined) throw new ProgramFault('bad-call', 'this helper needs a packet, and this run has none');
  return env.packet;
}

export const packetLength = (packet: PacketAccess): number => packet.dataEnd - packet.data;

/** `skb->protocol` in host order. */
export function protocolOf(env: HelperEnv): number {
  return ntohs(env, readU32(env, env.ctxAddr + SK_BUFF.protocol));
}
export function setProtocol(env: HelperEnv, protocol: number): void {
  writeU32(env, env.ctxAddr + SK_BUFF.protocol, ntohs(env, protocol));
}

/**
 * Makes sure data may move `headBytes` down and the end `tailBytes` up, moving the packet inside its buffer if it must
 * (`skb_cow`, `pskb_expand_head`). The buffer is four times the longest skb, so there is always a place.
 */
function makeRoom(env: HelperEnv, packet: PacketAccess, headBytes: number, tailBytes: number): void {
  const low = Math.min(packet.data, packet.macAddr);
  if (low - packet.hardStart >= headBytes && packet.hardEnd - packet.dataEnd >= tailBytes) return;
  const span = packet.dataEnd - low;
  const to = packet.hardStart + ((packet.hardEnd - packet.hardStart - span) >> 1);
  const shift = to - low;
  env.mem.u8.copyWithin(to, low, packet.dataEnd);
  packet.macAddr += shift;
  packet.networkAddr += shift;
  packet.setBounds(packet.dataMeta + shift, packet.data + shift, packet.dataEnd + shift);
}

/** Moves data down by `size` without touching headers (`__skb_push`); the new bytes are what lay there. */
export function pushData(env: HelperEnv, packet: PacketAccess, size: number): void {
  makeRoom(env, packet, size, 0);
  packet.setBounds(packet.data - size, packet.data - size, packet.dataEnd);
}

/** Moves data up by `size` (`__skb_pull`). */
export function pullData(packet: PacketAccess, size: number): void {
  packet.setBounds(packet.data + size, packet.data + size, packet.dataEnd);
}

/** Opens `size` zeroed bytes at `off` from data; both headers move with the bytes before (`bpf_skb_net_hdr_push`). */
export function openGap(env: HelperEnv, packet: PacketAccess, off: number, size: number): void {
  pushData(env, packet, size);
  const { u8 } = env.mem;
  const { data } = packet;
  u8.copyWithin(data, data + size, data + size + off);
  u8.fill(0, data + off, data + off + size);
  packet.macAddr -= size;
  packet.networkAddr -= size;
}

/** Removes `size` bytes at `off` from data (`bpf_skb_net_hdr_pop`); false when the packet is too short. */
export function closeGap(env: HelperEnv, packet: PacketAccess, off: number, size: number): boolean {
  if (packetLength(packet) < off + size) return false;
  const { data } = packet;
  env.mem.u8.copyWithin(data + size, data, data + off);
  pullData(packet, size);
  packet.macAddr += size;
  packet.networkAddr += size;
  return true;
}

/** Grows with zeroes or trims at the end. */
export function setLength(env: HelperEnv, packet: PacketAccess, length: number): void {
  const grow = length - packetLength(packet);
  if (grow > 0) {
    makeRoom(env, packet, 0, grow);
    env.mem.u8.fill(0, packet.dataEnd, packet.dataEnd + grow);
  }
  packet.setBounds(packet.dataMeta, packet.data, packet.data + length);
}

/** Bytes in a packet's buffer, of which what is shown to the program may be a part. */
interface Extent {
  readonly start: number;
  readonly sizeBytes: number;
}

/** Opens `size` zeroed bytes `off` into an extent; where it begins now. The buffer must have the room. */
export function openGapAt(env: HelperEnv, packet: PacketAccess, extent: Extent, off: number, size: number): number {
  const { u8 } = env.mem;
  const { start, sizeBytes } = extent;
  const fits = start + sizeBytes + size <= packet.hardEnd;
  const to = fits ? start : packet.hardStart;
  const bytes = u8.slice(start, start + sizeBytes);
  u8.set(bytes.subarray(0, off), to);
  u8.fill(0, to + off, to + off + size);
  u8.set(bytes.subarray(off), to + off + size);
  return to;
}

/** Takes `size` bytes out of an extent, `off` into it: what follows moves down. */
export function removeBytesAt(env: HelperEnv, { start, sizeBytes }: Extent, off: number, size: number): void {
  env.mem.u8.copyWithin(start + off, start + off + size, start + sizeBytes);
}
