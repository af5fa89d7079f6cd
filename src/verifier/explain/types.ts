/**
 * What an explanation is, as data: plain objects, strings and numbers, fit for JSON and for a page to draw. Positions
 * (`step`) count the instructions of the path from the entry of the function to the refused one, from 0.
 */

/** A line of the source, as the compiler recorded it. */
export interface SourcePlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1; 0 where the compiler did not say. */
  readonly column: number;
  readonly text: string;
}

/** An instruction and where it came from. */
export interface Place {
  readonly insnIdx: number;
  /** As the verifier's log writes it, without the opcode. */
  readonly insn: string;
  readonly source: SourcePlace | undefined;
  /** '' where the program does not say. */
  readonly func: string;
}

/** What the verifier knew of a value. */
export interface ValueView {
  readonly kind: 'number' | 'pointer' | 'nothing';
  /** In plain words: `a number from 0 to 255`. */
  readonly text: string;
  /** As the verifier's log writes it: `scalar(umax=255,var_off=(0x0; 0xff))`. */
  readonly verifier: string;
  /** Numbers, and how far a pointer's variable part reaches: decimal. */
  readonly min?: string;
  readonly max?: string;
  readonly maybeNull?: boolean;
}

/** A register or 8 bytes of a stack. */
export interface ValueAt extends ValueView {
  /** `r1`, `fp-8` */
  readonly name: string;
  /** Which call it belongs to: 0 for the outermost function. */
  readonly frame: number;
}

export type TraceKind =
  /** The value appears: a constant, a context field, packet or map contents, the result of a helper, an argument. */
  | 'origin'
  /** Copied from another register, computed from operands, loaded from the stack or stored there. */
  | 'copy'
  | 'compute'
  | 'load'
  | 'store'
  /** Passed to a function, or returned by one. */
  | 'pass'
  | 'return'
  /** A comparison on the path told something of the value, or nothing. */
  | 'narrow'
  | 'no-help'
  /** The value is of no use any more: a call destroyed it, or what it pointed to went away. */
  | 'lost'
  /** Nobody wrote it on this path. */
  | 'missing'
  /** Something was got that has to be given back. */
  | 'acquire'
  /** The path came by here; told because the message is about it. */
  | 'pass-by';

/** One step of a value's history. A page draws it at `step` of the path, on the line of `name`. */
export interface TraceEvent extends Place {
  readonly kind: TraceKind;
  readonly step: number;
  readonly name: string;
  readonly frame: number;
  /** What happened, as a sentence. */
  readonly text: string;
  readonly before: ValueView | undefined;
  readonly after: ValueView | undefined;
  /** Comparisons: whether the path jumped. */
  readonly taken?: boolean;
  /** What it was made from: names in the same frame, unless they say otherwise (`frame 0: r6`). */
  readonly from: readonly string[];
}

/** A straight run of instructions on the path. */
export interface PathSegment {
  /** Step of the first instruction. */
  readonly step: number;
  readonly from: number;
  readonly to: number;
  readonly frame: number;
}

/** Where the work of a verification that ran out of budget went. */
export interface LineCost {
  readonly place: Place;
  readonly insns: number;
  readonly percent: number;
  /** States kept at instructions of the line, to be compared with later ones. */
  readonly states: number;
}

/** A loop that was gone through again and again. */
export interface LoopReport {
  readonly head: Place;
  readonly visits: number;
  /** What was different each time: its name and the values of the last visits, oldest first. */
  readonly changing: readonly { readonly name: string; readonly values: readonly string[] }[];
}

export interface BudgetReport {
  readonly processedInsns: number;
  readonly lines: readonly LineCost[];
  readonly functions: readonly { readonly name: string; readonly insns: number; readonly percent: number }[];
  readonly loop: LoopReport | undefined;
}

/** Why a program was refused, for people. */
export interface Explanation {
  /** Key in the catalogue of messages; undefined for a refusal without words. */
  readonly messageId: string | undefined;
  /** The verifier's own words, all lines that belong together. */
  readonly message: string;
  /** One line: what is wrong. */
  readonly title: string;
  /** What the program attempted and why that is not allowed: a few sentences. */
  readonly attempted: string;
  readonly place: Place | undefined;
  /** Registers and slots concerned, as they were before the instruction. */
  readonly values: readonly ValueAt[];
  /** How they came to be so, oldest first. */
  readonly chain: readonly TraceEvent[];
  /** What would make it pass, best first. */
  readonly remedies: readonly string[];
  /** Calls that lead to the instruction, outermost first; empty in the outermost function. */
  readonly callers: readonly Place[];
  /** The path to the instruction; the oldest part is left out where it is long. */
  readonly path: readonly PathSegment[];
  readonly budget: BudgetReport | undefined;
}
