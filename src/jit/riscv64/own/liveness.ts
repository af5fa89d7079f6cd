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

/** Blocks of a function: first rows, and who goes where. */
class Blocks {
  readonly count: number;
  /** First slot of each, and the end. */
  readonly starts: Int32Array;
  readonly liveIn: Int32Array;
  readonly #of: Int32Array;
  readonly #rows: ir.Ir;
  /** Predecessors: those of block k are `#preds[#predAt[k]] …`. */
  readonly #predAt: Int32Array;
  readonly #preds: Int32Array;

  readonly #room: Room;

  constructor(rows: ir.Ir, room: Room) {
    this.#room = room;
    this.#rows = rows;
    const { n, kind, flags } = rows;
    const ends = (k: number): boolean => k === ir.JA || k === ir.LEAVE || k === ir.JCC_K || k === ir.JCC_X;
    this.#of = room.ints(n);
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (i > 0 && ((flags[i] & ir.LEADER) !== 0 || ends(kind[i - 1]))) count++;
      this.#of[i] = count;
    }
    this.count = n === 0 ? 0 : count + 1;
    this.starts = room.ints(this.count + 1, n);
    for (let i = n - 1; i >= 0; i--) this.starts[this.#of[i]] = i;
    this.liveIn = room.ints(this.count);
    this.#predAt = room.ints(this.count + 2);
    for (let k = 0; k < this.count; k++) this.#each(k, to => this.#predAt[to + 2]++);
    for (let k = 0; k <= this.count; k++) this.#predAt[k + 1] += this.#predAt[k];
    this.#preds = room.ints(this.#predAt[this.count + 1]);
    for (let k = 0; k < this.count; k++) {
      this.#each(k, to => {
        this.#preds[this.#predAt[to + 1]++] = k;
      });
    }
  }

  #each(block: number, visit: (to: number) => void): void {
    const { kind, aux } = this.#rows;
    const last = this.starts[block + 1] - 1;
    const k = kind[last];
    const jumps = k === ir.JA || k === ir.JCC_K || k === ir.JCC_X;
    if (jumps) visit(this.#of[aux[last]]);
    if (k !== ir.JA && k !== ir.LEAVE && block + 1 < this.count) visit(block + 1);
  }

  liveOut(block: number): number {
    let live = 0;
    this.#each(block, to => {
      live |= this.liveIn[to];
    });
    return live;
  }

  /** Finds what is live; each block is visited again only when a half more is live behind it. */
  solve(): void {
    const work = this.#room.ints(this.count);
    const queued = this.#room.bytes(this.count, 1);
    let depth = 0;
    while (depth < this.count) work[depth] = depth++;
    while (depth > 0) {
      const block = work[--depth];
      queued[block] = 0;
      let live = this.liveOut(block);
      for (let i = this.starts[block + 1] - 1; i >= this.starts[block]; i--) live = before(this.#rows, i, live);
      if (live === this.liveIn[block]) continue;
      this.liveIn[block] = live;
      for (let at = this.#predAt[block]; at < this.#predAt[block + 1]; at++) {
        const pred = this.#preds[at];
        if (queued[pred] !== 0) continue;
        queued[pred] = 1;
        work[depth++] = pred;
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
