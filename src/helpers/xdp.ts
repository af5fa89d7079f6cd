import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ETH_HEADER_BYTES } from './context-layout.ts';
import { packetLength, packetOf } from './packet.ts';
import { ANY, btf, CTX, int, MEM_IN, MEM_OUT, SIZE } from './proto.ts';
import type { HelperDef, HelperEnv, PacketAccess } from './types.ts';

const { EINVAL, EACCES } = ERRNO;
/** Metadata before the packet: a multiple of 4 bytes, at most this (`include/net/xdp.h: xdp_metalen_invalid`). */
const MAX_META_BYTES = 252;
/** Bytes of one fragment: a page. */
const FRAG_BYTES = 4096;

function adjustHead(env: HelperEnv, packet: PacketAccess, by: number): number {
  const metaBytes = packet.data - packet.dataMeta;
  const data = packet.data + by;
  if (data < packet.hardStart + metaBytes || data > packet.dataEnd - ETH_HEADER_BYTES) return -EINVAL;
  if (metaBytes > 0) env.mem.u8.copyWithin(packet.dataMeta + by, packet.dataMeta, packet.data);
  packet.setBounds(packet.dataMeta + by, data, packet.dataEnd);
  return 0;
}

/** `bpf_xdp_frags_shrink_tail`, `bpf_xdp_frags_increase_tail`. */
function adjustFrags(packet: PacketAccess, by: number): number {
  const { frags } = packet;
  if (by >= 0) {
    const tailroom = (FRAG_BYTES - (frags.length % FRAG_BYTES)) % FRAG_BYTES;
    if (by > tailroom) return -EINVAL;
    const grown = new Uint8Array(frags.length + by);
    grown.set(frags);
    packet.frags = grown;
    return 0;
  }
  if (-by > packetLength(packet) + frags.length - ETH_HEADER_BYTES) return -EINVAL;
  const fromFrags = Math.min(-by, frags.length);
  packet.frags = frags.slice(0, frags.length - fromFrags);
  packet.setBounds(packet.dataMeta, packet.data, packet.dataEnd - (-by - fromFrags));
  return 0;
}

function adjustTail(env: HelperEnv, packet: PacketAccess, by: number): number {
  if (packet.frags.length > 0) return adjustFrags(packet, by);
  const end = packet.dataEnd + by;
  if (end > packet.hardEnd || end < packet.data + ETH_HEADER_BYTES) return -EINVAL;
  if (by > 0) env.mem.u8.fill(0, packet.dataEnd, end);
  packet.setBounds(packet.dataMeta, packet.data, end);
  return 0;
}

function adjustMeta(packet: PacketAccess, by: number): number {
  const meta = packet.dataMeta + by;
  if (meta < packet.hardStart || meta > packet.data) return -EINVAL;
  const size = packet.data - meta;
  if (size % 4 !== 0 || size > MAX_META_BYTES) return -EACCES;
  packet.setBounds(meta, packet.data, packet.dataEnd);
  return 0;
}

/** Longest access at once (`bpf_xdp_pointer`). */
const MAX_OFFSET = 0xffff;

/** Copies between a buffer and the packet, fragments included. */
export function copyXdp(
  env: HelperEnv,
  packet: PacketAccess,
  offset: number,
  buf: number,
  size: number,
  store: boolean,
): number {
  const linear = packetLength(packet);
  if (offset > MAX_OFFSET || size > MAX_OFFSET) return -ERRNO.EFAULT;
  if (offset + size > linear + packet.frags.length) return -EINVAL;
  const { u8 } = env.mem;
  const inLinear = Math.max(0, Math.min(size, linear - offset));
  const at = packet.data + offset;
  if (store) u8.copyWithin(at, buf, buf + inLinear);
  else u8.copyWithin(buf, at, at + inLinear);
  if (inLinear === size) return 0;
  const from = offset + inLinear - linear;
  const rest = packet.frags.subarray(from, from + size - inLinear);
  if (store) rest.set(u8.subarray(buf + inLinear, buf + size));
  else u8.set(rest, buf + inLinear);
  return 0;
}

/** XDP frames (`net/core/filter.c`). */
export const XDP_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 44,
    name: 'bpf_xdp_adjust_head',
    since: '4.10',
    proto: int([CTX, ANY]),
    run: (env, _xdp, by) => adjustHead(env, packetOf(env), by | 0),
  }),
  defineHelper({
    id: 65,
    name: 'bpf_xdp_adjust_tail',
    since: '4.18',
    proto: int([CTX, ANY]),
    run: (env, _xdp, by) => adjustTail(env, packetOf(env), by | 0),
  }),
  defineHelper({
    id: 54,
    name: 'bpf_xdp_adjust_meta',
    since: '4.15',
    proto: int([CTX, ANY]),
    run: (env, _xdp, by) => adjustMeta(packetOf(env), by | 0),
  }),
  defineHelper({
    id: 188,
    name: 'bpf_xdp_get_buff_len',
    since: '5.18',
    proto: int([CTX]),
    variants: [{ progTypes: [bpf_prog_type.BPF_PROG_TYPE_TRACING], proto: int([btf('xdp_buff')]) }],
    run: env => packetLength(packetOf(env)) + packetOf(env).frags.length,
  }),
  defineHelper({
    id: 189,
    name: 'bpf_xdp_load_bytes',
    since: '5.18',
    proto: int([CTX, ANY, MEM_OUT, SIZE]),
    run: (env, _xdp, offset, buf, size) => copyXdp(env, packetOf(env), offset, buf, size, false),
  }),
  defineHelper({
    id: 190,
    name: 'bpf_xdp_store_bytes',
    since: '5.18',
    proto: int([CTX, ANY, MEM_IN, SIZE]),
    run: (env, _xdp, offset, buf, size) => copyXdp(env, packetOf(env), offset, buf, size, true),
  }),
];
