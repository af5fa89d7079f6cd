import { bpf_prog_type } from '../uapi/index.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { badInput } from './problem.ts';
import { type ContextHost, PACKET_BLOCK_BYTES, type ProgTypeRow, type RunContext, type RunInput } from './types.ts';

/** `struct sk_msg_md`. */
const SK_MSG_MD = { data: 0, dataEnd: 8, size: 68, sizeBytes: 80 } as const;
const START_BYTES = PACKET_BLOCK_BYTES / 4;
const MAX_DATA_BYTES = PACKET_BLOCK_BYTES / 2;

/**
 * The context of a program on messages, `dataIn` being the message. Differs from Linux, which runs such programs only when
 * somebody sends something.
 */
function begin(host: ContextHost, input: RunInput): RunContext {
  const bytes = input.dataIn ?? new Uint8Array(0);
  const given = input.ctxIn ?? new Uint8Array(0);
  if (given.length > SK_MSG_MD.sizeBytes) {
    const expected = `at most ${SK_MSG_MD.sizeBytes} bytes`;
    throw badInput('ctx', 'the context is longer than struct sk_msg_md', expected, `${given.length} bytes`);
  }
  if (bytes.length > MAX_DATA_BYTES) {
    throw badInput('data', 'the message is too long', `at most ${MAX_DATA_BYTES} bytes`, `${bytes.length} bytes`);
  }
  const { mem, ctxStart, packetStart } = host;
  mem.u8.fill(0, ctxStart, ctxStart + SK_MSG_MD.sizeBytes);
  mem.write(ctxStart, given);
  mem.moveRegion(host.ctxRegion, ctxStart, ctxStart + SK_MSG_MD.sizeBytes);
  const place = { start: packetStart, data: packetStart + START_BYTES, end: packetStart + PACKET_BLOCK_BYTES };
  const packet = new PacketBuffer(host, bytes, place, ({ data, dataEnd }) => {
    mem.view.setBigUint64(ctxStart + SK_MSG_MD.data, BigInt(data), mem.littleEndian);
    mem.view.setBigUint64(ctxStart + SK_MSG_MD.dataEnd, BigInt(dataEnd), mem.littleEndian);
  });
  packet.setBounds(packet.data, packet.data, packet.dataEnd);
  mem.view.setUint32(ctxStart + SK_MSG_MD.size, bytes.length, mem.littleEndian);
  return {
    ctxAddr: ctxStart,
    packet,
    dataOut: () => (input.dataIn === undefined ? undefined : mem.read(packet.data, packet.dataEnd - packet.data)),
    ctxOut: () => (given.length === 0 ? undefined : mem.read(ctxStart, given.length)),
  };
}

/** `BPF_PROG_TYPE_SK_MSG`. */
export const SK_MSG_ROW: ProgTypeRow = {
  type: bpf_prog_type.BPF_PROG_TYPE_SK_MSG,
  name: 'sk_msg',
  ctxStruct: 'sk_msg_md',
  testRun: false,
  btfPointers: false,
  packet: false,
  begin,
  returns: { 0: 'SK_DROP', 1: 'SK_PASS' },
};
