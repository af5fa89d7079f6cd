import type { Insn } from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import {
  type Callee,
  type CallSite,
  type ExtableEntry,
  type FuncInput,
  JitError,
  type TargetEnv,
} from '../../types.ts';

/** What stays the same over all passes of one function. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  /** Bytes of BPF stack, rounded to 16. */
  readonly stackBytes: number;
  /** Registers of callers that the function keeps, in pairs as they are pushed; without boundaries of exceptions. */
  readonly kept: readonly number[];
  /** R10 is named, so its register is set. */
  readonly usesFrame: boolean;
  /** The CPU has the atomic instructions of Armv8.1. */
  readonly lse: boolean;
}

/** One pass over a function. Offsets are counted in instructions from its first. */
export class Emission {
  readonly unit: Unit;
  /** Offset of each slot's code: read for jumps, written on the way: slots + 1. */
  readonly offsets: Int32Array;
  readonly callees: readonly Callee[] | undefined;
  /** Address of the first instruction; undefined before there is an image: then calls take their longest form. */
  readonly at: bigint | undefined;
  readonly sites: CallSite[] = [];
  /** Instructions that may fault, and for each the register a fault clears. */
  readonly faults: ExtableEntry[] = [];
  readonly faultClears: (number | undefined)[] = [];
  idx = 0;
  /** The slot being compiled. */
  slot = 0;
  /** Where exits jump to, as the pass before has it. */
  epilogue = 0;
  readonly #out: Int32Array | undefined;

  constructor(
    unit: Unit,
    offsets: Int32Array,
    out: Int32Array | undefined,
    at: bigint | undefined,
    callees: readonly Callee[] | undefined,
  ) {
    this.unit = unit;
    this.offsets = offsets;
    this.#out = out;
    this.at = at;
    this.callees = callees;
  }

  emit(word: number): void {
    if (this.#out !== undefined) this.#out[this.idx] = word;
    this.idx++;
  }

  /** Overwrites an instruction emitted before. */
  patch(idx: number, word: number): void {
    if (this.#out !== undefined) this.#out[idx] = word;
  }

  /** The slot after the one being compiled. */
  get next(): Insn | undefined {
    return this.unit.func.insns[this.slot + 1];
  }

  /** Bytes from the last instruction of this slot to the slot `distance` behind the next one (`bpf2a64_offset`). */
  distanceTo(distance: number, bits: number): number {
    const { offsets, slot } = this;
    const words = offsets[slot + 1 + distance] - (offsets[slot + 1] - 1);
    return this.inRange(words, bits);
  }

  /** In bytes; throws what `check_imm` answers. */
  inRange(words: number, bits: number): number {
    const limit = 2 ** (bits - 1);
    if (words < -limit || words >= limit) throw new JitError(ERRNO.EINVAL, `[${this.slot}] imm=${words} out of range`);
    return words * 4;
  }

  /** The instruction emitted last may fault and go on behind itself. */
  mayFault(clears: number | undefined): void {
    this.faults.push({ insnOff: (this.idx - 1) * 4, fixupOff: this.idx * 4 });
    this.faultClears.push(clears);
  }
}

/** How the instructions of one code are compiled. */
export type Lowering = (e: Emission, insn: Insn) => void;

/** A row of the table: code and how it is compiled. */
export type LoweringRow = readonly [code: number, lower: Lowering];
