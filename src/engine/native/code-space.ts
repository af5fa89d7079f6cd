/** Room for code, in pages of a range: the first that fits is taken. */
export class CodeSpace {
  readonly #pageBytes: number;
  /** Free ranges by their first page, ascending: no two touch. */
  readonly #free: { start: number; count: number }[];

  constructor(sizeBytes: number, pageBytes: number) {
    this.#pageBytes = pageBytes;
    this.#free = [{ start: 0, count: Math.floor(sizeBytes / pageBytes) }];
  }

  /** Bytes from the range's beginning, or undefined if there is no such room. */
  take(sizeBytes: number): number | undefined {
    const count = Math.ceil(sizeBytes / this.#pageBytes);
    const at = this.#free.findIndex(range => range.count >= count);
    if (at < 0) return undefined;
    const range = this.#free[at];
    const { start } = range;
    range.start += count;
    range.count -= count;
    if (range.count === 0) this.#free.splice(at, 1);
    return start * this.#pageBytes;
  }

  give(offBytes: number, sizeBytes: number): void {
    const start = offBytes / this.#pageBytes;
    const count = Math.ceil(sizeBytes / this.#pageBytes);
    const at = this.#free.findIndex(range => range.start > start);
    const index = at < 0 ? this.#free.length : at;
    this.#free.splice(index, 0, { start, count });
    this.#join(index);
    this.#join(index - 1);
  }

  /** Makes one of a range and the one behind it. */
  #join(index: number): void {
    const [range, next] = [this.#free[index], this.#free[index + 1]];
    if (range === undefined || next === undefined || range.start + range.count !== next.start) return;
    range.count += next.count;
    this.#free.splice(index + 1, 1);
  }
}
