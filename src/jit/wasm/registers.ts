/**
 * Locals of a translated function: its parameters R1..R5 are 0..4, then come the other registers and scratch space.
 * Local of a BPF register, by its number.
 */
export const REG_LOCAL = [5, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10] as const;
export const R10_LOCAL = 10;
/** i64 scratch. */
export const OLD = 11;
export const WIDE = 12;
/** How many of the i64 are no parameters. */
export const I64_LOCALS = 8;
/** i32: an address, a value, the frame's first byte, the dispatcher's label, rounds left to may_goto, how deep calls are. */
export const ADDR = 13;
export const WORD = 14;
export const FRAME = 15;
export const LABEL = 16;
export const MAY_GOTO = 17;
export const LEVEL = 18;
export const I32_LOCALS = 6;
