import { SK_BUFF } from '../../helpers/index.ts';
import {
  BPF_ADD,
  BPF_AND,
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JMP32,
  BPF_JSET,
  BPF_MOV,
  BPF_REG_AX,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_W,
  BPF_XOR,
  CALL,
  EXIT,
  type Insn,
  makeInsn,
} from '../../isa/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import type { ConvertAccess, ProgFacts, ProgTypeContract } from '../contract.ts';
import {
  type Access,
  at,
  type Conversion,
  converter,
  imm32,
  isBigEndian,
  jumpIf,
  load,
  loadMember,
  type Member,
  maskTo,
  read,
  readSized,
  readWrite,
  reg64,
  remotePort,
  setTo,
  sharedInfo,
  sizeOfAccess,
  skip,
  span,
  spareReg,
  store,
  storeAs,
  through,
  unlessNull,
} from './rows.ts';

const NO_QUEUE_MAPPING = 0xffff;
const SK: Member = ['sk_buff', 'sk'];
const CB: Member = ['sk_buff', 'cb'];

const inCb = ({ offsets }: Access, struct: string, member: string): number =>
  offsets.offsetOf(...CB) + offsets.offsetOf(struct, member);

/** The program's own 20 bytes of the control block. */
const controlBlock =
  (struct: string): Conversion =>
  (access, by) => {
    const { insn, write } = access;
    const off = inCb(access, struct, 'data') + by;
    const size = sizeOfAccess(insn);
    return [write ? storeAs(insn, size, off) : load(size, insn.dst, insn.src, off)];
  };

/** A pointer the kernel computed before the run. */
const dataEnd =
  (member: string): Conversion =>
  access => [load(BPF_DW, access.insn.dst, access.insn.src, inCb(access, 'bpf_skb_data_end', member))];

const ifindex: Conversion = access => {
  const { dst, src } = access.insn;
  access.targetSizeBytes = 4;
  return [
    loadMember(access, ['sk_buff', 'dev'], dst, src),
    ...unlessNull(access, [loadMember(access, ['net_device', 'ifindex'], dst, dst)]),
  ];
};

const pktType: Conversion = access => {
  const { dst, src } = access.insn;
  access.targetSizeBytes = 1;
  const big = isBigEndian(access.prog);
  return [
    load(BPF_B, dst, src, access.offsets.offsetOf('sk_buff', '__pkt_type_offset')),
    maskTo(dst, big ? 7 << 5 : 7),
    ...(big ? [imm32(BPF_RSH, dst, 5)] : []),
  ];
};

const queueMapping: Conversion = access => {
  const { insn, write } = access;
  if (!write) return readSized('sk_buff', 'queue_mapping')(access, 0);
  access.targetSizeBytes = 2;
  if ((insn.code & 7) === BPF_ST && insn.imm >= NO_QUEUE_MAPPING) return [skip(0)];
  const put = storeAs(insn, BPF_H, access.offsets.offsetOf('sk_buff', 'queue_mapping'));
  return (insn.code & 7) === BPF_STX ? [jumpIf(BPF_JGE, insn.src, NO_QUEUE_MAPPING, 1), put] : [put];
};

const vlanPresent: Conversion = access => [
  ...readSized('sk_buff', 'vlan_all')(access, 0),
  ...unlessNull(access, [imm32(BPF_MOV, access.insn.dst, 1)]),
];

const tcClassid: Conversion = access => {
  const { insn, write } = access;
  const off = inCb(access, 'qdisc_skb_cb', 'tc_classid');
  access.targetSizeBytes = 2;
  return [write ? storeAs(insn, BPF_H, off) : load(BPF_H, insn.dst, insn.src, off)];
};

const napiId: Conversion = access => {
  const { dst } = access.insn;
  // Lower ids are numbers of CPUs; there is a bit for each in a `struct cpumask` (MIN_NAPI_ID).
  const least = access.offsets.sizeOf('cpumask', 'bits') * 8 + 1;
  return [...readSized('sk_buff', 'napi_id')(access, 0), jumpIf(BPF_JGE, dst, least, 1), setTo(dst, 0)];
};

const wireLen: Conversion = access => {
  access.targetSizeBytes = 4;
  return [load(BPF_W, access.insn.dst, access.insn.src, inCb(access, 'qdisc_skb_cb', 'pkt_len'))];
};

const fromSharedInfo =
  (member: string): Conversion =>
  access => {
    const { dst, src } = access.insn;
    const bytes = access.offsets.sizeOf('skb_shared_info', member);
    access.targetSizeBytes = bytes;
    return [
      ...sharedInfo(access, dst, src),
      member === 'hwtstamps'
        ? load(BPF_DW, dst, dst, access.offsets.offsetOf('skb_shared_info', member))
        : loadMember(access, ['skb_shared_info', member], dst, dst),
    ];
  };

const tstampTypeMask = (prog: ProgFacts): number => (isBigEndian(prog) ? 3 << 6 : 3);
const ingressMask = (prog: ProgFacts): number => (isBigEndian(prog) ? 1 << 5 : 1 << 2);
const tstampBits = ({ offsets }: Access): number => offsets.offsetOf('sk_buff', '__mono_tc_offset');
const jumpIf32 = (dst: number, imm: number, off: number): Insn => makeInsn(BPF_JMP32 | BPF_JSET, dst, 0, off, imm);

/**
 * A packet's time: what a program that knows nothing of delivery times sees, and what its stores have to clear.
 * Source: `bpf_convert_tstamp_read, bpf_convert_tstamp_write`.
 */
const tstamp: Conversion = access => {
  const { insn, prog, offsets, write } = access;
  const off = offsets.offsetOf('sk_buff', 'tstamp');
  const bits = tstampBits(access);
  const skb = write ? insn.dst : insn.src;
  const last = write ? storeAs(insn, BPF_DW, off) : load(BPF_DW, insn.dst, skb, off);
  if (prog.tstampTypeAccess === true) return [last];
  const test = [load(BPF_B, BPF_REG_AX, skb, bits), jumpIf32(BPF_REG_AX, ingressMask(prog), 1)];
  if (write) {
    const mask = ~tstampTypeMask(prog);
    return [...test, skip(2), maskTo(BPF_REG_AX, mask), store(BPF_B, skb, BPF_REG_AX, bits), last];
  }
  return [...test, skip(4), jumpIf32(BPF_REG_AX, tstampTypeMask(prog), 1), skip(2), setTo(insn.dst, 0), skip(1), last];
};

const tstampType: Conversion = access => {
  const { dst, src } = access.insn;
  return [
    load(BPF_B, dst, src, tstampBits(access)),
    maskTo(dst, tstampTypeMask(access.prog)),
    ...(isBigEndian(access.prog) ? [imm32(BPF_RSH, dst, 6)] : []),
  ];
};

const peer = (member: string): Conversion => through([SK, ['sock_common', member]], { sized: true });
const peer6 = (member: string): Conversion => through([SK, ['sock_common', member]], { sizeBytes: 4 });

/** `__sk_buff` of most types. Source: `net/core/filter.c: bpf_convert_ctx_access`. */
export const convertSkb: ConvertAccess = converter([
  at(SK_BUFF.len, readSized('sk_buff', 'len')),
  at(SK_BUFF.protocol, readSized('sk_buff', 'protocol')),
  at(SK_BUFF.vlan_proto, readSized('sk_buff', 'vlan_proto')),
  at(SK_BUFF.priority, readWrite(['sk_buff', 'priority'], true)),
  at(SK_BUFF.ingress_ifindex, readSized('sk_buff', 'skb_iif')),
  at(SK_BUFF.ifindex, ifindex),
  at(SK_BUFF.hash, readSized('sk_buff', 'hash')),
  at(SK_BUFF.mark, readWrite(['sk_buff', 'mark'], true)),
  at(SK_BUFF.pkt_type, pktType),
  at(SK_BUFF.queue_mapping, queueMapping),
  at(SK_BUFF.vlan_present, vlanPresent),
  at(SK_BUFF.vlan_tci, readSized('sk_buff', 'vlan_tci')),
  span(SK_BUFF.cb, 20, controlBlock('qdisc_skb_cb')),
  at(SK_BUFF.tc_classid, tcClassid),
  at(SK_BUFF.data, read('sk_buff', 'data')),
  at(SK_BUFF.data_meta, dataEnd('data_meta')),
  at(SK_BUFF.data_end, dataEnd('data_end')),
  at(SK_BUFF.tc_index, readWrite(['sk_buff', 'tc_index'], true)),
  at(SK_BUFF.napi_id, napiId),
  at(SK_BUFF.family, peer('skc_family')),
  at(SK_BUFF.remote_ip4, peer('skc_daddr')),
  at(SK_BUFF.local_ip4, peer('skc_rcv_saddr')),
  span(SK_BUFF.remote_ip6, 16, peer6('skc_v6_daddr')),
  span(SK_BUFF.local_ip6, 16, peer6('skc_v6_rcv_saddr')),
  at(SK_BUFF.remote_port, remotePort(SK, true)),
  at(SK_BUFF.local_port, peer('skc_num')),
  at(SK_BUFF.tstamp, tstamp),
  at(SK_BUFF.tstamp_type, tstampType),
  at(SK_BUFF.gso_segs, fromSharedInfo('gso_segs')),
  at(SK_BUFF.gso_size, fromSharedInfo('gso_size')),
  at(SK_BUFF.wire_len, wireLen),
  at(SK_BUFF.sk, read(...SK)),
  at(SK_BUFF.hwtstamp, fromSharedInfo('hwtstamps')),
]);

/** Source: `tc_cls_act_convert_ctx_access`: a packet there always has a device. */
export const convertTcSkb: ConvertAccess = converter(
  [
    at(
      SK_BUFF.ifindex,
      through(
        [
          ['sk_buff', 'dev'],
          ['net_device', 'ifindex'],
        ],
        { sized: true },
      ),
    ),
  ],
  convertSkb,
);

/** Where the linear part ends, computed. Source: `bpf_convert_data_end_access`. */
const computedDataEnd: Conversion = access => {
  const { insn } = access;
  const { dst, src } = insn;
  const same = dst === src;
  const reg = same ? spareReg(insn) : dst;
  const spill = inCb(access, 'sk_skb_cb', 'temp_reg');
  return [
    ...(same ? [store(BPF_DW, src, reg, spill)] : []),
    loadMember(access, ['sk_buff', 'data'], reg, src),
    loadMember(access, ['sk_buff', 'len'], BPF_REG_AX, src),
    reg64(BPF_ADD, reg, BPF_REG_AX),
    loadMember(access, ['sk_buff', 'data_len'], BPF_REG_AX, src),
    reg64(BPF_SUB, reg, BPF_REG_AX),
    ...(same ? [reg64(BPF_MOV, BPF_REG_AX, src), reg64(BPF_MOV, dst, reg), load(BPF_DW, reg, BPF_REG_AX, spill)] : []),
  ];
};

/** Source: `sk_skb_convert_ctx_access`. */
export const convertSkSkb: ConvertAccess = converter(
  [at(SK_BUFF.data_end, computedDataEnd), span(SK_BUFF.cb, 20, controlBlock('sk_skb_cb'))],
  convertSkb,
);

/** Source: `flow_dissector_convert_ctx_access`. */
export const convertFlowDissector: ConvertAccess = converter([
  at(SK_BUFF.data, read('bpf_flow_dissector', 'data')),
  at(SK_BUFF.data_end, read('bpf_flow_dissector', 'data_end')),
  at(SK_BUFF.flow_keys, read('bpf_flow_dissector', 'flow_keys')),
]);

/**
 * Before a program that writes packets: one that others share too is copied first, and where that fails the program ends.
 * The mask of the shared mark is not the same everywhere, its place is not either.
 *
 * Source: `bpf_unclone_prologue`.
 */
export function unclonePrologue(verdict: number): NonNullable<ProgTypeContract['prologue']> {
  return (writesPacket, prog, offsets) => {
    if (!writesPacket) return [];
    const cloned = offsets.offsetOf('sk_buff', '__cloned_offset');
    return [
      load(BPF_B, 6, 1, cloned),
      imm32(BPF_AND, 6, isBigEndian(prog) ? 1 << 7 : 1),
      jumpIf(BPF_JEQ, 6, 0, 7),
      reg64(BPF_MOV, 6, 1),
      reg64(BPF_XOR, 2, 2),
      makeInsn(CALL, 0, 0, 0, bpf_func_id.BPF_FUNC_skb_pull_data),
      jumpIf(BPF_JEQ, 0, 0, 2),
      imm32(BPF_MOV, 0, verdict),
      makeInsn(EXIT, 0, 0, 0, 0),
      reg64(BPF_MOV, 1, 6),
    ];
  };
}
