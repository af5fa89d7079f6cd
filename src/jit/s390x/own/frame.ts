import { alignUp } from '../../../util/index.ts';
import type { FuncInput } from '../../types.ts';
import { agfi, aghi, bcr, lg, lgr, lmg, stg, stmg, xr } from '../encode.ts';
import { type Allocation, LINK, SP, T0, T1 } from './allocate.ts';

/** What every frame begins with for callees: back chain, and room for their registers. */
export const HEADER_BYTES = 160;
/** Where in its caller's frame a function has the tail call count, or the address of the one that counts. */
const COUNT_OFF = 152;
/** Tail calls enter behind the first instruction, which has two bytes. */
export const TAIL_ENTRY_BYTES = 2;
/** `bcr 0,0` */
export const NOP2 = bcr(0, 0);

/**
 * A function's frame. The upper part is its caller's header, which is the callee's to use. Offsets from the caller's r15:
 *
 * ```
 *    152  tail call count or its address    if a tail call may happen here or below
 *     …   stack of the BPF function         if it fits between the saved registers and what is above; R10 is its end
 *    8·p  register p                        those that change, one range; with a frame up to r15
 *      8  not ours
 *      0  back chain
 *   ─────────────────────────────────────── caller's r15
 *         stack of the BPF function         if it does not fit above
 *   −160  header of its own                 if it calls
 * ```
 */
export interface Frame {
  /** Bytes r15 goes down; 0 for none. */
  readonly sizeBytes: number;
  /** Registers saved, first to last; none when first is 0. */
  readonly first: number;
  readonly last: number;
  /** R10 − r15 in the body. */
  readonly fpOff: number;
  /** The count's place − r15 in the body. */
  readonly countOff: number;
  readonly reachable: boolean;
  readonly callback: boolean;
  readonly calls: boolean;
}

export function planFrame(func: FuncInput, allocation: Allocation, tailCalls: boolean): Frame {
  const all = func.exceptionBoundary || func.exceptionCallback;
  const { calls } = allocation;
  const reachable = func.tailCallReachable || tailCalls;
  const saved = allocation.saved | (all ? 0xffc0 : 0) | (calls ? 1 << LINK : 0);
  const top = reachable ? COUNT_OFF : HEADER_BYTES;
  const stack = alignUp(func.stackDepthBytes, 8);
  const first = saved === 0 ? 0 : 31 - Math.clz32(saved & -saved);
  let last = saved === 0 ? 0 : 31 - Math.clz32(saved);
  if (calls || all) last = SP;
  let inHeader = stack <= top - (first === 0 ? 16 : 8 * (last + 1));
  if (!inHeader && first !== 0) last = SP;
  inHeader &&= stack <= top - (first === 0 ? 16 : 8 * (last + 1));
  const sizeBytes = (calls ? HEADER_BYTES : 0) + (inHeader ? 0 : stack);
  return {
    sizeBytes,
    first,
    last,
    fpOff: inHeader ? sizeBytes + top : sizeBytes,
    countOff: sizeBytes + COUNT_OFF,
    reachable,
    callback: func.exceptionCallback,
    calls,
  };
}

const add = (register: number, value: number): number =>
  value === (value << 16) >> 16 ? aghi(register, value) : agfi(register, value);

/** What the function begins with; callers that bring a count enter behind the first instruction. */
export function prologueOf(
  frame: Frame,
  index: number,
): { readonly words: readonly number[]; readonly localEntry: number } {
  const { sizeBytes, first, last, reachable, calls, callback } = frame;
  const words: number[] = [];
  if (reachable) words.push(xr(T0, T0));
  else if (index === 0) words.push(NOP2);
  // The frame an exception ends: its back chain is the stack pointer the boundary was entered with.
  if (callback) words.push(lg(SP, 0, 0, 3));
  else if (first !== 0) words.push(first === last ? stg(first, 8 * first, 0, SP) : stmg(first, last, 8 * first, SP));
  if (reachable) words.push(stg(T0, COUNT_OFF, 0, SP));
  if (sizeBytes > 0) {
    if (calls) words.push(lgr(T1, SP));
    words.push(add(SP, -sizeBytes));
    if (calls) words.push(stg(T1, 0, 0, SP));
  }
  return { words, localEntry: reachable ? TAIL_ENTRY_BYTES : 0 };
}

/** Restores what the prologue changed. */
export function teardownOf({ sizeBytes, first, last }: Frame): number[] {
  const off = sizeBytes + 8 * first;
  if (first === 0) return sizeBytes > 0 ? [add(SP, sizeBytes)] : [];
  return [first === last ? lg(first, off, 0, SP) : lmg(first, last, off, SP)];
}

export function epilogueOf(frame: Frame): number[] {
  return [...teardownOf(frame), bcr(15, LINK)];
}
