import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R5, R6, R10 } from '../../../src/isa/index.ts';
import { bpf_prog_type, helperId } from '../../../src/uapi/index.ts';
import { fromHex, InternalError } from '../../../src/util/index.ts';

/** A program small enough to ask a real kernel about, and what it is run on. */
export interface RunCase {
  readonly name: string;
  readonly type: number;
  readonly insns: readonly Insn[];
  readonly data: Uint8Array;
  readonly ctx?: Uint8Array;
  /** A ld_imm64 of `BPF_PSEUDO_MAP_FD` names them by place. */
  readonly maps?: readonly MapCase[];
}
export interface MapCase {
  readonly type: number;
  readonly key: number;
  readonly value: number;
  readonly max: number;
}

export const T = bpf_prog_type;
export const TC = T.BPF_PROG_TYPE_SCHED_CLS;
export const XDP = T.BPF_PROG_TYPE_XDP;
export const SOCKET = T.BPF_PROG_TYPE_SOCKET_FILTER;

export function id(name: string): number {
  const number = helperId(`bpf_${name}`);
  if (number === undefined) throw new InternalError(`no helper bpf_${name}`);
  return number;
}

export const pad = (hex: string, bytes: number): Uint8Array => {
  const out = new Uint8Array(bytes);
  out.set(fromHex(hex));
  for (let i = fromHex(hex).length; i < bytes; i++) out[i] = (i * 7 + 3) & 0xff;
  return out;
};
export const MACS = '020000000001 020000000002';
/** TCP over IPv4 from 10.0.0.1 to 10.0.0.2, ECT(0); over IPv6; ARP; a tagged and a twice tagged IPv4 frame; IEEE 802.3. */
export const V4 = pad(
  `${MACS} 0800 4502003c abcd4000 40067a90 0a000001 0a000002 1f900050 00000001 00000002 50102000 beef0000`,
  160,
);
export const V6 = pad(
  `${MACS} 86dd 60200000 00143a40 20010db8000000000000000000000001 20010db8000000000000000000000002 1f90`,
  160,
);
export const ARP = pad(`ffffffffffff 020000000002 0806 0001`, 160);
export const VLAN = pad(`${MACS} 8100 2064 0800 4500003c abcd4000 40067a90 0a000001 0a000002`, 160);
export const QINQ = pad(`${MACS} 88a8 0065 8100 2064 0800 4500003c abcd4000 40067a90 0a000001 0a000002`, 160);
export const LLC = pad(`000000000000 020000000002 0040 aaaa03000000`, 160);
export const FRAMES = { v4: V4, v6: V6, arp: ARP, vlan: VLAN, qinq: QINQ, llc: LLC };

/** Lowest stack offset that results leave through; they are copied to the packet's first bytes. */
export const OUT = -128;

export function put(b: ProgramBuilder, off: number, bytes: Uint8Array): void {
  bytes.forEach((byte, i) => {
    b.store('b', R10, off + i, (byte << 24) >> 24);
  });
}
export function stackAddr(b: ProgramBuilder, reg: typeof R1, off: number): void {
  b.mov(reg, R10).alu64('add', reg, off);
}

/** A tc program: the body leaves a result in r0 and may use the 128 bytes of stack; both come back in the packet. */
export function tc(name: string, body: (b: ProgramBuilder) => void, data: Uint8Array = V4, ctx?: Uint8Array): RunCase {
  const b = new ProgramBuilder().mov(R6, R1);
  for (let off = OUT; off < 0; off += 8) b.store('dw', R10, off, 0);
  body(b);
  b.store('dw', R10, -8, R0).mov(R1, R6).mov(R2, 0);
  stackAddr(b, R3, OUT);
  b.mov(R4, -OUT).mov(R5, 0).helper(id('skb_store_bytes')).load('w', R0, R10, -8).exit();
  return { name, type: TC, insns: b.build(), data, ...(ctx === undefined ? {} : { ctx }) };
}

/** A program that only calls helpers with plain arguments, R6 holding the context, and returns r0. */
export function plain(
  name: string,
  type: number,
  body: (b: ProgramBuilder) => void,
  data: Uint8Array = V4,
  ctx?: Uint8Array,
): RunCase {
  const b = new ProgramBuilder().mov(R6, R1);
  body(b);
  return { name, type, insns: b.exit().build(), data, ...(ctx === undefined ? {} : { ctx }) };
}

/** Calls a helper with the context and numbers. */
export function call(b: ProgramBuilder, helper: string, ...args: number[]): ProgramBuilder {
  b.mov(R1, R6);
  args.forEach((value, i) => {
    b.mov([R2, R3, R4, R5][i], value);
  });
  return b.helper(id(helper));
}

/** Fields of the context; two at once, mixed, so that each case says much. */
export const SKB_FIELDS = {
  len: 0,
  pkt_type: 4,
  mark: 8,
  queue_mapping: 12,
  protocol: 16,
  vlan_present: 20,
  vlan_tci: 24,
  vlan_proto: 28,
  priority: 32,
  ingress_ifindex: 36,
  ifindex: 40,
  tc_index: 44,
  cb0: 48,
  cb4: 64,
  hash: 68,
  napi_id: 84,
};
export const TC_FIELDS = { tc_classid: 72, wire_len: 160, gso_segs: 164, gso_size: 176 };
