import type { LinearRegisters } from '../../linear/index.ts';
import { R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI } from '../registers.ts';

/**
 * Where R0 to R9 live: arguments and result as C functions have them, R6 to R9 in registers that calls leave alone. R10 is rbp,
 * the real address of the frame's end.
 */
const BPF_HOME: readonly number[] = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R12];
export const FRAME_END = RBP;
/** Those and, behind R10, the register the optimiser has for itself. */
export const HOME: readonly number[] = [...BPF_HOME, FRAME_END, R9];
/** Real address of the linear memory's first byte, in all code of all programs. */
export const MEMORY = R15;
/** Free within a row: operands that are made, and addresses. */
export const SCRATCH = R10;
export const ADDRESS = R11;

export const REGISTERS: LinearRegisters = {
  home: BPF_HOME,
  leafHome: BPF_HOME,
  kept: [RBX, R13, R14, R12, RBP],
  free: [R9],
  extra: R9,
  frame: FRAME_END,
};
