import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import {
  ACCESS_MASK,
  flagsAllowed,
  hasNumaNode,
  PCPU_MIN_UNIT_SIZE,
  roundUp8,
  updateFlagsKnown,
} from './alloc-check.ts';
import { KeyCells } from './key-cells.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS =
  BPF_FLAGS.BPF_F_NUMA_NODE |
  BPF_FLAGS.BPF_F_MMAPABLE |
  ACCESS_MASK |
  BPF_FLAGS.BPF_F_PRESERVE_ELEMS |
  BPF_FLAGS.BPF_F_INNER_MAP;

/**
 * The handle of arrays, from +32, and their values: element `i` begins at `values + i * elemBytes`. Per-CPU arrays hold
 * in an element one cell of `cpuBytes` for each CPU; other arrays have one cell, and `cpuBytes` equals `elemBytes`.
 *
 * ```
 *   values -> | cpu 0 of 0 | cpu 1 of 0 | … | cpu 0 of 1 | …
 *             |<-cpuBytes->|
 *             |<----- elemBytes ----------->|
 * ```
 */
export const ARRAY_LAYOUT = {
  /** Address of element 0. */
  values: MAP_HANDLE.end,
  elemBytes: MAP_HANDLE.end + 4,
  cpuBytes: MAP_HANDLE.end + 8,
  handleBytes: MAP_HANDLE.end + 16,
} as const;

/** `kernel/bpf/arraymap.c: array_map_alloc_check` */
export function checkArray(def: MapDef): number {
  const percpu = def.type === bpf_map_type.BPF_MAP_TYPE_PERCPU_ARRAY;
  if (def.maxEntries === 0 || def.keySizeBytes !== 4 || def.valueSizeBytes === 0) return -ERRNO.EINVAL;
  if (!flagsAllowed(def, CREATE_FLAGS) || (percpu && hasNumaNode(def))) return -ERRNO.EINVAL;
  const plain = def.type === bpf_map_type.BPF_MAP_TYPE_ARRAY;
  if (!plain && (def.flags & (BPF_FLAGS.BPF_F_MMAPABLE | BPF_FLAGS.BPF_F_INNER_MAP)) !== 0) return -ERRNO.EINVAL;
  const perf = def.type === bpf_map_type.BPF_MAP_TYPE_PERF_EVENT_ARRAY;
  if (!perf && (def.flags & BPF_FLAGS.BPF_F_PRESERVE_ELEMS) !== 0) return -ERRNO.EINVAL;
  if (def.valueSizeBytes > 0x7fffffff) return -ERRNO.E2BIG;
  if (percpu && roundUp8(def.valueSizeBytes) > PCPU_MIN_UNIT_SIZE) return -ERRNO.E2BIG;
  return 0;
}

/** `array_map_get_next_key`: after a key outside the array comes the first. */
export function nextIndex(map: MapBase, maxEntries: number, keyAddr: number, nextAddr: number): number {
  const view = map.mem.view;
  const little = map.mem.littleEndian;
  const index = keyAddr === 0 ? maxEntries : view.getUint32(keyAddr, little);
  if (index === maxEntries - 1) return -ERRNO.ENOENT;
  view.setUint32(nextAddr, index >= maxEntries ? 0 : index + 1, little);
  return 0;
}

/** `BPF_MAP_TYPE_ARRAY`: all elements always exist, zeroed at first. */
export class ArrayMap extends MapBase {
  protected values = 0;
  protected elemBytes = 0;
  protected readonly cpuBytes: number;
  readonly #keys: KeyCells;

  /** @param inlineBytes bytes of the handle behind ARRAY_LAYOUT, for elements kept there */
  constructor(host: MapHost, def: MapDef, id: number, inlineBytes = 0) {
    super(host, def, id, ARRAY_LAYOUT.handleBytes + inlineBytes);
    this.cpuBytes = roundUp8(def.valueSizeBytes);
    this.#keys = new KeyCells(host.mem, def.name);
  }

  /** Cells in an element. */
  protected get cellsPerElem(): number {
    return 1;
  }

  override setUp(): void {
    this.elemBytes = this.cpuBytes * this.cellsPerElem;
    const sizeBytes = this.elemBytes * this.def.maxEntries;
    this.values = this.makeElements(sizeBytes);
    this.store(this.addr + ARRAY_LAYOUT.values, this.values);
    this.store(this.addr + ARRAY_LAYOUT.elemBytes, this.elemBytes);
    this.store(this.addr + ARRAY_LAYOUT.cpuBytes, this.cpuBytes);
    this.exposeValues(sizeBytes);
  }

  /** Address of room for all elements. */
  protected makeElements(sizeBytes: number): number {
    return this.block(sizeBytes);
  }

  /** Lets programs at the values; arrays of kernel objects do not. */
  protected exposeValues(sizeBytes: number): void {
    if (sizeBytes === this.cpuBytes) this.valueRegion(this.values, this.def.valueSizeBytes, 0);
    else this.valueRegion(this.values, sizeBytes, this.cpuBytes);
  }

  /** The first cell of the element the key names, or 0 past the end. */
  protected elem(keyAddr: number): number {
    const index = this.loadU32(keyAddr);
    return index < this.def.maxEntries ? this.values + index * this.elemBytes : 0;
  }

  override lookup(keyAddr: number): number {
    return this.elem(keyAddr);
  }

  /** `array_map_update_elem`: -EINVAL, -E2BIG or -EEXIST, 0 when the flags are fine. */
  protected checkUpdate(elem: number, flags: number): number {
    if (!updateFlagsKnown(flags, true)) return -ERRNO.EINVAL;
    if (elem === 0) return -ERRNO.E2BIG;
    if ((flags & BPF_FLAGS.BPF_NOEXIST) !== 0) return -ERRNO.EEXIST;
    if ((flags & BPF_FLAGS.BPF_F_LOCK) !== 0 && !this.value.hasSpinLock) return -ERRNO.EINVAL;
    return 0;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const elem = this.elem(keyAddr);
    const errno = this.checkUpdate(elem, flags);
    if (errno !== 0) return errno;
    this.value.copy(elem, valueAddr);
    if ((flags & BPF_FLAGS.BPF_F_LOCK) === 0) this.value.freeFields(this.host, this, elem);
    return 0;
  }

  override delete(_keyAddr: number): number {
    return -ERRNO.EINVAL;
  }

  override forEach(callback: (keyAddr: number, valueAddr: number) => number): number {
    const key = this.#keys.enter();
    try {
      let calls = 0;
      for (let index = 0; index < this.def.maxEntries; index++) {
        this.store(key, index);
        calls++;
        if (callback(key, this.lookup(key)) !== 0) break;
      }
      return calls;
    } finally {
      this.#keys.leave();
    }
  }

  override directValueAddr(offBytes: number): number {
    return this.def.maxEntries === 1 && offBytes < this.def.valueSizeBytes ? this.values + offBytes : 0;
  }

  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    return nextIndex(this, this.def.maxEntries, keyAddr, nextAddr);
  }

  protected override tearDown(): void {
    this.#keys.free();
    if (this.values === 0 || this.value.fields.length === 0) return;
    for (let i = 0; i < this.def.maxEntries; i++) {
      for (let cell = 0; cell < this.cellsPerElem; cell++) {
        this.value.freeFields(this.host, this, this.values + i * this.elemBytes + cell * this.cpuBytes);
      }
    }
  }
}

/** `BPF_MAP_TYPE_PERCPU_ARRAY` */
export class PercpuArrayMap extends ArrayMap {
  protected override get cellsPerElem(): number {
    return this.host.cpuCount;
  }

  override lookup(keyAddr: number): number {
    const elem = this.elem(keyAddr);
    return elem === 0 ? 0 : elem + this.host.cpu * this.cpuBytes;
  }
  override lookupPercpu(keyAddr: number, cpu: number): number {
    const elem = this.elem(keyAddr);
    return elem === 0 || cpu >= this.host.cpuCount ? 0 : elem + cpu * this.cpuBytes;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    const elem = this.elem(keyAddr);
    const errno = this.checkUpdate(elem, flags);
    if (errno !== 0) return errno;
    const cell = elem + this.host.cpu * this.cpuBytes;
    this.value.copy(cell, valueAddr);
    this.value.freeFields(this.host, this, cell);
    return 0;
  }

  override directValueAddr(_offBytes: number): number {
    return 0;
  }

  override get userValueSizeBytes(): number {
    return this.cpuBytes * this.host.cpuCount;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const elem = this.elem(keyAddr);
    return elem === 0 ? null : this.mem.read(elem, this.elemBytes);
  }

  /** `bpf_percpu_array_update`: every CPU's value at once. */
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    const elem = this.elem(keyAddr);
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    if (elem === 0) return -ERRNO.E2BIG;
    if (flags === BPF_FLAGS.BPF_NOEXIST) return -ERRNO.EEXIST;
    this.mem.u8.copyWithin(elem, valueAddr, valueAddr + this.elemBytes);
    return 0;
  }
}
