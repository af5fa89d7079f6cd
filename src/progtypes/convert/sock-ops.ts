import { BPF_DW, BPF_JEQ, BPF_MEM, BPF_W, type Insn, makeInsn } from '../../isa/index.ts';
import type { ConvertAccess } from '../contract.ts';
import { BPF_SOCK_OPS } from '../ctx-structs.ts';
import { kernelMemberOffset } from '../kernel-struct.ts';
import {
  type Access,
  at,
  type Conversion,
  type ConversionRow,
  converter,
  jumpIf,
  load,
  loadMember,
  type Member,
  read,
  setTo,
  sharedInfo,
  sizeCode,
  skip,
  span,
  spareReg,
  store,
  storeAs,
  through,
  unlessNull,
} from './rows.ts';
import { peerRows } from './sock.ts';

const KERN = 'bpf_sock_ops_kern';
const SK: Member = [KERN, 'sk'];
const SKB: Member = [KERN, 'skb'];
const IS_FULLSOCK: Member = [KERN, 'is_fullsock'];

/** Later kernels ask whether a TCP socket is locked before they touch it (6.14). */
const IS_LOCKED: Member = [KERN, 'is_locked_tcp_sock'];
const knowsLocked = ({ prog }: Access): boolean => kernelMemberOffset(prog.kernelBtf, ...IS_LOCKED) !== undefined;
/** What tells whether members of the socket may be touched. */
const mayTouch = (access: Access): Member => (knowsLocked(access) ? IS_LOCKED : IS_FULLSOCK);

/**
 * Loads of the socket, or `last` from what it is then in the destination, only if `test` is set; 0 otherwise. Where destination
 * and context are one register, another is put aside for the test.
 *
 * Source: `SOCK_OPS_GET_FIELD`, `SOCK_OPS_GET_SK`.
 */
function fromSock(access: Access, test: Member, last?: Insn): readonly Insn[] {
  const { insn, offsets } = access;
  const { dst, src } = insn;
  const temp = offsets.offsetOf(KERN, 'temp');
  const loads = [loadMember(access, SK, dst, src), ...(last === undefined ? [] : [last])];
  if (dst !== src) return [loadMember(access, test, dst, src), jumpIf(BPF_JEQ, dst, 0, loads.length), ...loads];
  const reg = spareReg(insn);
  const restore = load(BPF_DW, reg, src, temp);
  return [
    store(BPF_DW, src, reg, temp),
    loadMember(access, test, reg, src),
    jumpIf(BPF_JEQ, reg, 0, loads.length + 2),
    restore,
    ...loads,
    skip(2),
    restore,
    setTo(dst, 0),
  ];
}

const fieldOf = (access: Access, member: Member): readonly Insn[] =>
  fromSock(access, mayTouch(access), loadMember(access, member, access.insn.dst, access.insn.dst));

const field =
  (...member: Member): Conversion =>
  access =>
    fieldOf(access, member);

/** Source: `SOCK_OPS_SET_FIELD`. */
const fieldToo =
  (...member: Member): Conversion =>
  access => {
    const { insn, offsets, write } = access;
    if (!write) return fieldOf(access, member);
    const { dst } = insn;
    const reg = spareReg(insn);
    const temp = offsets.offsetOf(KERN, 'temp');
    const size = sizeCode(offsets.sizeOf(...member));
    return [
      store(BPF_DW, dst, reg, temp),
      loadMember(access, mayTouch(access), reg, dst),
      jumpIf(BPF_JEQ, reg, 0, 2),
      loadMember(access, SK, reg, dst),
      makeInsn((insn.code & 7) | size | BPF_MEM, reg, insn.src, offsets.offsetOf(...member), insn.imm),
      load(BPF_DW, reg, dst, temp),
    ];
  };

const reply: Conversion = (access, by) => {
  const { insn, offsets, write } = access;
  const off = offsets.offsetOf(KERN, 'replylong') + by;
  return [write ? storeAs(insn, BPF_W, off) : load(BPF_W, insn.dst, insn.src, off)];
};

const rttMin: Conversion = access => {
  const { dst, src } = access.insn;
  const { offsets } = access;
  const off = offsets.offsetOf('tcp_sock', 'rtt_min') + offsets.sizeOf('minmax_sample', 't');
  const value = load(BPF_W, dst, dst, off);
  return knowsLocked(access) ? fromSock(access, IS_LOCKED, value) : [loadMember(access, SK, dst, src), value];
};

const fromSkb =
  (member: string): Conversion =>
  access => {
    const { dst, src } = access.insn;
    return [
      loadMember(access, SKB, dst, src),
      ...unlessNull(access, [loadMember(access, ['sk_buff', member], dst, dst)]),
    ];
  };

const tcpFlags: Conversion = access => {
  const { dst, src } = access.insn;
  const { offsets } = access;
  const bytes = offsets.sizeOf('tcp_skb_cb', 'tcp_flags');
  access.targetSizeBytes = bytes;
  const off = offsets.offsetOf('sk_buff', 'cb') + offsets.offsetOf('tcp_skb_cb', 'tcp_flags');
  return [loadMember(access, SKB, dst, src), ...unlessNull(access, [load(sizeCode(bytes), dst, dst, off)])];
};

const hwtstamp: Conversion = access => {
  const { dst, src } = access.insn;
  access.targetSizeBytes = 8;
  const stamp = load(BPF_DW, dst, dst, access.offsets.offsetOf('skb_shared_info', 'hwtstamps'));
  return [loadMember(access, SKB, dst, src), ...unlessNull(access, [...sharedInfo(access, dst, dst), stamp])];
};

/** Fields that are members of `tcp_sock` of the same name. */
const TCP_FIELDS = [
  'bpf_sock_ops_cb_flags',
  'snd_cwnd',
  'srtt_us',
  'snd_ssthresh',
  'rcv_nxt',
  'snd_nxt',
  'snd_una',
  'mss_cache',
  'ecn_flags',
  'rate_delivered',
  'rate_interval_us',
  'packets_out',
  'retrans_out',
  'total_retrans',
  'segs_in',
  'data_segs_in',
  'segs_out',
  'data_segs_out',
  'lost_out',
  'sacked_out',
  'bytes_received',
  'bytes_acked',
] as const;

/** Source: `net/core/filter.c: sock_ops_convert_ctx_access`. */
export const convertSockOps: ConvertAccess = converter([
  at(BPF_SOCK_OPS.op, read(KERN, 'op')),
  span(BPF_SOCK_OPS.replylong, 16, reply),
  at(BPF_SOCK_OPS.reply, reply),
  ...peerRows(SK, BPF_SOCK_OPS),
  at(BPF_SOCK_OPS.is_fullsock, read(...IS_FULLSOCK)),
  at(BPF_SOCK_OPS.state, through([SK, ['sock_common', 'skc_state']])),
  at(BPF_SOCK_OPS.rtt_min, rttMin),
  ...TCP_FIELDS.map((name): ConversionRow => at(BPF_SOCK_OPS[name], field('tcp_sock', name))),
  at(BPF_SOCK_OPS.sk_txhash, fieldToo('sock', 'sk_txhash')),
  at(BPF_SOCK_OPS.sk, access => fromSock(access, IS_FULLSOCK)),
  at(BPF_SOCK_OPS.skb_data_end, read(KERN, 'skb_data_end')),
  at(BPF_SOCK_OPS.skb_data, fromSkb('data')),
  at(BPF_SOCK_OPS.skb_len, fromSkb('len')),
  at(BPF_SOCK_OPS.skb_tcp_flags, tcpFlags),
  at(BPF_SOCK_OPS.skb_hwtstamp, hwtstamp),
]);
