import type { Room } from '../../room.ts';
import * as ir from './ir.ts';

/*
 * Sets of live halves: bit r the low half of BPF register r, bit 12 + r its high half.
 */
const low = (register: number): number => 1 << register;
const high = (register: number): number => 0x1000 << register;
const both = (register: number): number => 0x1001 << register;
const SCRATCHED = 0x3f * 0x1001;
const ARGS = 0x3e * 0x1001;

const bits = (...numbers: readonly number[]): number => numbers.reduce((sum, n) => sum | (1 << n), 0);
/** Rows that do nothing but set d, by kind. */
const PURE = bits(ir.MOV, ir.CONST, ir.FUNC, ir.ZEXT, ir.SEXT, ir.BSWAP, ir.ALU_K, ir.ALU_X, ir.PERCPU, ir.CAST_USER);
/** 64-bit operations whose low half needs low halves only. */
const LOW_FROM_LOW = bits(ir.ADD, ir.SUB, ir.MUL, ir.OR, ir.AND, ir.XOR, ir.NEG, ir.LSH);
const SHIFTS = bits(ir.LSH, ir.RSH, ir.ARSH);
const has = (set: number, n: number): boolean => (set & (1 << n)) !== 0;

/** What is live before a row that only sets d. */
function beforePure({ kind, sub, d, a, b, flags }: ir.Ir, i: number, live: number): number {
  const highLive = (live & high(d[i])) !== 0;
  if (!highLive && (live & low(d[i])) === 0) return live;
  const rest = live & ~both(d[i]);
  const part = highLive ? 0x1001 : 1;
  switch (kind[i]) {
    case ir.CONST:
    case ir.FUNC:
      return rest;
    case ir.MOV:
      return rest | (part << a[i]);
    case ir.ZEXT:
    case ir.SEXT:
    case ir.CAST_USER:
      return rest | low(a[i]);
    case ir.BSWAP:
      return rest | (sub[i] === 64 ? both(a[i]) : low(a[i]));
    case ir.PERCPU:
      return rest | both(a[i]);
    default: {
      const narrow = (flags[i] & ir.W) !== 0;
      const wanted = narrow ? 1 : has(LOW_FROM_LOW, sub[i]) ? part : 0x1001;
      const own = rest | (wanted << a[i]);
      if (kind[i] === ir.ALU_K) return own;
      return own | (has(SHIFTS, sub[i]) ? low(b[i]) : wanted << b[i]);
    }
  }
}

/** What is live before a row, of what is live behind it. */
function before(rows: ir.Ir, i: number, live: number): number {
  const { kind, sub, d, a, b, flags } = rows;
  const k = kind[i];
  if (k === ir.NOP) return live;
  if (has(PURE, k)) return beforePure(rows, i, live);
  const f = flags[i];
  const base = ((f & ir.ARENA) !== 0 ? 1 : 0x1001) << a[i];
  switch (k) {
    case ir.LOAD:
    case ir.LOAD_ACQ:
      return (live & ~both(d[i])) | base;
    case ir.STORE:
    case ir.STORE_REL:
      return live | base | (sub[i] === 3 ? both(b[i]) : low(b[i]));
    case ir.STORE_K:
      return live | base;
    case ir.ATOMIC: {
      // After a fault the register is as it was, all of it.
      const value = (f & ir.W) !== 0 && (f & ir.PROBE) === 0 ? low(b[i]) : both(b[i]);
      return ((f & ir.FETCH) !== 0 ? live & ~both(b[i]) : live) | base | value;
    }
    case ir.CMPXCHG:
      return live | base | both(b[i]) | both(0);
    case ir.JCC_K:
      return live | ((f & ir.W) !== 0 ? low(a[i]) : both(a[i]));
    case ir.JCC_X:
      return live | ((f & ir.W) !== 0 ? low(a[i]) | low(b[i]) : both(a[i]) | both(b[i]));
    case ir.CALL_HELPER:
    case ir.CALL_KFUNC:
    case ir.CALL_SUB:
      return (live & ~SCRATCHED) | ARGS;
    case ir.TAIL:
      return (live & ~SCRATCHED) | both(1) | both(2) | low(3);
    case ir.LEAVE:
      return both(0);
    default:
      return live;
  }
}

const ends = (k: number): boolean => k === ir.JA || k === ir.LEAVE || k === ir.JCC_K || k === ir.JCC_X;

/** Blocks of a function: first rows, and who goes where. */
class Blocks {
  readonly count: number;
  /** First slot of each, and the end. */
  readonly starts: Int32Array;
  readonly liveIn: Int32Array;
  /** Block it falls into, and block it jumps to; -1 for none. */
  readonly #next: Int32Array;
  readonly #taken: Int32Array;
  readonly #rows: ir.Ir;
  readonly #room: Room;

  constructor(rows: ir.Ir, room: Room) {
    this.#room = room;
    this.#rows = rows;
    const { n, kind, flags, aux } = rows;
    const of = room.ints(n);
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (i > 0 && ((flags[i] & ir.LEADER) !== 0 || ends(kind[i - 1]))) count++;
      of[i] = count;
    }
    if (n > 0) count++;
    this.count = count;
    const starts = room.ints(count + 1, n);
    for (let i = n - 1; i >= 0; i--) starts[of[i]] = i;
    const next = room.ints(count);
    const taken = room.ints(count);
    for (let block = 0; block < count; block++) {
      const last = starts[block + 1] - 1;
      const k = kind[last];
      taken[block] = ends(k) && k !== ir.LEAVE ? of[aux[last]] : -1;
      next[block] = k !== ir.JA && k !== ir.LEAVE && block + 1 < count ? block + 1 : -1;
    }
    this.starts = starts;
    this.#next = next;
    this.#taken = taken;
    this.liveIn = room.ints(count);
  }

  liveOut(block: number): number {
    const next = this.#next[block];
    const taken = this.#taken[block];
    return (next >= 0 ? this.liveIn[next] : 0) | (taken >= 0 ? this.liveIn[taken] : 0);
  }

  #goesBack(): boolean {
    for (let block = 0; block < this.count; block++) {
      if (this.#taken[block] >= 0 && this.#taken[block] <= block) return true;
    }
    return false;
  }

  /** Finds what is live; each block is visited again only when a half more is live behind it. */
  solve(): void {
    const { count, starts, liveIn } = this;
    const next = this.#next;
    const taken = this.#taken;
    if (!this.#goesBack()) {
      for (let block = count - 1; block >= 0; block--) {
        let live = this.liveOut(block);
        for (let i = starts[block + 1] - 1; i >= starts[block]; i--) live = before(this.#rows, i, live);
        liveIn[block] = live;
      }
      return;
    }
    // Who leads to a block, as lists of edges: two a block, 2 * block where it falls and 2 * block + 1 where it jumps.
    const first = this.#room.ints(count, -1);
    const others = this.#room.ints(2 * count);
    for (let edge = 2 * count - 1; edge >= 0; edge--) {
      const to = (edge & 1) === 0 ? next[edge >> 1] : taken[edge >> 1];
      if (to < 0) continue;
      others[edge] = first[to];
      first[to] = edge;
    }
    const work = this.#room.ints(count);
    const queued = this.#room.bytes(count, 1);
    let depth = 0;
    while (depth < count) work[depth] = depth++;
    while (depth > 0) {
      const block = work[--depth];
      queued[block] = 0;
      let live = this.liveOut(block);
      for (let i = starts[block + 1] - 1; i >= starts[block]; i--) live = before(this.#rows, i, live);
      if (live === liveIn[block]) continue;
      liveIn[block] = live;
      for (let edge = first[block]; edge >= 0; edge = others[edge]) {
        const from = edge >> 1;
        if (queued[from] !== 0) continue;
        queued[from] = 1;
        work[depth++] = from;
      }
    }
  }
}

/**
 * Drops rows nobody reads and zero extensions nobody needs, and says which high halves are read.
 *
 * @param room for what is found on the way
 * @returns whether R0 and R1 are ever live together, so that they cannot share a register
 */
export function pruneDead(rows: ir.Ir, room: Room): boolean {
  const { kind, sub, d, a, b, flags } = rows;
  const blocks = new Blocks(rows, room);
  blocks.solve();
  let together = blocks.count > 0 && meet(blocks.liveIn[0]);
  for (let block = 0; block < blocks.count; block++) {
    let live = blocks.liveOut(block);
    for (let i = blocks.starts[block + 1] - 1; i >= blocks.starts[block]; i--) {
      const to = d[i];
      const after = live;
      live = before(rows, i, live);
      const k = kind[i];
      if (k === ir.NOP) continue;
      if (k === ir.JCC_K || k === ir.JCC_X) {
        if ((after & high(a[i])) === 0) flags[i] |= ir.LOOSE_A;
        if (k === ir.JCC_X && (after & high(b[i])) === 0) flags[i] |= ir.LOOSE_B;
      }
      if (to !== ir.NONE) {
        if ((after & both(to)) === 0 && has(PURE, k)) {
          kind[i] = ir.NOP;
          continue;
        }
        if ((after & high(to)) !== 0) flags[i] |= ir.HIGH;
        else if (k === ir.ZEXT && sub[i] === 32) kind[i] = d[i] === a[i] ? ir.NOP : ir.MOV;
        const call = k === ir.CALL_HELPER || k === ir.CALL_KFUNC || k === ir.CALL_SUB;
        if (call && (after & both(0)) === 0) flags[i] |= ir.UNREAD;
        if (!call && ((to === 0 && (after & both(1)) !== 0) || (to === 1 && (after & both(0)) !== 0))) together = true;
      }
      if (meet(live)) together = true;
    }
  }
  return together;
}

const meet = (live: number): boolean => (live & both(0)) !== 0 && (live & both(1)) !== 0;
