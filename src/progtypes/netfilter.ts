import { ETH_HEADER_BYTES, ETH_P_IP, ETH_P_IPV6 } from '../helpers/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { classifyFrame } from './frame.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { badInput } from './problem.ts';
import { type ContextHost, PACKET_BLOCK_BYTES, type ProgTypeRow, type RunContext, type RunInput } from './types.ts';

/** `struct bpf_nf_ctx`: pointers to the hook's state and to the packet. */
const NF_CTX = { state: 0, skb: 8 } as const;
/** `struct nf_hook_state` and `struct sk_buff` of Linux 6.12 on amd64, as far as a run fills them. */
const HOOK_STATE = { hook: 0, pf: 1, sizeBytes: 48 } as const;
const SKB = {
  pktType: 128,
  len: 112,
  protocol: 180,
  networkHeader: 184,
  macHeader: 186,
  tail: 188,
  end: 192,
  head: 200,
  data: 208,
  sizeBytes: 232,
} as const;
const STATE_AT = 16;
const SKB_AT = STATE_AT + HOOK_STATE.sizeBytes;
const BLOCK_BYTES = SKB_AT + SKB.sizeBytes;

const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
const NF_INET_LOCAL_OUT = 3;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** A page less headroom and what lies behind packets. */
const MAX_DATA_BYTES = 4096 - 64 - 320;
const NO_MAC_HEADER = 0xffff;
const START_BYTES = PACKET_BLOCK_BYTES / 4;

/** The hook and its protocol from ctx_in: a `struct nf_hook_state` of which nothing else may be set. */
function hookOf(ctxIn: Uint8Array | undefined): { hook: number; pf: number } {
  if (ctxIn === undefined) return { hook: NF_INET_LOCAL_OUT, pf: NFPROTO_IPV4 };
  const given = new Uint8Array(HOOK_STATE.sizeBytes);
  given.set(ctxIn.subarray(0, HOOK_STATE.sizeBytes));
  const [hook, pf] = given;
  if (ctxIn.subarray(HOOK_STATE.sizeBytes).some(byte => byte !== 0)) {
    throw badInput(
      'ctx',
      'the context is longer than struct nf_hook_state',
      '48 bytes',
      `${ctxIn.length} bytes`,
      'E2BIG',
    );
  }
  if (given.subarray(8).some(byte => byte !== 0)) {
    throw badInput('ctx', 'only hook and pf of struct nf_hook_state can be set', 'zeros behind them', 'other bytes');
  }
  if (pf !== NFPROTO_IPV4 && pf !== NFPROTO_IPV6) {
    throw badInput('ctx', 'not a protocol of netfilter programs', 'pf 2 (IPv4) or 10 (IPv6)', `pf ${pf}`);
  }
  return { hook, pf };
}

/** Checks a frame of hooks that see the link layer; `eth_type_trans` takes its header off. */
function checkFrame(bytes: Uint8Array, pf: number): { protocol: number; pktType: number } {
  const found = classifyFrame(bytes);
  const { protocol } = found;
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) {
    throw badInput('data', 'not a frame of IPv4 or IPv6', '0x800 or 0x86dd', `0x${protocol.toString(16)}`, 'EPROTO');
  }
  if ((protocol === ETH_P_IP) !== (pf === NFPROTO_IPV4)) {
    throw badInput('data', "the frame's protocol is not the hook's", `pf ${pf}`, `0x${protocol.toString(16)}`);
  }
  requireBytes(bytes, ETH_HEADER_BYTES + (protocol === ETH_P_IP ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES));
  return found;
}

function requireBytes(bytes: Uint8Array, least: number): void {
  if (bytes.length >= least && bytes.length <= MAX_DATA_BYTES) return;
  const range = `${least}..${MAX_DATA_BYTES} bytes`;
  throw badInput('data', 'the packet of a netfilter program has a bad length', range, `${bytes.length} bytes`);
}

/**
 * The context of a netfilter program, with a hook's state and a packet behind it. Source: `net/bpf/test_run.c:
 * bpf_prog_test_run_nf`. Differs from Linux: devices and the network namespace in the state are NULL.
 */
function begin(host: ContextHost, input: RunInput): RunContext {
  const bytes = input.dataIn ?? new Uint8Array(0);
  const { hook, pf } = hookOf(input.ctxIn);
  requireBytes(bytes, IPV4_HEADER_BYTES);
  const linkLayer = hook !== NF_INET_LOCAL_OUT;
  if (linkLayer) requireBytes(bytes, ETH_HEADER_BYTES + IPV4_HEADER_BYTES);
  const { protocol, pktType } = linkLayer
    ? checkFrame(bytes, pf)
    : { protocol: pf === NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6, pktType: 0 };

  const { mem, ctxStart } = host;
  const little = mem.littleEndian;
  mem.u8.fill(0, ctxStart, ctxStart + BLOCK_BYTES);
  mem.moveRegion(host.ctxRegion, ctxStart, ctxStart + BLOCK_BYTES);
  const pointer = (off: number, to: number): void => mem.view.setBigUint64(ctxStart + off, BigInt(to), little);
  const u32 = (off: number, value: number): void => mem.view.setUint32(ctxStart + SKB_AT + off, value, little);
  const u16 = (off: number, value: number): void => mem.view.setUint16(ctxStart + SKB_AT + off, value, little);
  pointer(NF_CTX.state, ctxStart + STATE_AT);
  pointer(NF_CTX.skb, ctxStart + SKB_AT);
  mem.u8[ctxStart + STATE_AT + HOOK_STATE.hook] = hook;
  mem.u8[ctxStart + STATE_AT + HOOK_STATE.pf] = pf;

  const { packetStart } = host;
  const place = { start: packetStart, data: packetStart + START_BYTES, end: packetStart + PACKET_BLOCK_BYTES };
  const packet = new PacketBuffer(host, bytes, place, ({ data, dataEnd }) => {
    u32(SKB.len, dataEnd - data);
    u32(SKB.tail, dataEnd - packetStart);
    pointer(SKB_AT + SKB.data, data);
  });
  pointer(SKB_AT + SKB.head, packetStart);
  u32(SKB.end, PACKET_BLOCK_BYTES);
  mem.u8[ctxStart + SKB_AT + SKB.pktType] = little ? pktType : pktType << 5;
  mem.view.setUint16(ctxStart + SKB_AT + SKB.protocol, protocol, false);
  u16(SKB.macHeader, linkLayer ? START_BYTES : NO_MAC_HEADER);
  const data = linkLayer ? place.data + ETH_HEADER_BYTES : place.data;
  if (linkLayer) u16(SKB.networkHeader, START_BYTES + ETH_HEADER_BYTES);
  packet.networkAddr = data;
  packet.setBounds(data, data, packet.dataEnd);
  // Packet and context are not copied back.
  return { ctxAddr: ctxStart, packet, dataOut: () => undefined, ctxOut: () => undefined };
}

/** `BPF_PROG_TYPE_NETFILTER`. */
export const NETFILTER_ROW: ProgTypeRow = {
  type: bpf_prog_type.BPF_PROG_TYPE_NETFILTER,
  name: 'netfilter',
  ctxStruct: 'bpf_nf_ctx',
  testRun: true,
  btfPointers: true,
  packet: true,
  begin,
  returns: { 0: 'NF_DROP', 1: 'NF_ACCEPT' },
};
