import { BPF_FLAGS } from '../uapi/index.ts';
import { LRU_NODE, lruAreaBytes, makeLruLists } from './bpf-lru-list.ts';
import { BUCKETS_LAYOUT } from './bucket-map.ts';
import { HashMapBase } from './hashtab.ts';
import type { MapDef, MapHost } from './types.ts';

/** The handle of LRU hash types: {@link BUCKETS_LAYOUT}, then the address of the lists. */
export const LRU_HASH_LAYOUT = {
  /** LRU_LIST and LRU_LOCAL of every CPU, or LRU_LIST of every CPU with BPF_F_NO_COMMON_LRU. */
  lists: BUCKETS_LAYOUT.end,
  cpuCount: BUCKETS_LAYOUT.end + 4,
  handleBytes: BUCKETS_LAYOUT.end + 8,
} as const;

const isPercpuLru = (def: MapDef): boolean => (def.flags & BPF_FLAGS.BPF_F_NO_COMMON_LRU) !== 0;

/** Lists for each CPU need the same number of nodes for each: max_entries is rounded, up if it fits. */
function roundEntries(host: MapHost, def: MapDef): MapDef {
  if (!isPercpuLru(def)) return def;
  const up = Math.ceil(def.maxEntries / host.cpuCount) * host.cpuCount;
  const maxEntries = up > 0xffffffff ? up - host.cpuCount : up;
  return { ...def, maxEntries };
}

/** What `BPF_MAP_TYPE_LRU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH` share. */
abstract class LruMapBase extends HashMapBase {
  constructor(host: MapHost, asked: MapDef, id: number, cells: number | undefined) {
    const def = roundEntries(host, asked);
    super(host, def, id, {
      handleBytes: LRU_HASH_LAYOUT.handleBytes,
      keyOffBytes: LRU_NODE.end,
      maxNodes: def.maxEntries,
      exposeKeys: true,
      cells,
    });
  }

  override setUp(): void {
    super.setUp();
    const percpu = isPercpuLru(this.def);
    const { cpuCount } = this.host;
    const area = this.block(lruAreaBytes(cpuCount, percpu));
    this.store(this.addr + LRU_HASH_LAYOUT.lists, area);
    this.store(this.addr + LRU_HASH_LAYOUT.cpuCount, cpuCount);
    makeLruLists(this.mem, area, { cpuCount, percpu, nodeCount: this.def.maxEntries });
  }

  protected override release(node: number): void {
    this.freeNodeFields(node);
    this.ops.lru_release(this.addr, node);
  }
}

/** `BPF_MAP_TYPE_LRU_HASH` */
export class LruHashMap extends LruMapBase {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, undefined);
  }
}

/** `BPF_MAP_TYPE_LRU_PERCPU_HASH` */
export class LruPercpuHashMap extends LruMapBase {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, host.cpuCount);
  }

  protected override programValue(node: number): number {
    return this.valueAt(node) + this.host.cpu * this.cells.strideBytes;
  }

  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    return this.ops.lru_percpu_update_all(this.addr, keyAddr, valueAddr, flags);
  }

  override get userValueSizeBytes(): number {
    return this.cells.cellBytes * this.cells.count;
  }
}
