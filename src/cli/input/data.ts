import { fromHex, withWhere } from '../../util/index.ts';
import type { Io } from '../io.ts';
import { readInput } from './files.ts';
import { isCapture, type Packet, readCapture } from './pcap.ts';

export interface DataInput {
  readonly packets: readonly Packet[];
  readonly notes: readonly string[];
  /** Whether it was a capture file: results are then counted as well as listed. */
  readonly capture: boolean;
}

const CAPTURE_NAME = /\.(pcap|pcapng|cap)$/i;

/** Bytes of `hex:0011…`, of a file, or of standard input (`-`). */
export async function readBytesArg(text: string, io: Io): Promise<Uint8Array> {
  return text.startsWith('hex:') ? fromHex(text.slice('hex:'.length)) : await readInput(text, io);
}

/** The packets `--data-in` names: `hex:…`, a capture file, or any other file whose bytes are one packet. */
export async function readDataArg(text: string, io: Io): Promise<DataInput> {
  const bytes = await readBytesArg(text, io);
  const named = CAPTURE_NAME.test(text);
  if (!text.startsWith('hex:') && (named || isCapture(bytes))) {
    const file = text === '-' ? 'standard input' : text;
    return { ...withWhere({ file }, () => readCapture(bytes, { file })), capture: true };
  }
  const packet: Packet = { bytes, wireBytes: bytes.length, timeNs: 0n, linkType: 1 };
  return { packets: [packet], notes: [], capture: false };
}
