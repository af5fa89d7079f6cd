import { R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI } from '../registers.ts';
import type { Facts } from './facts.ts';

/**
 * Where BPF's registers live, as in Linux: arguments and result where C functions have theirs, R6 to R9 in registers calls
 * leave alone, R10 the frame pointer, AX behind it.
 */
const REGISTERS: readonly number[] = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP, R10];

/**
 * Where they live in one function. In one that calls nobody, R6 to R9 need not be kept for a caller: they take registers
 * of arguments it does not name, as far as there are some that no shift and no division wants.
 */
export function registersOf(facts: Facts, plain: boolean): readonly number[] {
  if (!plain || facts.calls || facts.tailCalls > 0) return REGISTERS;
  return (MAPS[facts.used] ??= leafRegisters(facts.used));
}
/** By the registers a leaf names. */
const MAPS: (readonly number[])[] = [];
/** R2, R1, R5 and AX: those that take no REX prefix first. */
const SPARE = [2, 1, 5, 11] as const;

function leafRegisters(used: number): readonly number[] {
  const named = (register: number): boolean => (used & (1 << register)) !== 0;
  const spare = SPARE.filter(register => !named(register)).map(register => REGISTERS[register]);
  return REGISTERS.map((own, register) =>
    register >= 6 && register <= 9 && named(register) ? (spare.shift() ?? own) : own,
  );
}

/** Free within one instruction of BPF. */
export const SCRATCH = R11;
export const SCRATCH2 = R9;
/** Base of the arena. */
export const ARENA = R12;

/** Bits of x86-64 registers that calls leave alone. */
export const CALLEE_SAVED = (1 << RBX) | (1 << RBP) | (1 << R12) | (1 << R13) | (1 << R14) | (1 << R15);
