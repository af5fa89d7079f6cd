import {
  ALU_X,
  ARENA,
  CONST,
  FP,
  HIGH,
  type Ir,
  JA,
  JCC_K,
  JCC_X,
  JSET,
  LOAD,
  NONE,
  NOP,
  PROBE,
  STORE_K,
  W,
} from '../rows/ir.ts';
import { type Condition, MIRRORED, NEGATED } from './guards.ts';
import type { Loop } from './loops.ts';
import { type Sum, Sums } from './sums.ts';

/** A place that a row of a loop adds up: in its result, or where it accesses memory. */
export interface Place {
  readonly sum: Sum;
  /** Only what is below 2^32 of it matters. */
  readonly low: boolean;
}

/** What is known of a round of a loop. */
export interface Rounds {
  /** By register: what it grows by in each round, 0 for one that nothing in the loop sets; undefined for others. */
  readonly steps: readonly (number | undefined)[];
  /** Conditions of going on, by row; the loop can do without their rows as long as they are known to hold. */
  readonly conditions: ReadonlyMap<number, Condition>;
  /** By row: what it sets its register to, or the place of its access without the distance. */
  readonly places: ReadonlyMap<number, Place>;
}

interface Seen {
  readonly row: number;
  readonly x: Sum | undefined;
  readonly y: Sum | undefined;
}

function place(rows: Ir, sums: Sums, i: number): Place | undefined {
  const { kind, a, aux, flags, d } = rows;
  if (kind[i] >= LOAD && kind[i] <= STORE_K) {
    if ((flags[i] & (ARENA | PROBE)) !== 0) return undefined;
    const base = sums.of(a[i]);
    if (base === undefined || aux[i] <= 0) return base === undefined ? undefined : { sum: base, low: true };
    const index = sums.of(aux[i] - 1);
    if (index === undefined || base.b !== NONE || index.b !== NONE) return undefined;
    const [p, q] = base.a < index.a ? [base.a, index.a] : [index.a, base.a];
    return { sum: { a: p, b: q, c: base.c + index.c, low: base.low || index.low }, low: true };
  }
  if (kind[i] > ALU_X || kind[i] === CONST || d[i] === NONE) return undefined;
  const sum = sums.of(d[i]);
  return sum === undefined ? undefined : { sum, low: (flags[i] & HIGH) === 0 };
}

/** Looks at a round of a loop. */
export function lookAtRound(rows: Ir, { head, end }: Loop): Rounds {
  const { kind, d, a, b, aux, sub, imm, flags } = rows;
  const sums = new Sums(rows);
  const places = new Map<number, Place>();
  const seen: Seen[] = [];
  const isSet = new Uint8Array(16);
  let inner = head;
  for (let i = head; i <= end; i++) {
    const k = kind[i];
    if (k === NOP) continue;
    const certain = i >= inner;
    const out = (aux[i] > end || aux[i] <= head) && (k === JCC_K || k === JCC_X);
    if (out && certain && sub[i] !== JSET) seen.push({ row: i, x: sums.of(a[i]), y: sums.of(b[i]) });
    if (k >= JA && k <= JCC_X && aux[i] > i && aux[i] <= end) inner = Math.max(inner, aux[i]);
    const access = k >= LOAD && k <= STORE_K ? place(rows, sums, i) : undefined;
    if (d[i] !== NONE) {
      sums.row(i, certain);
      isSet[d[i]] = 1;
    }
    const found = access ?? (k <= ALU_X ? place(rows, sums, i) : undefined);
    if (found !== undefined) places.set(i, found);
  }
  const steps = Array.from({ length: 16 }, (_, r) => {
    if (isSet[r] === 0) return 0;
    const sum = sums.of(r);
    return sum?.a === r && sum.b === NONE ? sum.c : undefined;
  });
  const wraps = (r: number): boolean => r !== NONE && isSet[r] !== 0 && sums.of(r)?.low === true;
  const conditions = new Map<number, Condition>();
  for (const { row, x, y } of seen) {
    // Registers that stay are compared with, the first operand first.
    const second = kind[row] === JCC_K || isSet[b[row]] === 0;
    const value = second ? x : y;
    const bound = kind[row] === JCC_K ? NONE : second ? b[row] : a[row];
    if (value === undefined || (bound !== NONE && (isSet[bound] !== 0 || bound === FP))) continue;
    const wide = (flags[row] & W) === 0;
    if (wide && (value.low || wraps(value.a) || wraps(value.b))) continue;
    const step = stepOf(value, steps);
    if (step === undefined || step === 0 || value.a === FP || value.b === FP) continue;
    const op = second ? sub[row] : MIRRORED[sub[row]];
    conditions.set(row, { value, step, op: aux[row] === head ? op : NEGATED[op], bound, imm: imm[row], wide });
  }
  for (const [row, { sum, low }] of places) {
    if (!low && (sum.low || wraps(sum.a) || wraps(sum.b))) places.delete(row);
  }
  return { steps, conditions, places };
}

/** What a sum grows by in a round. */
export function stepOf({ a, b }: Sum, steps: readonly (number | undefined)[]): number | undefined {
  const x = a === NONE ? 0 : steps[a];
  const y = b === NONE ? 0 : steps[b];
  return x === undefined || y === undefined ? undefined : x + y;
}
