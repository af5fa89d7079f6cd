import { Room } from '../room.ts';
import { type Blocks, liveOut, readsRegister } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  ARENA,
  AX,
  CALL_HELPER,
  CALL_KFUNC,
  FP,
  FUNC,
  type Ir,
  LOAD,
  LOAD_REV,
  MOV,
  NONE,
  NOP,
  PART,
  PROBE,
  STORE_K,
  STORE_REL,
  TAIL,
} from '../rows/ir.ts';
import { keptParts } from './parts.ts';
import { type FrameReach, markReached } from './reach.ts';

/** What begins at a byte of the frame, beside accesses of some size: none, none but one that began before, accesses that overlap. */
const UNSEEN = 0;
const INSIDE = 254;
const MIXED = 255;
/** WebAssembly compilers keep all locals at hand at every branch. */
const MOST_PLACES = 64;

/** Lowest distance from the frame pointer at which something else than plain accesses may touch the frame: it reaches from there on. */
class Escapes {
  from = 0;
  readonly #rows: Ir;
  /** By register: distance from the frame pointer it holds, or 0. */
  readonly #held = new Int32Array(16);
  any = false;
  readonly #callbacks: boolean;

  constructor(rows: Ir) {
    this.#rows = rows;
    this.#callbacks = rows.kind.includes(FUNC);
  }

  #everything(): void {
    this.from = Number.NEGATIVE_INFINITY;
  }

  /** @returns false when nothing is left to find out */
  row(i: number): boolean {
    const { kind, a, b, d, sub, imm, aux } = this.#rows;
    const k = kind[i];
    if (k === NOP) return true;
    const sum = a[i] === FP && ((k === ALU_K && sub[i] === ADD && imm[i] < 0) || k === MOV);
    const access = k >= LOAD && k <= STORE_REL && a[i] === FP;
    if (b[i] === FP || (a[i] === FP && !sum && !access)) this.#everything();
    if (access && k <= STORE_K && aux[i] > 0) this.#everything();
    if (this.any) this.#uses(i);
    if (sum && d[i] !== NONE) {
      this.#held[d[i]] = k === MOV ? -1 : imm[i];
      this.any = true;
    } else if (d[i] !== NONE) this.#held[d[i]] = 0;
    return this.from !== Number.NEGATIVE_INFINITY;
  }

  #uses(i: number): void {
    const held = this.#held;
    const k = this.#rows.kind[i];
    const calls = k >= CALL_HELPER && k <= TAIL;
    for (let r = 0; r <= AX; r++) {
      if (held[r] === 0) continue;
      if (readsRegister(this.#rows, i, r)) this.#everything();
      if (!calls || r > 5) continue;
      // Helpers touch what lies above the address they are given; functions may go anywhere from there.
      // A function of the program whose address the helper may have been given counts as called.
      if (!this.#callbacks && (k === CALL_HELPER || k === CALL_KFUNC)) this.from = Math.min(this.from, held[r]);
      else this.#everything();
      held[r] = 0;
    }
  }

  /** @param live halves live behind the block */
  endBlock(live: number): void {
    if (!this.any) return;
    for (let r = 0; r <= AX; r++) if (this.#held[r] !== 0 && ((live >>> r) & 0x10001) !== 0) this.#everything();
    this.#held.fill(0);
    this.any = false;
  }
}

/** Rows that name the frame pointer, ascending. */
function framedRows({ n, kind, a, b }: Ir): readonly number[] {
  const framed: number[] = [];
  for (let i = 0; i < n; i++) if ((a[i] === FP || b[i] === FP) && kind[i] !== NOP) framed.push(i);
  return framed;
}

function escapedFrom(rows: Ir, blocks: Blocks, live: Int32Array, framed: readonly number[]): number {
  const escapes = new Escapes(rows);
  const { start } = blocks;
  let next = 0;
  for (let at = 0; next < framed.length; at++) {
    const end = start[at + 1];
    for (let i = framed[next]; i < end; i++) {
      // Rows between have nothing to do with the frame while no register holds its address.
      if (!escapes.any) {
        while (next < framed.length && framed[next] < i) next++;
        if (next === framed.length || framed[next] >= end) break;
        i = framed[next];
      }
      if (!escapes.row(i)) return escapes.from;
    }
    while (next < framed.length && framed[next] < end) next++;
    if (escapes.any) escapes.endBlock(liveOut(blocks, live, at));
  }
  return escapes.from;
}

function isFree(touched: Uint8Array, at: number, sizeBytes: number): boolean {
  for (let byte = at; byte < at + sizeBytes; byte++) if (touched[byte] !== 0) return false;
  return true;
}

/** What became of a frame. */
export interface FramePlan {
  /** How many locals there are now. */
  readonly locals: number;
  /** Distance from the frame pointer of each local that stands for a place in the frame, by its number from the first on. */
  readonly places: readonly number[];
  /** By byte of the frame from its end: 1 where memory may be touched. */
  readonly touched: Uint8Array;
  /** Whether any row names the frame pointer still. */
  readonly inMemory: boolean;
}

/**
 * Places in the frame that are only ever loaded and stored, from their first byte on, and whose address nobody has: they become
 * locals. Of low bytes that are stored alone, others are not what they were; see {@link keptParts}.
 *
 * ```
 *   *(u64 *)(r10 - 8) = r1        local0 = r1
 *   r2 = *(u64 *)(r10 - 8)    →   r2 = local0
 * ```
 *
 * Nobody has the address of a place that lies below all addresses taken, or that `reach` says nobody comes to in any other way.
 *
 * @param frameBytes how far down the frame reaches
 * @param firstLocal number of the first local to make
 * @param promote make any; otherwise only look
 * @param reach what the verifier knows of the frame; undefined: nothing
 * @param room where `touched` lives; default one of its own
 */
export function planFrame(
  rows: Ir,
  blocks: Blocks,
  live: Int32Array,
  frameBytes: number,
  firstLocal: number,
  promote: boolean,
  reach?: FrameReach,
  room = new Room(),
): FramePlan {
  const { kind, a, b, sub, off, aux, flags } = rows;
  const touched = room.bytes(frameBytes + 8);
  const framed = framedRows(rows);
  if (framed.length === 0) return { locals: firstLocal, places: [], touched, inMemory: false };
  const everything = { locals: firstLocal, places: [], touched, inMemory: true };
  const from = escapedFrom(rows, blocks, live, framed);
  if (reach === undefined) {
    touched.fill(1, Math.max(0, frameBytes + from), frameBytes);
    if (from === Number.NEGATIVE_INFINITY) return everything;
  } else markReached(reach, touched, frameBytes, frameBytes + from);
  const indexed = (i: number): boolean => kind[i] <= STORE_K && aux[i] > 0;
  // By byte: log2 of the size of the widest access that begins there plus one; MIXED where others overlap.
  const mark = room.mark();
  const seen = room.bytes(frameBytes + 8);
  // The same of the narrowest store, counted down: 4 - log2.
  const stored = room.bytes(frameBytes + 8);
  let lowest = frameBytes;
  for (const i of framed) {
    const k = kind[i];
    if (a[i] !== FP || k < LOAD || k > STORE_REL || indexed(i)) continue;
    const at = frameBytes + off[i];
    if (at < 0 || off[i] >= 0) {
      touched.fill(1);
      room.release(mark);
      return everything;
    }
    if (at < lowest) lowest = at;
    const size = sub[i] & 3;
    const plain = k <= STORE_K && k !== LOAD_REV && (flags[i] & (PROBE | ARENA)) === 0;
    const what = promote && plain && isFree(touched, at, 1 << size) ? size + 1 : MIXED;
    if (k !== LOAD) stored[at] = Math.max(stored[at], 4 - size);
    const begun = seen[at];
    seen[at] = begun < INSIDE && what !== MIXED ? Math.max(begun, what) : MIXED;
    for (let byte = at + 1; byte < at + (1 << size); byte++) {
      seen[byte] = what !== MIXED && (seen[byte] === UNSEEN || seen[byte] === INSIDE) ? INSIDE : MIXED;
    }
  }
  // By byte: number of the local that stands for the place there plus one.
  const localAt = room.shorts(frameBytes + 8);
  const places: number[] = [];
  const widest: number[] = [];
  const narrowestStore: number[] = [];
  let inParts = false;
  for (let at = lowest; at < frameBytes && places.length < MOST_PLACES; at++) {
    const size = seen[at] - 1;
    if (size < 0 || size > 3) continue;
    let whole = true;
    for (let byte = 1; byte < 1 << size; byte++) if (seen[at + byte] !== INSIDE) whole = false;
    if (!whole) continue;
    localAt[at] = places.push(at - frameBytes);
    widest.push(size);
    narrowestStore.push(4 - stored[at]);
    if (4 - stored[at] < size) inParts = true;
  }
  const placeOf = (i: number): number => {
    const access = a[i] === FP && kind[i] >= LOAD && kind[i] <= STORE_K && !indexed(i);
    return access ? localAt[frameBytes + off[i]] - 1 : -1;
  };
  if (inParts) {
    const kept = keptParts(rows, blocks, framed, { count: places.length, placeOf, widest, narrowestStore }, room);
    for (let n = 0; n < kept.length; n++) if (kept[n] !== 0) localAt[frameBytes + places[n]] = 0;
  }
  let inMemory = false;
  for (const i of framed) {
    const k = kind[i];
    const place = placeOf(i);
    if (place < 0) {
      inMemory = true;
      if (a[i] !== FP || k < LOAD || k > STORE_REL || indexed(i)) continue;
      const at = frameBytes + off[i];
      touched.fill(1, at, at + (1 << (sub[i] & 3)));
    } else {
      a[i] = NONE;
      off[i] = firstLocal + place;
      if (k === LOAD && (sub[i] & 3) < widest[place]) flags[i] |= PART;
      if (b[i] === FP) inMemory = true;
    }
  }
  room.release(mark);
  return { locals: firstLocal + places.length, places, touched, inMemory };
}
