import { BPF_REG_AX } from '../../../isa/index.ts';

/** General registers with a part of their own. */
export const R0 = 0;
export const SP = 1;
export const TOC = 2;
/** First argument and result of the C calling convention. */
export const ARG0 = 3;
export const PACA = 13;

/** Scratch of the JIT. */
export const T1 = 9;
export const T2 = 10;

/**
 * BPF register → general register (`bpf_jit_init_reg_mapping`). R1..R5 are where C arguments lie already, R0 is not
 * where C results lie: they move. Numbers no register has map to r0.
 */
export const REGISTERS: readonly number[] = [8, 3, 4, 5, 6, 7, 27, 28, 29, 30, 31, 12, 0, 0, 0, 0];

export const RESULT = REGISTERS[0];
export const FRAME_POINTER = REGISTERS[10];
/** Holds the callee of calls too. */
export const AX = REGISTERS[BPF_REG_AX];

/** The registers a callee has to keep and BPF uses: R6..R9 and the frame pointer. */
export const KEPT: readonly number[] = REGISTERS.slice(6, 11);
export const FIRST_KEPT = KEPT[0];
