import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { ACCESS_MASK, flagsAllowed, KMALLOC_MAX_SIZE, roundUpPow2 } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NUMA_NODE | BPF_FLAGS.BPF_F_ZERO_SEED | ACCESS_MASK;
const DEFAULT_HASH_FUNCS = 5;
const BITS_PER_LONG = 64;

/** The handle of Bloom filters, from `MAP_HANDLE.end`. Bit `h` is bit `h & 7` of byte `bitset + (h >> 3)`. */
export const BLOOM_LAYOUT = {
  bitset: MAP_HANDLE.end,
  /** Number of bits, a power of two, less one. */
  bitsetMask: MAP_HANDLE.end + 4,
  /** Hash function `i` is jhash with this plus `i` as seed. */
  seed: MAP_HANDLE.end + 8,
  hashFuncs: MAP_HANDLE.end + 12,
  handleBytes: MAP_HANDLE.end + 16,
} as const;

/** `kernel/bpf/bloom_filter.c: bloom_map_alloc_check, bloom_map_alloc` */
export function checkBloomFilter(def: MapDef): number {
  if (def.valueSizeBytes > KMALLOC_MAX_SIZE) return -ERRNO.E2BIG;
  const bad =
    def.keySizeBytes !== 0 ||
    def.valueSizeBytes === 0 ||
    def.maxEntries === 0 ||
    !flagsAllowed(def, CREATE_FLAGS) ||
    ((def.mapExtra ?? 0n) & ~0xfn) !== 0n;
  return bad ? -ERRNO.EINVAL : 0;
}

/** Bits of the filter: entries × functions × 7/5, which is near 1/ln 2, rounded up to a power of two. */
function bitCount(maxEntries: number, hashFuncs: number): number {
  const product = maxEntries * hashFuncs;
  const bits = Math.floor(product / 5) * 7;
  if (product > 0xffffffff || bits > 2 ** 31) return 2 ** 32;
  return bits <= BITS_PER_LONG ? BITS_PER_LONG : roundUpPow2(bits);
}

/** `BPF_MAP_TYPE_BLOOM_FILTER`: values can be pushed and tested, nothing else. */
export class BloomFilterMap extends MapBase {
  readonly #hashFuncs: number;
  #bitset = 0;
  #mask = 0;
  #seed = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, BLOOM_LAYOUT.handleBytes);
    this.#hashFuncs = Number(def.mapExtra ?? 0n) || DEFAULT_HASH_FUNCS;
  }

  override setUp(): void {
    const bits = bitCount(this.def.maxEntries, this.#hashFuncs);
    this.#bitset = this.block(bits / 8);
    this.#mask = (bits - 1) | 0;
    this.#seed = (this.def.flags & BPF_FLAGS.BPF_F_ZERO_SEED) !== 0 ? 0 : this.host.randomU32() | 0;
    this.store(this.addr + BLOOM_LAYOUT.bitset, this.#bitset);
    this.store(this.addr + BLOOM_LAYOUT.bitsetMask, this.#mask);
    this.store(this.addr + BLOOM_LAYOUT.seed, this.#seed);
    this.store(this.addr + BLOOM_LAYOUT.hashFuncs, this.#hashFuncs);
  }

  #bit(valueAddr: number, func: number): number {
    const size = this.def.valueSizeBytes;
    return (this.ops.hash_bytes(valueAddr, size, (this.#seed + func) | 0) & this.#mask) >>> 0;
  }

  /** 0 when the value may be in the filter, -ENOENT when it surely is not. */
  override peek(valueAddr: number): number {
    const u8 = this.mem.u8;
    for (let i = 0; i < this.#hashFuncs; i++) {
      const bit = this.#bit(valueAddr, i);
      if ((u8[this.#bitset + (bit >>> 3)] & (1 << (bit & 7))) === 0) return -ERRNO.ENOENT;
    }
    return 0;
  }

  override push(valueAddr: number, flags: number): number {
    if (flags !== BPF_FLAGS.BPF_ANY) return -ERRNO.EINVAL;
    const u8 = this.mem.u8;
    for (let i = 0; i < this.#hashFuncs; i++) {
      const bit = this.#bit(valueAddr, i);
      u8[this.#bitset + (bit >>> 3)] |= 1 << (bit & 7);
    }
    return 0;
  }

  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.EINVAL;
  }

  protected override get userKeySizeBytes(): number {
    return this.def.valueSizeBytes;
  }
  protected override sysLookup(valueAddr: number): Uint8Array | null {
    return this.peek(valueAddr) === 0 ? this.mem.read(valueAddr, this.def.valueSizeBytes) : null;
  }
  protected override sysUpdate(_keyAddr: number, valueAddr: number, flags: number): number {
    return this.push(valueAddr, flags);
  }
}
