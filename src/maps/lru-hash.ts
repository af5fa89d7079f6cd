import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { checkPresence, updateFlagsKnown } from './alloc-check.ts';
import { LRU_NODE, LruLists, lruAreaBytes } from './bpf-lru-list.ts';
import { BUCKETS_LAYOUT } from './bucket-map.ts';
import { HashMapBase } from './hashtab.ts';
import type { MapDef, MapHost } from './types.ts';

/** The handle of LRU hash types: {@link BUCKETS_LAYOUT}, then the address of the lists. */
export const LRU_HASH_LAYOUT = {
  /** LRU_LIST and LRU_LOCAL of every CPU, or LRU_LIST of every CPU with BPF_F_NO_COMMON_LRU. */
  lists: BUCKETS_LAYOUT.end,
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
  protected lru!: LruLists;

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
    const cpuCount = this.host.cpuCount;
    const area = this.block(lruAreaBytes(cpuCount, percpu));
    this.store(this.addr + LRU_HASH_LAYOUT.lists, area);
    this.lru = new LruLists({
      mem: this.mem,
      area,
      cpuCount,
      percpu,
      nodeCount: this.def.maxEntries,
      evict: node => {
        if (!this.unlink(node)) return false;
        this.freeNodeFields(node);
        return true;
      },
      fresh: () => this.pool.alloc(),
    });
  }

  protected override release(node: number): void {
    this.freeNodeFields(node);
    this.lru.pushFree(node);
  }

  /** `prealloc_lru_pop`: a node with its key set, in no bucket; 0 when there is none. */
  protected newNode(keyAddr: number, hash: number): number {
    const node = this.lru.popFree(this.host.cpu, hash);
    if (node !== 0) this.setKey(node, keyAddr, hash);
    return node;
  }
}

/** `BPF_MAP_TYPE_LRU_HASH` */
export class LruHashMap extends LruMapBase {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, undefined);
  }

  override lookup(keyAddr: number): number {
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    if (node === 0) return 0;
    this.lru.setRef(node);
    return this.valueAt(node);
  }

  /** `htab_lru_map_update_elem`: takes its node first, so even an update that fails may evict. */
  override update(keyAddr: number, valueAddr: number, flags: number): number {
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    const hash = this.hashOf(keyAddr);
    const node = this.newNode(keyAddr, hash);
    if (node === 0) return -ERRNO.ENOMEM;
    this.value.copyNew(this.valueAt(node), valueAddr);
    const old = this.find(keyAddr, hash);
    const errno = checkPresence(old !== 0, flags);
    if (errno !== 0) {
      this.lru.pushFree(node);
      return errno;
    }
    this.link(node);
    if (old !== 0) {
      this.lru.setRef(node);
      this.unlink(old);
      this.release(old);
    }
    return 0;
  }
}

/** `BPF_MAP_TYPE_LRU_PERCPU_HASH` */
export class LruPercpuHashMap extends LruMapBase {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, host.cpuCount);
  }

  protected override programValue(node: number): number {
    return this.valueAt(node) + this.host.cpu * this.cpuBytes;
  }

  override lookup(keyAddr: number): number {
    return this.lookupPercpu(keyAddr, this.host.cpu);
  }
  override lookupPercpu(keyAddr: number, cpu: number): number {
    if (cpu >= this.host.cpuCount) return 0;
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    if (node === 0) return 0;
    this.lru.setRef(node);
    return this.valueAt(node) + cpu * this.cpuBytes;
  }

  override update(keyAddr: number, valueAddr: number, flags: number): number {
    return this.#update(keyAddr, valueAddr, flags, false);
  }
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    return this.#update(keyAddr, valueAddr, flags, true);
  }

  /** `__htab_lru_percpu_map_update_elem` */
  #update(keyAddr: number, valueAddr: number, flags: number, allCpus: boolean): number {
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    const hash = this.hashOf(keyAddr);
    let node = 0;
    if (flags !== BPF_FLAGS.BPF_EXIST) {
      node = this.newNode(keyAddr, hash);
      if (node === 0) return -ERRNO.ENOMEM;
    }
    const old = this.find(keyAddr, hash);
    const errno = checkPresence(old !== 0, flags);
    if (errno === 0 && old !== 0) {
      this.lru.setRef(old);
      this.writeCells(old, valueAddr, allCpus, false);
    } else if (errno === 0) {
      this.writeCells(node, valueAddr, allCpus, true);
      this.link(node);
      return 0;
    }
    if (node !== 0) this.lru.pushFree(node);
    return errno;
  }

  override get userValueSizeBytes(): number {
    return this.cpuBytes * this.host.cpuCount;
  }
}
