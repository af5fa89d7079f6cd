import type { LinearMemory, Region } from '../mem/index.ts';
import { FarcallError } from '../util/index.ts';

/** Words of a pool inside a map's handle. */
export const POOL_LAYOUT = {
  /** First node given back, 0 for none. */
  free: 0,
  /** The next node of the newest chunk that was never used, and the end of that chunk. */
  fresh: 4,
  freshEnd: 8,
  /** Value of the node at `fresh`. */
  freshValue: 12,
  /** Nodes in all chunks. */
  total: 16,
  /** Bytes from one node to the next, and from one node's value to the next one's. */
  nodeStride: 20,
  valueStride: 24,
  /** Bytes of a value, all CPUs' cells of it. */
  valueBytes: 28,
  sizeBytes: 32,
} as const;

/** Words of every node of a pool: the address of its value and, while it is free, of the next free node. */
export const POOL_NODE = { value: 8, freeLink: 12 } as const;

const FIRST_CHUNK_NODES = 16;
const MAX_CHUNK_BYTES = 8 << 20;
const MOST_RESERVED = 2 ** 27;
/** A cache line. */
const LINE_BYTES = 64;

/** A row of nodes and their values. */
export interface PoolChunk {
  /** Address of the first node, and of its value. */
  readonly nodes: number;
  readonly values: number;
  readonly count: number;
  /** Bytes from one to the next. */
  readonly nodeStride: number;
  readonly valueStride: number;
}

/** What nodes look like and how much of them programs may touch. */
export interface PoolShape {
  readonly nodeBytes: number;
  /** Bytes of its value; 0 for nodes without one. */
  readonly valueBytes: number;
  /** Values lie behind their nodes, where one look reads both, and not in a row of their own, where walks meet nodes alone. */
  readonly together: boolean;
  /** How many nodes there may ever be. */
  readonly maxNodes: number;
  /**
   * Values are cells of CPUs, and each CPU has its cells in an area of its own, so many bytes behind the one before: for pools that
   * have all their nodes from the start, in rows of their own.
   */
  readonly areas?: { readonly count: number; readonly strideBytes: number };
  /** Called for each chunk of `count` nodes: exposes its keys and values, which follow one another at these distances. */
  readonly expose?: (chunk: PoolChunk) => readonly Region[];
}

/** Whether a pool has all its nodes from the start. */
export const reservesAll = (mem: LinearMemory, maxNodes: number): boolean => mem.shared && maxNodes <= MOST_RESERVED;

/**
 * Nodes with values for `pool_alloc` and its kin to hand out, in chunks that double, so that a map of ten million entries
 * costs what it holds. The address of a node's value stands in the node, so readers need not know where it lies.
 *
 * ```
 *   chunk: | node 0 | node 1 | … | value 0 | value 1 | … |     or, together: | node 0 | value 0 | node 1 | value 1 | …
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
    const { nodeStride, valueStride } = this.#strides();
    const words = [
      [POOL_LAYOUT.nodeStride, nodeStride],
      [POOL_LAYOUT.valueStride, valueStride],
      [POOL_LAYOUT.valueBytes, shape.valueBytes],
    ] as const;
    for (const [off, word] of words) mem.view.setInt32(at + off, word, mem.littleEndian);
  }

  #strides(): { readonly nodeStride: number; readonly valueStride: number } {
    const { nodeBytes, valueBytes, together, areas } = this.#shape;
    if (together) {
      const both = this.#valueOff() + this.#lines(valueBytes);
      return { nodeStride: both, valueStride: both };
    }
    return { nodeStride: nodeBytes, valueStride: valueBytes / (areas?.count ?? 1) };
  }

  /** Where threads share the memory, they write values of their own, and walk over nodes of others: those lie on lines of their own. */
  #lines(bytes: number): number {
    return this.#mem.shared ? Math.ceil(bytes / LINE_BYTES) * LINE_BYTES : bytes;
  }
  /** From a node to its value, where they are together. */
  #valueOff(): number {
    return this.#lines(this.#shape.nodeBytes);
  }

  #total(): number {
    return this.#mem.view.getUint32(this.#at + POOL_LAYOUT.total, this.#mem.littleEndian);
  }

  /** Makes nodes where those there are have been used; false when there may be no more or the machine's memory is spent. */
  grow(): boolean {
    const { nodeBytes, valueBytes, maxNodes } = this.#shape;
    const total = this.#total();
    const most = Math.max(1, Math.floor(MAX_CHUNK_BYTES / (nodeBytes + valueBytes)));
    const count = Math.min(Math.max(FIRST_CHUNK_NODES, total), most, maxNodes - total);
    if (count <= 0) return false;
    try {
      this.#addChunk(count);
      return true;
    } catch (error) {
      if (error instanceof FarcallError) return false;
      throw error;
    }
  }

  #addChunk(count: number): void {
    const mem = this.#mem;
    const { nodeBytes, valueBytes, together, expose, areas } = this.#shape;
    const strides = this.#strides();
    const grain = mem.grainBytes;
    const valuesOff = together ? this.#valueOff() : Math.ceil((count * nodeBytes) / grain) * grain;
    const nodes = mem.alloc(
      areas !== undefined
        ? valuesOff + areas.count * areas.strideBytes
        : together
          ? count * strides.nodeStride
          : valuesOff + count * valueBytes,
    );
    this.#chunks.push(nodes);
    const values = nodes + valuesOff;
    this.#regions.push(...(expose?.({ nodes, values, count, ...strides }) ?? []));
    const words = [
      [POOL_LAYOUT.fresh, nodes],
      [POOL_LAYOUT.freshEnd, nodes + count * strides.nodeStride],
      [POOL_LAYOUT.freshValue, values],
      [POOL_LAYOUT.total, this.#total() + count],
    ] as const;
    for (const [off, word] of words) mem.view.setInt32(this.#at + off, word, mem.littleEndian);
  }

  /** All nodes there may ever be, where threads share the memory: none of them can make more while others run. */
  reserveIfShared(): void {
    if (reservesAll(this.#mem, this.#shape.maxNodes)) this.#addChunk(this.#shape.maxNodes);
  }

  /** Gives back all chunks and their regions. */
  release(): void {
    for (const region of this.#regions) this.#mem.removeRegion(region);
    for (const chunk of this.#chunks) this.#mem.free(chunk);
    this.#regions.length = 0;
    this.#chunks.length = 0;
  }
}
