import { type ByteOrder, ByteView, FarcallError, type Where } from '../../util/index.ts';

/** One packet of a capture file. */
export interface Packet {
  readonly bytes: Uint8Array;
  /** Bytes it had on the wire; more than `bytes.length` when the capture cut it. */
  readonly wireBytes: number;
  /** Nanoseconds since 1970; 0 when the file does not say. */
  readonly timeNs: bigint;
  /** `LINKTYPE_*`: 1 is Ethernet. */
  readonly linkType: number;
}

/** A capture read as far as it is sound. */
export interface Capture {
  readonly packets: readonly Packet[];
  /** What a reader should know: a cut-off end, unusual link types. */
  readonly notes: readonly string[];
}

/** More than any interface delivers, GSO included; a length above it means the file is damaged. */
const MAX_PACKET_BYTES = 0x40000;

/** First four bytes as a little-endian number → what the file is. */
const MAGICS: ReadonlyMap<number, { order: ByteOrder; nsPerTick: bigint }> = new Map([
  [0xa1b2c3d4, { order: 'little', nsPerTick: 1000n }],
  [0xd4c3b2a1, { order: 'big', nsPerTick: 1000n }],
  [0xa1b23c4d, { order: 'little', nsPerTick: 1n }],
  [0x4d3cb2a1, { order: 'big', nsPerTick: 1n }],
]);
const PCAPNG_MAGIC = 0x0a0d0d0a;

function magicOf(bytes: Uint8Array): number {
  return bytes.length < 4 ? 0 : (bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0;
}

/** Whether the bytes begin as a pcap or pcapng file does. */
export function isCapture(bytes: Uint8Array): boolean {
  const magic = magicOf(bytes);
  return magic === PCAPNG_MAGIC || MAGICS.has(magic);
}

/**
 * Reads a capture file: pcap of both byte orders, with micro- and nanoseconds, and pcapng (section header, interface
 * description, enhanced, simple and obsolete packet blocks; others are passed over). A file that ends inside a packet
 * gives the packets before it and a note. Packets share memory with `bytes`.
 *
 * Errors: `run.pcap` for what is no capture or is damaged. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */
export function readCapture(bytes: Uint8Array, where: Where = {}): Capture {
  const magic = magicOf(bytes);
  const format = MAGICS.get(magic);
  if (format !== undefined) return readPcap(new ByteView(bytes, format.order, where), format.nsPerTick);
  if (magic === PCAPNG_MAGIC) return new PcapngReader(bytes, where).read();
  const found = bytes.length < 4 ? `${bytes.length} bytes` : `0x${magic.toString(16).padStart(8, '0')}`;
  throw new FarcallError({
    code: 'run.pcap',
    message: 'not a capture file',
    expected: 'pcap or pcapng magic',
    found,
    where,
  });
}

function damaged(where: Where, offBytes: number, message: string, expected: string, found: string): FarcallError {
  return new FarcallError({ code: 'run.pcap', message, expected, found, where: { ...where, offBytes } });
}

const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
const cutOff = (count: number): string => `the capture ends inside packet ${count + 1}`;

function readPcap(view: ByteView, nsPerTick: bigint): Capture {
  if (view.length < PCAP_HEADER_BYTES) {
    throw damaged(view.where, 0, 'the header is cut off', `${PCAP_HEADER_BYTES} bytes`, `${view.length} bytes`);
  }
  // The upper bits say whether frames carry a checksum at their end.
  const linkType = view.u32(20) & 0xffff;
  const packets: Packet[] = [];
  const notes: string[] = [];
  for (let at = PCAP_HEADER_BYTES; at < view.length; ) {
    if (at + PCAP_RECORD_BYTES > view.length) {
      notes.push(cutOff(packets.length));
      break;
    }
    const length = view.u32(at + 8);
    checkLength(view.where, at + 8, length);
    if (at + PCAP_RECORD_BYTES + length > view.length) {
      notes.push(cutOff(packets.length));
      break;
    }
    packets.push({
      bytes: view.slice(at + PCAP_RECORD_BYTES, length),
      wireBytes: view.u32(at + 12),
      timeNs: BigInt(view.u32(at)) * 1_000_000_000n + BigInt(view.u32(at + 4)) * nsPerTick,
      linkType,
    });
    at += PCAP_RECORD_BYTES + length;
  }
  return { packets, notes: [...notes, ...linkTypeNotes(packets)] };
}

function checkLength(where: Where, offBytes: number, length: number): void {
  if (length <= MAX_PACKET_BYTES) return;
  throw damaged(where, offBytes, 'a packet is too long', `at most ${MAX_PACKET_BYTES} bytes`, `${length}`);
}

const BLOCK = { section: PCAPNG_MAGIC, interface: 1, obsoletePacket: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const MIN_BLOCK_BYTES = 12;

interface Interface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapBytes: number;
  toNs(ticks: bigint): bigint;
}

class PcapngReader {
  readonly #bytes: Uint8Array;
  readonly #where: Where;
  readonly #packets: Packet[] = [];
  #interfaces: Interface[] = [];
  #view: ByteView;

  constructor(bytes: Uint8Array, where: Where) {
    this.#bytes = bytes;
    this.#where = where;
    this.#view = new ByteView(bytes, 'little', where);
  }

  read(): Capture {
    const notes: string[] = [];
    for (let at = 0; at < this.#bytes.length; ) {
      const length = this.#blockLength(at);
      if (length === undefined) {
        notes.push(`the capture ends inside a block after packet ${this.#packets.length}`);
        break;
      }
      const handler = HANDLERS.get(this.#view.u32(at));
      if (handler !== undefined) handler(this, at + 8, at + length - 4);
      at += length;
    }
    return { packets: this.#packets, notes: [...notes, ...linkTypeNotes(this.#packets)] };
  }

  /** The length of the block at `at`, undefined when the file ends before it does. A section header sets the byte order. */
  #blockLength(at: number): number | undefined {
    if (at + MIN_BLOCK_BYTES > this.#bytes.length) return undefined;
    if (this.#view.u32(at) === BLOCK.section) this.#startSection(at);
    const length = this.#view.u32(at + 4);
    if (length < MIN_BLOCK_BYTES || length % 4 !== 0) {
      throw damaged(this.#where, at + 4, 'bad block length', 'a multiple of 4, at least 12', `${length}`);
    }
    if (at + length > this.#bytes.length) return undefined;
    const again = this.#view.u32(at + length - 4);
    if (again !== length) {
      throw damaged(this.#where, at + length - 4, 'block lengths differ', `${length}`, `${again}`);
    }
    return length;
  }

  #startSection(at: number): void {
    for (const order of ['little', 'big'] as const) {
      const view = new ByteView(this.#bytes, order, this.#where);
      if (view.u32(at + 8) !== BYTE_ORDER_MAGIC) continue;
      this.#view = view;
      this.#interfaces = [];
      return;
    }
    const found = `0x${this.#view.u32(at + 8).toString(16)}`;
    throw damaged(this.#where, at + 8, 'bad byte-order magic', '0x1a2b3c4d', found);
  }

  addInterface(at: number, end: number): void {
    this.#need(at, end, 8);
    const toNs = this.#timeUnit(at + 8, end);
    this.#interfaces.push({ linkType: this.#view.u16(at), snapBytes: this.#view.u32(at + 4), toNs });
  }

  /** How timestamps of an interface count: `if_tsresol` (option 9), microseconds without it. */
  #timeUnit(at: number, end: number): Interface['toNs'] {
    for (let opt = at; opt + 4 <= end; ) {
      const code = this.#view.u16(opt);
      const length = this.#view.u16(opt + 2);
      if (code === 0 || opt + 4 + length > end) break;
      if (code === 9 && length === 1) return unitOf(this.#view.u8(opt + 4));
      opt += 4 + Math.ceil(length / 4) * 4;
    }
    return unitOf(6);
  }

  /** Enhanced (interface u32) and obsolete (interface u16, drops u16) packet blocks differ only in their first word. */
  addPacket(at: number, end: number, interfaceBytes: 2 | 4): void {
    this.#need(at, end, 20);
    const view = this.#view;
    const device = this.#interface(at, interfaceBytes === 4 ? view.u32(at) : view.u16(at));
    const length = view.u32(at + 12);
    checkLength(this.#where, at + 12, length);
    this.#need(at + 20, end, length);
    this.#packets.push({
      bytes: view.slice(at + 20, length),
      wireBytes: view.u32(at + 16),
      timeNs: device.toNs((BigInt(view.u32(at + 4)) << 32n) | BigInt(view.u32(at + 8))),
      linkType: device.linkType,
    });
  }

  addSimplePacket(at: number, end: number): void {
    this.#need(at, end, 4);
    const device = this.#interface(at, 0);
    const wireBytes = this.#view.u32(at);
    const kept = device.snapBytes === 0 ? wireBytes : Math.min(wireBytes, device.snapBytes);
    const length = Math.min(kept, end - at - 4);
    checkLength(this.#where, at, length);
    const bytes = this.#view.slice(at + 4, length);
    this.#packets.push({ bytes, wireBytes, timeNs: 0n, linkType: device.linkType });
  }

  #interface(at: number, index: number): Interface {
    const device = this.#interfaces[index];
    if (device !== undefined) return device;
    throw damaged(this.#where, at, 'no such interface', `one of ${this.#interfaces.length}`, `${index}`);
  }

  #need(at: number, end: number, size: number): void {
    if (at + size <= end) return;
    throw damaged(this.#where, at, 'a block is too short', `${size} bytes`, `${Math.max(0, end - at)} bytes`);
  }
}

const HANDLERS: ReadonlyMap<number, (reader: PcapngReader, at: number, end: number) => void> = new Map([
  [BLOCK.interface, (reader, at, end) => reader.addInterface(at, end)],
  [BLOCK.obsoletePacket, (reader, at, end) => reader.addPacket(at, end, 2)],
  [BLOCK.enhancedPacket, (reader, at, end) => reader.addPacket(at, end, 4)],
  [BLOCK.simplePacket, (reader, at, end) => reader.addSimplePacket(at, end)],
]);

/** `if_tsresol`: a negative power of 2 with the top bit set, of 10 without. */
function unitOf(resolution: number): Interface['toNs'] {
  const exponent = BigInt(resolution & 0x7f);
  const perSecond = resolution >= 0x80 ? 2n ** exponent : 10n ** exponent;
  return ticks => (ticks * 1_000_000_000n) / perSecond;
}

const LINKTYPE_ETHERNET = 1;
/** Link types other than Ethernet that captures are often of. */
const LINK_TYPES: Readonly<Record<number, string>> = {
  0: 'BSD loopback',
  12: 'raw IP',
  14: 'raw IP',
  101: 'raw IP',
  105: '802.11',
  113: 'Linux cooked capture',
  127: '802.11 with radiotap',
  228: 'raw IPv4',
  229: 'raw IPv6',
  276: 'Linux cooked capture v2',
};

function linkTypeNotes(packets: readonly Packet[]): string[] {
  const kinds = new Set(packets.map(packet => packet.linkType));
  kinds.delete(LINKTYPE_ETHERNET);
  return [...kinds].map(kind => {
    const name = LINK_TYPES[kind] === undefined ? '' : ` (${LINK_TYPES[kind]})`;
    return `packets of link type ${kind}${name} have no Ethernet header; they are handed over as they are`;
  });
}
