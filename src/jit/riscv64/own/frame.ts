import { alignUp } from '../../../util/index.ts';
import type { FuncInput } from '../../types.ts';
import type { Allocation } from './allocate.ts';

const RA = 1;
/** s0 … s11. */
const CALLEE_SAVED = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/** What one short instruction moves sp down and up again, at most. */
const SHORT_FRAME = 496;

/**
 * A function's frame. Offsets from its caller's sp, growing down:
 *
 * ```
 *   -8   ra                                   if it calls
 *        s0, s1, … as far as used             8 bytes each; all of them at an exception boundary
 *        tail call count or its address       if a tail call may happen here or below
 *        stack of the BPF function            R10 is its upper end
 *        caller's sp                          at an exception boundary
 *                                             ← sp, 16-byte aligned
 * ```
 */
export interface Frame {
  /** Bytes sp goes down; 0 for none. */
  readonly sizeBytes: number;
  /** … before registers are saved; all of them unless the frame is large. */
  readonly firstBytes: number;
  /** Registers in the order they are saved, the first at -8. */
  readonly saved: readonly number[];
  /** R10 − sp. */
  readonly fpOff: number;
  /** Of the count, from sp. */
  readonly countOff: number;
  readonly reachable: boolean;
  readonly boundary: boolean;
  readonly callback: boolean;
}

export function planFrame(func: FuncInput, allocation: Allocation, tails: boolean): Frame {
  const all = func.exceptionBoundary || func.exceptionCallback;
  const reachable = func.tailCallReachable || tails;
  const saved = CALLEE_SAVED.filter(register => all || (allocation.saved & (1 << register)) !== 0);
  if (all || allocation.calls) saved.unshift(RA);
  const above = 8 * (saved.length + (reachable ? 1 : 0));
  const below = alignUp(func.stackDepthBytes, 8) + (func.exceptionBoundary ? 8 : 0);
  const sizeBytes = alignUp(above + below, 16);
  return {
    sizeBytes,
    firstBytes: sizeBytes > SHORT_FRAME && above > 0 ? alignUp(above, 16) : sizeBytes,
    saved,
    fpOff: sizeBytes - above,
    countOff: sizeBytes - above,
    reachable,
    boundary: func.exceptionBoundary,
    callback: func.exceptionCallback,
  };
}
