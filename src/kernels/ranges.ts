import type { AddressRange } from './types.ts';

/** Ranges of addresses that do not overlap, ascending. */
export class RangeSet<T extends AddressRange> {
  readonly #rows: T[] = [];
  /** What was found last: who asks about one address asks about its neighbours. */
  #last: T | undefined;

  get size(): number {
    return this.#rows.length;
  }

  /** How many ranges start at or below `addr`. */
  #countUpTo(addr: bigint): number {
    const rows = this.#rows;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (rows[mid].start <= addr) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** The range that holds `addr`. */
  at(addr: bigint): T | undefined {
    const last = this.#last;
    if (last !== undefined && addr >= last.start && addr < last.end) return last;
    const row = this.#rows[this.#countUpTo(addr) - 1];
    if (row === undefined || addr >= row.end) return undefined;
    this.#last = row;
    return row;
  }

  /** The lowest range that shares a byte with `[start, end)`. */
  overlapping(start: bigint, end: bigint): T | undefined {
    const next = this.#countUpTo(start);
    const before = this.#rows[next - 1];
    if (before !== undefined && before.end > start) return before;
    const after = this.#rows[next];
    return after !== undefined && after.start < end ? after : undefined;
  }

  /** Adds a range that overlaps none. */
  add(row: T): void {
    const rows = this.#rows;
    // Mostly behind all others.
    if (rows.length === 0 || rows[rows.length - 1].start < row.start) rows.push(row);
    else rows.splice(this.#countUpTo(row.start), 0, row);
  }

  /** Adds a range, or returns the lowest that it overlaps and adds nothing. */
  addIfFree(row: T): T | undefined {
    const rows = this.#rows;
    const last = rows[rows.length - 1];
    if (last === undefined || last.end <= row.start) {
      rows.push(row);
      return undefined;
    }
    const other = this.overlapping(row.start, row.end);
    if (other === undefined) this.add(row);
    return other;
  }

  /** Takes the range that starts at `start` out; false when there is none. */
  remove(start: bigint): boolean {
    const rows = this.#rows;
    this.#last = undefined;
    // Mostly what came last.
    if (rows.length > 0 && rows[rows.length - 1].start === start) {
      rows.pop();
      return true;
    }
    const index = this.#countUpTo(start) - 1;
    if (rows[index]?.start !== start) return false;
    rows.splice(index, 1);
    return true;
  }

  values(): readonly T[] {
    return this.#rows;
  }
}
