import { MAX_BPF_REG } from '../../isa/index.ts';
import type { FrameImage } from './frame-image.ts';
import { FIRST_SLOT, NOTHING, REG_LIVE_NONE, RegState } from './reg.ts';

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

/** One frame of the path in hand (`struct bpf_func_state`); states put aside have a `FrameImage` of it. */
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
  /** The frame in the state this one began from: liveness travels along it, place by place. */
  parent: FrameImage | undefined = undefined;
  /** Slots used before, to be used again. */
  readonly #spare: RegState[] = [];

  constructor(callsite: number, frameno: number, subprogno: number, regs: RegState[]) {
    this.regs = regs;
    for (let i = 0; i < regs.length; i++) {
      regs[i].home = this;
      regs[i].place = i;
    }
    this.callsite = callsite;
    this.frameno = frameno;
    this.subprogno = subprogno;
  }

  /** Bytes, a multiple of 8. */
  get allocatedStack(): number {
    return this.stack.length << 3;
  }

  /** Makes the stack of so many slots; new ones hold nothing. */
  resizeStack(count: number): void {
    const { stack } = this;
    while (stack.length > count) this.#spare.push(stack.pop() as RegState);
    while (stack.length < count) {
      const slot = this.#spare.pop() ?? new RegState();
      slot.home = this;
      slot.place = FIRST_SLOT + stack.length;
      slot.content = NOTHING;
      slot.owned = false;
      slot.live = REG_LIVE_NONE;
      slot.precise = false;
      slot.strayed = false;
      stack.push(slot);
    }
  }
}

export const BPF_MAIN_FUNC = -1;

export function newRegs(): RegState[] {
  const regs: RegState[] = [];
  for (let i = 0; i < MAX_BPF_REG; i++) regs.push(new RegState());
  return regs;
}

/** Makes `to` what `from` is, sharing contents with it. Source: `copy_func_state`. */
export function copyFuncState(to: FuncState, from: FuncState): void {
  to.callsite = from.callsite;
  to.frameno = from.frameno;
  to.subprogno = from.subprogno;
  to.asyncEntryCnt = from.asyncEntryCnt;
  to.callbackRetRange = from.callbackRetRange;
  to.inCallbackFn = from.inCallbackFn;
  to.inAsyncCallbackFn = from.inAsyncCallbackFn;
  to.inExceptionCallbackFn = from.inExceptionCallbackFn;
  to.callbackDepth = from.callbackDepth;
  to.refs = from.refs.slice();
  to.parent = from.parent;
  to.resizeStack(from.stack.length);
  for (let i = 0; i < MAX_BPF_REG; i++) twin(to.regs[i], from.regs[i]);
  for (let i = 0; i < from.stack.length; i++) twin(to.stack[i], from.stack[i]);
}

/** The same register in a copy of the frame. */
function twin(to: RegState, from: RegState): void {
  to.content = from.content;
  to.owned = false;
  from.owned = false;
  to.live = from.live;
  to.precise = from.precise;
  to.strayed = from.strayed;
  to.originFrame = from.originFrame;
  to.originPlace = from.originPlace;
}
