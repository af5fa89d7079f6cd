/** Bytes that go from code: ranges, in their order, and where what stays comes to lie. */
export class Cuts {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Bytes gone up to and with each range. */
  readonly #gone: number[] = [];
  /** Ranges that lie before the offset asked for last. */
  #passed = 0;
  #last = 0;

  get count(): number {
    return this.#starts.length;
  }
  start(n: number): number {
    return this.#starts[n];
  }
  end(n: number): number {
    return this.#ends[n];
  }
  /** Bytes gone in all ranges yet. */
  get goneBytes(): number {
    return this.#gone[this.#gone.length - 1] ?? 0;
  }

  /** A range behind all that were added before. */
  add(start: number, end: number): void {
    if (end <= start) return;
    const gone = this.goneBytes;
    this.#starts.push(start);
    this.#ends.push(end);
    this.#gone.push(gone + end - start);
  }

  /** Where a byte that stays is then: fastest in ascending order. */
  moved(off: number): number {
    if (off < this.#last) this.#passed = this.#find(off);
    this.#last = off;
    while (this.#passed < this.#starts.length && this.#starts[this.#passed] < off) this.#passed++;
    return this.#passed === 0 ? off : off - this.#gone[this.#passed - 1];
  }

  /** How many ranges begin before `off`. */
  #find(off: number): number {
    let low = 0;
    for (let high = this.#starts.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] < off) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
