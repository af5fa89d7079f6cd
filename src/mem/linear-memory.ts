import { type ByteOrder, FarcallError, InternalError } from '../util/index.ts';

/** Bytes of one WebAssembly page. */
const PAGE_BYTES = 65536;
/** Addresses below this are never handed out, so null and small offsets from it always fault. */
export const NULL_GUARD_BYTES = PAGE_BYTES;
/** 2 GiB: what one machine may hold, and what keeps every address a positive int32. */
const MAX_PAGES = 32768;

/** Where threads share the memory no two blocks have a pair of cache lines in common: CPUs fetch lines by pairs. */
const SHARED_GRAIN_BYTES = 128;
const GRAIN_BYTES = 8;

/** What a region is for; faults and dumps name it. */
export type RegionKind =
  | 'stack'
  | 'ctx'
  | 'packet'
  | 'map_value'
  | 'map'
  | 'func'
  | 'prog'
  | 'rodata'
  | 'mem'
  | 'internal';

export type Access = 'read' | 'write';

/**
 * A range of addresses a program may touch. With `strideBytes` the range is a row of equal cells of which only the
 * first `cellBytes` bytes each are accessible, as in the node pool of a hash map.
 *
 * ```
 *   start                                                       end
 *   |<-cellBytes->|....|<-cellBytes->|....|<-cellBytes->|....|
 *   |<--- strideBytes -->|
 * ```
 */
export interface Region {
  readonly kind: RegionKind;
  /** What faults print: a map's, program's or buffer's name. */
  readonly name: string;
  /** Inclusive; changes only through {@link LinearMemory.moveRegion}. */
  start: number;
  /** Exclusive. */
  end: number;
  /** Bytes from one cell to the next; 0 when the whole range is one piece. */
  readonly strideBytes: number;
  readonly cellBytes: number;
  /** Programs may read it. */
  readable: boolean;
  /** Programs may write it. */
  writable: boolean;
  /** Where what may be touched is no row of equal cells, or changes all the time: whether these bytes may be. */
  readonly holds?: (addr: number, sizeBytes: number, access: Access) => boolean;
  /** Where {@link holds} allows `addr`: bounds around it between which it allows everything, until the region's owner changes them. */
  readonly solid?: (addr: number) => readonly [start: number, end: number];
  /**
   * Address of {@link ABSENT_BYTES} bytes for accesses of programs to what is not there: loads find zeros and stores are lost,
   * instead of a fault (Linux's exception table for arenas).
   */
  readonly absent?: number;
}

/** What the longest access takes. */
export const ABSENT_BYTES = 16;

export interface RegionInit {
  readonly kind: RegionKind;
  readonly name: string;
  readonly start: number;
  readonly sizeBytes: number;
  readonly strideBytes?: number;
  readonly cellBytes?: number;
  readonly readable?: boolean;
  readonly writable?: boolean;
  readonly holds?: Region['holds'];
  readonly solid?: Region['solid'];
  readonly absent?: number;
}

/** Engines reserve several GiB of addresses for each, whatever it will hold. */
function newMemory(shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared });
  } catch (cause) {
    throw new FarcallError({
      code: 'run.out-of-memory',
      message: 'there is no memory for a machine',
      expected: 'a JavaScript engine with WebAssembly, and addresses left for its memories (about 10 GiB each)',
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

/**
 * The one memory of a machine: stacks, contexts, packets, map values and everything else a program can point to.
 * Addresses are byte offsets into it, so 32-bit context fields such as `xdp_md.data` hold them whole, WebAssembly
 * uses them as they are, and native code adds the buffer's own address. Backed by a `WebAssembly.Memory`, which grows;
 * after any allocation take `u8`, `i32` and `view` afresh.
 *
 * A bump allocator with free lists by size hands out blocks; regions say which blocks programs may touch.
 */
export class LinearMemory {
  readonly order: ByteOrder;
  readonly wasm: WebAssembly.Memory;
  /** Blocks begin and end at multiples of this; what two threads write should be as far apart. */
  readonly grainBytes: number;
  #u8!: Uint8Array;
  #i32!: Int32Array;
  #view!: DataView;
  #top = NULL_GUARD_BYTES;
  /** Freed blocks by their exact rounded size. */
  readonly #free = new Map<number, number[]>();
  readonly #blockSize = new Map<number, number>();
  /** Sorted by start; never overlapping. */
  readonly #regions: Region[] = [];

  /**
   * Throws `run.out-of-memory`.
   *
   * @param order byte order of the simulated machine; loads and stores of programs follow it
   * @param shared threads may share it; one of them alone may allocate
   */
  constructor(order: ByteOrder = 'little', shared = false) {
    this.order = order;
    this.wasm = newMemory(shared);
    this.grainBytes = shared ? SHARED_GRAIN_BYTES : GRAIN_BYTES;
    this.#refresh();
  }

  #refresh(): void {
    const buffer = this.wasm.buffer;
    this.#u8 = new Uint8Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#view = new DataView(buffer);
  }

  get u8(): Uint8Array {
    return this.#u8;
  }
  get i32(): Int32Array {
    return this.#i32;
  }
  get view(): DataView {
    return this.#view;
  }
  get littleEndian(): boolean {
    return this.order === 'little';
  }
  /** Whether threads share it. */
  get shared(): boolean {
    return typeof SharedArrayBuffer === 'function' && this.wasm.buffer instanceof SharedArrayBuffer;
  }
  /** Bytes handed out so far, guard page included. */
  get usedBytes(): number {
    return this.#top;
  }

  /**
   * A zeroed block. Throws `run.out-of-memory` when the machine's 2 GiB are spent.
   *
   * @param alignBytes a power of two, at most 4096
   */
  alloc(sizeBytes: number, alignBytes = 8): number {
    const grain = this.grainBytes;
    const size = Math.max(1, Math.ceil(sizeBytes / grain)) * grain;
    const free = alignBytes <= grain ? this.#free.get(size) : undefined;
    const reused = free?.pop();
    if (reused !== undefined) {
      this.#u8.fill(0, reused, reused + size);
      this.#blockSize.set(reused, size);
      return reused;
    }
    const align = Math.max(grain, alignBytes);
    const addr = Math.ceil(this.#top / align) * align;
    const end = addr + size;
    if (end > this.#u8.length) this.#grow(end);
    this.#top = end;
    this.#blockSize.set(addr, size);
    return addr;
  }

  #grow(endBytes: number): void {
    const have = this.#u8.length / PAGE_BYTES;
    const need = Math.ceil(endBytes / PAGE_BYTES);
    const wanted = Math.min(MAX_PAGES, Math.max(need, have * 2));
    try {
      if (need > MAX_PAGES) throw new RangeError('over the limit');
      this.wasm.grow(wanted - have);
    } catch (cause) {
      throw new FarcallError({
        code: 'run.out-of-memory',
        message: 'the machine is out of memory',
        expected: `at most ${MAX_PAGES * PAGE_BYTES} bytes`,
        found: `${endBytes} bytes needed`,
        cause,
      });
    }
    this.#refresh();
  }

  /** Gives a block back; the address must come from {@link alloc}. */
  free(addr: number): void {
    const size = this.#blockSize.get(addr);
    if (size === undefined) throw new InternalError(`free of ${addr}, which is not allocated`);
    this.#blockSize.delete(addr);
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [addr]);
    else list.push(addr);
  }

  /** Lets programs touch a range. Ranges must not overlap. */
  addRegion(init: RegionInit): Region {
    const region: Region = {
      kind: init.kind,
      name: init.name,
      start: init.start,
      end: init.start + init.sizeBytes,
      strideBytes: init.strideBytes ?? 0,
      cellBytes: init.cellBytes ?? 0,
      readable: init.readable ?? true,
      writable: init.writable ?? true,
      holds: init.holds,
      solid: init.solid,
      absent: init.absent,
    };
    this.#regions.splice(this.#insertAt(region.start), 0, region);
    return region;
  }

  removeRegion(region: Region): void {
    const at = this.#regions.indexOf(region);
    if (at < 0) throw new InternalError(`region ${region.name} is not there`);
    this.#regions.splice(at, 1);
    // Inline caches keep references: an empty region never matches.
    region.start = 0;
    region.end = 0;
  }

  /** Changes a region's bounds, as when a packet's head moves. */
  moveRegion(region: Region, start: number, end: number): void {
    const at = this.#regions.indexOf(region);
    if (at < 0) throw new InternalError(`region ${region.name} is not there`);
    this.#regions.splice(at, 1);
    region.start = start;
    region.end = end;
    this.#regions.splice(this.#insertAt(start), 0, region);
  }

  #insertAt(start: number): number {
    let low = 0;
    let high = this.#regions.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.#regions[mid].start < start) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** The region `addr` lies in, accessible or not; undefined outside all. */
  regionAt(addr: number): Region | undefined {
    const at = this.#insertAt(addr + 1) - 1;
    const region = at < 0 ? undefined : this.#regions[at];
    return region !== undefined && addr < region.end ? region : undefined;
  }

  /** The region in which all of `[addr, addr + size)` may be accessed, or undefined. */
  accessible(addr: number, size: number, access: Access): Region | undefined {
    const region = this.regionAt(addr);
    return region !== undefined && regionAllows(region, addr, size, access) ? region : undefined;
  }

  /** Where an access of a program goes that is not allowed: to bytes of zeros, or 0 where it is a fault; see `Region.absent`. */
  substitute(addr: number): number {
    const absent = this.regionAt(addr)?.absent ?? 0;
    if (absent !== 0) this.#u8.fill(0, absent, absent + ABSENT_BYTES);
    return absent;
  }

  regions(): readonly Region[] {
    return this.#regions;
  }

  /** A copy of bytes; the range need not be in a region. */
  read(addr: number, sizeBytes: number): Uint8Array {
    return this.#u8.slice(addr, addr + sizeBytes);
  }
  write(addr: number, bytes: Uint8Array): void {
    this.#u8.set(bytes, addr);
  }
}

/** Whether every byte of `[addr, addr + size)` lies in an accessible cell of `region`. */
export function regionAllows(region: Region, addr: number, size: number, access: Access): boolean {
  if (addr < region.start || addr + size > region.end) return false;
  if (!(access === 'read' ? region.readable : region.writable)) return false;
  if (region.holds !== undefined && !region.holds(addr, size, access)) return false;
  if (region.strideBytes === 0) return true;
  return ((addr - region.start) % region.strideBytes) + size <= region.cellBytes;
}
