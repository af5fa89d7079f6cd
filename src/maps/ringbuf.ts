import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { PAGE_BYTES, roundUp8 } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { BpfMap, MapDef, MapHost, RingbufMap } from './types.ts';

/** The handle of ring buffers, from `MAP_HANDLE.end`. */
export const RINGBUF_LAYOUT = {
  /** Address of the {@link RING}, page-aligned. */
  ring: MAP_HANDLE.end,
  /** Size of the data less one. */
  mask: MAP_HANDLE.end + 4,
  /** How often a consumer waiting in epoll would have been woken. */
  wakeups: MAP_HANDLE.end + 8,
  handleBytes: MAP_HANDLE.end + 16,
} as const;

/**
 * The ring (`struct bpf_ringbuf`). Positions are 64-bit and count bytes ever consumed and produced. Linux maps the data
 * pages twice in a row; here the second copy is memory of its own, and a record that runs past the end of the first is
 * written and read there, so it is contiguous for everybody and never copied.
 *
 * ```
 *   page 0: map (u32)   page 1: consumer_pos   page 2: producer_pos, pending_pos   page 3…: data, data again
 *
 *   record:  | len (u32) and BUSY, DISCARD bits | pgoff (u32) | bytes, padded to 8 |
 * ```
 */
export const RING = {
  /** Address of the map's handle. */
  map: 0,
  consumerPos: PAGE_BYTES,
  producerPos: 2 * PAGE_BYTES,
  /** Before it every record is committed. */
  pendingPos: 2 * PAGE_BYTES + 8,
  data: 3 * PAGE_BYTES,
} as const;

export const RINGBUF_HDR_BYTES = 8;
export const RINGBUF_BUSY_BIT = 2 ** 31;
export const RINGBUF_DISCARD_BIT = 2 ** 30;
/** `RINGBUF_MAX_RECORD_SZ` */
const MAX_RECORD_BYTES = Math.floor(0xffffffff / 4);
const WAKEUP_FLAGS = BPF_FLAGS.BPF_RB_NO_WAKEUP | BPF_FLAGS.BPF_RB_FORCE_WAKEUP;
/** Bits of a record's length word that are the length. */
const LEN_MASK = RINGBUF_DISCARD_BIT - 1;

/** `kernel/bpf/ringbuf.c: ringbuf_map_alloc` */
export function checkRingbuf(def: MapDef): number {
  const { maxEntries } = def;
  const bad =
    (def.flags & ~BPF_FLAGS.BPF_F_NUMA_NODE) !== 0 ||
    def.keySizeBytes !== 0 ||
    def.valueSizeBytes !== 0 ||
    maxEntries === 0 ||
    2 ** Math.round(Math.log2(maxEntries)) !== maxEntries ||
    maxEntries % PAGE_BYTES !== 0;
  return bad ? -ERRNO.EINVAL : 0;
}

/** What ring buffers of both directions share: the ring and its positions. */
export abstract class RingMapBase extends MapBase {
  protected ring = 0;
  protected readonly mask: number;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, RINGBUF_LAYOUT.handleBytes);
    this.mask = def.maxEntries - 1;
  }

  override setUp(): void {
    // Over-allocated rather than aligned by the allocator, which reuses only blocks that need no alignment.
    const block = this.block(RING.data + 2 * this.def.maxEntries + PAGE_BYTES - 8);
    this.ring = Math.ceil(block / PAGE_BYTES) * PAGE_BYTES;
    this.store(this.ring + RING.map, this.addr);
    this.store(this.addr + RINGBUF_LAYOUT.ring, this.ring);
    this.store(this.addr + RINGBUF_LAYOUT.mask, this.mask);
  }

  /** A position: exact below 2^53 bytes. */
  protected position(off: number): number {
    const view = this.mem.view;
    const at = this.ring + off;
    const low = view.getUint32(at + (this.little ? 0 : 4), this.little);
    return low + view.getUint32(at + (this.little ? 4 : 0), this.little) * 2 ** 32;
  }
  protected setPosition(off: number, value: number): void {
    const view = this.mem.view;
    const at = this.ring + off;
    view.setUint32(at + (this.little ? 0 : 4), value >>> 0, this.little);
    view.setUint32(at + (this.little ? 4 : 0), Math.floor(value / 2 ** 32), this.little);
  }
  /** Address of the byte at a position, in the first copy of the data. */
  protected dataAt(position: number): number {
    return this.ring + RING.data + (((position >>> 0) & this.mask) >>> 0);
  }

  get dataSizeBytes(): number {
    return this.def.maxEntries;
  }
  get availableBytes(): number {
    return this.position(RING.producerPos) - this.position(RING.consumerPos);
  }
  /** Wake-ups so far. */
  get wakeups(): number {
    return this.loadU32(this.addr + RINGBUF_LAYOUT.wakeups);
  }
  protected wake(): void {
    this.store(this.addr + RINGBUF_LAYOUT.wakeups, this.wakeups + 1);
  }

  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.ENOTSUPP;
  }
  override delete(_keyAddr: number): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override sysLookup(_keyAddr: number): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override sysNextKey(_keyAddr: number, _nextAddr: number): number {
    return -ERRNO.ENOTSUPP;
  }
}

/** `BPF_MAP_TYPE_RINGBUF`: programs produce, user space consumes. */
export class RingbufMapImpl extends RingMapBase implements RingbufMap {
  override setUp(): void {
    super.setUp();
    const sizeBytes = 2 * this.def.maxEntries;
    this.region({
      kind: 'mem',
      name: this.def.name,
      start: this.ring + RING.data,
      sizeBytes,
      strideBytes: sizeBytes,
      cellBytes: sizeBytes,
      holds: (addr, size) => this.#isOpen(addr, size),
    });
  }

  /** The records that are reserved and not yet committed: address and bytes of each. */
  *#open(): Generator<readonly [sampleAddr: number, sizeBytes: number]> {
    const producer = this.position(RING.producerPos);
    // Once consumed a record is committed; pendingPos moves with the next reservation only.
    const from = Math.max(this.position(RING.pendingPos), this.position(RING.consumerPos));
    for (let at = from; at < producer; ) {
      const header = this.dataAt(at);
      const word = this.loadU32(header);
      const len = word & LEN_MASK;
      if (word >= RINGBUF_BUSY_BIT) yield [header + RINGBUF_HDR_BYTES, len];
      at += roundUp8(len + RINGBUF_HDR_BYTES);
    }
  }
  #isOpen(addr: number, sizeBytes: number): boolean {
    for (const [start, len] of this.#open()) if (addr >= start && addr + sizeBytes <= start + len) return true;
    return false;
  }

  isReserved(sampleAddr: number): boolean {
    for (const [start] of this.#open()) if (start === sampleAddr) return true;
    return false;
  }

  reserve(sizeBytes: number): number {
    return sizeBytes > MAX_RECORD_BYTES || sizeBytes < 0 ? 0 : this.ops.ringbuf_reserve(this.addr, sizeBytes, 0);
  }

  commit(sampleAddr: number, discard: boolean, flags: number): number {
    if (!this.isReserved(sampleAddr)) return -ERRNO.EINVAL;
    return discard ? this.ops.ringbuf_discard(sampleAddr, flags) : this.ops.ringbuf_submit(sampleAddr, flags);
  }
  submit(sampleAddr: number, flags: number): number {
    return this.commit(sampleAddr, false, flags);
  }
  discard(sampleAddr: number, flags: number): number {
    return this.commit(sampleAddr, true, flags);
  }

  output(dataAddr: number, sizeBytes: number, flags: number): number {
    if ((flags & ~WAKEUP_FLAGS) !== 0) return -ERRNO.EINVAL;
    return this.ops.ringbuf_output(this.addr, dataAddr, sizeBytes, flags);
  }

  query(flag: number): number {
    if (flag === BPF_FLAGS.BPF_RB_AVAIL_DATA) return this.availableBytes;
    if (flag === BPF_FLAGS.BPF_RB_RING_SIZE) return this.dataSizeBytes;
    if (flag === BPF_FLAGS.BPF_RB_CONS_POS) return this.position(RING.consumerPos);
    if (flag === BPF_FLAGS.BPF_RB_PROD_POS) return this.position(RING.producerPos);
    return 0;
  }

  /** `tools/lib/bpf/ringbuf.c: ringbuf_process_ring` */
  consume(limit = Number.POSITIVE_INFINITY): Uint8Array[] {
    const records: Uint8Array[] = [];
    let consumer = this.position(RING.consumerPos);
    const producer = this.position(RING.producerPos);
    while (consumer < producer && records.length < limit) {
      const header = this.dataAt(consumer);
      const word = this.loadU32(header);
      if (word >= RINGBUF_BUSY_BIT) break;
      const len = word & LEN_MASK;
      if (word < RINGBUF_DISCARD_BIT) records.push(this.mem.read(header + RINGBUF_HDR_BYTES, len));
      consumer += roundUp8(len + RINGBUF_HDR_BYTES);
    }
    this.setPosition(RING.consumerPos, consumer);
    return records;
  }
}

/** Whether programs can put records into it. */
export function isRingbufMap(map: BpfMap | undefined): map is RingbufMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_RINGBUF;
}

/**
 * The ring buffer a reserved record belongs to, found as the kernel does through the page offset in the record's header;
 * undefined when the address is that of no reserved record.
 */
export function ringbufOfSample(host: MapHost, sampleAddr: number): RingbufMap | undefined {
  const header = sampleAddr - RINGBUF_HDR_BYTES;
  const { mem } = host;
  if (header < PAGE_BYTES || sampleAddr > mem.u8.length) return undefined;
  const pages = mem.view.getUint32(header + 4, mem.littleEndian);
  const ring = (header & -PAGE_BYTES) - pages * PAGE_BYTES;
  if (ring < PAGE_BYTES) return undefined;
  const map = host.mapAt(mem.view.getInt32(ring + RING.map, mem.littleEndian));
  return isRingbufMap(map) && map.isReserved(sampleAddr) ? map : undefined;
}
