import type { Insn } from '../../../isa/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import type { Callee, CallSite, ExtableEntry, FuncInput, TargetEnv } from '../../types.ts';

/** What stays the same over all passes of one function. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  /** Bytes of BPF stack, rounded to 8. */
  readonly stackBytes: number;
  /** Bit n: the function names R6 + n. */
  readonly kept: number;
  /** The CPU shifts by any register. */
  readonly bmi2: boolean;
  /** Place of `this_cpu_off` in GS's segment. */
  readonly thisCpuOff: number;
}

/** `struct jit_context`: places a pass leaves to the next. */
export interface Labels {
  /** Offset of the epilogue. */
  cleanup: number;
  /** Where a tail call that does not happen goes on, from the tail call's first byte. */
  tailDirect: number;
  tailIndirect: number;
}

/** What one pass is given. */
export interface Pass {
  /** Offset of each slot's code as the pass before left it, overwritten on the way: slots + 1. */
  readonly addrs: Int32Array;
  readonly labels: Labels;
  /** Jumps that became shorter are filled up with nops. */
  readonly padding: boolean;
  /** Whether this pass writes the image: every length has to be what it was. */
  readonly writing: boolean;
  /** Address of the image's first byte. */
  readonly at: bigint;
  readonly callees: readonly Callee[] | undefined;
}

/** One pass over a function (`do_jit`). Offsets are in bytes from its first instruction. */
export class Emission implements Pass {
  readonly c: CodeBuffer;
  readonly unit: Unit;
  readonly addrs: Int32Array;
  readonly labels: Labels;
  readonly padding: boolean;
  readonly writing: boolean;
  readonly at: bigint;
  readonly callees: readonly Callee[] | undefined;
  readonly sites: CallSite[] = [];
  readonly extable: ExtableEntry[] = [];
  /** The third word of each entry's `fixup`: which register a fault clears, as `struct pt_regs` has it, or 1. */
  readonly extableClears: number[] = [];
  /** The slot being compiled, and where its code begins. */
  slot = 0;
  start = 0;
  seenExit = false;

  constructor(c: CodeBuffer, unit: Unit, pass: Pass) {
    this.c = c;
    this.unit = unit;
    this.addrs = pass.addrs;
    this.labels = pass.labels;
    this.padding = pass.padding;
    this.writing = pass.writing;
    this.at = pass.at;
    this.callees = pass.callees;
  }

  /** The slot after the one being compiled. */
  get next(): Insn | undefined {
    return this.unit.func.insns[this.slot + 1];
  }

  /** Bytes of the slot so far. */
  get written(): number {
    return this.c.length - this.start;
  }

  /** Address of the next byte. */
  get here(): bigint {
    return this.at + BigInt(this.c.length);
  }

  /** What the pass before made longer than this one has: bytes of the slot still to come. */
  get shortfall(): number {
    return this.addrs[this.slot + 1] - this.addrs[this.slot] - this.written;
  }
}

/** How the instructions of one code are compiled. */
export type Lowering = (e: Emission, insn: Insn) => void;

/** A row of the table: code and how it is compiled. */
export type LoweringRow = readonly [code: number, lower: Lowering];
