import { Room } from '../room.ts';
import { type Blocks, blockAt, readsRegister } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  AX,
  EXACT,
  type Ir,
  JA,
  JCC_K,
  JCC_X,
  LOAD,
  MAY_GOTO,
  MOV,
  NONE,
  NOP,
  STORE_K,
  SUB,
  W,
  ZX,
} from '../rows/ir.ts';
import { type Condition, type Guard, guardOf, NEGATED } from './guards.ts';
import type { OptFunction } from './inline.ts';
import { findLoops, type Loop } from './loops.ts';
import { lookAtRound, type Rounds, stepOf } from './rounds.ts';
import { RowList } from './row-list.ts';
import type { Sum } from './sums.ts';

/** Rows of a round, NOPs included, and those that do something: in four rounds, and in two. */
const MOST_ROWS = 64;
const FOUR_ROUNDS = 14;
const TWO_ROUNDS = 32;
/** Rows a function may grow by, beside as many as it had. */
const GROWTH = 256;

const fits = (value: number): boolean => value === (value | 0);

/** Halves live before a row that is jumped to. */
type LiveAt = (row: number) => number;

/** What becomes of a loop. */
interface Plan {
  readonly loop: Loop;
  readonly rounds: number;
  readonly guards: ReadonlyMap<number, { readonly condition: Condition; readonly guard: Guard }>;
  readonly known: Rounds;
  /** What `AX` holds through the rounds: the sum of two registers, or one that grows later, and of a number. */
  readonly base: Sum | undefined;
  /** Registers that grow once behind all rounds, by what they grow in one; and the rows that did it. */
  readonly late: ReadonlyMap<number, number>;
  readonly lateRows: ReadonlySet<number>;
}

/** The pair of registers that most places of a round begin from. */
function commonBase({ places, steps }: Rounds): Sum | undefined {
  const counts = new Map<number, number>();
  for (const { sum } of places.values()) {
    const step = sum.b === NONE ? undefined : stepOf(sum, steps);
    if (step !== undefined && step !== 0) counts.set(16 * sum.a + sum.b, (counts.get(16 * sum.a + sum.b) ?? 0) + 1);
  }
  let best: number | undefined;
  for (const [pair, count] of counts) if (best === undefined || count > (counts.get(best) ?? 0)) best = pair;
  return best === undefined ? undefined : { a: best >> 4, b: best & 15, c: 0, low: false };
}

/** Whether a row can be written anew from its place, in each of so many rounds, when `base` is there. */
function isRewritten(
  { kind, sub, a }: Ir,
  i: number,
  { places, steps }: Rounds,
  base: Sum | undefined,
  rounds: number,
): boolean {
  const place = places.get(i);
  if (place === undefined || place.sum.a === NONE) return false;
  const { sum } = place;
  const access = kind[i] >= LOAD && kind[i] <= STORE_K;
  // Numbers that are added have 32 bits; where only the low half of the result matters they may wrap.
  if (!access && !place.low && !(fits(sum.c) && fits(sum.c + rounds * (stepOf(sum, steps) ?? 0)))) return false;
  const plain = (kind[i] === ALU_K || kind[i] === ALU_X) && sub[i] === ADD;
  if (sum.b !== NONE) return (access || plain) && base?.a === sum.a && base.b === sum.b;
  return (access && a[i] === sum.a) || plain || kind[i] === MOV;
}

/**
 * Registers that can grow once behind all rounds: what reads them is written anew, or left out.
 *
 * @param outside those that are read where the rounds end in between: bit r is register r
 */
function findLate(
  rows: Ir,
  { head, end }: Loop,
  known: Rounds,
  base: Sum | undefined,
  left: ReadonlyMap<number, unknown>,
  rounds: number,
  outside: number,
) {
  const late = new Map<number, number>();
  const lateRows = new Set<number>();
  const { kind, sub, a, b, d, flags } = rows;
  for (let r = 0; r < 10; r++) {
    if ((outside & (1 << r)) !== 0) continue;
    const step = known.steps[r];
    if (step === undefined || step === 0 || !fits(rounds * step)) continue;
    let setBy = -1;
    let ok = true;
    for (let i = head; i <= end && ok; i++) {
      if (kind[i] === NOP || left.has(i)) continue;
      if (d[i] === r) {
        ok = setBy < 0 && kind[i] === ALU_K && sub[i] === ADD && a[i] === r && (flags[i] & W) === 0;
        setBy = i;
      } else if (readsRegister(rows, i, r)) {
        // What is stored is no place.
        const stored = kind[i] >= LOAD && b[i] === r;
        ok = !stored && isRewritten(rows, i, known, base, rounds);
      }
    }
    if (!ok) continue;
    late.set(r, step);
    lateRows.add(setBy);
  }
  return { late, lateRows };
}

/** Registers that are read where the rounds of a loop end in between, other than by what `left` leaves out. */
function readOutside(
  { kind, aux }: Ir,
  { head, end }: Loop,
  left: ReadonlyMap<number, unknown>,
  liveAt: LiveAt,
): number {
  // Rounds that jump back themselves are not followed by anything.
  if (kind[end] !== JA && !left.has(end)) return -1;
  let live = 0;
  for (let i = head; i <= end; i++) {
    const jumps = kind[i] === JA || kind[i] === JCC_K || kind[i] === JCC_X;
    const inside = aux[i] > i && aux[i] <= end;
    const back = kind[i] === JA && aux[i] === head;
    if (jumps && !inside && !back && !left.has(i)) live |= liveAt(aux[i]);
  }
  return live | (live >>> 16);
}

/**
 * The base with the number added that lets all accesses lie at or behind it: distances below 0 cost an addition each where
 * addresses are 32 bits wide. Without a base, the register that grows later and has most such accesses.
 */
function lowestBase(rows: Ir, base: Sum | undefined, known: Rounds, late: ReadonlyMap<number, number>, rounds: number) {
  const { kind, off } = rows;
  const lowest = new Map<number, { least: number; below: number }>();
  for (const [row, { sum }] of known.places) {
    if (
      kind[row] < LOAD ||
      (sum.b === NONE ? base !== undefined || !late.has(sum.a) : base?.a !== sum.a || base.b !== sum.b)
    )
      continue;
    const found = lowest.get(sum.a) ?? { least: 0, below: 0 };
    const step = stepOf(sum, known.steps) ?? 0;
    const least = sum.c + off[row] + Math.min(0, (rounds - 1) * step);
    if (least < 0) found.below++;
    found.least = Math.min(found.least, least);
    lowest.set(sum.a, found);
  }
  let best = base;
  let most = 0;
  for (const [register, { least, below }] of lowest) {
    if (below <= most || !fits(least)) continue;
    most = below;
    best = { a: register, b: base?.b ?? NONE, c: least, low: true };
  }
  return best;
}

function planLoop(rows: Ir, loop: Loop, liveAt: LiveAt): Plan | undefined {
  const known = lookAtRound(rows, loop);
  if (known.conditions.size === 0) return undefined;
  const kept = loop.size - known.conditions.size;
  const rounds = kept <= FOUR_ROUNDS ? 4 : kept <= TWO_ROUNDS ? 2 : 0;
  if (rounds === 0) return undefined;
  const guards = new Map<number, { condition: Condition; guard: Guard }>();
  for (const [row, condition] of known.conditions) {
    const guard = guardOf(condition, rounds);
    if (guard !== undefined && fits(condition.value.c + guard.more)) guards.set(row, { condition, guard });
  }
  if (guards.size === 0) return undefined;
  const pair = commonBase(known);
  // Who leaves in between finds everything as it would be.
  const outside = readOutside(rows, loop, guards, liveAt);
  const later = findLate(rows, loop, known, pair, guards, rounds, outside);
  const base = lowestBase(rows, pair, known, later.late, rounds);
  return { loop, rounds, guards, known, base, ...later };
}

/** A jump that still has to be aimed: at the place of a row there was. */
interface Open {
  readonly at: number;
  readonly target: number;
}

class Unroller {
  readonly #func: OptFunction;
  readonly #list: RowList;
  /** Where rows of the function went. */
  readonly #place: Int32Array;
  readonly #open: Open[] = [];

  readonly #room: Room;

  constructor(func: OptFunction, most: number, room: Room) {
    this.#func = func;
    this.#room = room;
    this.#list = new RowList(most, room);
    this.#place = room.ints(func.rows.n + 1);
  }

  #jumps(i: number): boolean {
    const { kind } = this.#func.rows;
    return (kind[i] >= JA && kind[i] <= JCC_X) || kind[i] === MAY_GOTO;
  }

  #take(from: number, to: number): void {
    const { rows, slots } = this.#func;
    const start = this.#list.length;
    this.#list.copy(rows, slots, from, to);
    for (let i = from; i < to; i++) {
      this.#place[i] = start + i - from;
      if (this.#jumps(i)) this.#open.push({ at: start + i - from, target: rows.aux[i] });
    }
  }

  run(plans: readonly Plan[]): OptFunction {
    const { rows } = this.#func;
    let from = 0;
    for (const plan of plans) {
      const { head, end } = plan.loop;
      this.#take(from, head);
      const fast = this.#list.length;
      const leaving = this.#rounds(plan, fast);
      const slow = this.#list.length;
      for (const at of leaving) this.#list.aim(at, slow);
      this.#take(head, end + 1);
      // Who comes from outside begins with many rounds; who does one at a time goes on so.
      this.#place[head] = fast;
      this.#open.pop();
      this.#list.aim(this.#list.length - 1, slow);
      from = end + 1;
    }
    this.#take(from, rows.n);
    this.#place[rows.n] = this.#list.length;
    for (const { at, target } of this.#open) this.#list.aim(at, this.#place[target]);
    return { ...this.#func, ...this.#list.finish(rows.narrowAddresses, this.#room) };
  }

  /** Several rounds at once, as often as guards allow. @returns rows that jump to where they do not */
  #rounds(plan: Plan, fast: number): number[] {
    const list = this.#list;
    const { loop, rounds, base } = plan;
    const slot = this.#func.slots[loop.head];
    const leaving: number[] = [];
    for (const { condition, guard } of plan.guards.values()) this.#guard(condition, guard, slot, leaving);
    if (base !== undefined) {
      list.put(slot, { kind: base.b === NONE ? ALU_K : ALU_X, sub: ADD, d: AX, a: base.a, b: base.b, imm: base.c });
    }
    for (let round = 0; round < rounds; round++) this.#round(plan, round, fast);
    for (const [register, step] of plan.late) {
      list.put(slot, { kind: ALU_K, sub: ADD, d: register, a: register, imm: rounds * step });
    }
    // A jump back that has stayed was written with the last round.
    const { kind } = this.#func.rows;
    if (kind[loop.end] === JA || plan.guards.has(loop.end)) list.put(slot, { kind: JA, aux: fast });
    return leaving;
  }

  #guard({ value, wide }: Condition, { more, minus, tests }: Guard, slot: number, leaving: number[]): void {
    const list = this.#list;
    const flags = wide ? 0 : W | ZX;
    const imm = value.c + more;
    let register = AX;
    if (value.b !== NONE) list.put(slot, { kind: ALU_X, sub: ADD, d: AX, a: value.a, b: value.b, imm, flags });
    else if (imm === 0 && minus === NONE) register = value.a;
    else list.put(slot, { kind: ALU_K, sub: ADD, d: AX, a: value.a, imm, flags });
    if (minus !== NONE) list.put(slot, { kind: ALU_X, sub: SUB, d: AX, a: AX, b: minus, flags });
    for (const { op, bound, imm: than } of tests) {
      const kind = bound === NONE ? JCC_K : JCC_X;
      leaving.push(list.put(slot, { kind, sub: op, a: register, b: bound, imm: than, flags: flags & W }));
    }
  }

  #round(plan: Plan, round: number, fast: number): void {
    const { rows, slots } = this.#func;
    const { kind, aux } = rows;
    const { loop, guards, lateRows, rounds } = plan;
    const { head, end } = loop;
    const list = this.#list;
    const mark = this.#room.mark();
    const place = this.#room.ints(end - head + 2);
    const inner: Open[] = [];
    for (let i = head; i <= end; i++) {
      place[i - head] = list.length;
      if (kind[i] === NOP || guards.has(i) || lateRows.has(i) || (i === end && kind[i] === JA)) continue;
      const at = list.length;
      list.copy(rows, slots, i, i + 1);
      if (i === end) this.#backJump(at, i, round === rounds - 1 ? fast : -1);
      else if (!this.#jumps(i)) this.#rewrite(plan, i, at, round);
      else if (aux[i] > i && aux[i] <= end) inner.push({ at, target: aux[i] - head });
      else this.#open.push({ at, target: aux[i] });
    }
    place[end - head + 1] = list.length;
    for (const { at, target } of inner) list.aim(at, place[target]);
    this.#room.release(mark);
  }

  /** The loop's last row, which stays: it goes on behind it, or to `fast`, or leaves the loop. */
  #backJump(at: number, end: number, fast: number): void {
    const list = this.#list;
    const slot = this.#func.slots[end];
    const opposite = NEGATED[list.rows.sub[at]];
    if (fast < 0 && opposite !== undefined) {
      list.rows.sub[at] = opposite;
      this.#open.push({ at, target: end + 1 });
      return;
    }
    list.aim(at, fast < 0 ? at + 2 : fast);
    this.#open.push({ at: list.put(slot, { kind: JA }), target: end + 1 });
  }

  /** A row whose place is known from what `AX` holds, or from a register that grows later. */
  #rewrite({ known, base, late, lateRows, rounds }: Plan, i: number, at: number, round: number): void {
    const { rows } = this.#func;
    const place = known.places.get(i);
    if (lateRows.has(i) || place === undefined || !isRewritten(rows, i, known, base, rounds)) return;
    const { sum } = place;
    const based = base !== undefined && base.a === sum.a && base.b === sum.b;
    if (sum.b === NONE && !late.has(sum.a)) return;
    const step = stepOf(sum, known.steps) ?? 0;
    const { kind, sub, a, b, imm, aux, off, flags } = this.#list.rows;
    const more = sum.c + round * step - (based ? base.c : 0);
    if (kind[at] >= LOAD) {
      a[at] = based ? AX : sum.a;
      off[at] += more;
      flags[at] &= ~EXACT;
      aux[at] = 0;
      return;
    }
    kind[at] = ALU_K;
    sub[at] = ADD;
    a[at] = based ? AX : sum.a;
    b[at] = NONE;
    imm[at] = more;
    flags[at] = 0;
  }
}

/**
 * Loops that count: several rounds at once for as long as it is known beforehand that none of them is the last, in front of the
 * loop as it was. What the rounds are left out of are the comparisons that this is known from; sums of a register that
 * grows and one that stays are made once.
 *
 * ```
 *   l: if r1 + 4 > r2 goto out        f: if r1 + 16 > r2 goto l
 *      r3 += *(u32 *)(r1 + 0)     →      r3 += *(u32 *)(r1 + 0)
 *      r1 += 4                           …
 *      goto l                            r3 += *(u32 *)(r1 + 12)
 *                                        r1 += 16
 *                                        goto f
 *                                     l: …
 * ```
 *
 * Needs a register that programs do not have, `AX`. @returns the function itself where there is no such loop
 *
 * @param live halves live where each block begins
 * @param room where the function lives then; default one of its own
 */
export function unrollLoops(func: OptFunction, blocks: Blocks, live: Int32Array, room?: Room): OptFunction {
  const { rows } = func;
  const liveAt = (row: number): number => live[blockAt(blocks, row)];
  const plans: Plan[] = [];
  let left = rows.n + GROWTH;
  for (const loop of findLoops(rows, MOST_ROWS, room)) {
    const plan = planLoop(rows, loop, liveAt);
    if (plan === undefined) continue;
    const grows = plan.rounds * (loop.size + 1) + 4 * plan.guards.size + plan.late.size + 2;
    if (grows > left) break;
    left -= grows;
    plans.push(plan);
  }
  return plans.length === 0 ? func : new Unroller(func, rows.n * 2 + GROWTH, room ?? new Room()).run(plans);
}
