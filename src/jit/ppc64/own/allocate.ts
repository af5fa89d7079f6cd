import type { Room } from '../../room.ts';
import { type Blocks, ir } from '../../rows/index.ts';
import { ARG, CALLED, CROSSES, LEFT, NO_WEB, REAL, Webs } from './webs.ts';

/** Columns after allocation: no register, and r1 plus the frame pointer's distance. */
export const NO_REG = 255;
export const FRAME = 254;

/** Columns after allocation: this much more than a non-volatile register is a place in the frame instead of it. */
export const IN_FRAME = 64;
export const isInFrame = (register: number): boolean => register >= IN_FRAME && register < FRAME;

/** r0: a target for results nobody reads; never a base. r11 and r12 are scratch as well. */
export const SCRATCH0 = 0;
export const SCRATCH1 = 11;
export const SCRATCH2 = 12;
/** Where the C ABI has results, and arguments from. */
export const RETURN = 3;

/** r3 … r10. */
const VOLATILE = 0b111_1111_1000;
/** In order of choice: those nobody passes arguments in first. */
const VOLATILE_ORDER = [10, 9, 8, 7, 6, 5, 4, 3];
const R0_ORDER = [3, 8, 9, 10, 7, 6, 5, 4];

/** What allocation leaves for the frame. */
export interface Allocation {
  /** Bit p: non-volatile register p holds something. */
  readonly saved: number;
  /** Bit p: what non-volatile register p would hold is in the frame. */
  readonly inFrame: number;
  /** Register of the arena's base, NO_REG where it is not used. */
  readonly base: number;
  /** Where R1..R5 arrive is where they are. */
  readonly calls: boolean;
}

const isCall = (kind: number): boolean => kind >= ir.CALL_HELPER && kind <= ir.CALL_SUB;

/**
 * Gives every web a register and writes registers over the rows' columns. Arguments of calls are where the C ABI wants
 * them, R0 where results are unless R1 is needed there at the same time, what lives across calls in r31 and below,
 * everything else in whatever volatile register is free, best where a move wants it.
 *
 * @param boundary the function saves every register anyway
 * @param room for what is needed on the way
 */
export function allocate(
  rows: ir.Ir,
  blocks: Blocks,
  live: Int32Array,
  index: number,
  boundary: boolean,
  room: Room,
): Allocation {
  const webs = new Webs(rows.n, blocks.count, room);
  webs.build(rows, blocks, live);
  // What is there when the function begins: the context, or whatever arguments a caller passed.
  for (let r = 1; r <= (index === 0 ? 1 : 5); r++) {
    const web = webs.atEntry(r);
    if (web !== NO_WEB) webs.need(web, REAL | ARG);
  }
  const base = webs.atEntry(ir.BASE);
  if (base !== NO_WEB) webs.need(base, REAL);
  const allocator = new Allocator(rows, webs, room);
  allocator.run();
  allocator.apply();
  const baseRegister = base === NO_WEB ? NO_REG : allocator.registerOf(base);
  const inFrame = boundary ? 0 : moveToFrame(rows, allocator.saved, baseRegister, room);
  return {
    saved: allocator.saved & ~inFrame,
    inFrame,
    base: baseRegister,
    calls: allocator.calls,
  };
}

class Allocator {
  readonly #rows: ir.Ir;
  readonly #webs: Webs;
  /** By root: the register, NO_REG while undecided. */
  readonly #register: Uint8Array;
  /** Segments by root: those of root w are `#order[#first[w]] …`, each an index into `segments`. */
  readonly #first: Int32Array;
  readonly #order: Int32Array;
  readonly #segments: Int32Array;
  /** By place: bit p for a taken register p. */
  readonly #taken: Int32Array;
  /** By root: webs a move joins it with. */
  readonly #hint: Int32Array;
  readonly calls: boolean;
  saved = 0;

  constructor(rows: ir.Ir, webs: Webs, room: Room) {
    this.#rows = rows;
    this.#webs = webs;
    const { n, kind } = rows;
    const count = webs.count;
    this.#register = room.bytes(count).fill(NO_REG);
    this.#taken = room.ints(n + 2);
    this.#segments = webs.segments;
    // Calls before each place.
    const before = room.ints(n + 2);
    for (let i = 0; i < n; i++) before[i + 1] = before[i] + (isCall(kind[i]) || kind[i] === ir.TAIL ? 1 : 0);
    before[n + 1] = before[n];
    this.calls = false;
    for (let i = 0; i < n && !this.calls; i++) this.calls = isCall(kind[i]);
    const first = room.ints(count + 1);
    const segments = this.#segments;
    for (let s = 0; s < segments.length; s += 3) {
      const root = webs.find(segments[s]);
      segments[s] = root;
      first[root + 1]++;
      if (segments[s + 2] > segments[s + 1] && before[segments[s + 2]] > before[segments[s + 1]])
        webs.need(root, CROSSES);
    }
    for (let w = 0; w < count; w++) first[w + 1] += first[w];
    const fill = room.ints(count + 1);
    fill.set(first);
    this.#order = room.ints(segments.length / 3);
    for (let s = 0; s < segments.length; s += 3) this.#order[fill[segments[s]]++] = s;
    this.#first = first;
    this.#hint = room.ints(2 * count, NO_WEB);
    const { moves } = webs;
    for (let i = 0; i < moves.length; i += 2) {
      const to = webs.find(moves[i]);
      const from = webs.find(moves[i + 1]);
      this.#hint[2 * to] = from;
      this.#hint[2 * from + 1] = to;
    }
  }

  registerOf(web: number): number {
    return this.#register[this.#webs.find(web)];
  }

  /** Registers taken anywhere the web lives. */
  #conflicts(root: number): number {
    const segments = this.#segments;
    const taken = this.#taken;
    let set = 0;
    for (let k = this.#first[root]; k < this.#first[root + 1]; k++) {
      const s = this.#order[k];
      const end = segments[s + 2];
      for (let at = segments[s + 1]; at <= end; at++) set |= taken[at];
    }
    return set;
  }

  #give(root: number, register: number): void {
    const segments = this.#segments;
    const taken = this.#taken;
    const bit = 1 << register;
    for (let k = this.#first[root]; k < this.#first[root + 1]; k++) {
      const s = this.#order[k];
      const end = segments[s + 2];
      for (let at = segments[s + 1]; at <= end; at++) taken[at] |= bit;
    }
    this.#register[root] = register;
    if (register >= 14) this.saved |= bit;
  }

  #nonVolatile(conflicts: number): number {
    // One already saved costs nothing more.
    for (let p = 31; p >= 14; p--) if ((this.saved & ~conflicts & (1 << p)) !== 0) return p;
    for (let p = 31; p >= 14; p--) if ((conflicts & (1 << p)) === 0) return p;
    return NO_REG;
  }

  run(): void {
    const webs = this.#webs;
    const count = webs.count;
    for (let w = 0; w < count; w++) {
      if (webs.find(w) !== w) continue;
      const needs = webs.needsOf(w);
      const r = webs.registerOf(w);
      if ((needs & REAL) === 0) this.#register[w] = r >= 1 && r <= 5 ? 2 + r : SCRATCH0;
      else if (r >= 1 && r <= 5 && (needs & ARG) !== 0) this.#give(w, 2 + r);
    }
    // Results of calls and of the function first: a move each is at stake. Then what has little to choose from.
    this.#chooseAll(R0_ORDER, (r, needs) => r === 0 && (needs & (CALLED | LEFT)) !== 0);
    this.#chooseAll(R0_ORDER, r => r === 0);
    this.#chooseAll(VOLATILE_ORDER, (_, needs) => (needs & CROSSES) !== 0);
    this.#chooseAll(VOLATILE_ORDER, () => true);
  }

  #chooseAll(order: readonly number[], which: (register: number, needs: number) => boolean): void {
    const webs = this.#webs;
    for (let w = 0; w < webs.count; w++) {
      if (this.#register[w] !== NO_REG || webs.find(w) !== w) continue;
      if (which(webs.registerOf(w), webs.needsOf(w))) this.#choose(w, order);
    }
  }

  #choose(root: number, order: readonly number[]): void {
    const conflicts = this.#conflicts(root);
    const needs = this.#webs.needsOf(root);
    const crosses = (needs & CROSSES) !== 0;
    const usable = crosses ? this.saved : VOLATILE | this.saved;
    const wants = (needs & (CALLED | LEFT)) !== 0 ? 1 << RETURN : 0;
    if ((wants & usable & ~conflicts) !== 0) {
      this.#give(root, RETURN);
      return;
    }
    for (let side = 0; side < 2; side++) {
      const other = this.#hint[2 * root + side];
      if (other === NO_WEB) continue;
      const register = this.#register[other];
      if (register !== NO_REG && register !== SCRATCH0 && ((usable & ~conflicts) >>> register) & 1) {
        this.#give(root, register);
        return;
      }
    }
    if (!crosses) {
      for (const register of order) {
        if (((conflicts >>> register) & 1) !== 0) continue;
        this.#give(root, register);
        return;
      }
    }
    this.#give(root, this.#nonVolatile(conflicts));
  }

  /** Writes registers over the rows' columns. */
  apply(): void {
    const { n, kind, d, a, b, aux } = this.#rows;
    const webs = this.#webs;
    for (let i = 0; i < n; i++) {
      if (kind[i] === ir.NOP) continue;
      a[i] = a[i] === ir.FP ? FRAME : webs.a[i] === NO_WEB ? NO_REG : this.registerOf(webs.a[i]);
      b[i] = b[i] === ir.FP ? FRAME : webs.b[i] === NO_WEB ? NO_REG : this.registerOf(webs.b[i]);
      const load = kind[i] === ir.LOAD || kind[i] === ir.LOAD_REV || kind[i] === ir.LOAD_ACQ;
      d[i] = webs.d[i] !== NO_WEB ? this.registerOf(webs.d[i]) : load ? SCRATCH0 : NO_REG;
      if (kind[i] === ir.LEAVE) a[i] = this.registerOf(webs.a[i]);
    }
    for (let k = 0; k < webs.compared.length; k += 2) {
      aux[webs.compared[k]] = this.registerOf(webs.compared[k + 1]);
    }
  }
}

/** What keeps a value out of the frame. */
const NEVER = 1000;

/**
 * Values that are hardly more than copied from one place and to another are kept in the frame: a copy is a store or a
 * load then, as short as a move, and the register needs neither saving nor restoring. Any other use costs a load more.
 * Returns the registers given up, and changes the columns.
 */
function moveToFrame(rows: ir.Ir, saved: number, base: number, room: Room): number {
  if (saved === 0) return 0;
  const { n, kind, d, a, b } = rows;
  const cost = room.ints(256);
  if (base !== NO_REG) cost[base] = NEVER;
  for (let i = 0; i < n; i++) {
    const k = kind[i];
    if (k === ir.NOP) continue;
    const copies = k === ir.MOV;
    const reads = copies ? 0 : READS_FRAME.has(k) ? 1 : NEVER;
    const sets = copies && a[i] !== FRAME ? 0 : copies || k === ir.CONST ? 1 : NEVER;
    if (k === ir.LOAD && (rows.flags[i] & ir.PROBE) !== 0) cost[a[i]] += NEVER;
    if (copies && a[i] === d[i]) continue;
    // From one place in the frame to another takes both.
    if (copies && a[i] >= 14 && d[i] >= 14 && a[i] < 32 && d[i] < 32) cost[d[i]] += 1;
    cost[a[i]] += reads;
    if (b[i] !== NO_REG) cost[b[i]] += reads;
    if (d[i] !== NO_REG) cost[d[i]] += sets;
  }
  let given = 0;
  for (let p = 14; p < 32; p++) if (((saved >>> p) & 1) !== 0 && cost[p] < 2) given |= 1 << p;
  if (given === 0) return 0;
  const move = (register: number): number =>
    register >= 14 && register < 32 && ((given >>> register) & 1) !== 0 ? register + IN_FRAME : register;
  for (let i = 0; i < n; i++) {
    if (kind[i] === ir.NOP) continue;
    a[i] = move(a[i]);
    b[i] = move(b[i]);
    d[i] = move(d[i]);
  }
  return given;
}

/** Rows that take an operand from the frame through a scratch register. */
const READS_FRAME: ReadonlySet<number> = new Set([
  ir.MASK,
  ir.SEXT,
  ir.BSWAP,
  ir.ALU_K,
  ir.ALU_X,
  ir.LOAD,
  ir.LOAD_REV,
  ir.STORE,
  ir.STORE_K,
  ir.JCC_K,
  ir.JCC_X,
]);
