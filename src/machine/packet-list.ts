/** Alignment of packets: a cache line. */
const ALIGN_BYTES = 64;
const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;

/**
 * Packets in a block of memory, as batches take them.
 *
 * ```
 *   list      [addr, bytes] a packet, u32 each
 *   verdicts  u32 a packet
 *   packets   each on a cache line of its own
 * ```
 */
export class PacketList {
  readonly addr: number;
  readonly verdictAddr: number;
  readonly #buffer: () => ArrayBufferLike;
  readonly #packets: readonly Uint8Array[];
  readonly #at: readonly number[];

  /** Bytes a block needs, which must be aligned to 64 bytes. */
  static sizeOf(packets: readonly Uint8Array[]): number {
    return packets.reduce((sum, packet) => sum + roundUp(packet.length), roundUp(12 * packets.length));
  }

  /** @param buffer the memory's, which may have been replaced since */
  constructor(buffer: () => ArrayBufferLike, addr: number, packets: readonly Uint8Array[]) {
    this.#buffer = buffer;
    this.#packets = packets;
    this.addr = addr;
    this.verdictAddr = addr + 8 * packets.length;
    let at = addr + roundUp(12 * packets.length);
    this.#at = packets.map(packet => {
      const here = at;
      at += roundUp(packet.length);
      return here;
    });
    const list = new Uint32Array(buffer(), addr, 2 * packets.length);
    packets.forEach((packet, i) => {
      list[2 * i] = this.#at[i];
      list[2 * i + 1] = packet.length;
    });
  }

  get length(): number {
    return this.#packets.length;
  }
  /** Puts the packets back as they were given. */
  reload(): void {
    const u8 = new Uint8Array(this.#buffer());
    this.#packets.forEach((packet, i) => void u8.set(packet, this.#at[i]));
  }
  /** A copy of the first `done` verdicts; the others are 0. */
  verdicts(done: number): Uint32Array {
    const verdicts = new Uint32Array(this.length);
    verdicts.set(new Uint32Array(this.#buffer(), this.verdictAddr, done));
    return verdicts;
  }
  /** A packet as it is now: a copy. */
  packet(index: number): Uint8Array {
    return new Uint8Array(this.#buffer()).slice(this.#at[index], this.#at[index] + this.#packets[index].length);
  }
}
