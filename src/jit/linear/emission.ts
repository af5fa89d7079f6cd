import type { CodeBuffer } from '../code-buffer.ts';
import type { Cuts } from '../cuts.ts';
import type { Ir } from '../rows/ir.ts';
import type { FunctionFrame, LocalHome } from './frame.ts';
import type { NativeTailCalls } from './tail-calls.ts';
import { isWide, isZero } from './zero-extended.ts';

/** A gate: something outside that code calls by its number. */
export type Gate =
  | { readonly kind: 'helper'; readonly id: number }
  | { readonly kind: 'kfunc'; readonly btfId: number; readonly fdIdx: number }
  | { readonly kind: 'packet' | 'tail' | 'fault' };

/** What all functions of a program are written with. */
export interface ProgramEmission {
  /** Number of a gate in the program; the same gate gets the same one. */
  gate(gate: Gate): number;
  /** Address of the code that calls gates. */
  readonly gateHi: number;
  readonly gateLo: number;
  /** Where the state of runs is in the linear memory. */
  readonly stateAddr: number;
  /** Address of a function that begins at slot 0; one at slot n is 8 n further. */
  readonly funcBase: number;
  readonly starts: ArrayLike<number>;
  /** The CPU has what later ones of its kind have; BMI2 on x86-64; see `LinearTarget`. */
  readonly extended: boolean;
  /** Instructions in slots below this were verified. */
  readonly verifiedSlots: number;
  /** Without it tail calls are the gate's. */
  readonly tailCalls: NativeTailCalls | undefined;
}

/** What an emission begins with. */
export interface EmissionParts {
  readonly c: CodeBuffer;
  readonly rows: Ir;
  readonly slots: Int32Array;
  readonly program: ProgramEmission;
  readonly frame: FunctionFrame;
  /** Jumps are written in their short form, otherwise so that `LinearTarget.shorten` can give them that. */
  readonly short: boolean;
}

/** What the rows of one function are written with, on any CPU. */
export class LinearEmission implements EmissionParts {
  readonly c: CodeBuffer;
  readonly rows: Ir;
  readonly slots: Int32Array;
  readonly program: ProgramEmission;
  readonly frame: FunctionFrame;
  readonly locals: readonly LocalHome[];
  readonly short: boolean;
  /** Calls of functions of the program: where their distance is, and whom they call. */
  readonly calls: { readonly offBytes: number; readonly callee: number }[] = [];
  /** Where the numbers of gates are. */
  readonly gateOffs: number[] = [];
  /** What is known of BPF registers: see `knownBehind`. */
  known = 0;

  constructor(parts: EmissionParts) {
    this.c = parts.c;
    this.rows = parts.rows;
    this.slots = parts.slots;
    this.program = parts.program;
    this.frame = parts.frame;
    this.locals = parts.frame.locals;
    this.short = parts.short;
  }

  /** Takes bytes out of the code. */
  cut(cuts: Cuts): void {
    this.c.cut(cuts);
    const { calls, gateOffs } = this;
    for (let n = 0; n < calls.length; n++) calls[n] = { ...calls[n], offBytes: cuts.moved(calls[n].offBytes) };
    for (let n = 0; n < gateOffs.length; n++) gateOffs[n] = cuts.moved(gateOffs[n]);
  }

  isWide(i: number): boolean {
    return isWide(this.rows, i);
  }
  isZero(register: number): boolean {
    return isZero(this.known, register);
  }
}
