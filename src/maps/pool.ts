import type { LinearMemory, Region } from '../mem/index.ts';
import { FarcallError } from '../util/index.ts';

/** Words of a pool inside a map's handle. */
export const POOL_LAYOUT = {
  /** First node given back, 0 for none; nodes link through their word at `freeLinkOffBytes`. */
  free: 0,
  /** The next node of the newest chunk that was never used, and the end of that chunk. */
  fresh: 4,
  freshEnd: 8,
  /** Value cells of the node at `fresh`. */
  freshValue: 12,
  /** Nodes in all chunks. */
  total: 16,
  sizeBytes: 20,
} as const;

/** The word of every node that holds the address of its value. */
export const NODE_VALUE = 8;

const FIRST_CHUNK_NODES = 16;
const MAX_CHUNK_BYTES = 8 << 20;

/** What nodes look like and how much of them programs may touch. */
export interface PoolShape {
  readonly nodeBytes: number;
  readonly freeLinkOffBytes: number;
  /** Bytes from one node's value to the next one's; 0 for nodes without a value. */
  readonly valueBytes: number;
  /** How many nodes there may ever be. */
  readonly maxNodes: number;
  /** Called for each chunk: exposes its keys and values. */
  readonly expose?: (nodes: number, values: number, count: number) => readonly Region[];
}

/**
 * Nodes with values, in chunks that double, so that a map of ten million entries costs what it holds. A node's value
 * lies in another array of the same chunk; its address stands in the node, so readers need not know of chunks.
 *
 * ```
 *   chunk: | node 0 | node 1 | … | value 0 | value 1 | … |
 * ```
 */
export class NodePool {
  readonly #mem: LinearMemory;
  readonly #at: number;
  readonly #shape: PoolShape;
  readonly #chunks: number[] = [];
  readonly #regions: Region[] = [];

  /** @param at address of the pool's words ({@link POOL_LAYOUT}) */
  constructor(mem: LinearMemory, at: number, shape: PoolShape) {
    this.#mem = mem;
    this.#at = at;
    this.#shape = shape;
  }

  /** A node whose key and value hold anything, or 0 when no more may be or the machine's memory is spent. */
  alloc(): number {
    const mem = this.#mem;
    const little = mem.littleEndian;
    let view = mem.view;
    const free = view.getInt32(this.#at + POOL_LAYOUT.free, little);
    if (free !== 0) {
      view.setInt32(this.#at + POOL_LAYOUT.free, view.getInt32(free + this.#shape.freeLinkOffBytes, little), little);
      return free;
    }
    let node = view.getInt32(this.#at + POOL_LAYOUT.fresh, little);
    if (node === view.getInt32(this.#at + POOL_LAYOUT.freshEnd, little)) {
      if (!this.#grow()) return 0;
      view = mem.view;
      node = view.getInt32(this.#at + POOL_LAYOUT.fresh, little);
    }
    const value = view.getInt32(this.#at + POOL_LAYOUT.freshValue, little);
    view.setInt32(this.#at + POOL_LAYOUT.fresh, node + this.#shape.nodeBytes, little);
    view.setInt32(this.#at + POOL_LAYOUT.freshValue, value + this.#shape.valueBytes, little);
    view.setInt32(node + NODE_VALUE, value, little);
    return node;
  }

  free(node: number): void {
    const view = this.#mem.view;
    const little = this.#mem.littleEndian;
    const head = this.#at + POOL_LAYOUT.free;
    view.setInt32(node + this.#shape.freeLinkOffBytes, view.getInt32(head, little), little);
    view.setInt32(head, node, little);
  }

  #grow(): boolean {
    const mem = this.#mem;
    const { nodeBytes, valueBytes, maxNodes } = this.#shape;
    const total = mem.view.getUint32(this.#at + POOL_LAYOUT.total, mem.littleEndian);
    const most = Math.max(1, Math.floor(MAX_CHUNK_BYTES / (nodeBytes + valueBytes)));
    const count = Math.min(Math.max(FIRST_CHUNK_NODES, total), most, maxNodes - total);
    if (count <= 0) return false;
    let chunk: number;
    try {
      chunk = mem.alloc(count * (nodeBytes + valueBytes));
    } catch (error) {
      if (error instanceof FarcallError) return false;
      throw error;
    }
    this.#chunks.push(chunk);
    const values = chunk + count * nodeBytes;
    this.#regions.push(...(this.#shape.expose?.(chunk, values, count) ?? []));
    const words = [
      [POOL_LAYOUT.fresh, chunk],
      [POOL_LAYOUT.freshEnd, values],
      [POOL_LAYOUT.freshValue, values],
      [POOL_LAYOUT.total, total + count],
    ] as const;
    for (const [off, word] of words) mem.view.setInt32(this.#at + off, word, mem.littleEndian);
    return true;
  }

  /** Gives back all chunks and their regions. */
  release(): void {
    for (const region of this.#regions) this.#mem.removeRegion(region);
    for (const chunk of this.#chunks) this.#mem.free(chunk);
    this.#regions.length = 0;
    this.#chunks.length = 0;
  }
}
