/** R0 … R10 and AX (`regmap`). */
export const REGISTERS = [15, 10, 11, 12, 13, 14, 9, 18, 19, 20, 21, 5] as const;
export const RESULT = 15;
/** Of a C function: first argument and result. */
export const A0 = 10;

export const ZERO = 0;
export const RA = 1;
export const SP = 2;
/** `struct thread_info` of the task that runs. */
export const TP = 4;
/** s0: where the caller's sp was. */
export const FP = 8;
/** Free within one instruction. */
export const T1 = 6;
export const T2 = 7;
export const T3 = 28;
/** a6: how many tail calls are left; s6 keeps it over calls. */
export const COUNT = 16;
export const COUNT_SAVED = 22;
/** s7: the arena's base, where there is an arena. */
export const ARENA = 23;
/** s5: where R10 lives. */
export const FRAME_POINTER = 21;

/** s1 … s6: kept for callers where a function names them, in the order they are stored. */
export const KEPT: readonly number[] = [9, 18, 19, 20, 21, 22];
