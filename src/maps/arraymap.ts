import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import {
  ACCESS_MASK,
  flagsAllowed,
  hasNumaNode,
  PCPU_MIN_UNIT_SIZE,
  roundUp8,
  updateFlagsKnown,
} from './alloc-check.ts';
import { type CpuCells, readCells, writeCells } from './cpu-cells.ts';
import { KeyCells } from './key-cells.ts';
import { ARRAY_LAYOUT, MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS =
  BPF_FLAGS.BPF_F_NUMA_NODE |
  BPF_FLAGS.BPF_F_MMAPABLE |
  ACCESS_MASK |
  BPF_FLAGS.BPF_F_PRESERVE_ELEMS |
  BPF_FLAGS.BPF_F_INNER_MAP;

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
  protected readonly elemBytes: number;
  /** Bytes from an element's cell of one CPU to the next one's. */
  protected cpuBytes = 0;
  readonly #keys: KeyCells;

  /** @param inlineBytes bytes of the handle behind ARRAY_LAYOUT, for elements kept there */
  constructor(host: MapHost, def: MapDef, id: number, inlineBytes = 0) {
    super(host, def, id, ARRAY_LAYOUT.handleBytes + inlineBytes);
    this.elemBytes = roundUp8(def.valueSizeBytes);
    this.store(this.addr + MAP_HANDLE.arrayElemBytes, this.elemBytes);
    this.store(this.addr + MAP_HANDLE.arrayIndexMask, 2 ** (32 - Math.clz32(def.maxEntries - 1)) - 1);
    this.#keys = new KeyCells(host.mem, def.name);
  }

  /** Cells of an element. */
  protected get cells(): number {
    return 1;
  }

  override setUp(): void {
    const sizeBytes = this.elemBytes * this.def.maxEntries;
    const grain = this.mem.grainBytes;
    this.cpuBytes = Math.ceil(sizeBytes / grain) * grain;
    const allBytes = this.cpuBytes * this.cells;
    this.values = this.makeElements(allBytes);
    this.store(this.addr + ARRAY_LAYOUT.values, this.values);
    this.store(this.addr + ARRAY_LAYOUT.elemBytes, this.elemBytes);
    this.store(this.addr + ARRAY_LAYOUT.cpuBytes, this.cpuBytes);
    this.store(this.addr + ARRAY_LAYOUT.allBytes, allBytes);
    for (let cell = 0; cell < this.cells; cell++) this.exposeValues(this.values + cell * this.cpuBytes, sizeBytes);
  }

  /** Address of room for all elements. */
  protected makeElements(sizeBytes: number): number {
    return this.block(sizeBytes);
  }

  /** Lets programs at the values of a CPU; arrays of kernel objects do not. */
  protected exposeValues(start: number, sizeBytes: number): void {
    if (sizeBytes === this.elemBytes) this.valueRegion(start, this.def.valueSizeBytes, 0);
    else this.valueRegion(start, sizeBytes, this.elemBytes);
  }

  /** The first cell of the element the key names, or 0 past the end. */
  protected elem(keyAddr: number): number {
    const index = this.loadU32(keyAddr);
    return index < this.def.maxEntries ? this.values + index * this.elemBytes : 0;
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
    if (this.values === 0 || this.fields.all.length === 0) return;
    for (let i = 0; i < this.def.maxEntries; i++) {
      for (let cell = 0; cell < this.cells; cell++) {
        this.ops.value_fields_die(this.addr, this.values + i * this.elemBytes + cell * this.cpuBytes);
      }
    }
  }
}

/** `BPF_MAP_TYPE_PERCPU_ARRAY` */
export class PercpuArrayMap extends ArrayMap {
  protected override get cells(): number {
    return this.host.cpuCount;
  }

  override directValueAddr(_offBytes: number): number {
    return 0;
  }

  override get userValueSizeBytes(): number {
    return this.elemBytes * this.cells;
  }

  get #cells(): CpuCells {
    return { count: this.cells, cellBytes: this.elemBytes, strideBytes: this.cpuBytes };
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const elem = this.elem(keyAddr);
    return elem === 0 ? null : readCells(this.mem, elem, this.#cells);
  }

  /** `bpf_percpu_array_update`: every CPU's value at once. */
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    const elem = this.elem(keyAddr);
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    if (elem === 0) return -ERRNO.E2BIG;
    if (flags === BPF_FLAGS.BPF_NOEXIST) return -ERRNO.EEXIST;
    writeCells(this.mem, elem, valueAddr, this.#cells);
    return 0;
  }
}
