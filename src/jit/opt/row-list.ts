import type { Room } from '../room.ts';
import { HIGH, Ir, LEADER, NONE, TARGET } from '../rows/ir.ts';

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
export interface NewRow {
  readonly kind: number;
  readonly sub?: number;
  readonly d?: number;
  readonly a?: number;
  readonly b?: number;
  readonly flags?: number;
  readonly imm?: number;
  readonly aux?: number;
}

/** Rows that are put one behind the other, and their program slots. What walks over them found out is forgotten. */
export class RowList {
  readonly #rows: Ir;
  readonly #slots: Int32Array;
  length = 0;

  /**
   * @param most rows there may be
   * @param room where they live
   */
  constructor(most: number, room: Room) {
    this.#rows = new Ir(most, room);
    this.#slots = room.ints(most);
  }

  /** @returns the row's number */
  put(slot: number, row: NewRow): number {
    const at = this.length++;
    const { kind, sub = 0, d = NONE, a = NONE, b = NONE, flags = 0, imm = 0, aux = 0 } = row;
    const rows = this.#rows;
    rows.kind[at] = kind;
    rows.sub[at] = sub;
    rows.d[at] = d;
    rows.a[at] = a;
    rows.b[at] = b;
    rows.flags[at] = flags;
    rows.imm[at] = imm;
    rows.aux[at] = aux;
    this.#slots[at] = slot;
    return at;
  }

  copy(from: Ir, slots: Int32Array, start: number, end: number): void {
    const at = this.length;
    copyRows(from, start, end, this.#rows, at);
    this.length += end - start;
    const { flags } = this.#rows;
    for (let i = at, j = start; j < end; i++, j++) {
      flags[i] &= ~(LEADER | TARGET | HIGH);
      this.#slots[i] = slots[j];
    }
  }

  /** The row jumps there. */
  aim(at: number, target: number): void {
    this.#rows.aux[at] = target;
  }

  /** Rows of a list, to be changed. */
  get rows(): Ir {
    return this.#rows;
  }

  /** @param room where the rows live from now on */
  finish(narrowAddresses: boolean, room: Room): { readonly rows: Ir; readonly slots: Int32Array } {
    const rows = new Ir(this.length, room);
    copyRows(this.#rows, 0, this.length, rows, 0);
    rows.narrowAddresses = narrowAddresses;
    const slots = room.ints(this.length);
    slots.set(this.#slots.subarray(0, this.length));
    return { rows, slots };
  }
}
