import { HIGH, Ir, LEADER, TARGET } from '../rows/ir.ts';

const COLUMNS = ['kind', 'sub', 'd', 'a', 'b', 'flags', 'imm', 'aux', 'off'] as const;

/** Rows up to which copying them one by one is faster. */
const SHORT = 32;

/** Copies all columns of rows. */
export function copyRows(from: Ir, start: number, end: number, to: Ir, at: number): void {
  if (end - start <= SHORT) {
    for (let i = start, j = at; i < end; i++, j++) {
      to.kind[j] = from.kind[i];
      to.sub[j] = from.sub[i];
      to.d[j] = from.d[i];
      to.a[j] = from.a[i];
      to.b[j] = from.b[i];
      to.flags[j] = from.flags[i];
      to.imm[j] = from.imm[i];
      to.aux[j] = from.aux[i];
      to.off[j] = from.off[i];
    }
    return;
  }
  for (const column of COLUMNS) to[column].set(from[column].subarray(start, end), at);
}

/** A row that is made: columns that are left out are as in a row of nothing. */
export type NewRow = Partial<Record<(typeof COLUMNS)[number], number>>;

/** Rows that are put one behind the other, and their program slots. What walks over them found out is forgotten. */
export class RowList {
  readonly #rows: Ir;
  readonly #slots: Int32Array;
  length = 0;

  /** @param most rows there may be */
  constructor(most: number) {
    this.#rows = new Ir(most);
    this.#slots = new Int32Array(most);
  }

  /** @returns the row's number */
  put(slot: number, row: NewRow): number {
    const at = this.length++;
    for (const column of COLUMNS) {
      const value = row[column];
      if (value !== undefined) this.#rows[column][at] = value;
    }
    this.#slots[at] = slot;
    return at;
  }

  copy(from: Ir, slots: Int32Array, start: number, end: number): void {
    const at = this.length;
    copyRows(from, start, end, this.#rows, at);
    this.#slots.set(slots.subarray(start, end), at);
    this.length += end - start;
    const { flags } = this.#rows;
    for (let i = at; i < this.length; i++) flags[i] &= ~(LEADER | TARGET | HIGH);
  }

  /** The row jumps there. */
  aim(at: number, target: number): void {
    this.#rows.aux[at] = target;
  }

  /** Rows of a list, to be changed. */
  get rows(): Ir {
    return this.#rows;
  }

  finish(narrowAddresses: boolean): { readonly rows: Ir; readonly slots: Int32Array } {
    const rows = new Ir(this.length);
    copyRows(this.#rows, 0, this.length, rows, 0);
    rows.narrowAddresses = narrowAddresses;
    return { rows, slots: this.#slots.slice(0, this.length) };
  }
}
