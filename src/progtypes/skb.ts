import { ETH_HEADER_BYTES, ETH_P_IP, ETH_P_IPV6, LOOPBACK, SK_BUFF, SK_BUFF_BYTES } from '../helpers/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { concatBytes } from '../util/index.ts';
import { classifyFrame } from './frame.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { skbContextFunction } from './packet-context.ts';
import { badInput } from './problem.ts';
import type { ContextHost, ProgTypeRow, RunContext, RunInput } from './types.ts';
import { PACKET_BLOCK_BYTES } from './types.ts';

/** `NET_SKB_PAD` of a machine with 64-byte cache lines. */
const HEADROOM_BYTES = 64;
/** A page less headroom and `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))`. */
const MAX_DATA_BYTES = 4096 - HEADROOM_BYTES - 320;
/** Where the packet starts in its block: high enough for helpers that push headers. */
const START_BYTES = PACKET_BLOCK_BYTES / 4;
const GSO_LEGACY_MAX_BYTES = 65536;
const GSO_MAX_SEGS = 65535;
const AF_INET = 2;
const AF_INET6 = 10;

/** Parts of `struct __sk_buff` that a run's ctx_in may set (`net/bpf/test_run.c: convert___skb_to_skb`). */
const SETTABLE: readonly (readonly [from: number, bytes: number])[] = [
  [SK_BUFF.mark, 4],
  [SK_BUFF.priority, 4],
  [SK_BUFF.ingress_ifindex, 4],
  [SK_BUFF.ifindex, 4],
  [SK_BUFF.cb, 20],
  [SK_BUFF.tstamp, 8],
  [SK_BUFF.wire_len, 4],
  [SK_BUFF.gso_segs, 4],
  [SK_BUFF.gso_size, 4],
  [SK_BUFF.hwtstamp, 8],
];
/** What the run gives back in ctx_out (`convert_skb_to___skb`). */
const RETURNED = SETTABLE.filter(([from]) => from !== SK_BUFF.gso_size);

function checkCtx(ctx: Uint8Array): void {
  for (let at = 0; at < ctx.length; at++) {
    if (ctx[at] === 0 || SETTABLE.some(([from, bytes]) => at >= from && at < from + bytes)) continue;
    const fields = Object.entries(SK_BUFF).filter(([, off]) => off <= at);
    throw badInput(
      'ctx',
      `field ${fields[fields.length - 1][0]} of struct __sk_buff cannot be set`,
      'zero',
      `0x${ctx[at].toString(16)} at offset ${at}`,
    );
  }
}

/**
 * The context of an skb program: `struct __sk_buff` with the packet's addresses in `data`, `data_end`, `data_meta`.
 *
 * Source: `net/bpf/test_run.c: bpf_prog_test_run_skb`. Differs from Linux: R1 points at the UAPI struct itself, whose
 * accesses Linux rewrites to those of `struct sk_buff`; `sk` is NULL, where Linux has a socket made for the run.
 */
function beginSkb(host: ContextHost, input: RunInput, linkLayer: boolean): RunContext {
  const bytes = input.dataIn ?? new Uint8Array(0);
  if (bytes.length < ETH_HEADER_BYTES || bytes.length > MAX_DATA_BYTES) {
    throw badInput(
      'data',
      'the packet of an skb program has a bad length',
      `${ETH_HEADER_BYTES}..${MAX_DATA_BYTES} bytes`,
      `${bytes.length} bytes`,
    );
  }
  const ctxIn = input.ctxIn ?? new Uint8Array(0);
  const given = new Uint8Array(SK_BUFF_BYTES);
  if (ctxIn.subarray(SK_BUFF_BYTES).some(b => b !== 0)) {
    throw badInput(
      'ctx',
      'the context is longer than struct __sk_buff',
      `${SK_BUFF_BYTES} bytes`,
      `${ctxIn.length} bytes`,
      'E2BIG',
    );
  }
  given.set(ctxIn.subarray(0, SK_BUFF_BYTES));
  checkCtx(given);

  const { mem, ctxStart } = host;
  const little = mem.littleEndian;
  mem.u8.fill(0, ctxStart, ctxStart + SK_BUFF_BYTES);
  mem.write(ctxStart, given);
  mem.moveRegion(host.ctxRegion, ctxStart, ctxStart + SK_BUFF_BYTES);
  const put = (off: number, value: number): void => mem.view.setUint32(ctxStart + off, value, little);
  const get = (off: number): number => mem.view.getUint32(ctxStart + off, little);

  const start = host.packetStart + START_BYTES;
  const packet = new PacketBuffer(
    host,
    bytes,
    { start: host.packetStart, data: start, end: host.packetStart + PACKET_BLOCK_BYTES },
    ({ data, dataEnd, dataMeta }) => {
      put(SK_BUFF.len, dataEnd - data);
      put(SK_BUFF.data, data);
      put(SK_BUFF.data_end, dataEnd);
      put(SK_BUFF.data_meta, dataMeta);
    },
  );
  packet.networkAddr = start + ETH_HEADER_BYTES;
  const data = linkLayer ? start : packet.networkAddr;
  packet.setBounds(data, data, packet.dataEnd);

  const { protocol, pktType } = classifyFrame(bytes);
  put(SK_BUFF.pkt_type, pktType);
  // The field is in network order whatever the machine's is.
  mem.view.setUint16(ctxStart + SK_BUFF.protocol + (little ? 0 : 2), protocol, false);
  if (get(SK_BUFF.ifindex) > LOOPBACK.ifindex) {
    throw badInput(
      'ctx',
      `there is no device ${get(SK_BUFF.ifindex)}`,
      `ifindex ${LOOPBACK.ifindex}`,
      String(get(SK_BUFF.ifindex)),
      'ENODEV',
    );
  }
  put(SK_BUFF.ifindex, LOOPBACK.ifindex);
  fillSocket(mem.u8, ctxStart, bytes, protocol, put);

  const len = packet.dataEnd - packet.data;
  const wireLen = get(SK_BUFF.wire_len);
  if (input.ctxIn !== undefined && wireLen === 0) put(SK_BUFF.wire_len, len);
  else if (wireLen !== 0 && (wireLen < len || wireLen > GSO_LEGACY_MAX_BYTES)) {
    throw badInput('ctx', 'wire_len does not fit the packet', `0 or ${len}..${GSO_LEGACY_MAX_BYTES}`, String(wireLen));
  }
  if (get(SK_BUFF.gso_segs) > GSO_MAX_SEGS) {
    throw badInput('ctx', 'gso_segs is too large', `at most ${GSO_MAX_SEGS}`, String(get(SK_BUFF.gso_segs)));
  }

  return {
    ctxAddr: ctxStart,
    packet,
    dataOut: () => {
      const out = mem.read(packet.data, packet.dataEnd - packet.data);
      // Linux pushes the header back it had pulled, as zeros.
      return linkLayer ? out : concatBytes([new Uint8Array(ETH_HEADER_BYTES), out]);
    },
    ctxOut: () => {
      if (input.ctxIn === undefined) return undefined;
      const out = given.slice();
      for (const [from, size] of RETURNED) out.set(mem.read(ctxStart + from, size), from);
      return out;
    },
  };
}

/** Bytes of the header that a frame of this protocol must have behind its Ethernet header. */
function headerBytes(protocol: number): number {
  return protocol === ETH_P_IP ? 20 : protocol === ETH_P_IPV6 ? 40 : 0;
}

/** Whether a run on the frame begins at all. */
function takesFrame(bytes: Uint8Array): boolean {
  if (bytes.length < ETH_HEADER_BYTES || bytes.length > MAX_DATA_BYTES) return false;
  return bytes.length >= ETH_HEADER_BYTES + headerBytes(classifyFrame(bytes).protocol);
}

function requireHeader(l3: Uint8Array, sizeBytes: number, protocol: string): void {
  if (l3.length >= sizeBytes) return;
  throw badInput(
    'data',
    `the ${protocol} packet ends inside its header`,
    `${sizeBytes} bytes after the Ethernet header`,
    `${l3.length} bytes`,
  );
}

/** The run's socket has the packet's addresses, source as local and destination as remote. */
function fillSocket(
  u8: Uint8Array,
  ctx: number,
  bytes: Uint8Array,
  protocol: number,
  put: (off: number, value: number) => void,
): void {
  const l3 = bytes.subarray(ETH_HEADER_BYTES);
  if (protocol === ETH_P_IP) {
    put(SK_BUFF.family, AF_INET);
    requireHeader(l3, headerBytes(protocol), 'IPv4');
    u8.set(l3.subarray(12, 16), ctx + SK_BUFF.local_ip4);
    u8.set(l3.subarray(16, 20), ctx + SK_BUFF.remote_ip4);
  } else if (protocol === ETH_P_IPV6) {
    put(SK_BUFF.family, AF_INET6);
    requireHeader(l3, headerBytes(protocol), 'IPv6');
    u8.set(l3.subarray(8, 24), ctx + SK_BUFF.local_ip6);
    u8.set(l3.subarray(24, 40), ctx + SK_BUFF.remote_ip6);
  }
}

const TC_RETURNS = {
  4294967295: 'TC_ACT_UNSPEC',
  0: 'TC_ACT_OK',
  1: 'TC_ACT_RECLASSIFY',
  2: 'TC_ACT_SHOT',
  3: 'TC_ACT_PIPE',
  4: 'TC_ACT_STOLEN',
  5: 'TC_ACT_QUEUED',
  6: 'TC_ACT_REPEAT',
  7: 'TC_ACT_REDIRECT',
  8: 'TC_ACT_TRAP',
} as const;
const LWT_RETURNS = { 0: 'BPF_OK', 2: 'BPF_DROP', 7: 'BPF_REDIRECT', 128: 'BPF_LWT_REROUTE' } as const;
const CGROUP_RETURNS = { 0: 'drop', 1: 'allow', 2: 'drop, congestion', 3: 'allow, congestion' } as const;
const SK_RETURNS = { 0: 'SK_DROP', 1: 'SK_PASS' } as const;

const row = (
  type: number,
  name: string,
  returns: Readonly<Record<number, string>>,
  linkLayer = false,
): ProgTypeRow => ({
  type,
  name,
  ctxStruct: '__sk_buff',
  testRun: name !== 'sk_skb',
  btfPointers: false,
  packet: true,
  begin: (host, input) => beginSkb(host, input, linkLayer),
  // A flow dissector's context has pointers that no packet says anything of.
  packets: name === 'flow_dissector' ? undefined : { takes: takesFrame, make: () => skbContextFunction(linkLayer) },
  returns,
});

/** Program types whose context is `struct __sk_buff`. */
export const SKB_ROWS: readonly ProgTypeRow[] = [
  row(bpf_prog_type.BPF_PROG_TYPE_SOCKET_FILTER, 'socket_filter', {}),
  row(bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS, 'sched_cls', TC_RETURNS, true),
  row(bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT, 'sched_act', TC_RETURNS, true),
  row(bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB, 'cgroup_skb', CGROUP_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_LWT_IN, 'lwt_in', LWT_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_LWT_OUT, 'lwt_out', LWT_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_LWT_XMIT, 'lwt_xmit', LWT_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_LWT_SEG6LOCAL, 'lwt_seg6local', LWT_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_SK_SKB, 'sk_skb', SK_RETURNS),
  row(bpf_prog_type.BPF_PROG_TYPE_FLOW_DISSECTOR, 'flow_dissector', LWT_RETURNS, true),
];
