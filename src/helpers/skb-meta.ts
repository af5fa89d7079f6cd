import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { csumReplace2 } from './checksum.ts';
import {
  ETH_HEADER_BYTES,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_IP,
  ETH_P_IPV6,
  LOOPBACK,
  SK_BUFF,
} from './context-layout.ts';
import { ntohs, readBe16, readU32, writeU32, writeU64 } from './memory.ts';
import { packetLength, packetOf, protocolOf, pullData, pushData, setProtocol } from './packet.ts';
import { ANY, CTX, fixed, int, MAP, MEM_OUT, SIZE } from './proto.ts';
import { underCgroup } from './task.ts';
import type { HelperDef, HelperEnv, PacketAccess } from './types.ts';

const { EINVAL, ENODEV, EOPNOTSUPP } = ERRNO;
const VLAN_BYTES = 4;
/** Bytes of the two addresses at the head of an Ethernet frame. */
const MACS_BYTES = 12;
const isVlan = (protocol: number): boolean => protocol === ETH_P_8021Q || protocol === ETH_P_8021AD;

/** `skb->pkt_type` values a program may set: PACKET_HOST to PACKET_OTHERHOST. */
const MAX_PACKET_TYPE = 3;

function setTag(env: HelperEnv, protocol: number, tci: number): void {
  writeU32(env, env.ctxAddr + SK_BUFF.vlan_present, 1);
  writeU32(env, env.ctxAddr + SK_BUFF.vlan_tci, tci);
  writeU32(env, env.ctxAddr + SK_BUFF.vlan_proto, ntohs(env, protocol));
}

/** `skb_vlan_push`: the tag goes where a device would hold it; a tag already there moves into the frame. */
function vlanPush(env: HelperEnv, packet: PacketAccess, protocolArg: number, tci: number): number {
  const wanted = ntohs(env, protocolArg & 0xffff);
  const protocol = isVlan(wanted) ? wanted : ETH_P_8021Q;
  if (readU32(env, env.ctxAddr + SK_BUFF.vlan_present) !== 0) {
    if (packet.data !== packet.macAddr) return -EINVAL;
    const held = ntohs(env, readU32(env, env.ctxAddr + SK_BUFF.vlan_proto));
    pushData(env, packet, VLAN_BYTES);
    env.mem.u8.copyWithin(packet.data, packet.data + VLAN_BYTES, packet.data + VLAN_BYTES + MACS_BYTES);
    env.mem.view.setUint16(packet.data + MACS_BYTES, held, false);
    env.mem.view.setUint16(packet.data + MACS_BYTES + 2, readU32(env, env.ctxAddr + SK_BUFF.vlan_tci), false);
    packet.macAddr -= VLAN_BYTES;
    packet.networkAddr -= VLAN_BYTES;
    setProtocol(env, held);
  }
  setTag(env, protocol, tci & 0xffff);
  return 0;
}

/** Takes the tag out of the frame (`__skb_vlan_pop`); its control bits, or -errno. */
function popFromFrame(env: HelperEnv, packet: PacketAccess): number {
  if (packet.data !== packet.macAddr) return -EINVAL;
  if (packetLength(packet) < ETH_HEADER_BYTES + VLAN_BYTES) return -ERRNO.ENOMEM;
  const tci = readBe16(env, packet.data + ETH_HEADER_BYTES);
  const inner = readBe16(env, packet.data + ETH_HEADER_BYTES + 2);
  env.mem.u8.copyWithin(packet.data + VLAN_BYTES, packet.data, packet.data + MACS_BYTES);
  pullData(packet, VLAN_BYTES);
  packet.macAddr += VLAN_BYTES;
  const raw = packetLength(packet) >= ETH_HEADER_BYTES + 2 && readBe16(env, packet.data + ETH_HEADER_BYTES) === 0xffff;
  setProtocol(env, inner >= 0x600 ? inner : raw ? 1 : 4);
  packet.networkAddr = Math.max(packet.networkAddr, packet.data + ETH_HEADER_BYTES);
  return tci;
}

/** `skb_vlan_pop`. */
function vlanPop(env: HelperEnv, packet: PacketAccess): number {
  if (readU32(env, env.ctxAddr + SK_BUFF.vlan_present) !== 0) {
    for (const field of [SK_BUFF.vlan_present, SK_BUFF.vlan_tci, SK_BUFF.vlan_proto])
      writeU32(env, env.ctxAddr + field, 0);
  } else {
    if (!isVlan(protocolOf(env))) return 0;
    const first = popFromFrame(env, packet);
    if (first < 0) return first;
  }
  const protocol = protocolOf(env);
  if (!isVlan(protocol)) return 0;
  const tci = popFromFrame(env, packet);
  if (tci < 0) return tci;
  setTag(env, protocol, tci);
  return 0;
}

/** A flow hash of the packet's addresses and ports, never 0. Linux keys its hash with a random number. */
function flowHash(env: HelperEnv, packet: PacketAccess): number {
  const { u8 } = env.mem;
  const protocol = protocolOf(env);
  const at = packet.networkAddr;
  const v6 = protocol === ETH_P_IPV6;
  const v4 = protocol === ETH_P_IP;
  const start = v6 ? at + 8 : v4 ? at + 12 : packet.macAddr;
  const end = v6 ? at + 44 : v4 ? at + 4 * (u8[at] & 15) + 4 : packet.macAddr + ETH_HEADER_BYTES;
  let hash = 0x811c9dc5;
  for (let i = start; i < Math.min(end, packet.dataEnd); i++) hash = Math.imul(hash ^ u8[i], 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0 || 1;
}

const ECN_CE = 3;
/** Tags Linux looks past (`include/linux/if_vlan.h: VLAN_MAX_DEPTH`). */
const MAX_TAGS = 8;

/** The protocol behind the tags in the frame (`skb_protocol(skb, true)`); 0 when the frame ends in them. */
function innerProtocol(env: HelperEnv, packet: PacketAccess): number {
  let protocol = protocolOf(env);
  let at = packet.data + ETH_HEADER_BYTES;
  for (let tags = 0; isVlan(protocol); tags++, at += VLAN_BYTES) {
    if (tags === MAX_TAGS || at + VLAN_BYTES > packet.dataEnd) return 0;
    protocol = readBe16(env, at + 2);
  }
  return protocol;
}

/** `INET_ECN_set_ce`: 1 when the packet carries the mark afterwards. */
function ecnSetCe(env: HelperEnv, packet: PacketAccess): number {
  const { u8, view } = env.mem;
  const at = packet.networkAddr;
  const protocol = innerProtocol(env, packet);
  const v4 = protocol === ETH_P_IP;
  if ((!v4 && protocol !== ETH_P_IPV6) || at + (v4 ? 20 : 40) > packet.dataEnd) return 0;
  const ecn = v4 ? u8[at + 1] & 3 : (u8[at + 1] >> 4) & 3;
  if (ecn === 0) return 0;
  if (ecn === ECN_CE) return 1;
  if (!v4) {
    u8[at + 1] |= ECN_CE << 4;
    return 1;
  }
  const before = view.getUint16(at, false);
  u8[at + 1] |= ECN_CE;
  view.setUint16(at + 10, csumReplace2(view.getUint16(at + 10, false), before, view.getUint16(at, false)), false);
  return 1;
}

/** `bpf_skb_set_tstamp`: clocks 0 real, 1 monotonic, 2 TAI. */
function setTstamp(env: HelperEnv, tstamp: bigint, clock: number): number {
  const protocol = protocolOf(env);
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return -EOPNOTSUPP;
  if (clock > 2 || (clock !== 0 && tstamp === 0n)) return -EINVAL;
  writeU64(env, env.ctxAddr + SK_BUFF.tstamp, tstamp);
  env.mem.u8[env.ctxAddr + SK_BUFF.tstamp_type] = clock;
  return 0;
}

const BPF_MTU_CHK_SEGS = 1n;

/** `bpf_skb_check_mtu`, `bpf_xdp_check_mtu`: 0 fits, 1 needs fragments, 2 segments too big; the MTU in `*mtuAddr`. */
function checkMtu(env: HelperEnv, ifindex: number, mtuAddr: number, diff: number): number {
  const xdp = env.progType === bpf_prog_type.BPF_PROG_TYPE_XDP;
  const packet = packetOf(env);
  const flags = env.arg64(5);
  const given = readU32(env, mtuAddr);
  if (flags > (xdp ? 0n : BPF_MTU_CHK_SEGS)) return -EINVAL;
  if (flags !== 0n && (diff !== 0 || given !== 0)) return -EINVAL;
  if (ifindex !== 0 && ifindex !== LOOPBACK.ifindex) return -ENODEV;
  const length = (given !== 0 ? given + LOOPBACK.hardHeaderBytes : packetLength(packet)) + diff;
  writeU32(env, mtuAddr, LOOPBACK.mtu);
  return length > LOOPBACK.mtu + LOOPBACK.hardHeaderBytes ? 1 : 0;
}

function zeroes(env: HelperEnv, addr: number, size: number, errno: number): number {
  env.mem.u8.fill(0, addr, addr + size);
  return -errno;
}

/** What an skb carries beside its bytes (`net/core/filter.c`). */
export const SKB_META_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 18,
    name: 'bpf_skb_vlan_push',
    since: '4.3',
    proto: int([CTX, ANY, ANY]),
    run: (env, _skb, protocol, tci) => vlanPush(env, packetOf(env), protocol, tci),
  }),
  defineHelper({
    id: 19,
    name: 'bpf_skb_vlan_pop',
    since: '4.3',
    proto: int([CTX]),
    run: env => vlanPop(env, packetOf(env)),
  }),
  defineHelper({
    id: 32,
    name: 'bpf_skb_change_type',
    since: '4.8',
    proto: int([CTX, ANY]),
    run: (env, skb, type) => {
      if (readU32(env, skb + SK_BUFF.pkt_type) > MAX_PACKET_TYPE || type > MAX_PACKET_TYPE) return -EINVAL;
      writeU32(env, skb + SK_BUFF.pkt_type, type);
      return 0;
    },
  }),
  defineHelper({
    id: 34,
    name: 'bpf_get_hash_recalc',
    since: '4.8',
    proto: int([CTX]),
    run: (env, skb) => {
      if (readU32(env, skb + SK_BUFF.hash) === 0) writeU32(env, skb + SK_BUFF.hash, flowHash(env, packetOf(env)));
      return readU32(env, skb + SK_BUFF.hash);
    },
  }),
  defineHelper({
    id: 41,
    name: 'bpf_set_hash_invalid',
    since: '4.9',
    proto: int([CTX]),
    run: (env, skb) => {
      writeU32(env, skb + SK_BUFF.hash, 0);
      return 0;
    },
  }),
  defineHelper({
    id: 48,
    name: 'bpf_set_hash',
    since: '4.13',
    proto: int([CTX, ANY]),
    run: (env, skb, hash) => {
      writeU32(env, skb + SK_BUFF.hash, hash);
      return 0;
    },
  }),
  defineHelper({
    id: 97,
    name: 'bpf_skb_ecn_set_ce',
    since: '5.1',
    proto: int([CTX]),
    run: env => ecnSetCe(env, packetOf(env)),
  }),
  defineHelper({
    id: 192,
    name: 'bpf_skb_set_tstamp',
    since: '5.18',
    proto: int([CTX, ANY, ANY]),
    run: (env, _skb, _tstamp, clock) => setTstamp(env, env.arg64(2), clock),
  }),
  defineHelper({
    id: 163,
    name: 'bpf_check_mtu',
    since: '5.12',
    proto: int([CTX, ANY, fixed(4, 'MEM_WRITE', 'MEM_ALIGNED'), ANY, ANY], 'gplOnly'),
    run: (env, _ctx, ifindex, mtu, diff) => checkMtu(env, ifindex, mtu, diff | 0),
  }),
  defineHelper({ id: 79, name: 'bpf_skb_cgroup_id', since: '4.18', proto: int([CTX]), run: env => env.task.cgroupId }),
  defineHelper({
    id: 83,
    name: 'bpf_skb_ancestor_cgroup_id',
    since: '4.19',
    proto: int([CTX, ANY]),
    run: (env, _skb, level) => (level === 0 ? env.task.cgroupId : 0),
  }),
  defineHelper({ id: 151, name: 'bpf_skb_cgroup_classid', since: '5.10', proto: int([CTX]), run: () => 0 }),
  defineHelper({
    id: 33,
    name: 'bpf_skb_under_cgroup',
    since: '4.8',
    proto: int([CTX, MAP, ANY]),
    run: (env, _skb, map, index) => underCgroup(env, map, index),
  }),
  defineHelper({ id: 24, name: 'bpf_get_route_realm', since: '4.4', proto: int([CTX]), run: () => 0 }),
  // No packet came out of an IPsec policy.
  defineHelper({
    id: 66,
    name: 'bpf_skb_get_xfrm_state',
    since: '4.18',
    proto: int([CTX, ANY, MEM_OUT, SIZE, ANY]),
    run: (env, _skb, _index, to, size) => zeroes(env, to, size, EINVAL),
  }),
];
