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
import { emptyReach, type FrameReach, putReach } from './reach.ts';
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

/** What a caller has to know of a function to take it in. */
interface Callee {
  readonly ok: boolean;
  /** Of KEPT, those it sets. */
  readonly sets: readonly number[];
  /** It copies half of R10: whoever has it inside is nobody's to take in. */
  readonly halvesFp: boolean;
}

/** A function with those it takes in, not put together yet. */
interface Planned {
  /** Sites of those it takes in, ascending. */
  readonly taken: readonly number[];
  /** Of all of it. */
  readonly rowCount: number;
  readonly frameBytes: number;
  readonly locals: number;
  /** Somebody knows what of its frame is touched, or of a part of it. */
  readonly knowsReach: boolean;
}

/** A function put together. */
export interface MergedFunction {
  readonly func: OptFunction;
  /** As {@link callSites} has them. */
  readonly sites: readonly number[];
}

const NOT_OK: Callee = { ok: false, sets: [], halvesFp: false };

const sumOfFp = ({ kind, sub, flags }: Ir, i: number): boolean =>
  kind[i] === ALU_K && sub[i] === ADD && (flags[i] & W) === 0;

/**
 * Which functions are put where they are called: decided for all of them before any row is moved, so that a row is moved
 * once, however deep the function is that it ends up in.
 */
export class Inlining {
  readonly #functions: readonly OptFunction[];
  readonly #sites: readonly (readonly number[])[];
  readonly #pinned: ArrayLike<number>;
  readonly #uses: Int32Array;
  readonly #planned: (Planned | undefined)[];
  readonly #callees: (Callee | undefined)[];
  #growth: number;

  /**
   * @param order as {@link calleesFirst} has it
   * @param pinned by function: not 0 for those that stay because outsiders call them, so that one call is not their only one; {@link APART}
   *   for those that are not put anywhere
   */
  constructor(
    functions: readonly OptFunction[],
    order: readonly number[],
    pinned: ArrayLike<number>,
    sites: readonly (readonly number[])[],
  ) {
    this.#functions = functions.slice();
    this.#sites = sites.slice();
    this.#pinned = pinned;
    this.#planned = functions.map(() => undefined);
    this.#callees = functions.map(() => undefined);
    this.#uses = new Int32Array(functions.length);
    this.#growth = GROWTH;
    functions.forEach(({ rows }, index) => {
      this.#growth += rows.n;
      if (pinned[index] > 0) this.#uses[index]++;
      for (const i of sites[index]) {
        if (rows.kind[i] === CALL_SUB) this.#uses[rows.aux[i]]++;
        else this.#uses[rows.imm[i]] += 2;
      }
    });
    for (const index of order) this.#planned[index] = this.#plan(index);
  }

  #takes(index: number): Callee | undefined {
    const planned = this.#planned[index];
    if (planned === undefined || this.#pinned[index] === APART) return undefined;
    const { rowCount } = planned;
    if (rowCount > (this.#uses[index] === 1 ? ONCE_ROWS : SMALL_ROWS) || rowCount > this.#growth) return undefined;
    const callee = (this.#callees[index] ??= this.#examine(index, planned));
    return callee.ok ? callee : undefined;
  }

  /** Every function called that is not a caller of this one too was planned before. */
  #plan(index: number): Planned {
    const { rows, frameBytes, locals, reach } = this.#functions[index];
    const taken: number[] = [];
    let rowCount = rows.n;
    let deepest = frameBytes;
    let localCount = locals;
    let knowsReach = reach !== undefined;
    for (const i of this.#sites[index]) {
      const callee = rows.kind[i] === CALL_SUB ? this.#takes(rows.aux[i]) : undefined;
      if (callee === undefined) continue;
      const inner = this.#planned[rows.aux[i]] as Planned;
      const grows = inner.rowCount + 2 * callee.sets.length + (inner.frameBytes > 0 ? 1 : 0);
      this.#growth -= grows;
      rowCount += grows - 1;
      deepest = Math.max(deepest, frameBytes + inner.frameBytes);
      localCount += callee.sets.length + inner.locals;
      knowsReach ||= inner.knowsReach;
      taken.push(i);
    }
    return { taken, rowCount, frameBytes: deepest, locals: localCount, knowsReach };
  }

  /** Whether the function can be put into another one, whose frame it then shares. */
  #examine(index: number, { taken }: Planned): Callee {
    const { rows } = this.#functions[index];
    const { n, kind, a, b, d, imm, flags } = rows;
    let sets = 0;
    let halvesFp = false;
    for (let i = 0, at = 0; i < n; i++) {
      if (i === taken[at]) {
        const inner = this.#callees[rows.aux[i]] as Callee;
        if (inner.halvesFp) return NOT_OK;
        for (const r of inner.sets) sets |= 1 << r;
        at++;
        continue;
      }
      const k = kind[i];
      const memory = k >= LOAD && k <= STORE_REL;
      const leaves = k === MAY_GOTO || k === PACKET || k === TAIL || (k === CALL_HELPER && imm[i] === TAIL_CALL_HELPER);
      const frame = a[i] === FP && !memory && k !== MOV && !sumOfFp(rows, i);
      if (leaves || frame || b[i] === FP) return NOT_OK;
      if (k === MOV && a[i] === FP && (flags[i] & W) !== 0) halvesFp = true;
      if (d[i] <= 9) sets |= 1 << d[i];
    }
    let last = n - 1;
    while (last > 0 && kind[last] === NOP) last--;
    const ok = kind[last] === LEAVE || kind[last] === JA;
    return { ok, sets: KEPT.filter(r => (sets & (1 << r)) !== 0), halvesFp };
  }

  /** @param room where it lives if there are others in it */
  merged(index: number, room: Room): MergedFunction {
    const own = this.#functions[index];
    const { taken, rowCount, frameBytes, locals, knowsReach } = this.#planned[index] as Planned;
    if (taken.length === 0) return { func: own, sites: this.#sites[index] };
    const rows = new Ir(rowCount, room);
    rows.narrowAddresses = own.rows.narrowAddresses;
    const slots = room.ints(rowCount);
    const reach = knowsReach ? emptyReach(frameBytes) : undefined;
    const to: Target = { rows, slots, reach, sites: [], room };
    this.#write(index, to, 0, 0, 0, false);
    return { func: { rows, slots, frameBytes, locals, reach }, sites: to.sites };
  }

  /**
   * Writes a function and all it takes in.
   *
   * @param depth bytes of the frames around it, which its own lies below
   * @param firstLocal its first local
   * @param inside it is in another one: what returns from it goes on behind it
   * @returns the row behind it
   */
  #write(index: number, to: Target, start: number, depth: number, firstLocal: number, inside: boolean): number {
    const own = this.#functions[index];
    const { rows, slots } = own;
    const { taken } = this.#planned[index] as Planned;
    const mark = to.room.mark();
    // Where each row goes.
    const place = to.room.ints(rows.n + 1);
    if (to.reach !== undefined) putReach(to.reach, depth, own);
    let at = start;
    let from = 0;
    let nextTaken = 0;
    let local = firstLocal + own.locals;
    const take = (end: number): void => {
      copyRows(rows, from, end, to.rows, at);
      for (; from < end; from++, at++) {
        to.slots[at] = slots[from];
        place[from] = at;
      }
    };
    for (const site of this.#sites[index]) {
      take(site);
      if (site !== taken[nextTaken]) {
        to.sites.push(at);
        continue;
      }
      nextTaken++;
      place[site] = at;
      from = site + 1;
      const callee = rows.aux[site];
      const { sets } = this.#callees[callee] as Callee;
      const inner = this.#planned[callee] as Planned;
      at = putAside(to, at, sets, local, slots[site]);
      if (inner.frameBytes > 0) {
        to.rows.kind[at] = ZERO_FRAME;
        to.rows.imm[at] = depth + own.frameBytes;
        to.rows.aux[at] = inner.frameBytes;
        to.slots[at++] = slots[site];
      }
      at = this.#write(callee, to, at, depth + own.frameBytes, local + sets.length, true);
      at = putBack(to, at, sets, local, slots[site]);
      local += sets.length + inner.locals;
    }
    take(rows.n);
    place[rows.n] = at;
    nextTaken = 0;
    for (let i = 0; i < rows.n; i++) {
      if (i === taken[nextTaken]) nextTaken++;
      else adapt(to.rows, place[i], place, inside ? at : -1, depth, firstLocal);
    }
    to.room.release(mark);
    return at;
  }
}

/** What a function is put together in. */
interface Target {
  readonly rows: Ir;
  readonly slots: Int32Array;
  readonly reach: FrameReach | undefined;
  readonly sites: number[];
  readonly room: Room;
}

/** A row in its place: where it jumps, and the frame and locals it finds there. @param end -1 in functions of their own */
function adapt(
  { kind, sub, a, imm, aux, off }: Ir,
  at: number,
  place: Int32Array,
  end: number,
  depth: number,
  firstLocal: number,
): void {
  const k = kind[at];
  if ((k >= JA && k <= JCC_X) || k === MAY_GOTO) aux[at] = place[aux[at]];
  if (end < 0) return;
  if (k === LEAVE) {
    kind[at] = at === end - 1 ? NOP : JA;
    a[at] = NONE;
    aux[at] = end;
  } else if (k === ZERO_FRAME) imm[at] += depth;
  else if (a[at] === FP) {
    if (k >= LOAD && k <= STORE_REL) off[at] -= depth;
    else if (k === MOV) {
      kind[at] = ALU_K;
      sub[at] = ADD;
      imm[at] = -depth;
    } else imm[at] -= depth;
  } else if (a[at] === NONE && k >= LOAD && k <= STORE_K) off[at] += firstLocal;
}

/** Registers that a callee changes go to locals. */
function putAside(
  { rows, slots }: Target,
  start: number,
  sets: readonly number[],
  local: number,
  slot: number,
): number {
  for (let k = 0; k < sets.length; k++) {
    const at = start + k;
    rows.kind[at] = STORE;
    rows.b[at] = sets[k];
    rows.sub[at] = LOCAL_BYTES_LOG2;
    rows.off[at] = local + k;
    slots[at] = slot;
  }
  return start + sets.length;
}

function putBack({ rows, slots }: Target, start: number, sets: readonly number[], local: number, slot: number): number {
  for (let k = 0; k < sets.length; k++) {
    const at = start + k;
    rows.kind[at] = LOAD;
    rows.d[at] = sets[k];
    rows.sub[at] = LOCAL_BYTES_LOG2;
    rows.off[at] = local + k;
    slots[at] = slot;
  }
  return start + sets.length;
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
 * @param pinned as {@link Inlining} has it
 */
export function inlineCalls(
  functions: readonly OptFunction[],
  order: readonly number[],
  pinned: ArrayLike<number> = [],
): OptFunction[] {
  const inlining = new Inlining(functions, order, pinned, functions.map(callSites));
  return functions.map((_, index) => inlining.merged(index, new Room()).func);
}
