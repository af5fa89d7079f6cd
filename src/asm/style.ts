import type { Insn, InsnDef } from '../isa/index.ts';

/** What may name things while printing; without a hook numbers are printed, as Linux does without `bpf_insn_cbs`. */
export interface PrintHooks {
  /** Name of a helper by its id, as the kernel's `func_id_name`: `bpf_map_lookup_elem`. */
  readonly helperName?: (id: number) => string | undefined;
  /** kernel dialect: what to call the callee, when it is no named helper; for subprograms the text behind `pc`. */
  readonly cbCall?: (insn: Insn, idx: number) => string | undefined;
  /** kernel dialect: the text of a 64-bit immediate, in place of map and function names. */
  readonly cbImm?: (insn: Insn, imm64: bigint, idx: number) => string | undefined;
}

/** How a dialect spells operands; the same operand kinds serve all dialects. */
export interface Style {
  /** Before the number of a 64-bit and of a 32-bit register. */
  readonly reg: string;
  readonly wreg: string;
  /** A signed number. */
  number(value: number): string;
  /** A memory offset behind its base register. */
  displacement(value: number): string;
  /** A jump distance in slots, counted from the next one. */
  target(distance: number): string;
  /** A 64-bit value. */
  wide(value: bigint): string;
  /** Word that may stand before a jump distance when read, such as `pc`. */
  readonly targetWord: string;
  /** Largest 32-bit immediate that may be written in decimal; hex may always use all 32 bits. */
  readonly decimalMax: number;
  /** Whether constant expressions may be written where a number is expected. */
  readonly operators: boolean;
}

/** The spelling of one row of the instruction table; see template.ts for what stands in the strings. */
export interface RowSyntax {
  /** How it is printed; read as well. */
  readonly text: string;
  /** How it is printed when 32-bit registers are asked for (`alu32`); read as well. */
  readonly alu32?: string;
  /** Other spellings that are read. */
  readonly also?: readonly string[];
}

export type Spell = (def: InsnDef) => RowSyntax;

/** `-0x5`: hex with the sign in front, as LLVM prints. */
export function signedHex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** `+3`, `-3`. */
export function signedDecimal(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}
