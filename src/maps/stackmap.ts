import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { FILE_ACCESS, roundUpPow2 } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import { NodePool, POOL_LAYOUT, POOL_NODE } from './pool.ts';
import type { BpfMap, MapDef, MapHost, StackTraceMap } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NUMA_NODE | FILE_ACCESS | BPF_FLAGS.BPF_F_STACK_BUILD_ID;
/** `sysctl_perf_event_max_stack` */
const MAX_STACK = 127;
/** `sizeof(struct bpf_stack_build_id)` */
const BUILD_ID_BYTES = 32;
const ADDRESS_BYTES = 8;

/** The handle of stack trace maps, from `MAP_HANDLE.end`. An id is the number of a bucket; a bucket is the address of its node or 0. */
export const STACKMAP_LAYOUT = {
  buckets: MAP_HANDLE.end,
  bucketMask: MAP_HANDLE.end + 4,
  /** {@link POOL_LAYOUT} */
  pool: MAP_HANDLE.end + 8,
  handleBytes: MAP_HANDLE.end + 8 + POOL_LAYOUT.sizeBytes,
} as const;

/** A node: hash of the trace, number of frames, address of the frames; the first word is the link of free nodes. */
export const STACKMAP_NODE = { hash: 4, frames: POOL_NODE.value, nr: 12, sizeBytes: 16 } as const;

const frameBytes = (def: MapDef): number =>
  (def.flags & BPF_FLAGS.BPF_F_STACK_BUILD_ID) !== 0 ? BUILD_ID_BYTES : ADDRESS_BYTES;

/** `kernel/bpf/stackmap.c: stack_map_alloc` */
export function checkStackmap(def: MapDef): number {
  const size = def.valueSizeBytes;
  const bad =
    (def.flags & ~CREATE_FLAGS) !== 0 ||
    def.maxEntries === 0 ||
    def.keySizeBytes !== 4 ||
    size < 8 ||
    size % 8 !== 0 ||
    size % frameBytes(def) !== 0 ||
    size / frameBytes(def) > MAX_STACK;
  if (bad) return -ERRNO.EINVAL;
  return def.maxEntries > 2 ** 31 ? -ERRNO.E2BIG : 0;
}

/**
 * `BPF_MAP_TYPE_STACK_TRACE`.
 *
 * Differs from Linux: with BPF_F_STACK_BUILD_ID every frame is a BPF_STACK_BUILD_ID_IP entry, since there are no files.
 */
export class StackTraceMapImpl extends MapBase implements StackTraceMap {
  readonly maxDepth: number;
  readonly #frameBytes: number;
  readonly #pool: NodePool;
  #buckets = 0;
  #mask = 0;
  #scratch = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, STACKMAP_LAYOUT.handleBytes);
    this.#frameBytes = frameBytes(def);
    this.maxDepth = def.valueSizeBytes / this.#frameBytes;
    this.#pool = new NodePool(host.mem, this.addr + STACKMAP_LAYOUT.pool, {
      nodeBytes: STACKMAP_NODE.sizeBytes,
      valueBytes: def.valueSizeBytes,
      together: true,
      maxNodes: def.maxEntries,
    });
  }

  override setUp(): void {
    const count = roundUpPow2(this.def.maxEntries);
    this.#buckets = this.block(count * 4);
    this.#mask = count - 1;
    this.#scratch = this.block(this.def.valueSizeBytes);
    this.store(this.addr + STACKMAP_LAYOUT.buckets, this.#buckets);
    this.store(this.addr + STACKMAP_LAYOUT.bucketMask, this.#mask);
  }

  override grow(poolAddr: number): boolean {
    return poolAddr === this.addr + STACKMAP_LAYOUT.pool && this.#pool.grow();
  }

  #node(id: number): number {
    return id <= this.#mask ? this.load(this.#buckets + id * 4) : 0;
  }

  /** `__bpf_get_stackid` */
  storeStack(ips: readonly bigint[], flags: number): number {
    const nr = Math.min(ips.length, this.maxDepth);
    if (nr === 0) return -ERRNO.EFAULT;
    const { view } = this.mem;
    // The hash is that of the addresses even where build ids are stored.
    for (let i = 0; i < nr; i++) view.setBigUint64(this.#scratch + i * 8, BigInt.asUintN(64, ips[i]), this.little);
    const hash = this.ops.hash_bytes(this.#scratch, nr * ADDRESS_BYTES, 0);
    if (this.#frameBytes === BUILD_ID_BYTES) this.#toBuildIds(nr);
    const size = nr * this.#frameBytes;
    const id = (hash & this.#mask) >>> 0;
    const old = this.#node(id);
    const sameHash = old !== 0 && this.load(old + STACKMAP_NODE.hash) === hash;
    if (sameHash && (flags & BPF_FLAGS.BPF_F_FAST_STACK_CMP) !== 0) return id;
    if (sameHash && this.load(old + STACKMAP_NODE.nr) === nr && this.#sameFrames(old, size)) return id;
    if (old !== 0 && (flags & BPF_FLAGS.BPF_F_REUSE_STACKID) === 0) return -ERRNO.EEXIST;
    let node = this.ops.pool_alloc(this.addr, this.addr + STACKMAP_LAYOUT.pool);
    if (node === 0) {
      // Every node is in a bucket; the kernel has a few to spare on each CPU's list, and gives up likewise.
      if (old === 0) return -ERRNO.ENOMEM;
      node = old;
    } else if (old !== 0) {
      this.ops.pool_free(this.addr, this.addr + STACKMAP_LAYOUT.pool, old);
    }
    const frames = this.load(node + STACKMAP_NODE.frames);
    this.mem.u8.copyWithin(frames, this.#scratch, this.#scratch + size);
    this.store(node + STACKMAP_NODE.hash, hash);
    this.store(node + STACKMAP_NODE.nr, nr);
    this.store(this.#buckets + id * 4, node);
    return id;
  }

  /** `struct bpf_stack_build_id` with status BPF_STACK_BUILD_ID_IP: the address where a file offset would be. */
  #toBuildIds(nr: number): void {
    const { u8 } = this.mem;
    for (let i = nr - 1; i >= 0; i--) {
      const at = this.#scratch + i * BUILD_ID_BYTES;
      const ip = u8.slice(this.#scratch + i * 8, this.#scratch + i * 8 + 8);
      u8.fill(0, at, at + BUILD_ID_BYTES);
      this.store(at, 2);
      u8.set(ip, at + 24);
    }
  }

  #sameFrames(node: number, sizeBytes: number): boolean {
    const { u8 } = this.mem;
    const frames = this.load(node + STACKMAP_NODE.frames);
    for (let i = 0; i < sizeBytes; i++) if (u8[frames + i] !== u8[this.#scratch + i]) return false;
    return true;
  }

  // bpf_stackmap_copy
  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const node = this.#node(this.loadU32(keyAddr));
    if (node === 0) return null;
    const bytes = new Uint8Array(this.def.valueSizeBytes);
    const size = this.load(node + STACKMAP_NODE.nr) * this.#frameBytes;
    bytes.set(this.mem.read(this.load(node + STACKMAP_NODE.frames), size));
    return bytes;
  }

  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.EINVAL;
  }

  override delete(keyAddr: number): number {
    const id = this.loadU32(keyAddr);
    if (id > this.#mask) return -ERRNO.E2BIG;
    const node = this.#node(id);
    if (node === 0) return -ERRNO.ENOENT;
    this.store(this.#buckets + id * 4, 0);
    this.ops.pool_free(this.addr, this.addr + STACKMAP_LAYOUT.pool, node);
    return 0;
  }

  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    let id = 0;
    if (keyAddr !== 0) {
      const key = this.loadU32(keyAddr);
      id = this.#node(key) === 0 ? 0 : key + 1;
    }
    while (id <= this.#mask && this.#node(id) === 0) id++;
    if (id > this.#mask) return -ERRNO.ENOENT;
    this.store(nextAddr, id);
    return 0;
  }

  protected override tearDown(): void {
    this.#pool.release();
  }
}

/** Whether it keeps stack traces. */
export function isStackTraceMap(map: BpfMap | undefined): map is StackTraceMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_STACK_TRACE;
}
