import { R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI } from '../registers.ts';

/**
 * Where BPF's registers live, as in Linux: arguments and result where C functions have theirs, R6 to R9 in registers calls
 * leave alone, R10 the frame pointer, AX behind it.
 */
export const REG: readonly number[] = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP, R10];

/** Free within one instruction of BPF. */
export const SCRATCH = R11;
export const SCRATCH2 = R9;
/** Base of the arena. */
export const ARENA = R12;

/** Bits of x86-64 registers that calls leave alone. */
export const CALLEE_SAVED = (1 << RBX) | (1 << RBP) | (1 << R12) | (1 << R13) | (1 << R14) | (1 << R15);
