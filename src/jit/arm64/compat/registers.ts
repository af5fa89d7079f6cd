/** R0 … R10 and AX (`bpf2a64`). */
export const REGISTERS = [7, 0, 1, 2, 3, 4, 19, 20, 21, 22, 25, 9] as const;
export const RESULT = 7;
/** Where R10 lives, and which of R0 … R10 it is. */
export const FRAME_POINTER = 25;
export const BPF_FRAME_POINTER = 10;

/** Free within one instruction. */
export const T1 = 10;
export const T2 = 11;
export const T3 = 12;
export const AX = 9;
/** Address of the count of tail calls. */
export const COUNT_POINTER = 26;
/** The arena's base, where there is an arena. */
export const ARENA = 28;

/** R6 … R9 and R10, as callees keep them. */
export const FIRST_KEPT = 6;
export const LAST_KEPT = BPF_FRAME_POINTER;
