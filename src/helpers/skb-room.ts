import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ETH_HEADER_BYTES, ETH_P_IP, ETH_P_IPV6, SK_BUFF } from './context-layout.ts';
import { readU32, writeU32 } from './memory.ts';
import {
  closeGap,
  openGap,
  packetLength,
  packetOf,
  protocolOf,
  pullData,
  pushData,
  SKB_MAX_LEN_BYTES,
  setLength,
  setProtocol,
} from './packet.ts';
import { ANY, CTX, int } from './proto.ts';
import type { HelperDef, HelperEnv, PacketAccess } from './types.ts';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const { EINVAL, EFAULT, ENOTSUPP, ENOMEM, EALREADY } = ERRNO;

/** Flags of `bpf_skb_adjust_room` (`BPF_F_ADJ_ROOM_*`), and the length of an inner link-layer header in the top byte. */
const F = {
  FIXED_GSO: 1,
  ENCAP_L3_IPV4: 2,
  ENCAP_L3_IPV6: 4,
  ENCAP_L4_GRE: 8,
  ENCAP_L4_UDP: 16,
  NO_CSUM_RESET: 32,
  ENCAP_L2_ETH: 64,
  DECAP_L3_IPV4: 128,
  DECAP_L3_IPV6: 256,
} as const;
const ALL_FLAGS = 0x1ff;
const DECAP_L3 = F.DECAP_L3_IPV4 | F.DECAP_L3_IPV6;
const SHRINK_FLAGS = F.FIXED_GSO | DECAP_L3 | F.NO_CSUM_RESET;
const both = (flags: number, mask: number): boolean => (flags & mask) === mask;

const isGso = (env: HelperEnv): boolean => readU32(env, env.ctxAddr + SK_BUFF.gso_size) !== 0;

/** `bpf_skb_net_grow`. */
function grow(
  env: HelperEnv,
  packet: PacketAccess,
  off: number,
  size: number,
  flags: number,
  innerMac: number,
): number {
  const encap = (flags & (F.ENCAP_L3_IPV4 | F.ENCAP_L3_IPV6)) !== 0;
  const macLen = packet.networkAddr - packet.macAddr;
  // A packet with a segment size but no segment type is what a test run can make; Linux refuses to change it.
  if (isGso(env)) return -ENOTSUPP;
  if (encap) {
    if (both(flags, F.ENCAP_L3_IPV4 | F.ENCAP_L3_IPV6) || both(flags, F.ENCAP_L4_GRE | F.ENCAP_L4_UDP)) return -EINVAL;
    if ((flags & F.ENCAP_L2_ETH) !== 0 && innerMac < ETH_HEADER_BYTES) return -EINVAL;
    if (packet.encapsulated) return -EALREADY;
    if (innerMac > size) return -EINVAL;
  }
  openGap(env, packet, off, size);
  if (!encap) return 0;
  packet.encapsulated = true;
  packet.networkAddr = packet.data + macLen;
  const protocol = protocolOf(env);
  if (protocol === ETH_P_IP && (flags & F.ENCAP_L3_IPV6) !== 0) setProtocol(env, ETH_P_IPV6);
  else if (protocol === ETH_P_IPV6 && (flags & F.ENCAP_L3_IPV4) !== 0) setProtocol(env, ETH_P_IP);
  return 0;
}

/** `bpf_skb_net_shrink`. */
function shrink(env: HelperEnv, packet: PacketAccess, off: number, size: number, flags: number): number {
  if ((flags & ~SHRINK_FLAGS) !== 0) return -EINVAL;
  if (isGso(env)) return -ENOTSUPP;
  if (!closeGap(env, packet, off, size)) return -ENOMEM;
  const protocol = protocolOf(env);
  if (protocol === ETH_P_IP && (flags & F.DECAP_L3_IPV6) !== 0) setProtocol(env, ETH_P_IPV6);
  else if (protocol === ETH_P_IPV6 && (flags & F.DECAP_L3_IPV4) !== 0) setProtocol(env, ETH_P_IP);
  return 0;
}

const BASE_LEN: Readonly<Record<number, number>> = { [ETH_P_IP]: IPV4_HEADER_BYTES, [ETH_P_IPV6]: IPV6_HEADER_BYTES };

function adjustRoom(env: HelperEnv, packet: PacketAccess, diff: number, mode: number, flags64: bigint): number {
  const flags = Number(flags64 & 0xffffffffn);
  const innerMac = Number(flags64 >> 56n);
  if ((flags64 & 0x00ffffff_ffffffffn) > BigInt(ALL_FLAGS)) return -EINVAL;
  const size = Math.abs(diff);
  if (size > 0xfff) return -EFAULT;
  const base = BASE_LEN[protocolOf(env)];
  if (base === undefined || mode > 1) return -ENOTSUPP;
  const off = packet.networkAddr - packet.macAddr + (mode === 0 ? base : 0);
  let least = base;
  if ((flags & DECAP_L3) !== 0) {
    if (diff >= 0 || (flags & DECAP_L3) === DECAP_L3) return -EINVAL;
    least = (flags & F.DECAP_L3_IPV4) !== 0 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  }
  const length = packet.dataEnd - packet.networkAddr;
  if (diff < 0 && (size >= length || length - size < least)) return -ENOTSUPP;
  if (diff >= 0 && packetLength(packet) + size > SKB_MAX_LEN_BYTES && !isGso(env)) return -ENOTSUPP;
  const result = diff < 0 ? shrink(env, packet, off, size, flags) : grow(env, packet, off, size, flags, innerMac);
  if (result === 0 && (flags & F.NO_CSUM_RESET) === 0) packet.csumLevel = -1;
  return result;
}

/** `sk_skb_adjust_room`: stream verdict programs move the head only. */
function adjustStreamRoom(env: HelperEnv, packet: PacketAccess, diff: number, mode: number, flags: bigint): number {
  if (flags !== 0n || mode !== 0) return -EINVAL;
  if (Math.abs(diff) > 0xfff) return -EFAULT;
  if (diff < 0) {
    if (-diff > packetLength(packet)) return -ENOMEM;
    pullData(packet, -diff);
    return 0;
  }
  pushData(env, packet, diff);
  env.mem.u8.fill(0, packet.data, packet.data + diff);
  return 0;
}

/** `bpf_skb_proto_xlat`: room for the other header, and the protocol. */
function changeProto(env: HelperEnv, packet: PacketAccess, to: number): number {
  const from = protocolOf(env);
  const off = packet.networkAddr - packet.macAddr;
  const diff = IPV6_HEADER_BYTES - IPV4_HEADER_BYTES;
  if (from === ETH_P_IP && to === ETH_P_IPV6) openGap(env, packet, off, diff);
  else if (from === ETH_P_IPV6 && to === ETH_P_IP) {
    if (!closeGap(env, packet, off, diff)) return -ENOMEM;
  } else return -ENOTSUPP;
  setProtocol(env, to);
  writeU32(env, env.ctxAddr + SK_BUFF.hash, 0);
  return 0;
}

function changeHead(env: HelperEnv, packet: PacketAccess, size: number): number {
  const length = packetLength(packet) + size;
  if (env.arg64(3) !== 0n || (!isGso(env) && length > SKB_MAX_LEN_BYTES) || length > 0xffffffff) return -EINVAL;
  if (length > SKB_MAX_LEN_BYTES) return -ENOMEM;
  pushData(env, packet, size);
  env.mem.u8.fill(0, packet.data, packet.data + size);
  packet.macAddr = packet.data;
  return 0;
}

function changeTail(env: HelperEnv, packet: PacketAccess, length: number): number {
  const least = Math.max(0, packet.networkAddr - packet.data);
  if (env.arg64(3) !== 0n || length > SKB_MAX_LEN_BYTES || length < least) return -EINVAL;
  if (packet.encapsulated) return -ENOTSUPP;
  setLength(env, packet, length);
  if (isGso(env)) {
    writeU32(env, env.ctxAddr + SK_BUFF.gso_size, 0);
    writeU32(env, env.ctxAddr + SK_BUFF.gso_segs, 0);
  }
  return 0;
}

/** Room in an skb (`net/core/filter.c`). */
export const SKB_ROOM_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 31,
    name: 'bpf_skb_change_proto',
    since: '4.8',
    proto: int([CTX, ANY, ANY]),
    run: (env, _skb, proto) => {
      if (env.arg64(3) !== 0n) return -EINVAL;
      const host = env.mem.littleEndian ? ((proto & 0xff) << 8) | ((proto >> 8) & 0xff) : proto & 0xffff;
      return changeProto(env, packetOf(env), host);
    },
  }),
  defineHelper({
    id: 50,
    name: 'bpf_skb_adjust_room',
    since: '4.13',
    proto: int([CTX, ANY, ANY, ANY]),
    run: (env, _skb, diff, mode) =>
      (env.progType === bpf_prog_type.BPF_PROG_TYPE_SK_SKB ? adjustStreamRoom : adjustRoom)(
        env,
        packetOf(env),
        diff | 0,
        mode,
        env.arg64(4),
      ),
  }),
  defineHelper({
    id: 43,
    name: 'bpf_skb_change_head',
    since: '4.10',
    proto: int([CTX, ANY, ANY]),
    run: (env, _skb, size) => changeHead(env, packetOf(env), size),
  }),
  defineHelper({
    id: 38,
    name: 'bpf_skb_change_tail',
    since: '4.9',
    proto: int([CTX, ANY, ANY]),
    run: (env, _skb, length) => changeTail(env, packetOf(env), length),
  }),
];
