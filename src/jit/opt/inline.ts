import { Room } from '../room.ts';
import {
  ADD,
  ALU_K,
  CALL_HELPER,
  CALL_SUB,
  FP,
  Ir,
  JA,
  JCC_X,
  LEAVE,
  LOAD,
  MAY_GOTO,
  MOV,
  NONE,
  NOP,
  PACKET,
  STORE,
  STORE_K,
  STORE_REL,
  TAIL,
  W,
  ZERO_FRAME,
} from '../rows/ir.ts';
import { callSites } from './call-sites.ts';
import { type FrameReach, joinReach } from './reach.ts';
import { copyRows } from './row-list.ts';

/** A function as the optimiser has it: rows, which may come from several of a program's functions. */
export interface OptFunction {
  readonly rows: Ir;
  /** Program slot of each row. */
  readonly slots: Int32Array;
  /** Bytes of its frame, those of what it took in included. */
  readonly frameBytes: number;
  /** Locals used: {@link NONE} says what they are. */
  readonly locals: number;
  /** What of its frame is touched other than where R10 is the base; undefined: nobody knows. */
  readonly reach?: FrameReach | undefined;
}

/** Rows a function may have to be put where it is called, wherever that is; and where it is called only once. */
export const SMALL_ROWS = 64;
const ONCE_ROWS = 600;
/** What all of a program may grow by. */
const GROWTH = 4096;
const TAIL_CALL_HELPER = 12;

/** Of a pinned function: it is nobody's to take in, whatever its size. */
export const APART = 3;

/** Registers whose values a call keeps. */
const KEPT = [6, 7, 8, 9];
const LOCAL_BYTES_LOG2 = 3;

interface Callee {
  readonly ok: boolean;
  /** Of KEPT, those it sets. */
  readonly sets: readonly number[];
}

const sumOfFp = ({ kind, sub, flags }: Ir, i: number): boolean =>
  kind[i] === ALU_K && sub[i] === ADD && (flags[i] & W) === 0;

/** Whether the function can be put into another one, whose frame it then shares. */
function examine({ rows }: OptFunction): Callee {
  const { n, kind, a, b, d, imm } = rows;
  const sets = new Set<number>();
  for (let i = 0; i < n; i++) {
    const k = kind[i];
    const memory = k >= LOAD && k <= STORE_REL;
    const leaves = k === MAY_GOTO || k === PACKET || k === TAIL || (k === CALL_HELPER && imm[i] === TAIL_CALL_HELPER);
    const frame = a[i] === FP && !memory && k !== MOV && !sumOfFp(rows, i);
    if (leaves || frame || b[i] === FP) return { ok: false, sets: [] };
    if (d[i] >= 6 && d[i] <= 9) sets.add(d[i]);
  }
  let last = n - 1;
  while (last > 0 && kind[last] === NOP) last--;
  const ok = kind[last] === LEAVE || kind[last] === JA;
  return { ok, sets: KEPT.filter(r => sets.has(r)) };
}

class Merger {
  readonly #functions: readonly OptFunction[];
  readonly #callees: (Callee | undefined)[];
  readonly done: (OptFunction | undefined)[];
  readonly #uses: Int32Array;
  readonly #pinned: ArrayLike<number>;
  readonly #sites: readonly (readonly number[])[];
  readonly #room: Room | undefined;
  #growth: number;

  constructor(
    functions: readonly OptFunction[],
    uses: Int32Array,
    pinned: ArrayLike<number>,
    sites: readonly (readonly number[])[],
    room: Room | undefined,
  ) {
    this.#functions = functions;
    this.#pinned = pinned;
    this.#sites = sites;
    this.#room = room;
    this.#callees = functions.map(() => undefined);
    this.done = functions.map(() => undefined);
    this.#uses = uses;
    this.#growth = GROWTH + functions.reduce((sum, { rows }) => sum + rows.n, 0);
  }

  #takes(callee: number): boolean {
    const done = this.done[callee];
    if (done === undefined || this.#pinned[callee] === APART) return false;
    const { n } = done.rows;
    if (n > (this.#uses[callee] === 1 ? ONCE_ROWS : SMALL_ROWS) || n > this.#growth) return false;
    this.#callees[callee] ??= examine(done);
    return (this.#callees[callee] as Callee).ok;
  }

  /** Every function called that is not a caller of this one too was finished before. */
  finish(index: number): void {
    const own = this.#functions[index];
    const { rows } = own;
    const sites: number[] = [];
    let total = rows.n;
    for (const i of this.#sites[index]) {
      if (rows.kind[i] !== CALL_SUB || !this.#takes(rows.aux[i])) continue;
      const { sets } = this.#callees[rows.aux[i]] as Callee;
      const { rows: inner, frameBytes } = this.done[rows.aux[i]] as OptFunction;
      const grows = inner.n + 2 * sets.length + (frameBytes > 0 ? 1 : 0);
      total += grows - 1;
      this.#growth -= grows;
      sites.push(i);
    }
    this.done[index] = sites.length === 0 ? own : this.#merge(own, sites, total);
  }

  #merge(own: OptFunction, sites: readonly number[], total: number): OptFunction {
    const { rows } = own;
    const room = this.#room ?? new Room();
    const merged = new Ir(total, room);
    merged.narrowAddresses = rows.narrowAddresses;
    const slots = room.ints(total);
    const mark = room.mark();
    // Where each row of the caller goes.
    const place = room.ints(rows.n + 1);
    const moved: number[] = [];
    const inside = sites.map(site => this.done[rows.aux[site]] as OptFunction);
    let frameBytes = own.frameBytes;
    let locals = own.locals;
    let at = 0;
    let from = 0;
    const take = (end: number): void => {
      copyRows(rows, from, end, merged, at);
      for (let i = from; i < end; i++) {
        slots[at] = own.slots[i];
        place[i] = at;
        const k = rows.kind[i];
        if ((k >= JA && k <= JCC_X) || k === MAY_GOTO) moved.push(at);
        at++;
      }
      from = end;
    };
    for (const site of sites) {
      take(site);
      place[site] = at;
      from = site + 1;
      const inner = this.done[rows.aux[site]] as OptFunction;
      const { sets } = this.#callees[rows.aux[site]] as Callee;
      const start = at;
      at = this.#put(merged, at, inner, sets, own.frameBytes, locals);
      slots.fill(own.slots[site], start, at);
      slots.set(inner.slots, start + sets.length + (inner.frameBytes > 0 ? 1 : 0));
      frameBytes = Math.max(frameBytes, own.frameBytes + inner.frameBytes);
      locals += sets.length + inner.locals;
    }
    take(rows.n);
    place[rows.n] = at;
    for (const i of moved) merged.aux[i] = place[merged.aux[i]];
    room.release(mark);
    return { rows: merged, slots, frameBytes, locals, reach: joinReach(own, inside, frameBytes) };
  }

  /** What is called at `at`: registers it changes are put aside, its frame begins where the caller's ends, with zeros in it. */
  #put(to: Ir, start: number, inner: OptFunction, sets: readonly number[], depth: number, firstLocal: number): number {
    let at = start;
    sets.forEach((r, k) => {
      to.kind[at] = STORE;
      to.b[at] = r;
      to.sub[at] = LOCAL_BYTES_LOG2;
      to.off[at++] = firstLocal + k;
    });
    if (inner.frameBytes > 0) {
      to.kind[at] = ZERO_FRAME;
      to.imm[at] = depth;
      to.aux[at++] = inner.frameBytes;
    }
    const { rows } = inner;
    const base = at;
    const end = base + rows.n;
    copyRows(rows, 0, rows.n, to, base);
    for (; at < end; at++) {
      const k = to.kind[at];
      if ((k >= JA && k <= JCC_X) || k === MAY_GOTO) to.aux[at] += base;
      else if (k === LEAVE) {
        to.kind[at] = at === end - 1 ? NOP : JA;
        to.a[at] = NONE;
        to.aux[at] = end;
      } else if (k === ZERO_FRAME) to.imm[at] += depth;
      else if (to.a[at] === FP) {
        if (k >= LOAD && k <= STORE_REL) to.off[at] -= depth;
        else if (k === MOV) {
          to.kind[at] = ALU_K;
          to.sub[at] = ADD;
          to.imm[at] = -depth;
        } else to.imm[at] -= depth;
      } else if (to.a[at] === NONE && k >= LOAD && k <= STORE_K) to.off[at] += firstLocal + sets.length;
    }
    sets.forEach((r, k) => {
      to.kind[at] = LOAD;
      to.d[at] = r;
      to.sub[at] = LOCAL_BYTES_LOG2;
      to.off[at++] = firstLocal + k;
    });
    return at;
  }
}

/** Functions in an order that has callees before their callers, where they do not call each other in a circle. */
export function calleesFirst(
  functions: readonly OptFunction[],
  sites: readonly (readonly number[])[] = functions.map(callSites),
): number[] {
  const order: number[] = [];
  const met = new Uint8Array(functions.length);
  const next = new Int32Array(functions.length);
  for (let root = 0; root < functions.length; root++) {
    if (met[root] !== 0) continue;
    const stack = [root];
    met[root] = 1;
    while (stack.length > 0) {
      const index = stack[stack.length - 1];
      const { kind, aux } = functions[index].rows;
      let to = -1;
      while (to < 0 && next[index] < sites[index].length) {
        const i = sites[index][next[index]++];
        if (kind[i] === CALL_SUB && met[aux[i]] === 0) to = aux[i];
      }
      if (to < 0) {
        order.push(index);
        stack.pop();
      } else {
        met[to] = 1;
        stack.push(to);
      }
    }
  }
  return order;
}

/**
 * Puts small functions, and those called from one place only, where they are called. What the callee may change is kept
 * aside, its frame lies below the caller's. Functions that leave their frame in other ways than by returning stay.
 *
 * ```
 *   call f             local0 = r6
 *                  →   r6 = r1
 *                      …
 *                      r6 = local0
 * ```
 *
 * Together functions grow to at most about twice what they were.
 *
 * @param pinned by function: not 0 for those that stay because outsiders call them, so that one call is not their only one; {@link APART}
 *   for those that are not put anywhere
 * @param room where functions with others in them live; default one of each their own
 */
export function inlineCalls(
  functions: readonly OptFunction[],
  order: readonly number[],
  pinned: ArrayLike<number> = [],
  sites: readonly (readonly number[])[] = functions.map(callSites),
  room?: Room,
): OptFunction[] {
  const uses = new Int32Array(functions.length);
  functions.forEach(({ rows }, index) => {
    if (pinned[index] > 0) uses[index]++;
    for (const i of sites[index]) {
      if (rows.kind[i] === CALL_SUB) uses[rows.aux[i]]++;
      else uses[rows.imm[i]] += 2;
    }
  });
  const merger = new Merger(functions, uses, pinned, sites, room);
  for (const index of order) merger.finish(index);
  return merger.done as OptFunction[];
}
