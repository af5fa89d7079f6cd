import type { Region } from '../../mem/index.ts';
import type { EngineProgram } from '../types.ts';
import type { Vm } from './vm.ts';

/** Carries out one instruction; `vm.pc` already points behind it. */
export type Exec = (vm: Vm, op: Op) => void;

/** One slot made ready: operands as indices into `vm.r`, jump targets as slots. */
export interface Op {
  readonly exec: Exec;
  /** Slot index. */
  readonly idx: number;
  /** Index of the low half of dst and src in `vm.r`. */
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
  /** ld_imm64: the high half. */
  readonly immHi: number;
  /** Jumps and local calls: the slot, or the op count when it lies outside. */
  readonly target: number;
  /** Where the last memory access fell: an inline cache. */
  region: Region | undefined;
  /** Set for slots that are no instruction. */
  readonly problem: string | undefined;
}

/** A program made ready for this interpreter. */
export interface InterpProgram {
  readonly source: EngineProgram;
  /** One op a slot and a last one that faults: control must never reach it. */
  readonly ops: readonly Op[];
  /** Function addresses of this program: slot i is at start + 8 i. Absent if no instruction takes one. */
  readonly functions: Region | undefined;
}
