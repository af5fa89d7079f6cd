import { BPF_REG_FP, MAX_BPF_REG } from '../../isa/index.ts';
import { freezeReg, RegState, thawReg } from './reg.ts';

/** A reference the program has to give back (`struct bpf_reference_state`). */
export interface RefState {
  readonly id: number;
  readonly insnIdx: number;
  /** Frame number of the callback that got it; 0 outside callbacks. */
  readonly callbackRef: number;
}

/** Inclusive range of a function's 32-bit result (`struct bpf_retval_range`). */
export interface RetvalRange {
  readonly min: number;
  readonly max: number;
}

export const UNKNOWN_RETVAL: RetvalRange = { min: -0x80000000, max: 0x7fffffff };

/** One frame of a state (`struct bpf_func_state`). */
export class FuncState {
  /** R0..R10 */
  readonly regs: RegState[];
  /** Slot of the call instruction; BPF_MAIN_FUNC (-1) for main. */
  callsite: number;
  frameno: number;
  subprogno: number;
  asyncEntryCnt = 0;
  callbackRetRange: RetvalRange = { min: 0, max: 0 };
  inCallbackFn = false;
  inAsyncCallbackFn = false;
  inExceptionCallbackFn = false;
  callbackDepth = 0;
  /** Copied with the frame; elements never change. */
  refs: RefState[] = [];
  /** Slot 0 is [R10-8, R10); as long as the program has touched. */
  stack: RegState[] = [];

  constructor(callsite: number, frameno: number, subprogno: number, regs: RegState[]) {
    this.regs = regs;
    this.callsite = callsite;
    this.frameno = frameno;
    this.subprogno = subprogno;
  }

  /** Bytes, a multiple of 8. */
  get allocatedStack(): number {
    return this.stack.length << 3;
  }
}

export const BPF_MAIN_FUNC = -1;

export function newRegs(): RegState[] {
  const regs: RegState[] = [];
  for (let i = 0; i < MAX_BPF_REG; i++) regs.push(new RegState());
  return regs;
}

/** A frame of its own, register by register, to be kept or worked on later. Source: `copy_func_state`. */
export function copyFuncState(from: FuncState): FuncState {
  // A slice has its final size at once.
  const regs = from.regs.slice();
  // R10 never changes: frames that were one share it.
  for (let i = 0; i < BPF_REG_FP; i++) regs[i] = freezeReg(regs[i]);
  const to = new FuncState(from.callsite, from.frameno, from.subprogno, regs);
  to.asyncEntryCnt = from.asyncEntryCnt;
  to.callbackRetRange = from.callbackRetRange;
  to.inCallbackFn = from.inCallbackFn;
  to.inAsyncCallbackFn = from.inAsyncCallbackFn;
  to.inExceptionCallbackFn = from.inExceptionCallbackFn;
  to.callbackDepth = from.callbackDepth;
  if (from.refs.length !== 0) to.refs = from.refs.slice();
  const stack = from.stack.slice();
  for (let i = 0; i < stack.length; i++) stack[i] = freezeReg(stack[i]);
  to.stack = stack;
  return to;
}

/** Makes a copied frame fit to be worked on. */
export function thawFuncState({ regs, stack }: FuncState): void {
  for (let i = 0; i < regs.length; i++) regs[i] = thawReg(regs[i]);
  for (let i = 0; i < stack.length; i++) stack[i] = thawReg(stack[i]);
}
