import type { Room } from '../room.ts';
import { CONST, type Ir, NONE, NOP } from '../rows/ir.ts';
import { REGISTERS as CONSTANT_REGISTERS, type KnownConstants } from './known-constants.ts';

/** Registers an instruction may name, `NONE` included. */
const REGISTERS = 16;

/**
 * What a walk along straight-line code knows of registers: which row set each, and whether what that row read is still
 * there. Passes ask; the walk tells it of every row once they are through with it.
 */
export class Window {
  readonly rows: Ir;
  /** By register: the row that set it last, the row before that one, and the last that read it; -1 for none. */
  readonly defined: Int32Array;
  readonly before: Int32Array;
  readonly used: Int32Array;
  /** First row of the block the walk is in. */
  blockStart = 0;

  /** By row: the row that had set its operand a when it was read. */
  readonly readAt: Int32Array;

  constructor(rows: Ir, room: Room) {
    this.rows = rows;
    this.defined = room.ints(REGISTERS);
    this.before = room.ints(REGISTERS);
    this.used = room.ints(REGISTERS);
    this.readAt = room.ints(rows.n, -1);
  }

  /** A block begins where control comes from the row before only. */
  goOn(start: number): void {
    this.blockStart = start;
  }

  /** A block begins where control may come from elsewhere: nothing is known but constants. */
  enterBlock(start: number, constants: KnownConstants | undefined, block: number): void {
    const { defined, before, used } = this;
    this.blockStart = start;
    for (let r = 0; r < REGISTERS; r++) {
      defined[r] = -1;
      before[r] = -1;
      used[r] = -1;
    }
    if (constants === undefined) return;
    for (let held = constants.held[block]; held !== 0; held &= held - 1) {
      const r = 31 - Math.clz32(held & -held);
      defined[r] = constants.rows[block * CONSTANT_REGISTERS + r];
    }
  }

  /** Row whose result the register holds, when `kind` is what it is and its operand a is still what it read; or -1. */
  source(register: number, kind: number): number {
    if (register === NONE) return -1;
    const from = this.defined[register];
    if (from < 0 || this.rows.kind[from] !== kind) return -1;
    return this.keepsA(from) ? from : -1;
  }

  keepsA(from: number): boolean {
    return this.defined[this.rows.a[from]] === this.readAt[from];
  }
  keepsB(from: number): boolean {
    return this.defined[this.rows.b[from]] < from;
  }

  /** The row's result is in its register and nobody has read it; it belongs to the block. */
  unread(from: number): boolean {
    const register = this.rows.d[from];
    return from >= this.blockStart && this.defined[register] === from && this.used[register] <= from;
  }

  /**
   * The row before `i`, in its block, that changed a register in place for row `i` alone, which sets it again: once its work
   * is done in row `i`, {@link drop} it. -1 for none.
   */
  inPlace(i: number, register: number): number {
    const { a, b, d } = this.rows;
    if (register === NONE || d[i] !== register) return -1;
    const from = this.defined[register];
    const alone = from >= 0 && a[from] === register && b[from] !== register;
    return alone && this.unread(from) ? from : -1;
  }

  drop(from: number): void {
    const d = this.rows.d[from];
    this.defined[d] = this.before[d];
    this.rows.kind[from] = NOP;
  }

  /** Row holding a constant that the register holds, or -1. */
  constant(register: number): number {
    if (register === NONE) return -1;
    const from = this.defined[register];
    return from >= 0 && this.rows.kind[from] === CONST ? from : -1;
  }

  /** A call: R1..R5 are read, R0..R5 set. */
  clobber(i: number): void {
    for (let r = 0; r <= 5; r++) {
      this.used[r] = i;
      this.before[r] = this.defined[r];
      this.defined[r] = i;
    }
  }
}
