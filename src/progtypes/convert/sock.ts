import { BPF_SOCK, PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK } from '../../helpers/index.ts';
import { BPF_DW, BPF_JNE, BPF_MEM, BPF_W, type Insn, makeInsn } from '../../isa/index.ts';
import type { ConvertAccess } from '../contract.ts';
import {
  BPF_SK_LOOKUP,
  BPF_SOCK_ADDR,
  BPF_TCP_SOCK,
  BPF_XDP_SOCK,
  SK_MSG_MD,
  SK_REUSEPORT_MD,
} from '../ctx-structs.ts';
import { isAs7_2 } from '../release.ts';
import {
  type Access,
  at,
  type Conversion,
  type ConversionRow,
  converter,
  imm32,
  jumpIf,
  load,
  loadMember,
  type Member,
  read,
  readSized,
  readWrite,
  remotePort,
  setTo,
  sizeCode,
  sizeOfAccess,
  span,
  spareReg,
  store,
  through,
  unlessNull,
} from './rows.ts';

const NO_QUEUE_MAPPING = 0xffff;
const MOV = 0xb0;
const ACCESS_BYTES = [4, 2, 1, 8] as const;
const bytesOf = (insn: Insn): number => ACCESS_BYTES[(insn.code >> 3) & 3];

/** A part of an address, as wide as the access. */
const address =
  (member: string, bytes: number): Conversion =>
  (access, by) => {
    access.targetSizeBytes = bytes;
    const { insn, offsets } = access;
    return [load(sizeOfAccess(insn), insn.dst, insn.src, offsets.offsetOf('sock_common', member) + by)];
  };

const rxQueue: Conversion = access => {
  const { dst } = access.insn;
  const queue = readSized('sock', '__sk_common.skc_rx_queue_mapping')(access, 0);
  const none = jumpIf(BPF_JNE, dst, NO_QUEUE_MAPPING, 1);
  if (!isAs7_2(access.prog)) return [...queue, none, setTo(dst, -1)];
  // 7.2 makes a number of all 32 bits of it.
  access.targetSizeBytes = 4;
  return [...queue, none, imm32(MOV, dst, -1)];
};

/** Source: `net/core/filter.c: bpf_sock_convert_ctx_access`. */
export const convertSock: ConvertAccess = converter([
  at(BPF_SOCK.bound_dev_if, readWrite(['sock', '__sk_common.skc_bound_dev_if'], false)),
  at(BPF_SOCK.mark, readWrite(['sock', 'sk_mark'], false)),
  at(BPF_SOCK.priority, readWrite(['sock', 'sk_priority'], false)),
  at(BPF_SOCK.family, readSized('sock_common', 'skc_family')),
  at(BPF_SOCK.type, readSized('sock', 'sk_type')),
  at(BPF_SOCK.protocol, readSized('sock', 'sk_protocol')),
  at(BPF_SOCK.src_ip4, address('skc_rcv_saddr', 4)),
  at(BPF_SOCK.dst_ip4, address('skc_daddr', 4)),
  span(BPF_SOCK.src_ip6, 16, address('skc_v6_rcv_saddr', 4)),
  span(BPF_SOCK.dst_ip6, 16, address('skc_v6_daddr', 4)),
  at(BPF_SOCK.src_port, readSized('sock_common', 'skc_num')),
  at(BPF_SOCK.dst_port, readSized('sock_common', 'skc_dport')),
  at(BPF_SOCK.state, readSized('sock_common', 'skc_state')),
  at(BPF_SOCK.rx_queue_mapping, rxQueue),
]);

const rttMin: Conversion = access => [
  load(
    BPF_W,
    access.insn.dst,
    access.insn.src,
    access.offsets.offsetOf('tcp_sock', 'rtt_min') + access.offsets.offsetOf('minmax_sample', 'v'),
  ),
];

/** Source: `bpf_tcp_sock_convert_ctx_access`: members have the names of the fields. */
export const convertTcpSock: ConvertAccess = converter([
  at(BPF_TCP_SOCK.rtt_min, rttMin),
  at(BPF_TCP_SOCK.icsk_retransmits, read('inet_connection_sock', 'icsk_retransmits')),
  ...Object.entries(BPF_TCP_SOCK).map(([member, off]): ConversionRow => at(off, read('tcp_sock', member))),
]);

export const convertXdpSock: ConvertAccess = converter([at(BPF_XDP_SOCK.queue_id, read('xdp_sock', 'queue_id'))]);

const SOCKETS: ReadonlyMap<number, ConvertAccess> = new Map([
  [PTR_TO_SOCKET, convertSock],
  [PTR_TO_SOCK_COMMON, convertSock],
  [PTR_TO_TCP_SOCK, convertTcpSock],
  [PTR_TO_XDP_SOCK, convertXdpSock],
]);

/** The conversion of accesses through a pointer to a socket, by its type; undefined for pointers of other types. */
export const socketConversion = (ptrType: number): ConvertAccess | undefined => SOCKETS.get(ptrType);

/** A member of what a member of the context points to, loaded, or stored with the help of a register put aside. */
const nested =
  (holder: Member, member: Member, sizeBytes?: (access: Access) => number): Conversion =>
  (access, by) => {
    const { insn, offsets, write } = access;
    const whole = offsets.sizeOf(...member);
    access.targetSizeBytes = whole;
    const size = sizeCode(sizeBytes?.(access) ?? whole);
    const off = offsets.offsetOf(...member) + by;
    if (!write) return [loadMember(access, holder, insn.dst, insn.src), load(size, insn.dst, insn.dst, off)];
    const tmp = spareReg(insn);
    const spill = offsets.offsetOf(holder[0], 'tmp_reg');
    return [
      store(BPF_DW, insn.dst, tmp, spill),
      loadMember(access, holder, tmp, insn.dst),
      makeInsn((insn.code & 7) | size | BPF_MEM, tmp, insn.src, off, insn.imm),
      load(BPF_DW, tmp, insn.dst, spill),
    ];
  };

const KERN = 'bpf_sock_addr_kern';
const accessBytes = ({ insn }: Access): number => bytesOf(insn);
/** An element of an IPv6 address; its target is one of four words. */
const words =
  (holder: Member, member: Member): Conversion =>
  (access, by) => {
    const insns = nested(holder, member, accessBytes)(access, by);
    access.targetSizeBytes = 4;
    return insns;
  };

/** Source: `sock_addr_convert_ctx_access`. */
export const convertSockAddr: ConvertAccess = converter([
  at(BPF_SOCK_ADDR.user_family, nested([KERN, 'uaddr'], ['sockaddr', 'sa_family'])),
  at(BPF_SOCK_ADDR.user_ip4, nested([KERN, 'uaddr'], ['sockaddr_in', 'sin_addr'], accessBytes)),
  span(BPF_SOCK_ADDR.user_ip6, 16, words([KERN, 'uaddr'], ['sockaddr_in6', 'sin6_addr'])),
  at(
    BPF_SOCK_ADDR.user_port,
    nested([KERN, 'uaddr'], ['sockaddr_in6', 'sin6_port'], access => Math.min(2, bytesOf(access.insn))),
  ),
  at(BPF_SOCK_ADDR.family, nested([KERN, 'sk'], ['sock', '__sk_common.skc_family'])),
  at(BPF_SOCK_ADDR.type, nested([KERN, 'sk'], ['sock', 'sk_type'])),
  at(BPF_SOCK_ADDR.protocol, nested([KERN, 'sk'], ['sock', 'sk_protocol'])),
  at(BPF_SOCK_ADDR.msg_src_ip4, nested([KERN, 't_ctx'], ['in_addr', 's_addr'], accessBytes)),
  span(BPF_SOCK_ADDR.msg_src_ip6, 16, words([KERN, 't_ctx'], ['in6_addr', 'in6_u'])),
  at(BPF_SOCK_ADDR.sk, read(KERN, 'sk')),
]);

/** Fields of the socket a message or operation is of. */
export function peerRows(holder: Member, fields: Readonly<Record<PeerField, number>>): ConversionRow[] {
  const peer = (member: string): Conversion => through([holder, ['sock_common', member]]);
  const peer6 = (member: string): Conversion => through([holder, ['sock_common', member]], { sizeBytes: 4 });
  return [
    at(fields.family, peer('skc_family')),
    at(fields.remote_ip4, peer('skc_daddr')),
    at(fields.local_ip4, peer('skc_rcv_saddr')),
    span(fields.remote_ip6, 16, peer6('skc_v6_daddr')),
    span(fields.local_ip6, 16, peer6('skc_v6_rcv_saddr')),
    at(fields.remote_port, remotePort(holder, false)),
    at(fields.local_port, peer('skc_num')),
  ];
}
type PeerField = 'family' | 'remote_ip4' | 'local_ip4' | 'remote_ip6' | 'local_ip6' | 'remote_port' | 'local_port';

/** Source: `sk_msg_convert_ctx_access`. */
export const convertSkMsg: ConvertAccess = converter([
  at(SK_MSG_MD.data, read('sk_msg', 'data')),
  at(SK_MSG_MD.data_end, read('sk_msg', 'data_end')),
  ...peerRows(['sk_msg', 'sk'], SK_MSG_MD),
  at(SK_MSG_MD.size, read('sk_msg_sg', 'size')),
  at(SK_MSG_MD.sk, read('sk_msg', 'sk')),
]);

const REUSEPORT = 'sk_reuseport_kern';
/** Source: `sk_reuseport_convert_ctx_access`. */
export const convertSkReuseport: ConvertAccess = converter([
  at(SK_REUSEPORT_MD.data, nested([REUSEPORT, 'skb'], ['sk_buff', 'data'])),
  at(SK_REUSEPORT_MD.len, nested([REUSEPORT, 'skb'], ['sk_buff', 'len'])),
  at(SK_REUSEPORT_MD.eth_protocol, nested([REUSEPORT, 'skb'], ['sk_buff', 'protocol'])),
  at(SK_REUSEPORT_MD.ip_protocol, nested([REUSEPORT, 'sk'], ['sock', 'sk_protocol'])),
  at(SK_REUSEPORT_MD.data_end, readSized(REUSEPORT, 'data_end')),
  at(SK_REUSEPORT_MD.hash, readSized(REUSEPORT, 'hash')),
  at(SK_REUSEPORT_MD.bind_inany, readSized(REUSEPORT, 'bind_inany')),
  at(SK_REUSEPORT_MD.sk, readSized(REUSEPORT, 'sk')),
  at(SK_REUSEPORT_MD.migrating_sk, readSized(REUSEPORT, 'migrating_sk')),
]);

const LOOKUP = 'bpf_sk_lookup_kern';
const lookup6 =
  (member: string): Conversion =>
  (access, by) => {
    const { dst, src } = access.insn;
    access.targetSizeBytes = 4;
    return [
      load(BPF_DW, dst, src, access.offsets.offsetOf(LOOKUP, member)),
      ...unlessNull(access, [load(BPF_W, dst, dst, by)]),
    ];
  };

/** Source: `sk_lookup_convert_ctx_access`. */
export const convertSkLookup: ConvertAccess = converter([
  at(BPF_SK_LOOKUP.sk, read(LOOKUP, 'selected_sk')),
  at(BPF_SK_LOOKUP.family, readSized(LOOKUP, 'family')),
  at(BPF_SK_LOOKUP.protocol, readSized(LOOKUP, 'protocol')),
  at(BPF_SK_LOOKUP.remote_ip4, readSized(LOOKUP, 'v4.saddr')),
  at(BPF_SK_LOOKUP.local_ip4, readSized(LOOKUP, 'v4.daddr')),
  span(BPF_SK_LOOKUP.remote_ip6, 16, lookup6('v6.saddr')),
  span(BPF_SK_LOOKUP.local_ip6, 16, lookup6('v6.daddr')),
  at(BPF_SK_LOOKUP.remote_port, readSized(LOOKUP, 'sport')),
  at(BPF_SK_LOOKUP.remote_port + 2, access => {
    access.targetSizeBytes = 2;
    return [imm32(MOV, access.insn.dst, 0)];
  }),
  at(BPF_SK_LOOKUP.local_port, readSized(LOOKUP, 'dport')),
  at(BPF_SK_LOOKUP.ingress_ifindex, readSized(LOOKUP, 'ingress_ifindex')),
]);
