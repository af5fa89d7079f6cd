import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import {
  ACCESS_MASK,
  flagsAllowed,
  hasNumaNode,
  KMALLOC_MAX_SIZE,
  PCPU_MIN_UNIT_SIZE,
  roundUp8,
} from './alloc-check.ts';
import { BUCKETS_LAYOUT, BucketMap } from './bucket-map.ts';
import { readCells } from './cpu-cells.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS =
  BPF_FLAGS.BPF_F_NO_PREALLOC |
  BPF_FLAGS.BPF_F_NO_COMMON_LRU |
  BPF_FLAGS.BPF_F_NUMA_NODE |
  ACCESS_MASK |
  BPF_FLAGS.BPF_F_ZERO_SEED;

/** `sizeof(struct htab_elem)` */
const HTAB_ELEM_BYTES = 48;
/** More entries need more buckets than `struct bucket`s fit below 4 GiB. */
const MAX_ENTRIES = 2 ** 27;

/** `kernel/bpf/hashtab.c: htab_map_alloc_check` and the limits of `htab_map_alloc` */
export function checkHash(def: MapDef): number {
  const lru = def.type === bpf_map_type.BPF_MAP_TYPE_LRU_HASH || def.type === bpf_map_type.BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const percpu =
    def.type === bpf_map_type.BPF_MAP_TYPE_PERCPU_HASH || def.type === bpf_map_type.BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const percpuLru = (def.flags & BPF_FLAGS.BPF_F_NO_COMMON_LRU) !== 0;
  if (!flagsAllowed(def, CREATE_FLAGS)) return -ERRNO.EINVAL;
  if (!lru && percpuLru) return -ERRNO.EINVAL;
  if (lru && (def.flags & BPF_FLAGS.BPF_F_NO_PREALLOC) !== 0) return -ERRNO.ENOTSUPP;
  if (hasNumaNode(def) && (percpu || percpuLru)) return -ERRNO.EINVAL;
  if (def.maxEntries === 0 || def.keySizeBytes === 0 || def.valueSizeBytes === 0) return -ERRNO.EINVAL;
  if (def.keySizeBytes + def.valueSizeBytes >= KMALLOC_MAX_SIZE - HTAB_ELEM_BYTES) return -ERRNO.E2BIG;
  if (percpu && roundUp8(def.valueSizeBytes) > PCPU_MIN_UNIT_SIZE) return -ERRNO.E2BIG;
  if (def.maxEntries > MAX_ENTRIES) return -ERRNO.E2BIG;
  return 0;
}

/** What the hash types share: look-up, delete, walks and the user side of whole values. */
export abstract class HashMapBase extends BucketMap {
  /** The value a program sees: this CPU's of a per-CPU map. */
  protected programValue(node: number): number {
    return this.valueAt(node);
  }
  /** Takes a node that has left the table. */
  protected abstract release(node: number): void;

  override forEach(callback: (keyAddr: number, valueAddr: number) => number): number {
    let calls = 0;
    this.walk(node => {
      calls++;
      return callback(node + this.keyOff, this.programValue(node)) !== 0;
    });
    return calls;
  }

  /** All of a node's value for user space: every CPU's. */
  protected readNode(node: number): Uint8Array {
    const value = this.valueAt(node);
    return this.shape.cells === undefined ? this.readValue(value) : readCells(this.mem, value, this.cells);
  }

  // No mark of use is left on LRU nodes: htab_lru_map_lookup_elem_sys.
  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    return node === 0 ? null : this.readNode(node);
  }

  protected override sysLookupAndDelete(keyAddr: number): Uint8Array | null | number {
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    if (node === 0) return null;
    const bytes = this.readNode(node);
    this.unlink(node);
    this.release(node);
    return bytes;
  }
}

/**
 * `BPF_MAP_TYPE_HASH`. An update puts a new node before the old one is taken out, so pointers a program holds
 * keep showing the old value until its node is used again.
 *
 * Differs from Linux: memory of preallocated maps is taken when first needed; the spare node is one for all CPUs.
 */
export class HashMap extends HashMapBase {
  constructor(host: MapHost, def: MapDef, id: number, exposeValues = true) {
    super(host, def, id, {
      handleBytes: BUCKETS_LAYOUT.end,
      maxNodes: def.maxEntries + (host.mem.shared ? host.cpuCount : 1),
      exposeKeys: true,
      exposeValues,
    });
  }

  protected override release(node: number): void {
    this.freeNodeFields(node);
    this.freeNode(node);
  }
}

/** `BPF_MAP_TYPE_PERCPU_HASH`: updates of an element change its node in place. User space's write every CPU's value. */
export class PercpuHashMap extends HashMapBase {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, {
      handleBytes: BUCKETS_LAYOUT.end,
      maxNodes: def.maxEntries,
      cells: host.cpuCount,
      exposeKeys: true,
    });
  }

  protected override programValue(node: number): number {
    return this.valueAt(node) + this.host.cpu * this.cells.strideBytes;
  }

  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    return this.ops.percpu_hash_update_all(this.addr, keyAddr, valueAddr, flags);
  }

  override get userValueSizeBytes(): number {
    return this.cells.cellBytes * this.cells.count;
  }

  protected override release(node: number): void {
    this.freeNodeFields(node);
    this.freeNode(node);
  }
}
