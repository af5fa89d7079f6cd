import type { Access, Region } from '../mem/index.ts';
import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { roundUp8, roundUpPow2 } from './alloc-check.ts';
import type { CpuCells } from './cpu-cells.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import { NodePool, POOL_LAYOUT, POOL_NODE, type PoolChunk, reservesAll } from './pool.ts';
import type { MapDef, MapHost } from './types.ts';

/**
 * The handle of maps with hash buckets, from `MAP_HANDLE.end`. A bucket is one word, the address of its first node or 0; bucket
 * `hash & bucketMask` has the nodes of `hash`.
 */
export const BUCKETS_LAYOUT = {
  buckets: MAP_HANDLE.end,
  /** Number of buckets, a power of two, less one. */
  bucketMask: MAP_HANDLE.end + 4,
  /** Seed of jhash; 0 with BPF_F_ZERO_SEED. */
  seed: MAP_HANDLE.end + 8,
  /** Elements in the map. */
  count: MAP_HANDLE.end + 12,
  /** A spare node that the next replacement of an element takes, 0 for none; where threads share the machine MAP_LOCKS has one for each CPU. */
  spare: MAP_HANDLE.end + 16,
  /** Offset of the key in a node. */
  keyOffBytes: MAP_HANDLE.end + 20,
  /** Bytes from one CPU's value to the next one's: the value's rounded size, or where threads share the machine a whole area. */
  cpuBytes: MAP_HANDLE.end + 24,
  /** Size of the key. */
  keyBytes: MAP_HANDLE.end + 28,
  /** {@link POOL_LAYOUT} */
  pool: MAP_HANDLE.end + 32,
  end: MAP_HANDLE.end + 32 + POOL_LAYOUT.sizeBytes,
} as const;

/**
 * A node.
 *
 * ```
 *   +0 next   +4 hash   +8 value   +12 free link   [+16 LRU words]   +key: key, padded to 8
 * ```
 *
 * `next` outlives removal, so that a walk whose callback deletes elements goes on.
 */
export const BUCKET_NODE = {
  /** The next node of the bucket, 0 at the end. */
  next: 0,
  /** All 32 bits of the hash. */
  hash: 4,
  /** Address of the value: CPU 0's of a per-CPU map. */
  value: POOL_NODE.value,
  freeLink: POOL_NODE.freeLink,
  /** First byte after the common words: the key, or the words of {@link LRU_NODE}. */
  end: 16,
} as const;

export interface BucketShape {
  readonly handleBytes: number;
  /** Defaults to `max_entries` rounded up to a power of two. */
  readonly bucketCount?: number;
  /** Size of the key in nodes; defaults to the map's key size. */
  readonly keyBytes?: number;
  /** Offset of the key in nodes; defaults to BUCKET_NODE.end. */
  readonly keyOffBytes?: number;
  /** Cells of a value: the number of CPUs for per-CPU maps. */
  readonly cells?: number;
  readonly maxNodes: number;
  /** Programs may touch values (true unless said). */
  readonly exposeValues?: boolean;
  /** Programs may write values they see (true unless said; BPF_F_RDONLY_PROG forbids it all the same). */
  readonly valuesWritable?: boolean;
  /** Programs may read keys, as callbacks of bpf_for_each_map_elem do. */
  readonly exposeKeys?: boolean;
}

/** Chained hash table over the linear memory; the types built on it add their rules. */
export abstract class BucketMap extends MapBase {
  protected readonly shape: BucketShape;
  protected readonly keyBytes: number;
  protected readonly keyOff: number;
  protected readonly cells: CpuCells;
  protected readonly pool: NodePool;
  protected seed = 0;
  #buckets = 0;
  #mask = 0;

  constructor(host: MapHost, def: MapDef, id: number, shape: BucketShape) {
    super(host, def, id, shape.handleBytes);
    this.shape = shape;
    this.keyBytes = shape.keyBytes ?? def.keySizeBytes;
    this.keyOff = shape.keyOffBytes ?? BUCKET_NODE.end;
    const { maxNodes, cells: count = 1 } = shape;
    const cellBytes = roundUp8(def.valueSizeBytes);
    // CPUs that run at the same time keep off each other's cache lines.
    const apart = count > 1 && reservesAll(host.mem, maxNodes);
    const grain = host.mem.grainBytes;
    const strideBytes = apart ? Math.ceil((maxNodes * cellBytes) / grain) * grain : cellBytes;
    this.cells = { count, cellBytes, strideBytes };
    this.pool = new NodePool(host.mem, this.addr + BUCKETS_LAYOUT.pool, {
      nodeBytes: this.keyOff + roundUp8(this.keyBytes),
      valueBytes: cellBytes * count,
      maxNodes,
      together: !apart,
      areas: apart ? { count, strideBytes } : undefined,
      expose: chunk => this.#expose(chunk),
    });
  }

  override setUp(): void {
    const count = this.shape.bucketCount ?? roundUpPow2(this.def.maxEntries);
    this.#buckets = this.block(count * 4);
    this.#mask = count - 1;
    this.seed = this.makeSeed();
    this.store(this.addr + BUCKETS_LAYOUT.buckets, this.#buckets);
    this.store(this.addr + BUCKETS_LAYOUT.bucketMask, this.#mask);
    this.store(this.addr + BUCKETS_LAYOUT.seed, this.seed);
    this.store(this.addr + BUCKETS_LAYOUT.keyOffBytes, this.keyOff);
    this.store(this.addr + BUCKETS_LAYOUT.cpuBytes, this.cells.strideBytes);
    this.store(this.addr + BUCKETS_LAYOUT.keyBytes, this.keyBytes);
    this.pool.reserveIfShared();
  }

  override grow(poolAddr: number): boolean {
    return poolAddr === this.addr + BUCKETS_LAYOUT.pool && this.pool.grow();
  }
  protected newNode(): number {
    return this.ops.pool_alloc(this.addr, this.addr + BUCKETS_LAYOUT.pool);
  }
  protected freeNode(node: number): void {
    this.ops.pool_free(this.addr, this.addr + BUCKETS_LAYOUT.pool, node);
  }

  protected makeSeed(): number {
    return (this.def.flags & BPF_FLAGS.BPF_F_ZERO_SEED) !== 0 ? 0 : this.host.randomU32() | 0;
  }

  /** Keys that callbacks may read, and the cells of values: one region a chunk, or one and one for each CPU's area. */
  #expose(chunk: PoolChunk): readonly Region[] {
    const { nodes, values, count, nodeStride, valueStride } = chunk;
    const { exposeKeys = false, exposeValues = true, valuesWritable = true } = this.shape;
    if (!exposeKeys && !exposeValues) return [];
    const flags = this.def.flags;
    const readable = exposeValues && (flags & BPF_FLAGS.BPF_F_WRONLY_PROG) === 0;
    const writable = exposeValues && valuesWritable && (flags & BPF_FLAGS.BPF_F_RDONLY_PROG) === 0;
    const { def, cells } = this;
    const name = def.name;
    const start = nodes + this.keyOff;
    const sizeBytes = count * nodeStride - this.keyOff;
    if (cells.strideBytes !== cells.cellBytes) {
      const keys = { kind: 'map', name, start, sizeBytes, strideBytes: nodeStride, cellBytes: this.keyBytes } as const;
      const added = exposeKeys ? [this.mem.addRegion({ ...keys, writable: false })] : [];
      for (let cpu = 0; cpu < cells.count && exposeValues; cpu++) {
        const area = { start: values + cpu * cells.strideBytes, sizeBytes: count * valueStride };
        const row = { strideBytes: valueStride, cellBytes: def.valueSizeBytes, readable, writable };
        added.push(this.mem.addRegion({ kind: 'map_value', name, ...area, ...row }));
      }
      return added;
    }
    const valueOff = values - start;
    const valueEnd = valueOff + cells.count * cells.cellBytes;
    const holds = (addr: number, length: number, access: Access): boolean => {
      const off = (addr - start) % nodeStride;
      if (off < valueOff) return exposeKeys && access === 'read' && off + length <= this.keyBytes;
      if (off >= valueEnd || !(access === 'read' ? readable : writable)) return false;
      return ((off - valueOff) % cells.cellBytes) + length <= def.valueSizeBytes;
    };
    return [
      this.mem.addRegion({
        kind: exposeValues ? 'map_value' : 'map',
        name,
        start,
        sizeBytes,
        strideBytes: nodeStride,
        cellBytes: valueEnd,
        readable: readable || exposeKeys,
        writable,
        holds,
      }),
    ];
  }

  protected hashOf(keyAddr: number): number {
    return this.ops.table_hash(this.addr, keyAddr);
  }

  /** The node of the key, or 0. */
  protected find(keyAddr: number, hash: number): number {
    return this.ops.table_find(this.addr, keyAddr, hash);
  }

  get count(): number {
    return this.loadU32(this.addr + BUCKETS_LAYOUT.count);
  }

  /** The first cell of a node's value. */
  protected valueAt(node: number): number {
    return this.load(node + BUCKET_NODE.value);
  }

  /** Writes the key and hash of a node outside the table. */
  protected setKey(node: number, keyAddr: number, hash: number): void {
    this.ops.table_set_key(this.addr, node, keyAddr, hash);
  }

  /** Puts a node at the head of its bucket. */
  protected link(node: number): void {
    this.ops.table_link(this.addr, node);
  }

  /** Takes a node out of its bucket; false when it is in none. */
  protected unlink(node: number): boolean {
    return this.ops.table_unlink(this.addr, node) !== 0;
  }

  /** The special fields of every cell of a node die. */
  protected freeNodeFields(node: number): void {
    if (this.fields.all.length > 0) this.ops.table_node_dies(this.addr, node);
  }

  /** First node in the buckets from `bucket` on; 0 at the end. */
  #firstFrom(bucket: number): number {
    const view = this.mem.view;
    const end = this.#buckets + ((this.#mask + 1) << 2);
    for (let at = this.#buckets + (bucket << 2); at < end; at += 4) {
      const node = view.getInt32(at, this.little);
      if (node !== 0) return node;
    }
    return 0;
  }
  #following(node: number): number {
    const next = this.load(node + BUCKET_NODE.next);
    return next !== 0 ? next : this.#firstFrom((this.load(node + BUCKET_NODE.hash) & this.#mask) + 1);
  }

  /** Calls back with every node, tolerating removal; stops when the callback returns true. */
  protected walk(callback: (node: number) => boolean): void {
    for (let bucket = 0; bucket <= this.#mask; bucket++) {
      let node = this.#firstFrom(bucket);
      if (node === 0) return;
      bucket = this.load(node + BUCKET_NODE.hash) & this.#mask;
      while (node !== 0) {
        const next = this.load(node + BUCKET_NODE.next);
        if (callback(node)) return;
        node = next;
      }
    }
  }

  /** `htab_map_get_next_key`: bucket by bucket, newest first; from the beginning when the key is gone. */
  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    const found = keyAddr === 0 ? 0 : this.find(keyAddr, this.hashOf(keyAddr));
    const node = found === 0 ? this.#firstFrom(0) : this.#following(found);
    if (node === 0) return -ERRNO.ENOENT;
    this.mem.u8.copyWithin(nextAddr, node + this.keyOff, node + this.keyOff + this.keyBytes);
    return 0;
  }

  protected override tearDown(): void {
    if (this.#buckets !== 0 && this.fields.all.length > 0) {
      this.walk(node => {
        this.freeNodeFields(node);
        return false;
      });
    }
    this.pool.release();
  }
}
