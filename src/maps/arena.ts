import { ABSENT_BYTES } from '../mem/index.ts';
import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { PAGE_BYTES } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { ArenaMap, BpfMap, MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_SEGV_ON_FAULT | BPF_FLAGS.BPF_F_MMAPABLE | BPF_FLAGS.BPF_F_NO_USER_CONV;
/** On both sides of an arena: as far as an instruction's offset reaches. */
const GUARD_BYTES = 32768;
const PAGES_LOOKED_AT = 64;
/** Where user space has arenas that do not choose their place: the upper half of the address. */
const DEFAULT_VM_HIGH = 0x7f00n;

/** The handle of arenas, from `MAP_HANDLE.end`. */
export const ARENA_LAYOUT = {
  /** First address of the pages. */
  base: MAP_HANDLE.end,
  /** A bit for each page, set while it is allocated: bit `i & 7` of byte `i >> 3`. */
  bitmap: MAP_HANDLE.end + 4,
  /** High half of user space's address of the arena. */
  userHigh: MAP_HANDLE.end + 8,
  handleBytes: MAP_HANDLE.end + 16,
} as const;

/** `kernel/bpf/arena.c: arena_map_alloc` */
export function checkArena(def: MapDef): number {
  const start = BigInt.asUintN(64, def.mapExtra ?? 0n);
  const bad =
    def.keySizeBytes !== 0 ||
    def.valueSizeBytes !== 0 ||
    def.maxEntries === 0 ||
    (def.flags & BPF_FLAGS.BPF_F_MMAPABLE) === 0 ||
    (def.flags & ~CREATE_FLAGS) !== 0 ||
    start % BigInt(PAGE_BYTES) !== 0n;
  if (bad) return -ERRNO.EINVAL;
  const size = BigInt(def.maxEntries) * BigInt(PAGE_BYTES);
  if (size > 1n << 32n) return -ERRNO.E2BIG;
  return start >> 32n !== (start + size - 1n) >> 32n ? -ERRNO.ERANGE : 0;
}

/**
 * `BPF_MAP_TYPE_ARENA`: pages in a row in the linear memory, and which of them are allocated.
 *
 * Differs from Linux: the low 32 bits of pointers into an arena are linear addresses, so of the place user space asks for
 * (`map_extra`) only the high half counts; accesses to pages that are not allocated find zeros and are lost as in Linux, but around the
 * arena only as far as an instruction's offset reaches; an arena cannot be larger than the machine's memory.
 */
export class ArenaMapImpl extends MapBase implements ArenaMap {
  readonly pageCount: number;
  base = 0;
  #bitmap = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, ARENA_LAYOUT.handleBytes);
    this.pageCount = def.maxEntries;
  }

  override setUp(): void {
    const sizeBytes = this.pageCount * PAGE_BYTES;
    const block = this.block(GUARD_BYTES + sizeBytes + PAGE_BYTES - 8 + GUARD_BYTES);
    this.base = Math.ceil((block + GUARD_BYTES) / PAGE_BYTES) * PAGE_BYTES;
    this.#bitmap = this.block(Math.ceil(this.pageCount / 8));
    const start = BigInt.asUintN(64, this.def.mapExtra ?? 0n);
    this.store(this.addr + ARENA_LAYOUT.base, this.base);
    this.store(this.addr + ARENA_LAYOUT.bitmap, this.#bitmap);
    this.store(this.addr + ARENA_LAYOUT.userHigh, Number((start === 0n ? DEFAULT_VM_HIGH << 32n : start) >> 32n) | 0);
    const absent = this.block(ABSENT_BYTES);
    this.region({
      kind: 'mem',
      name: this.def.name,
      start: this.base - GUARD_BYTES,
      sizeBytes: sizeBytes + 2 * GUARD_BYTES,
      holds: (addr, size) => this.#holds(addr, size),
      solid: addr => this.#solid(addr),
      absent,
    });
    // Null pointers into an arena are pointers into it, where no page is.
    if (this.mem.regionAt(0) === undefined) {
      const holds = (): boolean => false;
      this.region({ kind: 'mem', name: this.def.name, start: 0, sizeBytes: GUARD_BYTES, holds, absent });
    }
  }

  get userVmStart(): bigint {
    return (BigInt(this.loadU32(this.addr + ARENA_LAYOUT.userHigh)) << 32n) | BigInt(this.base);
  }

  #isAllocated(page: number): boolean {
    return (this.mem.u8[this.#bitmap + (page >> 3)] & (1 << (page & 7))) !== 0;
  }
  #pageOf(addr: number): number {
    return Math.floor((addr - this.base) / PAGE_BYTES);
  }
  #isThere(page: number): boolean {
    return page >= 0 && page < this.pageCount && this.#isAllocated(page);
  }
  #holds(addr: number, sizeBytes: number): boolean {
    const last = this.#pageOf(addr + sizeBytes - 1);
    for (let page = this.#pageOf(addr); page <= last; page++) if (!this.#isThere(page)) return false;
    return true;
  }
  /** The allocated pages around an address, as far as a look at some of them says. */
  #solid(addr: number): readonly [number, number] {
    let first = this.#pageOf(addr);
    let end = first + 1;
    for (let left = PAGES_LOOKED_AT; left > 0 && this.#isThere(first - 1); left--) first--;
    for (let left = PAGES_LOOKED_AT; left > 0 && this.#isThere(end); left--) end++;
    return [this.base + first * PAGE_BYTES, this.base + end * PAGE_BYTES];
  }
  #mark(page: number, allocated: boolean): void {
    const bit = 1 << (page & 7);
    if (allocated) this.mem.u8[this.#bitmap + (page >> 3)] |= bit;
    else this.mem.u8[this.#bitmap + (page >> 3)] &= ~bit;
  }
  #zero(page: number, count: number): void {
    this.mem.u8.fill(0, this.base + page * PAGE_BYTES, this.base + (page + count) * PAGE_BYTES);
  }
  /** The first of `count` free pages in a row, or -1. */
  #findFree(count: number): number {
    for (let page = 0, run = 0; page < this.pageCount; page++) {
      run = this.#isAllocated(page) ? 0 : run + 1;
      if (run === count) return page - count + 1;
    }
    return -1;
  }

  allocPages(addr: number, count: number): number {
    if (count <= 0 || count > this.pageCount) return 0;
    let first: number;
    if (addr === 0) {
      first = this.#findFree(count);
      if (first < 0) return 0;
    } else {
      first = (addr - this.base) / PAGE_BYTES;
      if (!Number.isInteger(first) || first < 0 || first > this.pageCount - count) return 0;
      for (let i = 0; i < count; i++) if (this.#isAllocated(first + i)) return 0;
    }
    for (let i = 0; i < count; i++) this.#mark(first + i, true);
    this.#zero(first, count);
    return this.base + first * PAGE_BYTES;
  }

  freePages(addr: number, count: number): void {
    const first = Math.floor((addr - this.base) / PAGE_BYTES);
    if (first < 0 || first >= this.pageCount) return;
    const end = Math.min(this.pageCount, first + count);
    for (let page = first; page < end; page++) {
      if (!this.#isAllocated(page)) continue;
      this.#mark(page, false);
      this.#zero(page, 1);
    }
  }

  write(offBytes: number, bytes: Uint8Array): boolean {
    if (offBytes < 0 || offBytes + bytes.length > this.pageCount * PAGE_BYTES) return false;
    const end = offBytes + bytes.length;
    for (let page = Math.floor(offBytes / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      if (this.#isAllocated(page)) continue;
      this.#mark(page, true);
      this.#zero(page, 1);
    }
    this.mem.write(this.base + offBytes, bytes);
    return true;
  }

  // arena_map_direct_value_addr
  override directValueAddr(offBytes: number): number {
    return offBytes >= 0 && offBytes < this.pageCount * PAGE_BYTES ? this.base + offBytes : 0;
  }
  // arena_map_lookup_elem
  protected override sysLookup(_keyAddr: number): number {
    return -ERRNO.EINVAL;
  }
}

/** Whether it is memory shared with user space. */
export function isArenaMap(map: BpfMap | undefined): map is ArenaMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_ARENA;
}
