import { ETH_HEADER_BYTES, LOOPBACK, XDP_MD, XDP_MD_BYTES } from '../helpers/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { concatBytes } from '../util/index.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { xdpContextFunction } from './packet-context.ts';
import { badInput } from './problem.ts';
import type { ContextHost, ProgTypeRow, RunContext, RunInput } from './types.ts';

const PAGE_BYTES = 4096;
/** `XDP_PACKET_HEADROOM` */
const HEADROOM_BYTES = 256;
/** `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))` */
const TAILROOM_BYTES = 320;
/** `struct xdp_frame` lies at the start of the headroom; data may not move into it. */
const XDP_FRAME_BYTES = 40;
/** What the metadata area may hold at most: the headroom less the frame. */
const META_MOST_BYTES = HEADROOM_BYTES - XDP_FRAME_BYTES;
/** `MAX_SKB_FRAGS` pages may follow the linear part. */
const FRAGS_MOST_BYTES = 17 * PAGE_BYTES;

/** Source: `net/bpf/test_run.c: bpf_prog_test_run_xdp, xdp_convert_md_to_buff`. */
function beginXdp(host: ContextHost, input: RunInput): RunContext {
  const bytes = input.dataIn ?? new Uint8Array(0);
  const { mem, ctxStart } = host;
  const little = mem.littleEndian;
  const { meta, linear } = frameParts(input.ctxIn, bytes.length, little);
  const headroom = HEADROOM_BYTES - meta;
  const most = PAGE_BYTES - headroom - TAILROOM_BYTES;
  if (bytes.length - meta < ETH_HEADER_BYTES || bytes.length > most + FRAGS_MOST_BYTES) {
    throw badInput(
      'data',
      'the packet of an XDP program has a bad length',
      `${meta + ETH_HEADER_BYTES}..${most + FRAGS_MOST_BYTES} bytes`,
      `${bytes.length} bytes`,
    );
  }

  mem.u8.fill(0, ctxStart, ctxStart + XDP_MD_BYTES);
  mem.moveRegion(host.ctxRegion, ctxStart, ctxStart + XDP_MD_BYTES);
  const put = (off: number, value: number): void => mem.view.setUint32(ctxStart + off, value, little);
  put(XDP_MD.ingress_ifindex, LOOPBACK.ifindex);
  const start = host.packetStart;
  const packet = new PacketBuffer(
    host,
    bytes.subarray(0, Math.min(linear, most)),
    { start: start + XDP_FRAME_BYTES, data: start + headroom, end: start + PAGE_BYTES - TAILROOM_BYTES },
    ({ data, dataEnd, dataMeta }) => {
      put(XDP_MD.data, data);
      put(XDP_MD.data_end, dataEnd);
      put(XDP_MD.data_meta, dataMeta);
    },
  );
  packet.frags = bytes.slice(Math.min(linear, most));
  packet.setBounds(packet.data, packet.data + meta, packet.dataEnd);

  return {
    ctxAddr: ctxStart,
    packet,
    dataOut: () => concatBytes([mem.read(packet.dataMeta, packet.dataEnd - packet.dataMeta), packet.frags]),
    ctxOut: () => {
      if (input.ctxIn === undefined) return undefined;
      const out = input.ctxIn.slice(0, XDP_MD_BYTES);
      const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
      view.setUint32(XDP_MD.data, packet.data - packet.dataMeta, little);
      view.setUint32(XDP_MD.data_end, packet.dataEnd - packet.dataMeta, little);
      return out;
    },
  };
}

/**
 * Checks ctx_in, in which `data` says how many of the packet's first bytes are metadata and `data_end` how many are in
 * the linear part; the others become fragments.
 */
function frameParts(
  ctxIn: Uint8Array | undefined,
  dataBytes: number,
  little: boolean,
): { readonly meta: number; readonly linear: number } {
  if (ctxIn === undefined) return { meta: 0, linear: dataBytes };
  if (ctxIn.subarray(XDP_MD_BYTES).some(b => b !== 0)) {
    throw badInput(
      'ctx',
      'the context is longer than struct xdp_md',
      `${XDP_MD_BYTES} bytes`,
      `${ctxIn.length} bytes`,
      'E2BIG',
    );
  }
  const given = new Uint8Array(XDP_MD_BYTES);
  given.set(ctxIn.subarray(0, XDP_MD_BYTES));
  const view = new DataView(given.buffer);
  const get = (off: number): number => view.getUint32(off, little);
  const expect = (field: keyof typeof XDP_MD, ok: boolean, expected: string, errno?: string): void => {
    if (!ok) throw badInput('ctx', `${field} of struct xdp_md`, expected, String(get(XDP_MD[field])), errno);
  };
  const meta = get(XDP_MD.data);
  const linear = get(XDP_MD.data_end);
  expect('data_meta', get(XDP_MD.data_meta) === 0, '0');
  expect('data_end', linear <= dataBytes, `at most the packet's length, ${dataBytes}`);
  expect(
    'data',
    meta <= linear && meta % 4 === 0 && meta <= META_MOST_BYTES,
    `a multiple of 4, at most ${Math.min(META_MOST_BYTES, linear)}`,
  );
  expect('egress_ifindex', get(XDP_MD.egress_ifindex) === 0, '0');
  expect('ingress_ifindex', get(XDP_MD.ingress_ifindex) <= LOOPBACK.ifindex, `0 or ${LOOPBACK.ifindex}`, 'ENODEV');
  expect('rx_queue_index', get(XDP_MD.rx_queue_index) === 0, '0');
  return { meta, linear };
}

export const XDP_ROW: ProgTypeRow = {
  type: bpf_prog_type.BPF_PROG_TYPE_XDP,
  name: 'xdp',
  ctxStruct: 'xdp_md',
  testRun: true,
  btfPointers: false,
  packet: true,
  begin: beginXdp,
  packets: {
    takes: ({ length }) => length >= ETH_HEADER_BYTES && length <= PAGE_BYTES - HEADROOM_BYTES - TAILROOM_BYTES,
    make: xdpContextFunction,
  },
  returns: { 0: 'XDP_ABORTED', 1: 'XDP_DROP', 2: 'XDP_PASS', 3: 'XDP_TX', 4: 'XDP_REDIRECT' },
};
