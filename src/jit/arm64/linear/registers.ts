import type { LinearRegisters } from '../../linear/index.ts';

/*
 * Where BPF registers live. Nobody but our own code calls it, so that R0 and R1 need not share a register.
 *
 *            R0…R5    R6 R7 R8 R9      locals                      memory
 *   calls    x0…x5    x19 x20 x21 x22  x23…x27                     x28
 *   leaf     x0…x5    x6  x7  x9  x10  x11 x12, x19…x27            x28
 *
 * The frame's first byte is in x29, at its real address. x14 and x15 are real addresses of what a BPF register points to, between
 * accesses by it. x18 is the platform's.
 */
const HOME = [0, 1, 2, 3, 4, 5, 19, 20, 21, 22];
const LEAF_HOME = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10];

/** Real address of the linear memory's first byte, in all code of all programs. */
export const MEMORY = 28;
/** Real address of the frame's first byte. */
export const FRAME = 29;
/** Free within a row, as T0 and T1 are: R10's value as an operand; R10's as the second one, and addresses. */
export const OPERAND = 8;
export const ADDRESS = 13;
export const POINTERS = [14, 15] as const;

/** On calls of gates: its number and what it answers, the slot and then the block of calls. */
export const GATE = 9;
export const GATE_SLOT = 10;

export const REGISTERS: LinearRegisters = {
  home: HOME,
  leafHome: LEAF_HOME,
  kept: [19, 20, 21, 22, 23, 24, 25, 26, 27, FRAME],
  free: [11, 12],
  frame: FRAME,
};
