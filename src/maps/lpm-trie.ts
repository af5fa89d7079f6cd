import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { ACCESS_MASK, flagsAllowed, KMALLOC_MAX_SIZE, roundUp8 } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import { NODE_VALUE, NodePool, POOL_LAYOUT } from './pool.ts';
import type { MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NO_PREALLOC | BPF_FLAGS.BPF_F_NUMA_NODE | ACCESS_MASK;
/** Bytes of `prefixlen` before a key's data. */
const PREFIX_BYTES = 4;
const DATA_SIZE_MAX = 256;
/** `sizeof(struct lpm_trie_node)` */
const KERNEL_NODE_BYTES = 40;

/** The handle of LPM tries, from +32. */
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
  value: NODE_VALUE,
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
  readonly #dataBytes: number;
  readonly #maxPrefixlen: number;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, LPM_LAYOUT.handleBytes);
    this.#dataBytes = def.keySizeBytes - PREFIX_BYTES;
    this.#maxPrefixlen = this.#dataBytes * 8;
    const valueBytes = roundUp8(def.valueSizeBytes);
    this.#pool = new NodePool(host.mem, this.addr + LPM_LAYOUT.pool, {
      nodeBytes: roundUp8(LPM_NODE.data + this.#dataBytes),
      freeLinkOffBytes: LPM_NODE.flags,
      valueBytes,
      // Each entry may need one intermediate node, and an update its new node beside the old.
      maxNodes: 2 * def.maxEntries + 1,
      expose: (_nodes, values, count) => [
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

  override setUp(): void {}

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

  /** `longest_prefix_match`: leading bits the node shares with the data, at most the shorter prefix. */
  #match(node: number, data: number, prefixlen: number): number {
    const { view } = this.mem;
    const limit = Math.min(this.#prefixlen(node), prefixlen);
    const nodeData = node + LPM_NODE.data;
    let off = 0;
    for (; off * 8 < limit && off + 4 <= this.#dataBytes; off += 4) {
      const diff = view.getInt32(nodeData + off) ^ view.getInt32(data + off);
      if (diff !== 0) return Math.min(limit, off * 8 + Math.clz32(diff));
    }
    for (; off * 8 < limit; off++) {
      const diff = view.getUint8(nodeData + off) ^ view.getUint8(data + off);
      if (diff !== 0) return Math.min(limit, off * 8 + Math.clz32(diff) - 24);
    }
    return limit;
  }

  override lookup(keyAddr: number): number {
    const prefixlen = this.loadU32(keyAddr);
    if (prefixlen > this.#maxPrefixlen) return 0;
    const data = keyAddr + PREFIX_BYTES;
    let found = 0;
    let node = this.load(this.addr + LPM_LAYOUT.root);
    while (node !== 0) {
      const matched = this.#match(node, data, prefixlen);
      if (matched === this.#maxPrefixlen) {
        found = node;
        break;
      }
      if (matched < this.#prefixlen(node)) break;
      if (!this.#isIntermediate(node)) found = node;
      node = this.load(this.#childSlot(node, data));
    }
    return found === 0 ? 0 : this.load(found + LPM_NODE.value);
  }

  /** A node without children; 0 when memory is spent. */
  #newNode(prefixlen: number, data: number, flags: number): number {
    const node = this.#pool.alloc();
    if (node === 0) return 0;
    this.store(node + LPM_NODE.child, 0);
    this.store(node + LPM_NODE.child + 4, 0);
    this.store(node + LPM_NODE.flags, flags);
    this.store(node + LPM_NODE.prefixlen, prefixlen);
    this.mem.u8.copyWithin(node + LPM_NODE.data, data, data + this.#dataBytes);
    return node;
  }

  /**
   * `trie_update_elem`, with the checks of presence and fullness that 6.12.6 and 6.13 brought: earlier kernels ignore
   * BPF_NOEXIST and BPF_EXIST here and refuse to replace an entry of a full trie.
   */
  override update(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags > BPF_FLAGS.BPF_EXIST) return -ERRNO.EINVAL;
    const prefixlen = this.loadU32(keyAddr);
    if (prefixlen > this.#maxPrefixlen) return -ERRNO.EINVAL;
    const data = keyAddr + PREFIX_BYTES;

    let slot = this.addr + LPM_LAYOUT.root;
    let node = this.load(slot);
    let matched = 0;
    while (node !== 0) {
      matched = this.#match(node, data, prefixlen);
      const nodePrefix = this.#prefixlen(node);
      if (nodePrefix !== matched || nodePrefix === prefixlen) break;
      slot = this.#childSlot(node, data);
      node = this.load(slot);
    }

    const exact = node !== 0 && this.#prefixlen(node) === matched && matched === prefixlen;
    const replaces = exact && !this.#isIntermediate(node);
    const countAt = this.addr + LPM_LAYOUT.count;
    if (replaces) {
      if (flags === BPF_FLAGS.BPF_NOEXIST) return -ERRNO.EEXIST;
    } else {
      if (flags === BPF_FLAGS.BPF_EXIST) return -ERRNO.ENOENT;
      if (this.loadU32(countAt) >= this.def.maxEntries) return -ERRNO.ENOSPC;
    }

    const fresh = this.#newNode(prefixlen, data, 0);
    if (fresh === 0) return -ERRNO.ENOMEM;
    if (node !== 0 && !exact && matched !== prefixlen) {
      const fork = this.#newNode(matched, node + LPM_NODE.data, INTERMEDIATE);
      if (fork === 0) {
        this.#pool.free(fresh);
        return -ERRNO.ENOMEM;
      }
      const bit = this.#bit(data, matched);
      this.store(fork + LPM_NODE.child + 4 * bit, fresh);
      this.store(fork + LPM_NODE.child + 4 * (1 - bit), node);
      this.store(slot, fork);
    } else {
      if (exact) {
        this.store(fresh + LPM_NODE.child, this.load(node + LPM_NODE.child));
        this.store(fresh + LPM_NODE.child + 4, this.load(node + LPM_NODE.child + 4));
      } else if (node !== 0) {
        this.store(fresh + LPM_NODE.child + 4 * this.#bit(node + LPM_NODE.data, matched), node);
      }
      this.store(slot, fresh);
    }
    this.value.copyNew(this.load(fresh + LPM_NODE.value), valueAddr);
    if (!replaces) this.store(countAt, this.load(countAt) + 1);
    if (exact) this.#pool.free(node);
    return 0;
  }

  /** `trie_delete_elem` */
  override delete(keyAddr: number): number {
    const prefixlen = this.loadU32(keyAddr);
    if (prefixlen > this.#maxPrefixlen) return -ERRNO.EINVAL;
    const data = keyAddr + PREFIX_BYTES;

    let parentSlot = this.addr + LPM_LAYOUT.root;
    let slot = parentSlot;
    let parent = 0;
    let matched = 0;
    let node = this.load(slot);
    while (node !== 0) {
      matched = this.#match(node, data, prefixlen);
      const nodePrefix = this.#prefixlen(node);
      if (nodePrefix !== matched || nodePrefix === prefixlen) break;
      parent = node;
      parentSlot = slot;
      slot = this.#childSlot(node, data);
      node = this.load(slot);
    }
    const found = node !== 0 && this.#prefixlen(node) === prefixlen && matched === prefixlen;
    if (!found || this.#isIntermediate(node)) return -ERRNO.ENOENT;

    const countAt = this.addr + LPM_LAYOUT.count;
    this.store(countAt, this.load(countAt) - 1);
    const left = this.load(node + LPM_NODE.child);
    const right = this.load(node + LPM_NODE.child + 4);
    if (left !== 0 && right !== 0) {
      this.store(node + LPM_NODE.flags, INTERMEDIATE);
      return 0;
    }
    if (left === 0 && right === 0 && parent !== 0 && this.#isIntermediate(parent)) {
      // An intermediate parent would be left with one child.
      const first = this.load(parent + LPM_NODE.child);
      this.store(parentSlot, first === node ? this.load(parent + LPM_NODE.child + 4) : first);
      this.#pool.free(parent);
    } else {
      this.store(slot, left !== 0 ? left : right);
    }
    this.#pool.free(node);
    return 0;
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
