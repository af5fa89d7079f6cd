import type { CodeBuffer } from '../code-buffer.ts';
import {
  ALU_K,
  ALU_X,
  ATOMIC,
  BSWAP,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  FUNC,
  LOAD,
  LOAD_ACQ,
  MASK,
  MOV,
  SEXT,
  STORE,
  STORE_K,
  STORE_REL,
  ZERO_FRAME,
} from '../rows/ir.ts';
import type { CallShape } from '../wasm/index.ts';
import type { EmissionParts, Gate, LinearEmission } from './emission.ts';
import type { LinearRegisters, LocalHome } from './frame.ts';

export type RowWriter<E> = (e: E, i: number) => void;

/** What writes the rows that know nothing of the function around them. One thread runs a machine: accesses in order are accesses. */
export interface LinearRows<E> {
  readonly move: RowWriter<E>;
  readonly constant: RowWriter<E>;
  readonly functionAddress: RowWriter<E>;
  readonly mask: RowWriter<E>;
  readonly signExtension: RowWriter<E>;
  readonly swap: RowWriter<E>;
  readonly operation: RowWriter<E>;
  readonly load: RowWriter<E>;
  readonly store: RowWriter<E>;
  readonly atomic: RowWriter<E>;
  readonly functionCall: RowWriter<E>;
}

/** They by the kinds of rows. */
export const linearRows = <E>(write: LinearRows<E>): readonly (RowWriter<E> | undefined)[] =>
  byKind({
    [MOV]: write.move,
    [CAST_USER]: write.move,
    [CONST]: write.constant,
    [FUNC]: write.functionAddress,
    [MASK]: write.mask,
    [SEXT]: write.signExtension,
    [BSWAP]: write.swap,
    [ALU_K]: write.operation,
    [ALU_X]: write.operation,
    [LOAD]: write.load,
    [LOAD_ACQ]: write.load,
    [STORE]: write.store,
    [STORE_K]: write.store,
    [STORE_REL]: write.store,
    [ATOMIC]: write.atomic,
    [CMPXCHG]: write.atomic,
    [CALL_SUB]: write.functionCall,
  });

function byKind<E>(writers: Readonly<Record<number, RowWriter<E>>>): (RowWriter<E> | undefined)[] {
  return Array.from({ length: ZERO_FRAME + 1 }, (_, kind) => writers[kind]);
}

/** What code over the linear memory needs of a CPU: registers, and what writes each thing a function is made of. */
export interface LinearTarget<E extends LinearEmission> {
  readonly registers: LinearRegisters;
  /** Functions begin at multiples of this; between them is what stops the CPU. */
  readonly alignBytes: number;
  readonly fill: number;
  /** As far as calls reach. */
  readonly mostBytes: number;
  /** Rows up to which a function is hoped to need short jumps only. */
  readonly shortRows: number;
  /** What writes a row that knows nothing of the function around it, by its kind. */
  readonly rows: readonly (RowWriter<E> | undefined)[];

  emission(parts: EmissionParts): E;
  /** Writes a resolved distance; false where it is too far for its form. */
  patch(code: CodeBuffer, kind: number, off: number, distance: number): boolean;
  /** Gives jumps of code that was written with long ones only, and as long as it may ever be, their short form where that reaches. */
  shorten(e: E): void;
  /** Writes the distance of a call, from where `LinearEmission.calls` says. */
  patchCall(view: DataView, off: number, distance: number): void;
  /** Adds to a gate's number, at one of `LinearEmission.gateOffs`. */
  patchGate(view: DataView, off: number, add: number): void;

  /**
   * A block begins.
   *
   * @param joins control may come from elsewhere than the row before
   * @param isLoop it is jumped back to
   */
  block(e: E, joins: boolean, isLoop: boolean): void;
  /** Behind each row. */
  done?(e: E, i: number): void;

  /** What a function needs of the stack and the memory's stack, up to its first row. */
  enter(e: E): void;
  clearLocal(e: E, home: LocalHome): void;
  /** A word of 32 bits among the locals. */
  setBudget(e: E, offBytes: number, value: number): void;
  /** A register's upper half becomes 0. */
  extend(e: E, register: number): void;
  /** Words of the frame become zeros. @param offs from the frame's end, ascending. No BPF register changes */
  clearWords(e: E, offs: readonly number[]): void;

  jump(e: E, label: number): void;
  /** A conditional jump or MAY_GOTO to a label, or one for the opposite. */
  condition(e: E, i: number, label: number, opposite: boolean): void;
  /** A jump over one row: the row's result is made in any case, and taken where control would not have jumped. */
  choice(e: E, jump: number, row: number): void;
  outside(e: E, i: number, gate: Gate, shape: CallShape): void;
  tail(e: E, i: number): void;
  packet(e: E, i: number): void;
  leave(e: E): void;
  /** Ends the run: the gate throws. @param kind index into `WASM_FAULTS` */
  fault(e: E, kind: number, slot: number): void;
}
