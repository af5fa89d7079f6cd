import { R8, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI } from '../registers.ts';

/** R0 … R10 and AX (`reg2hex`). */
export const REGISTERS = [RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP, R10] as const;
/** Of no BPF register, free within one instruction. */
export const AUX = R11;
/** Free within one instruction unless constants are blinded. */
export const AX = R10;
/** The arena's base, where there is an arena. */
export const ARENA = R12;

/** R6 … R9 live here; callees keep them. */
export const KEPT: readonly number[] = [RBX, R13, R14, R15];
/** BPF register of the first of them. */
export const FIRST_KEPT = 6;
