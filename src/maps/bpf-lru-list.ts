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

const ACTIVE = 0;
const INACTIVE = 1;
const FREE = 2;
const LOCAL_FREE = 3;
const LOCAL_PENDING = 4;

const LOCAL_FREE_TARGET = 128;
const PERCPU_FREE_TARGET = 4;

const HEAD_BYTES = 8;
/** From a node's link to its other LRU words. */
const TYPE = LRU_NODE.type - LRU_NODE.next;
const REF = LRU_NODE.ref - LRU_NODE.next;
const CPU = LRU_NODE.cpu - LRU_NODE.next;

export interface LruInit {
  readonly mem: LinearMemory;
  /** Address of the lists: {@link lruAreaBytes} zeroed bytes. */
  readonly area: number;
  readonly cpuCount: number;
  /** BPF_F_NO_COMMON_LRU: an LRU list for each CPU, and nodes never change CPUs. */
  readonly percpu: boolean;
  /** Nodes in all; for each CPU its share of them when `percpu`. */
  readonly nodeCount: number;
  /** Takes a node out of the hash table because it is evicted; false when it is in none. */
  readonly evict: (node: number) => boolean;
  /** A node never used before, 0 when there is none. */
  readonly fresh: () => number;
}

/** Bytes of the lists: the LRU list and local lists of every CPU, or an LRU list for every CPU. */
export function lruAreaBytes(cpuCount: number, percpu: boolean): number {
  return percpu ? LRU_LIST.sizeBytes * cpuCount : LRU_LIST.sizeBytes + LRU_LOCAL.sizeBytes * cpuCount;
}

/**
 * Who is evicted from an LRU hash: `kernel/bpf/bpf_lru_list.c` of 6.12, list by list and scan by scan, so the same
 * elements go as in the kernel. That is coarse for small maps: one CPU claims up to 128 nodes at once, and when no free
 * node is left up to 128 elements without the reference bit go together.
 *
 * Differs from Linux: free nodes that were never used are counted, not listed, until they are needed.
 */
export class LruLists {
  readonly #init: LruInit;
  readonly #mem: LinearMemory;
  readonly #little: boolean;
  readonly #scans: number;

  constructor(init: LruInit) {
    this.#init = init;
    this.#mem = init.mem;
    this.#little = init.mem.littleEndian;
    this.#scans = init.percpu ? PERCPU_FREE_TARGET : LOCAL_FREE_TARGET;
    const lists = init.percpu ? init.cpuCount : 1;
    for (let i = 0; i < lists; i++) {
      const list = init.area + i * LRU_LIST.sizeBytes;
      for (const head of [LRU_LIST.active, LRU_LIST.inactive, LRU_LIST.free]) this.#makeEmpty(list + head);
      this.#store(list + LRU_LIST.nextInactiveRotation, list + LRU_LIST.inactive);
      this.#store(list + LRU_LIST.freshLeft, Math.floor(init.nodeCount / lists));
    }
    for (let cpu = 0; cpu < init.cpuCount && !init.percpu; cpu++) {
      const local = this.#local(cpu);
      this.#makeEmpty(local + LRU_LOCAL.free);
      this.#makeEmpty(local + LRU_LOCAL.pending);
      this.#store(local + LRU_LOCAL.nextSteal, cpu);
    }
  }

  #load(addr: number): number {
    return this.#mem.view.getInt32(addr, this.#little);
  }
  #store(addr: number, word: number): void {
    this.#mem.view.setInt32(addr, word, this.#little);
  }
  #local(cpu: number): number {
    return this.#init.area + LRU_LIST.sizeBytes + cpu * LRU_LOCAL.sizeBytes;
  }

  // Links: +0 next, +4 prev.
  #next(link: number): number {
    return this.#load(link);
  }
  #prev(link: number): number {
    return this.#load(link + 4);
  }
  #makeEmpty(head: number): void {
    this.#store(head, head);
    this.#store(head + 4, head);
  }
  #isEmpty(head: number): boolean {
    return this.#load(head) === head;
  }
  #remove(link: number): void {
    const next = this.#next(link);
    const prev = this.#prev(link);
    this.#store(prev, next);
    this.#store(next + 4, prev);
  }
  #addFirst(head: number, link: number): void {
    const next = this.#next(head);
    this.#store(link, next);
    this.#store(link + 4, head);
    this.#store(head, link);
    this.#store(next + 4, link);
  }

  #type(link: number): number {
    return this.#mem.u8[link + TYPE];
  }
  #isRef(link: number): boolean {
    return this.#mem.u8[link + REF] !== 0;
  }
  #setType(link: number, type: number): void {
    this.#mem.u8[link + TYPE] = type;
  }
  #clearRef(link: number): void {
    this.#mem.u8[link + REF] = 0;
  }
  #evict(link: number): boolean {
    return this.#init.evict(link - LRU_NODE.next);
  }

  #count(list: number, type: number, delta: number): void {
    if (type > INACTIVE) return;
    const at = list + (type === ACTIVE ? LRU_LIST.countActive : LRU_LIST.countInactive);
    this.#store(at, this.#load(at) + delta);
  }
  /** Rotation goes on before a node that leaves its place. */
  #stepRotation(list: number, link: number): void {
    const at = list + LRU_LIST.nextInactiveRotation;
    if (this.#load(at) === link) this.#store(at, this.#prev(link));
  }

  /** `__bpf_lru_node_move_to_free` */
  #moveToFree(list: number, link: number, freeHead: number, type: number): void {
    this.#stepRotation(list, link);
    this.#count(list, this.#type(link), -1);
    this.#setType(link, type);
    this.#remove(link);
    this.#addFirst(freeHead, link);
  }

  /** `__bpf_lru_node_move`, and `__bpf_lru_node_move_in` for nodes from a local list. */
  #move(list: number, link: number, type: number): void {
    const from = this.#type(link);
    if (from !== type) {
      this.#count(list, from, -1);
      this.#count(list, type, 1);
      this.#setType(link, type);
    }
    this.#clearRef(link);
    this.#stepRotation(list, link);
    this.#remove(link);
    this.#addFirst(list + type * HEAD_BYTES, link);
  }

  /** `__bpf_lru_list_rotate`: used nodes of the tails get another turn, unused active ones become inactive. */
  #rotate(list: number): void {
    if (this.#load(list + LRU_LIST.countInactive) < this.#load(list + LRU_LIST.countActive)) this.#rotateActive(list);
    this.#rotateInactive(list);
  }

  #rotateActive(list: number): void {
    const head = list + LRU_LIST.active;
    const first = this.#next(head);
    let link = this.#prev(head);
    for (let i = 0; link !== head; ) {
      const prev = this.#prev(link);
      this.#move(list, link, this.#isRef(link) ? ACTIVE : INACTIVE);
      if (++i === this.#scans || link === first) break;
      link = prev;
    }
  }

  #rotateInactive(list: number): void {
    const head = list + LRU_LIST.inactive;
    if (this.#isEmpty(head)) return;
    const rotation = this.#load(list + LRU_LIST.nextInactiveRotation);
    let last = this.#next(rotation);
    if (last === head) last = this.#next(last);
    let link = rotation;
    let next = head;
    for (let i = 0; i < this.#scans; ) {
      if (link === head) {
        link = this.#prev(link);
        // Every node has become active meanwhile.
        if (link === head) break;
        continue;
      }
      next = this.#prev(link);
      if (this.#isRef(link)) this.#move(list, link, ACTIVE);
      if (link === last) break;
      link = next;
      i++;
    }
    this.#store(list + LRU_LIST.nextInactiveRotation, next);
  }

  /** `__bpf_lru_list_shrink`: evicts up to `target` nodes to `freeHead`. */
  #shrink(list: number, target: number, freeHead: number, type: number): void {
    if (this.#shrinkInactive(list, target, freeHead, type) > 0) return;
    // Everything was used: one goes all the same.
    const head = list + (this.#isEmpty(list + LRU_LIST.inactive) ? LRU_LIST.active : LRU_LIST.inactive);
    for (let link = this.#prev(head); link !== head; link = this.#prev(link)) {
      if (!this.#evict(link)) continue;
      this.#moveToFree(list, link, freeHead, type);
      return;
    }
  }

  #shrinkInactive(list: number, target: number, freeHead: number, type: number): number {
    const head = list + LRU_LIST.inactive;
    let shrunk = 0;
    let link = this.#prev(head);
    for (let i = 0; link !== head; ) {
      const prev = this.#prev(link);
      if (this.#isRef(link)) {
        this.#move(list, link, ACTIVE);
      } else if (this.#evict(link)) {
        this.#moveToFree(list, link, freeHead, type);
        if (++shrunk === target) break;
      }
      if (++i === this.#scans) break;
      link = prev;
    }
    return shrunk;
  }

  /** The first link of the free list or, if it is empty, a node made now; 0 for neither. Not removed. */
  #firstFree(list: number): number {
    const head = list + LRU_LIST.free;
    if (!this.#isEmpty(head)) return this.#next(head);
    const left = this.#load(list + LRU_LIST.freshLeft);
    if (left === 0) return 0;
    const node = this.#init.fresh();
    if (node === 0) return 0;
    this.#store(list + LRU_LIST.freshLeft, left - 1);
    const link = node + LRU_NODE.next;
    this.#setType(link, FREE);
    this.#clearRef(link);
    this.#addFirst(head, link);
    return link;
  }

  /** A node for a new element of hash `hash`, evicting others if need be; 0 when even that yields none. */
  popFree(cpu: number, hash: number): number {
    const link = this.#init.percpu ? this.#popPercpu(cpu) : this.#popCommon(cpu);
    if (link === 0) return 0;
    const node = link - LRU_NODE.next;
    this.#store(node + BUCKET_NODE.hash, hash);
    this.#mem.view.setUint16(link + CPU, cpu, this.#little);
    return node;
  }

  #popPercpu(cpu: number): number {
    const list = this.#init.area + cpu * LRU_LIST.sizeBytes;
    this.#rotate(list);
    let link = this.#firstFree(list);
    if (link === 0) {
      this.#shrink(list, PERCPU_FREE_TARGET, list + LRU_LIST.free, FREE);
      link = this.#firstFree(list);
    }
    if (link !== 0) this.#move(list, link, INACTIVE);
    return link;
  }

  #popCommon(cpu: number): number {
    const local = this.#local(cpu);
    let link = this.#popLocalFree(local);
    if (link === 0) {
      this.#refill(local);
      link = this.#popLocalFree(local);
    }
    if (link === 0) link = this.#steal(local);
    if (link === 0) return 0;
    this.#setType(link, LOCAL_PENDING);
    this.#clearRef(link);
    this.#addFirst(local + LRU_LOCAL.pending, link);
    return link;
  }

  #popLocalFree(local: number): number {
    const head = local + LRU_LOCAL.free;
    if (this.#isEmpty(head)) return 0;
    const link = this.#next(head);
    this.#remove(link);
    return link;
  }

  /** `bpf_lru_list_pop_free_to_local` */
  #refill(local: number): void {
    const list = this.#init.area;
    const pending = local + LRU_LOCAL.pending;
    for (let link = this.#prev(pending); link !== pending; ) {
      const prev = this.#prev(link);
      this.#move(list, link, this.#isRef(link) ? ACTIVE : INACTIVE);
      link = prev;
    }
    this.#rotate(list);
    const freeHead = local + LRU_LOCAL.free;
    let taken = 0;
    for (; taken < LOCAL_FREE_TARGET; taken++) {
      const link = this.#firstFree(list);
      if (link === 0) break;
      this.#moveToFree(list, link, freeHead, LOCAL_FREE);
    }
    if (taken < LOCAL_FREE_TARGET) this.#shrink(list, LOCAL_FREE_TARGET - taken, freeHead, LOCAL_FREE);
  }

  /** Takes from the local lists of all CPUs in turn. */
  #steal(local: number): number {
    const first = this.#load(local + LRU_LOCAL.nextSteal);
    let cpu = first;
    let link = 0;
    do {
      const from = this.#local(cpu);
      link = this.#popLocalFree(from);
      if (link === 0) link = this.#popPending(from, false);
      if (link === 0) link = this.#popPending(from, true);
      cpu = (cpu + 1) % this.#init.cpuCount;
    } while (link === 0 && cpu !== first);
    this.#store(local + LRU_LOCAL.nextSteal, cpu);
    return link;
  }

  #popPending(local: number, force: boolean): number {
    const head = local + LRU_LOCAL.pending;
    for (let link = this.#prev(head); link !== head; link = this.#prev(link)) {
      if ((!force && this.#isRef(link)) || !this.#evict(link)) continue;
      this.#remove(link);
      return link;
    }
    return 0;
  }

  /** Gives back a node that is in no bucket. */
  pushFree(node: number): void {
    const link = node + LRU_NODE.next;
    const type = this.#type(link);
    if (type === FREE || type === LOCAL_FREE) return;
    const cpu = this.#mem.view.getUint16(link + CPU, this.#little);
    if (type === LOCAL_PENDING) {
      this.#setType(link, LOCAL_FREE);
      this.#clearRef(link);
      this.#remove(link);
      this.#addFirst(this.#local(cpu) + LRU_LOCAL.free, link);
      return;
    }
    this.#move(this.#init.area + (this.#init.percpu ? cpu * LRU_LIST.sizeBytes : 0), link, FREE);
  }

  /** Marks a node as used. */
  setRef(node: number): void {
    this.#mem.u8[node + LRU_NODE.ref] = 1;
  }
}
