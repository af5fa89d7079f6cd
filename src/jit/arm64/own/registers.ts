/*
 * Where BPF registers live.
 *
 *            R0      R1…R5    R6 R7 R8 R9      R10       AX   arena
 *   calls    x7, x0  x0…x4    x19 x20 x21 x22  sp + N    x8   x28
 *   leaf     x7, x0  x0…x4    x5  x6  x13 x14  sp + N    x8   x15
 *
 * R0 is in x0 where R1 is not needed at the same time. A leaf, a function that calls nothing, keeps nothing for its caller and so needs no frame for registers. x18 is the
 * kernel's own, x16 and x17 may change on the way of any call.
 */

/** R10, which is the stack pointer plus the size of the frame. */
export const FRAME = 32;

export const RESULT = 7;
/** Where calls return, and where R1 is. */
export const CALL_RESULT = 0;
export { T0, T1 } from '../words.ts';
export const T2 = 10;
export const T3 = 11;
/** Given by callers that carry a tail call count: where it is. */
export const COUNT = 9;

/** BPF registers, and the arena's base as number 12. */
export const BASE = 12;
const CALLING = [RESULT, 0, 1, 2, 3, 4, 19, 20, 21, 22, FRAME, 8, 28] as const;
const LEAF = [RESULT, 0, 1, 2, 3, 4, 5, 6, 13, 14, FRAME, 8, 15] as const;

export function registerMap(leaf: boolean): readonly number[] {
  return leaf ? LEAF : CALLING;
}
