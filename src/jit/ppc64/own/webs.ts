import type { Room } from '../../room.ts';
import { type Blocks, BOTH, ir, isDead, liveBefore, liveOut } from '../../rows/index.ts';

/** The web of an operand nobody reads or sets. */
export const NO_WEB = -1;

/** What a web needs. */
export const REAL = 1; // something sets it: without, its value means nothing
export const ARG = 2; // R1..R5 where a call takes them or the function got them
export const CALLED = 4; // R0 a call gave
export const LEFT = 8; // R0 the function returns
export const CROSSES = 16; // lives across a call

const REGS = ir.REG_COUNT;
/** Of a web: its parent's place, its BPF register, its needs. */
const WEB_INTS = 4;
const REGISTER = 1;
const NEEDS = 2;
const SEGMENT_INTS = 3;

/** A load or store whose offset is an immediate of its instruction. */
const isPlainAccess = (kind: number, flags: number): boolean =>
  (kind === ir.LOAD || kind === ir.STORE || kind === ir.STORE_K) && (flags & (ir.PROBE | ir.ARENA)) === 0;

/**
 * Webs: what has to share one register, because values of one BPF register meet in a use. A web lives at the places
 * before rows (place i is before row i) that its segments cover, both ends included.
 */
export class Webs {
  /** By row: web of d, a and b, {@link NO_WEB} for none; not yet roots. */
  readonly d: Int32Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
  /** CMPXCHG: slots, and webs of R0 before them. */
  readonly compared: number[] = [];
  /** By web, four ints: where its parent is, BPF register, needs (right at roots only), nothing. */
  #webs: Int32Array;
  #webInts = 0;
  readonly #room: Room;
  /** Segments, three ints each: web, first place, last place. */
  #segments: Int32Array;
  #segmentInts = 0;
  /** By block and register: the web live where the block begins, plus one; 0 for none yet. */
  readonly #nodes: Int32Array;
  /** Pairs of webs that a move joins. */
  #moves: Int32Array;
  #moveInts = 0;
  // Of the block at hand, by register: the web live at this place, its last place in the block, and whether everything
  // so far takes it for the base of an access.
  readonly #current = new Int32Array(16);
  readonly #last = new Int32Array(16);
  readonly #baseOnly = new Uint8Array(16);

  /** @param room where all of it lives */
  constructor(n: number, blockCount: number, room: Room) {
    this.#room = room;
    this.d = room.ints(n, NO_WEB);
    this.a = room.ints(n, NO_WEB);
    this.b = room.ints(n, NO_WEB);
    this.#webs = room.ints(WEB_INTS * (64 + n));
    this.#segments = room.ints(SEGMENT_INTS * (64 + n));
    this.#moves = room.ints(64);
    this.#nodes = room.ints(blockCount * REGS);
  }

  #grown(data: Int32Array): Int32Array {
    const larger = this.#room.ints(2 * data.length);
    larger.set(data);
    return larger;
  }

  get count(): number {
    return this.#webInts / WEB_INTS;
  }
  get segments(): Int32Array {
    return this.#segments.subarray(0, this.#segmentInts);
  }
  get moves(): Int32Array {
    return this.#moves.subarray(0, this.#moveInts);
  }
  registerOf(web: number): number {
    return this.#webs[WEB_INTS * web + REGISTER];
  }
  needsOf(root: number): number {
    return this.#webs[WEB_INTS * root + NEEDS];
  }
  need(web: number, what: number): void {
    this.#webs[WEB_INTS * this.find(web) + NEEDS] |= what;
  }

  find(web: number): number {
    const webs = this.#webs;
    let at = WEB_INTS * web;
    while (webs[at] !== at) {
      // Halve the path on the way.
      webs[at] = webs[webs[at]];
      at = webs[at];
    }
    return at / WEB_INTS;
  }

  #make(register: number): number {
    const at = this.#webInts;
    if (at === this.#webs.length) this.#webs = this.#grown(this.#webs);
    this.#webInts = at + WEB_INTS;
    this.#webs[at] = at;
    this.#webs[at + REGISTER] = register;
    return at / WEB_INTS;
  }

  #union(x: number, y: number): void {
    const rx = this.find(x);
    const ry = this.find(y);
    if (rx === ry) return;
    // The older one stays: blocks are walked once, so paths stay short with halving alone.
    const root = WEB_INTS * Math.min(rx, ry);
    const leaf = WEB_INTS * Math.max(rx, ry);
    this.#webs[leaf] = root;
    this.#webs[root + NEEDS] |= this.#webs[leaf + NEEDS];
  }

  #node(block: number, register: number): number {
    const at = block * REGS + register;
    if (this.#nodes[at] === 0) this.#nodes[at] = this.#make(register) + 1;
    return this.#nodes[at] - 1;
  }

  /** The web of a register live where the function begins, or NO_WEB. */
  atEntry(register: number): number {
    return this.#nodes.length === 0 ? NO_WEB : this.#nodes[register] - 1;
  }

  #segment(web: number, first: number, last: number): void {
    const at = this.#segmentInts;
    if (at === this.#segments.length) this.#segments = this.#grown(this.#segments);
    this.#segmentInts = at + SEGMENT_INTS;
    this.#segments[at] = web;
    this.#segments[at + 1] = first;
    this.#segments[at + 2] = last;
  }

  #move(to: number, from: number): void {
    const at = this.#moveInts;
    if (at === this.#moves.length) this.#moves = this.#grown(this.#moves);
    this.#moveInts = at + 2;
    this.#moves[at] = to;
    this.#moves[at + 1] = from;
  }

  /** Walks every block backward once: makes webs, drops dead rows, notes whose high half is read. */
  build(rows: ir.Ir, blocks: Blocks, live: Int32Array): void {
    for (let at = 0; at < blocks.count; at++) this.#block(rows, blocks, live, at);
  }

  #use(r: number, i: number, asBase: boolean): number {
    const web = this.#current[r];
    if (!asBase) this.#baseOnly[r] = 0;
    if (web !== NO_WEB) return web;
    this.#last[r] = i;
    this.#baseOnly[r] = asBase ? 1 : 0;
    return (this.#current[r] = this.#make(r));
  }

  #define(r: number, i: number): number {
    const web = this.#current[r];
    if (web === NO_WEB) return web;
    this.#segment(web, i + 1, this.#last[r]);
    this.#current[r] = NO_WEB;
    return web;
  }

  #block(rows: ir.Ir, blocks: Blocks, live: Int32Array, at: number): void {
    const { kind, d, a, b, flags } = rows;
    const { start, taken, next } = blocks;
    const begin = start[at];
    const end = start[at + 1];
    const current = this.#current;
    const last = this.#last;
    const baseOnly = this.#baseOnly;
    let set = liveOut(blocks, live, at);
    current.fill(NO_WEB);
    baseOnly.fill(0);
    for (let r = 0; r < REGS; r++) {
      if (((set >>> r) & BOTH) === 0) continue;
      let web = NO_WEB;
      if (next[at] >= 0 && ((live[next[at]] >>> r) & BOTH) !== 0) web = this.#node(next[at], r);
      if (taken[at] >= 0 && ((live[taken[at]] >>> r) & BOTH) !== 0) {
        const other = this.#node(taken[at], r);
        if (web !== NO_WEB) this.#union(web, other);
        web = other;
      }
      current[r] = web;
      last[r] = taken[at] >= 0 ? end - 1 : end;
    }
    for (let i = end - 1; i >= begin; i--) {
      const k = kind[i];
      if (k === ir.NOP) continue;
      if (isDead(rows, i, set)) {
        kind[i] = ir.NOP;
        continue;
      }
      if (d[i] !== ir.NONE) {
        if (((set >>> d[i]) & 0x10000) !== 0) flags[i] |= ir.HIGH;
        if (k === ir.CONST && baseOnly[d[i]] === 1) flags[i] |= ir.BASE_ONLY;
        const web = this.#define(d[i], i);
        if (web !== NO_WEB) {
          this.d[i] = web;
          this.need(web, REAL);
        }
      }
      const calls = k >= ir.CALL_HELPER && k <= ir.TAIL;
      if (calls) {
        if (this.d[i] !== NO_WEB) this.need(this.d[i], CALLED);
        // What a call leaves in the registers it clobbers is nobody's value.
        for (let r = 0; r <= 5; r++) this.#define(r, i);
        for (let r = 1; r <= 5; r++) this.need(this.#use(r, i, false), ARG);
      }
      if (k === ir.LEAVE) this.need(this.#use(0, i, false), LEFT);
      if (k === ir.CMPXCHG) this.compared.push(i, this.#use(0, i, false));
      if ((flags[i] & ir.ARENA) !== 0) this.#use(ir.BASE, i, false);
      if (a[i] < REGS && a[i] !== ir.FP) this.a[i] = this.#use(a[i], i, isPlainAccess(k, flags[i]));
      if (b[i] < REGS && b[i] !== ir.FP) this.b[i] = this.#use(b[i], i, false);
      if (k === ir.MOV && this.a[i] !== NO_WEB) this.#move(this.d[i], this.a[i]);
      set = liveBefore(rows, i, set);
    }
    for (let r = 0; r < REGS; r++) {
      if (current[r] === NO_WEB) continue;
      this.#segment(current[r], begin, last[r]);
      this.#union(current[r], this.#node(at, r));
    }
  }
}
