import { BASES, ESCAPED, OWN, type Value } from './value.ts';

/**
 * What the functions' walks found, as inequalities between lower bounds: how deep below its R10 each function is
 * touched, how far below each pointer argument it touches, and how far below pointers it read from memory.
 *
 * ```
 *   bound(function, base) ≤ low                          it touches base + low
 *   bound(function, base) ≤ low + bound(callee, arg)     it hands base + low to a callee
 *   bound(function, base) ≤ low + bound(any, escaped)    it leaves base + low in memory
 * ```
 */
export class StackFacts {
  readonly #bounds: Float64Array;
  /** Bound of pointers read from memory others wrote, one for the whole program. */
  readonly #escaped: number;
  readonly #target: number[] = [];
  readonly #source: number[] = [];
  readonly #low: number[] = [];

  constructor(subprogCount: number) {
    this.#bounds = new Float64Array(subprogCount * ESCAPED + 1).fill(Number.POSITIVE_INFINITY);
    this.#escaped = subprogCount * ESCAPED;
  }

  #node(subprog: number, base: number): number {
    return base === ESCAPED ? this.#escaped : subprog * ESCAPED + base;
  }

  /** `subprog` touches memory at `value + off`. */
  touch(subprog: number, value: Value, off: number): void {
    if (value.lows === undefined) return;
    for (let base = 0; base < BASES; base++) {
      const node = this.#node(subprog, base);
      const low = value.lows[base] + off;
      if (low < this.#bounds[node]) this.#bounds[node] = low;
    }
  }

  /** `subprog` hands `value` to `callee` as its argument `arg`. */
  handOver(subprog: number, value: Value, callee: number, arg: number): void {
    this.#relate(subprog, value, this.#node(callee, arg));
  }

  /** `subprog` stores `value` where functions it calls may find it. */
  escape(subprog: number, value: Value): void {
    this.#relate(subprog, value, this.#escaped);
  }

  #relate(subprog: number, value: Value, source: number): void {
    if (value.lows === undefined) return;
    for (let base = 0; base < BASES; base++) {
      if (value.lows[base] === Number.POSITIVE_INFINITY) continue;
      this.#target.push(this.#node(subprog, base));
      this.#source.push(source);
      this.#low.push(value.lows[base]);
    }
  }

  /** The function's frame may be touched anywhere. */
  giveUp(subprog: number): void {
    for (let base = 0; base < BASES; base++) this.#bounds[this.#node(subprog, base)] = Number.NEGATIVE_INFINITY;
  }

  /** Deepest byte below R10 of each function that anyone touches, up to `most`. */
  solve(subprogCount: number, most: number): Int32Array {
    // Each round carries bounds one call further; bounds that still move after more rounds than any chain of calls can
    // have frames come from recursion and have none.
    const bounds = this.#bounds;
    for (let round = 0, changed = true; changed; round++) {
      changed = false;
      for (let i = 0; i < this.#target.length; i++) {
        const bound = bounds[this.#source[i]];
        if (bound === Number.POSITIVE_INFINITY) continue;
        const low = this.#low[i] + bound;
        const target = this.#target[i];
        if (!(low < bounds[target])) continue;
        bounds[target] = round > MAX_ROUNDS ? Number.NEGATIVE_INFINITY : low;
        changed = true;
      }
    }
    return Int32Array.from({ length: subprogCount }, (_, id) =>
      Math.max(0, Math.min(most, -bounds[this.#node(id, OWN)])),
    );
  }
}

const MAX_ROUNDS = 32;
