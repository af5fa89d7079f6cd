import type { LinearMemory } from '../mem/index.ts';
import { BUCKET_NODE } from './bucket-map.ts';

/**
 * The words of a node that is on an LRU list, after the common ones. Lists are circular and doubly linked; a link is
 * the address of the next node's `next` word (or of the head's), not of its node.
 *
 * ```
 *   +16 next   +20 prev   +24 type (u8), ref (u8), cpu (u16)   +28 unused   +32 key
 * ```
 */
export const LRU_NODE = {
  next: BUCKET_NODE.end,
  prev: BUCKET_NODE.end + 4,
  /** One byte, the list the node is on: 0 active, 1 inactive, 2 free, 3 local free, 4 local pending. */
  type: BUCKET_NODE.end + 8,
  /** One byte, set by every look-up a program makes. */
  ref: BUCKET_NODE.end + 9,
  /** 16 bits: the CPU on whose local lists the node is or was. */
  cpu: BUCKET_NODE.end + 10,
  end: BUCKET_NODE.end + 16,
} as const;

/** One LRU list: heads (next, prev) of its three lists, how many nodes are on the first two, and where rotation goes on. */
export const LRU_LIST = {
  active: 0,
  inactive: 8,
  free: 16,
  countActive: 24,
  countInactive: 28,
  nextInactiveRotation: 32,
  /** Nodes that belong on the free list but have never been made. */
  freshLeft: 36,
  sizeBytes: 40,
} as const;

/** A CPU's local lists beside the common LRU list. */
export const LRU_LOCAL = { free: 0, pending: 8, nextSteal: 16, sizeBytes: 24 } as const;

/** Bytes of the lists: the LRU list and local lists of every CPU, or an LRU list for every CPU. */
export function lruAreaBytes(cpuCount: number, percpu: boolean): number {
  return percpu ? LRU_LIST.sizeBytes * cpuCount : LRU_LIST.sizeBytes + LRU_LOCAL.sizeBytes * cpuCount;
}

export interface LruInit {
  readonly cpuCount: number;
  /** BPF_F_NO_COMMON_LRU: an LRU list for each CPU, and nodes never change CPUs. */
  readonly percpu: boolean;
  /** Nodes in all; for each CPU its share of them when `percpu`. */
  readonly nodeCount: number;
}

/**
 * Empty lists in {@link lruAreaBytes} bytes at `area`. Who is evicted is up to `ops/lru-list.h`, which follows
 * `kernel/bpf/bpf_lru_list.c` of 6.12 list by list and scan by scan, so the same elements go as in the kernel. That is coarse for small
 * maps: one CPU claims up to 128 nodes at once, and when no free node is left up to 128 elements without the reference bit go
 * together.
 *
 * Differs from Linux: free nodes that were never used are counted, not listed, until they are needed.
 */
export function makeLruLists(mem: LinearMemory, area: number, { cpuCount, percpu, nodeCount }: LruInit): void {
  const store = (addr: number, word: number): void => mem.view.setInt32(addr, word, mem.littleEndian);
  const makeEmpty = (head: number): void => {
    store(head, head);
    store(head + 4, head);
  };
  const lists = percpu ? cpuCount : 1;
  for (let i = 0; i < lists; i++) {
    const list = area + i * LRU_LIST.sizeBytes;
    for (const head of [LRU_LIST.active, LRU_LIST.inactive, LRU_LIST.free]) makeEmpty(list + head);
    store(list + LRU_LIST.nextInactiveRotation, list + LRU_LIST.inactive);
    store(list + LRU_LIST.freshLeft, Math.floor(nodeCount / lists));
  }
  for (let cpu = 0; cpu < cpuCount && !percpu; cpu++) {
    const local = area + LRU_LIST.sizeBytes + cpu * LRU_LOCAL.sizeBytes;
    makeEmpty(local + LRU_LOCAL.free);
    makeEmpty(local + LRU_LOCAL.pending);
    store(local + LRU_LOCAL.nextSteal, cpu);
  }
}
