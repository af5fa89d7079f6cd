import { EXACT, FP, HIGH, type Ir, STORE_K } from '../rows/ir.ts';
import type { StateAccess, WasmImports } from './abi.ts';
import type { Code } from './code.ts';
import type { EmissionOptions } from './emission.ts';
import { I32_ADD, I32_WRAP_I64, I64_EXTEND_I32_U } from './opcodes.ts';

/** Halves of R1..R5 that a function reads, and what its WebAssembly function takes: those, i64 or i32. */
export interface Signature {
  readonly halves: number;
  /** Index of the function. */
  readonly func: number;
}

export const HIGH_SHIFT = 16;

/** Which registers of a set of halves are there in their low halves only. */
export const lowOnly = (halves: number): number => halves & ~(halves >>> HIGH_SHIFT) & 0xffff;

/** Locals of one function, by what they hold; -1 for none. */
export interface RowLocals {
  /** By register: all of it as an i64, and its low half as an i32. */
  readonly wide: Int32Array;
  readonly low: Int32Array;
  /** By number of a local of the optimiser's. */
  readonly slots: Int32Array;
  readonly slotIsWide: Uint8Array;
  readonly frame: number;
  readonly label: number;
  readonly mayGoto: number;
  readonly addr: number;
  readonly word: number;
  readonly old: number;
}

/** What the rows of one function are written with. */
export class RowEmission {
  readonly code: Code;
  readonly rows: Ir;
  readonly slots: Int32Array;
  readonly imports: WasmImports;
  readonly state: StateAccess;
  readonly how: EmissionOptions;
  readonly locals: RowLocals;
  /** By BPF function: undefined for those that are nowhere called. */
  readonly signatures: readonly (Signature | undefined)[];
  /** Program slot of each BPF function. */
  readonly starts: ArrayLike<number>;
  readonly frameBytes: number;
  readonly movesSp: boolean;
  /** It is called from outside: its result is the low half of R0. */
  readonly isEntry: boolean;
  /** Registers whose low half is in an i32 local, and nothing else of them anywhere. */
  narrow = 0;

  constructor(parts: Omit<RowEmission, 'narrow' | 'get' | 'get32' | 'set' | 'set32' | 'isWide' | 'address'>) {
    this.code = parts.code;
    this.rows = parts.rows;
    this.slots = parts.slots;
    this.imports = parts.imports;
    this.state = parts.state;
    this.how = parts.how;
    this.locals = parts.locals;
    this.signatures = parts.signatures;
    this.starts = parts.starts;
    this.frameBytes = parts.frameBytes;
    this.movesSp = parts.movesSp;
    this.isEntry = parts.isEntry;
  }

  /** Leaves a register on the stack as an i64. What nobody set since a call took it is 0; verified code does not read it. */
  get(register: number): void {
    if (register !== FP && (this.narrow & (1 << register)) === 0) {
      const local = this.locals.wide[register];
      if (local < 0) this.code.i64(0, 0);
      else this.code.get(local);
      return;
    }
    this.get32(register);
    this.code.op(I64_EXTEND_I32_U);
  }

  /** Its low half as an i32. */
  get32(register: number): void {
    const { code, locals } = this;
    if (register === FP) {
      code.get(locals.frame);
      code.i32(this.frameBytes);
      code.op(I32_ADD);
    } else if ((this.narrow & (1 << register)) !== 0 && locals.low[register] >= 0) code.get(locals.low[register]);
    else if (locals.wide[register] < 0) code.i32(0);
    else {
      code.get(locals.wide[register]);
      code.op(I32_WRAP_I64);
    }
  }

  /** Whether anybody reads the high half of the row's result. */
  isWide(i: number): boolean {
    return (this.rows.flags[i] & HIGH) !== 0;
  }

  /** The row's result is the i64 on the stack. */
  set(i: number): void {
    const register = this.rows.d[i];
    if (this.isWide(i)) {
      this.code.set(this.locals.wide[register]);
      this.narrow &= ~(1 << register);
      return;
    }
    this.code.op(I32_WRAP_I64);
    this.code.set(this.locals.low[register]);
    this.narrow |= 1 << register;
  }

  /** The row's result is the i32 on the stack, zero-extended. */
  set32(i: number): void {
    const register = this.rows.d[i];
    if (this.isWide(i)) {
      this.code.op(I64_EXTEND_I32_U);
      this.code.set(this.locals.wide[register]);
      this.narrow &= ~(1 << register);
      return;
    }
    this.code.set(this.locals.low[register]);
    this.narrow |= 1 << register;
  }

  /**
   * Leaves the address of a row's access on the stack; the rest of it is returned, as the access's own offset. WebAssembly
   * adds that without wrapping, so it is less than 64 KiB, as nothing that may be accessed lies below, or the base is exact.
   */
  address(i: number): number {
    const { code, rows } = this;
    const base = rows.a[i];
    const index = rows.kind[i] <= STORE_K ? rows.aux[i] : 0;
    let off = rows.off[i];
    if (base === FP) {
      code.get(this.locals.frame);
      off += this.frameBytes;
    } else this.get32(base);
    if (index > 0) {
      this.get32(index - 1);
      code.op(I32_ADD);
    }
    if (off >= 0 && (off < 0x10000 || (index <= 0 && (rows.flags[i] & EXACT) !== 0 && rows.kind[i] <= STORE_K)))
      return off;
    code.i32(off);
    code.op(I32_ADD);
    return 0;
  }
}
