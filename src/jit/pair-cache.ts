/** Rows, a power of two. */
const ROWS = 1 << 10;

/**
 * Results of a pure function of two int32, each until another pair takes its row. What a constant takes is found once for most functions:
 * addresses of helpers, masks and sizes are the same in many.
 */
export class PairCache<T> {
  readonly #firsts = new Int32Array(ROWS);
  readonly #seconds = new Int32Array(ROWS);
  readonly #values: (T | undefined)[] = new Array(ROWS).fill(undefined);
  readonly #make: (first: number, second: number) => T;

  constructor(make: (first: number, second: number) => T) {
    this.#make = make;
  }

  get(first: number, second: number): T {
    const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b);
    const row = (mixed ^ (mixed >>> 15)) & (ROWS - 1);
    const found = this.#values[row];
    if (found !== undefined && this.#firsts[row] === first && this.#seconds[row] === second) return found;
    const made = this.#make(first, second);
    this.#firsts[row] = first;
    this.#seconds[row] = second;
    this.#values[row] = made;
    return made;
  }
}
