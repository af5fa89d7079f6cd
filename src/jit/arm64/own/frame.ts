import { ERRNO } from '../../../uapi/index.ts';
import { alignUp } from '../../../util/index.ts';
import { type FuncInput, JitError } from '../../types.ts';
import { addImm, FP, LR, ldp, ldpPost, ldr, movz, nop, SP, stp, stpPre, str, strPre, subImm, X } from '../encode.ts';
import { COUNT } from './registers.ts';

/** x19 … x28: what a boundary keeps, for the callback of its exceptions to restore. */
const ALL_KEPT = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28];
const RECORD_BYTES = 16;
/** Most stack a verified function has. */
const MOST_STACK = 512;
/** A boundary's frame is of one size, so that another function can take it down. */
const BOUNDARY_BYTES = RECORD_BYTES + 8 * ALL_KEPT.length + 16 + MOST_STACK;
/** Pairs are stored up to here. */
const MOST_PAIR = 504;
const MOST_SINGLE = 256;
/** Tail calls enter behind the first instruction, which starts the count. */
export const TAIL_ENTRY_BYTES = 4;

/**
 * A function's frame, from the stack pointer up:
 *
 * ```
 *    0   x29, x30                          (if it calls)
 *        registers kept for the caller     8 bytes each
 *        tail call count, or its address   (if a tail call may happen here or below)
 *        stack of the BPF function         R10 is its upper end, and the frame's
 * ```
 *
 * The frame of a function that calls nothing has no record and keeps no registers.
 */
export interface Frame {
  readonly sizeBytes: number;
  readonly record: boolean;
  readonly kept: readonly number[];
  /** Of the count, from the stack pointer. */
  readonly countOff: number;
  readonly reachable: boolean;
  readonly callback: boolean;
}

/** @param used kept registers the function uses, ascending */
export function planFrame(func: FuncInput, calls: boolean, tailCalls: boolean, used: readonly number[]): Frame {
  const boundary = func.exceptionBoundary || func.exceptionCallback;
  const reachable = func.tailCallReachable || tailCalls;
  const stack = alignUp(func.stackDepthBytes, 8);
  if (boundary) {
    if (stack > MOST_STACK) throw new JitError(ERRNO.ENOTSUPP, `a stack of ${stack} bytes around exceptions`);
    const countOff = RECORD_BYTES + 8 * ALL_KEPT.length;
    const { exceptionCallback: callback } = func;
    return { sizeBytes: BOUNDARY_BYTES, record: true, kept: ALL_KEPT, countOff, reachable, callback };
  }
  const countOff = (calls ? RECORD_BYTES : 0) + 8 * used.length;
  const sizeBytes = alignUp(countOff + (reachable ? 8 : 0) + stack, 16);
  return { sizeBytes, record: calls, kept: used, countOff, reachable, callback: false };
}

function moveSp(words: number[], op: typeof addImm, bytes: number): void {
  if (bytes >= 0x1000) words.push(op(X, SP, SP, bytes >> 12, 1));
  if ((bytes & 0xfff) !== 0) words.push(op(X, SP, SP, bytes & 0xfff));
}

export interface Prologue {
  readonly words: readonly number[];
  /** Words in front of where callers enter that carry a count. */
  readonly localEntry: number;
}

export function prologueOf(frame: Frame, index: number): Prologue {
  const { sizeBytes, record, kept, countOff, reachable, callback } = frame;
  const words: number[] = [];
  if (reachable) words.push(movz(X, COUNT, 0));
  const localEntry = words.length;
  if (!reachable && index === 0) words.push(nop());
  if (callback) {
    // (cookie, sp, bp): the boundary's frame becomes this function's.
    words.push(addImm(X, SP, 1, 0), addImm(X, FP, SP, 0));
    if (reachable) words.push(str(COUNT, SP, countOff));
    return { words, localEntry };
  }
  if (!record) {
    if (reachable && sizeBytes <= MOST_SINGLE) words.push(strPre(COUNT, SP, -sizeBytes));
    else {
      moveSp(words, subImm, sizeBytes);
      if (reachable) words.push(str(COUNT, SP, countOff));
    }
    return { words, localEntry };
  }
  if (sizeBytes <= MOST_PAIR) words.push(stpPre(FP, LR, SP, -sizeBytes));
  else {
    moveSp(words, subImm, sizeBytes);
    words.push(stp(FP, LR, SP, 0));
  }
  words.push(addImm(X, FP, SP, 0));
  const stored = reachable ? [...kept, COUNT] : kept;
  for (let k = 0; k < stored.length; k += 2) {
    const off = RECORD_BYTES + 8 * k;
    words.push(k + 1 < stored.length ? stp(stored[k], stored[k + 1], SP, off) : str(stored[k], SP, off));
  }
  return { words, localEntry };
}

/** Restores what the prologue changed. */
export function teardownOf({ sizeBytes, record, kept }: Frame): number[] {
  const words: number[] = [];
  if (!record) {
    moveSp(words, addImm, sizeBytes);
    return words;
  }
  for (let k = 0; k < kept.length; k += 2) {
    const off = RECORD_BYTES + 8 * k;
    words.push(k + 1 < kept.length ? ldp(kept[k], kept[k + 1], SP, off) : ldr(kept[k], SP, off));
  }
  if (sizeBytes <= MOST_PAIR) words.push(ldpPost(FP, LR, SP, sizeBytes));
  else {
    words.push(ldp(FP, LR, SP, 0));
    moveSp(words, addImm, sizeBytes);
  }
  return words;
}
