import { BPF_FLAGS, ERRNO, bpf_map_type as T } from '../uapi/index.ts';
import { checkPresence, FILE_ACCESS, updateFlagsKnown } from './alloc-check.ts';
import { nextIndex } from './arraymap.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { BpfMap, MapDef, MapHost, TargetMap } from './types.ts';

/** The handle of arrays of kernel objects that may be absent, from `MAP_HANDLE.end`. */
export const SLOT_ARRAY_LAYOUT = {
  /** Address of slot 0. */
  slots: MAP_HANDLE.end,
  handleBytes: MAP_HANDLE.end + 8,
} as const;

/** A slot: 1 or 0, then the value, of 4 or 8 bytes, as user space wrote it. */
export const SLOT = { present: 0, value: 8, sizeBytes: 16 } as const;

/** How a type treats presence and deletion; these differ from file to file in the kernel. */
export interface SlotRules {
  /** Elements count as existing even when empty: BPF_NOEXIST is always -EEXIST, BPF_EXIST always fine. */
  readonly alwaysExists: boolean;
  /** `delete` of an index past the end. */
  readonly deleteOutside: number;
  /** `delete` of an empty slot. */
  readonly deleteEmpty: number;
  /** Programs may read values they look up. */
  readonly readable: boolean;
}

/** `max_entries`, a 4-byte key, a value of one of `valueSizes`, and no flags but `mask`: -EINVAL otherwise. */
export function checkSlots(def: MapDef, valueSizes: readonly number[], mask: number): number {
  const bad =
    def.maxEntries === 0 ||
    def.keySizeBytes !== 4 ||
    !valueSizes.includes(def.valueSizeBytes) ||
    (def.flags & ~mask) !== 0;
  return bad ? -ERRNO.EINVAL : 0;
}

/** The flags most maps of kernel objects take. */
export const SLOT_FLAGS = BPF_FLAGS.BPF_F_NUMA_NODE | FILE_ACCESS;

/** An array whose elements are kernel objects, of which there are none here: the bookkeeping alone. */
export abstract class SlotArrayMap extends MapBase implements TargetMap {
  protected abstract readonly rules: SlotRules;
  #slots = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, SLOT_ARRAY_LAYOUT.handleBytes);
  }

  override setUp(): void {
    const sizeBytes = this.def.maxEntries * SLOT.sizeBytes;
    this.#slots = this.block(sizeBytes);
    this.store(this.addr + SLOT_ARRAY_LAYOUT.slots, this.#slots);
    if (!this.rules.readable) return;
    this.region({
      kind: 'map_value',
      name: this.def.name,
      start: this.#slots + SLOT.value,
      sizeBytes: sizeBytes - SLOT.value,
      strideBytes: SLOT.sizeBytes,
      cellBytes: this.def.valueSizeBytes,
      writable: false,
    });
  }

  /** 0 past the end. */
  protected slot(keyAddr: number): number {
    const index = this.loadU32(keyAddr);
    return index < this.def.maxEntries ? this.#slots + index * SLOT.sizeBytes : 0;
  }

  /** Judges (and may change) the staged value: 1 to store it, 0 to empty the slot, or -errno. */
  protected accept(_keyAddr: number, _valueAddr: number): number {
    return 1;
  }

  holds(keyAddr: number): boolean {
    const slot = this.slot(keyAddr);
    return slot !== 0 && this.load(slot) !== 0;
  }

  override lookup(keyAddr: number): number {
    return this.rules.readable && this.holds(keyAddr) ? this.slot(keyAddr) + SLOT.value : 0;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null | number {
    return this.holds(keyAddr) ? this.mem.read(this.slot(keyAddr) + SLOT.value, this.def.valueSizeBytes) : null;
  }

  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    const slot = this.slot(keyAddr);
    if (slot === 0) return -ERRNO.E2BIG;
    const errno = checkPresence(this.rules.alwaysExists || this.load(slot) !== 0, flags);
    if (errno !== 0) return errno;
    const verdict = this.accept(keyAddr, valueAddr);
    if (verdict < 0) return verdict;
    this.store(slot, verdict);
    this.mem.u8.fill(0, slot + SLOT.value, slot + SLOT.sizeBytes);
    if (verdict === 1) {
      this.mem.u8.copyWithin(slot + SLOT.value, valueAddr, valueAddr + this.def.valueSizeBytes);
    }
    return 0;
  }

  override delete(keyAddr: number): number {
    const slot = this.slot(keyAddr);
    if (slot === 0) return this.rules.deleteOutside;
    if (this.load(slot) === 0) return this.rules.deleteEmpty;
    this.mem.u8.fill(0, slot, slot + SLOT.sizeBytes);
    return 0;
  }

  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    return nextIndex(this, this.def.maxEntries, keyAddr, nextAddr);
  }
}

const TARGET_TYPES: ReadonlySet<number> = new Set([
  T.BPF_MAP_TYPE_DEVMAP,
  T.BPF_MAP_TYPE_DEVMAP_HASH,
  T.BPF_MAP_TYPE_CPUMAP,
  T.BPF_MAP_TYPE_XSKMAP,
  T.BPF_MAP_TYPE_SOCKMAP,
  T.BPF_MAP_TYPE_SOCKHASH,
  T.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
]);

/** Whether packets or connections can be sent to its entries. */
export function isTargetMap(map: BpfMap | undefined): map is TargetMap {
  return map !== undefined && TARGET_TYPES.has(map.def.type);
}
