import { MAX_BPF_REG } from '../../isa/index.ts';
import { FIRST_SLOT, NOTHING, REG_LIVE_NONE, type RegContent, RegState } from './reg.ts';

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

const RETURNS_ZERO: RetvalRange = { min: 0, max: 0 };

/** Which function a frame is of, and how it was called. Frames and their images share it: it never changes. */
export class FrameHead {
  /** Slot of the call instruction; BPF_MAIN_FUNC (-1) for main. */
  callsite: number;
  frameno: number;
  subprogno: number;
  asyncEntryCnt = 0;
  callbackRetRange: RetvalRange = RETURNS_ZERO;
  inCallbackFn = false;
  inAsyncCallbackFn = false;
  inExceptionCallbackFn = false;
  callbackDepth = 0;

  constructor(callsite: number, frameno: number, subprogno: number) {
    this.callsite = callsite;
    this.frameno = frameno;
    this.subprogno = subprogno;
  }
}

export const NO_REFS: readonly RefState[] = [];

/** Contents of slots 8 n to 8 n + 7, fewer at the end of a stack; never changes, so that states may share it. */
export type StackChunk = readonly RegContent[];
export const NO_CHUNKS: readonly StackChunk[] = [];

/** One frame of the path in hand (`struct bpf_func_state`); states put aside have an image of it, see `FrameImages`. */
export class FuncState {
  /** R0..R10 */
  readonly regs: RegState[];
  head: Readonly<FrameHead>;
  /** Never changes, only gives way to another. */
  refs: readonly RefState[] = NO_REFS;
  /** Slot 0 is [R10-8, R10); as long as the program has touched. */
  stack: RegState[] = [];
  /** The stack as it was in the last image: what has not changed is shared with the next one. */
  chunks: readonly StackChunk[] = NO_CHUNKS;
  /** The image of the frame in the state this one began from, and its places: liveness travels there, place by place. 0: none. */
  parent = 0;
  parentPlaces = 0;
  /** Slots used before, to be used again. */
  readonly #spare: RegState[] = [];

  constructor(callsite: number, frameno: number, subprogno: number, regs: RegState[]) {
    this.regs = regs;
    for (let i = 0; i < regs.length; i++) {
      regs[i].home = this;
      regs[i].place = i;
    }
    this.head = new FrameHead(callsite, frameno, subprogno);
  }

  get callsite(): number {
    return this.head.callsite;
  }
  get frameno(): number {
    return this.head.frameno;
  }
  get subprogno(): number {
    return this.head.subprogno;
  }
  get asyncEntryCnt(): number {
    return this.head.asyncEntryCnt;
  }
  get callbackRetRange(): RetvalRange {
    return this.head.callbackRetRange;
  }
  get inCallbackFn(): boolean {
    return this.head.inCallbackFn;
  }
  get inAsyncCallbackFn(): boolean {
    return this.head.inAsyncCallbackFn;
  }
  get inExceptionCallbackFn(): boolean {
    return this.head.inExceptionCallbackFn;
  }
  get callbackDepth(): number {
    return this.head.callbackDepth;
  }
  set callbackDepth(value: number) {
    if (value !== this.head.callbackDepth) this.changeHead({ callbackDepth: value });
  }

  changeHead(change: Partial<FrameHead>): void {
    const { callsite, frameno, subprogno } = this.head;
    this.head = Object.assign(new FrameHead(callsite, frameno, subprogno), this.head, change);
  }

  /** Makes it a frame nobody has used: no stack, no references. The registers are the caller's business. */
  begin(callsite: number, frameno: number, subprogno: number): void {
    this.head = new FrameHead(callsite, frameno, subprogno);
    this.refs = NO_REFS;
    this.resizeStack(0);
    this.chunks = NO_CHUNKS;
    this.beginFrom(0, 0);
  }

  /** Liveness travels to `image` of so many places from now on. */
  beginFrom(image: number, places: number): void {
    this.parent = image;
    this.parentPlaces = places;
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
  to.head = from.head;
  to.refs = from.refs;
  to.chunks = from.chunks;
  to.beginFrom(from.parent, from.parentPlaces);
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
