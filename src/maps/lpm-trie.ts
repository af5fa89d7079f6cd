import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { ACCESS_MASK, flagsAllowed, KMALLOC_MAX_SIZE, roundUp8 } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import { NodePool, POOL_LAYOUT, POOL_NODE } from './pool.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NO_PREALLOC | BPF_FLAGS.BPF_F_NUMA_NODE | ACCESS_MASK;
/** Bytes of `prefixlen` before a key's data. */
const PREFIX_BYTES = 4;
const DATA_SIZE_MAX = 256;
/** `sizeof(struct lpm_trie_node)` */
const KERNEL_NODE_BYTES = 40;

/** The handle of LPM tries, from `MAP_HANDLE.end`. */
export const LPM_LAYOUT = {
  /** Address of the root node, 0 for an empty trie. */
  root: MAP_HANDLE.end,
  /** Entries, intermediate nodes not among them. */
  count: MAP_HANDLE.end + 4,
  /** {@link POOL_LAYOUT} */
  pool: MAP_HANDLE.end + 8,
  handleBytes: MAP_HANDLE.end + 8 + POOL_LAYOUT.sizeBytes,
} as const;

/**
 * A node; its key is as user space gives it: prefix length in bits, then data, most significant bit first.
 *
 * ```
 *   +0 child 0   +4 child 1   +8 value   +12 flags or free link   +16 prefixlen   +20 data
 * ```
 */
export const LPM_NODE = {
  /** Subtree whose next bit is 0, then the one whose next bit is 1. */
  child: 0,
  /** Address of the value; meaningless in intermediate nodes. */
  value: POOL_NODE.value,
  /** 1: only there to part two subtrees. */
  flags: 12,
  prefixlen: 16,
  data: 20,
} as const;

const INTERMEDIATE = 1;

/** `kernel/bpf/lpm_trie.c: trie_alloc` */
export function checkLpmTrie(def: MapDef): number {
  const bad =
    def.maxEntries === 0 ||
    (def.flags & BPF_FLAGS.BPF_F_NO_PREALLOC) === 0 ||
    !flagsAllowed(def, CREATE_FLAGS) ||
    def.keySizeBytes < PREFIX_BYTES + 1 ||
    def.keySizeBytes > PREFIX_BYTES + DATA_SIZE_MAX ||
    def.valueSizeBytes < 1 ||
    def.valueSizeBytes > KMALLOC_MAX_SIZE - DATA_SIZE_MAX - KERNEL_NODE_BYTES;
  return bad ? -ERRNO.EINVAL : 0;
}

/** `BPF_MAP_TYPE_LPM_TRIE` */
export class LpmTrieMap extends MapBase {
  readonly #pool: NodePool;
  readonly #maxPrefixlen: number;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, LPM_LAYOUT.handleBytes);
    const dataBytes = def.keySizeBytes - PREFIX_BYTES;
    this.#maxPrefixlen = dataBytes * 8;
    const valueBytes = roundUp8(def.valueSizeBytes);
    this.#pool = new NodePool(host.mem, this.addr + LPM_LAYOUT.pool, {
      nodeBytes: roundUp8(LPM_NODE.data + dataBytes),
      valueBytes,
      together: false,
      // Each entry may need one intermediate node, and an update its new node beside the old.
      maxNodes: 2 * def.maxEntries + 1,
      expose: ({ values, count }) => [
        host.mem.addRegion({
          kind: 'map_value',
          name: def.name,
          start: values,
          sizeBytes: count * valueBytes,
          strideBytes: valueBytes,
          cellBytes: def.valueSizeBytes,
          readable: (def.flags & BPF_FLAGS.BPF_F_WRONLY_PROG) === 0,
          writable: (def.flags & BPF_FLAGS.BPF_F_RDONLY_PROG) === 0,
        }),
      ],
    });
  }

  override setUp(): void {
    this.#pool.reserveIfShared();
  }

  override grow(poolAddr: number): boolean {
    return poolAddr === this.addr + LPM_LAYOUT.pool && this.#pool.grow();
  }

  #isIntermediate(node: number): boolean {
    return this.load(node + LPM_NODE.flags) === INTERMEDIATE;
  }
  #prefixlen(node: number): number {
    return this.load(node + LPM_NODE.prefixlen);
  }
  /** Bit `index` of data, the most significant of byte 0 being bit 0. */
  #bit(data: number, index: number): number {
    return (this.mem.u8[data + (index >> 3)] >> (7 - (index & 7))) & 1;
  }
  #childSlot(node: number, data: number): number {
    return node + LPM_NODE.child + 4 * this.#bit(data, this.#prefixlen(node));
  }

  /** Leading bits the node shares with the data, at most the shorter prefix. */
  #match(node: number, data: number, prefixlen: number): number {
    return this.ops.lpm_match(node, data, prefixlen);
  }

  /** `trie_get_next_key`: more specific prefixes come before the ones that hold them. */
  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    const next = this.#after(keyAddr);
    if (next === 0) return -ERRNO.ENOENT;
    const at = next + LPM_NODE.prefixlen;
    this.mem.u8.copyWithin(nextAddr, at, at + this.def.keySizeBytes);
    return 0;
  }

  #after(keyAddr: number): number {
    const root = this.load(this.addr + LPM_LAYOUT.root);
    if (root === 0) return 0;
    const prefixlen = keyAddr === 0 ? 0 : this.loadU32(keyAddr);
    if (keyAddr === 0 || prefixlen > this.#maxPrefixlen) return this.#firstBelow(root);
    const data = keyAddr + PREFIX_BYTES;
    const path: number[] = [];
    let node = root;
    while (node !== 0) {
      path.push(node);
      const nodePrefix = this.#prefixlen(node);
      if (this.#match(node, data, prefixlen) !== nodePrefix || nodePrefix === prefixlen) break;
      node = this.load(this.#childSlot(node, data));
    }
    const exact = node !== 0 && this.#prefixlen(node) === prefixlen && this.#match(node, data, prefixlen) === prefixlen;
    if (!exact || this.#isIntermediate(node)) return this.#firstBelow(root);
    for (let depth = path.length - 1; depth > 0; depth--) {
      const parent = path[depth - 1];
      const sibling = this.load(parent + LPM_NODE.child + 4);
      if (this.load(parent + LPM_NODE.child) === path[depth] && sibling !== 0) return this.#firstBelow(sibling);
      if (!this.#isIntermediate(parent)) return parent;
    }
    return 0;
  }

  /** The first entry of a subtree in the order of walks. */
  #firstBelow(root: number): number {
    let first = 0;
    for (let node = root; node !== 0; ) {
      const left = this.load(node + LPM_NODE.child);
      if (this.#isIntermediate(node)) {
        node = left;
      } else {
        first = node;
        node = left !== 0 ? left : this.load(node + LPM_NODE.child + 4);
      }
    }
    return first;
  }

  protected override tearDown(): void {
    this.#pool.release();
  }
}
