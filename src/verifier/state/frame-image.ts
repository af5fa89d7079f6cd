import { NOT_INIT, SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import type { FuncState, RefState, RetvalRange } from './func-state.ts';
import {
  FIRST_SLOT,
  NOTHING,
  REG_LIVE_DONE,
  REG_LIVE_READ32,
  REG_LIVE_READ64,
  REG_LIVE_WRITTEN,
  type RegContent,
} from './reg.ts';
import { STACK_SPILL } from './stack.ts';

const NO_REFS: readonly RefState[] = [];

/**
 * A frame of a state that is kept or waits for its turn. Contents are shared with the frame it is the image of; liveness
 * and precision are bits by place: registers, slots 0..31 (`Lo`), slots 32..63 (`Hi`).
 */
export class FrameImage {
  callsite: number;
  frameno: number;
  subprogno: number;
  asyncEntryCnt: number;
  callbackRetRange: RetvalRange;
  inCallbackFn: boolean;
  inAsyncCallbackFn: boolean;
  inExceptionCallbackFn: boolean;
  callbackDepth: number;
  refs: readonly RefState[];
  /** By place: R0..R10, then the slots. */
  contents: RegContent[];
  read32Regs = 0;
  read32Lo = 0;
  read32Hi = 0;
  read64Regs = 0;
  read64Lo = 0;
  read64Hi = 0;
  writtenRegs = 0;
  writtenLo = 0;
  writtenHi = 0;
  preciseRegs = 0;
  preciseLo = 0;
  preciseHi = 0;
  /** The frame of the state before: liveness travels from each place to the same place there, … */
  parent: FrameImage | undefined;
  /** … but from some places of some frames elsewhere: by place, -1 for those that go the ordinary way. */
  strayPlaces: number[] | undefined = undefined;
  strayFrames: (FrameImage | undefined)[] | undefined = undefined;
  /** Every path through it has ended: nobody reads it any more. */
  done = false;

  constructor(from: FuncState, contents: RegContent[]) {
    this.callsite = from.callsite;
    this.frameno = from.frameno;
    this.subprogno = from.subprogno;
    this.asyncEntryCnt = from.asyncEntryCnt;
    this.callbackRetRange = from.callbackRetRange;
    this.inCallbackFn = from.inCallbackFn;
    this.inAsyncCallbackFn = from.inAsyncCallbackFn;
    this.inExceptionCallbackFn = from.inExceptionCallbackFn;
    this.callbackDepth = from.callbackDepth;
    this.refs = from.refs.length === 0 ? NO_REFS : from.refs.slice();
    this.contents = contents;
    this.parent = from.parent;
  }
}

/** Liveness of a place. */
export function liveOf(image: FrameImage, place: number): number {
  const bit = 1 << (place < FIRST_SLOT ? place : place - FIRST_SLOT);
  let live = image.done ? REG_LIVE_DONE : 0;
  if (place < FIRST_SLOT) {
    if ((image.read64Regs & bit) !== 0) live |= REG_LIVE_READ64;
    else if ((image.read32Regs & bit) !== 0) live |= REG_LIVE_READ32;
    if ((image.writtenRegs & bit) !== 0) live |= REG_LIVE_WRITTEN;
  } else if (place < FIRST_SLOT + 32) {
    if ((image.read64Lo & bit) !== 0) live |= REG_LIVE_READ64;
    else if ((image.read32Lo & bit) !== 0) live |= REG_LIVE_READ32;
    if ((image.writtenLo & bit) !== 0) live |= REG_LIVE_WRITTEN;
  } else {
    if ((image.read64Hi & bit) !== 0) live |= REG_LIVE_READ64;
    else if ((image.read32Hi & bit) !== 0) live |= REG_LIVE_READ32;
    if ((image.writtenHi & bit) !== 0) live |= REG_LIVE_WRITTEN;
  }
  return live;
}

/** Notes that a place is read: REG_LIVE_READ32 or REG_LIVE_READ64, which covers the former. */
export function setRead(image: FrameImage, place: number, flag: number): void {
  const wide = flag === REG_LIVE_READ64;
  const bit = 1 << (place < FIRST_SLOT ? place : place - FIRST_SLOT);
  if (place < FIRST_SLOT) {
    if (wide) image.read64Regs |= bit;
    else image.read32Regs |= bit;
  } else if (place < FIRST_SLOT + 32) {
    if (wide) image.read64Lo |= bit;
    else image.read32Lo |= bit;
  } else if (wide) image.read64Hi |= bit;
  else image.read32Hi |= bit;
}

export function isPrecise(image: FrameImage, place: number): boolean {
  if (place < FIRST_SLOT) return (image.preciseRegs & (1 << place)) !== 0;
  return ((place < FIRST_SLOT + 32 ? image.preciseLo : image.preciseHi) & (1 << (place - FIRST_SLOT))) !== 0;
}

export function setPrecise(image: FrameImage, place: number): void {
  if (place < FIRST_SLOT) image.preciseRegs |= 1 << place;
  else if (place < FIRST_SLOT + 32) image.preciseLo |= 1 << (place - FIRST_SLOT);
  else image.preciseHi |= 1 << (place - FIRST_SLOT);
}

/** What a place of an image is the continuation of: the frame; the place is {@link strayPlaceOf}. */
export function originOf(image: FrameImage, place: number): FrameImage | undefined {
  const { strayPlaces, parent } = image;
  if (strayPlaces !== undefined && strayPlaces[place] >= 0) return image.strayFrames?.[place];
  return parent !== undefined && place < parent.contents.length ? parent : undefined;
}
export function strayPlaceOf(image: FrameImage, place: number): number {
  const { strayPlaces } = image;
  return strayPlaces !== undefined && strayPlaces[place] >= 0 ? strayPlaces[place] : place;
}

function noteStrays(image: FrameImage, { regs, stack }: FuncState): void {
  const all = [...regs, ...stack];
  image.strayPlaces = all.map(reg => (reg.strayed ? reg.originPlace : -1));
  image.strayFrames = all.map(reg => (reg.strayed ? reg.originFrame : undefined));
}

const isScalarSpill = (c: RegContent): boolean => c.type === SCALAR_VALUE && c.slotTypes >>> 28 === STACK_SPILL;

/**
 * The image of a frame, which shares all contents with it from now on. With `forget` no scalar matters in either any more.
 */
export function imageOf(frame: FuncState, forget: boolean): FrameImage {
  const { regs, stack } = frame;
  const count = stack.length;
  // Of its final size at once.
  const contents = new Array<RegContent>(FIRST_SLOT + count);
  const image = new FrameImage(frame, contents);
  let read32 = 0;
  let read64 = 0;
  let written = 0;
  let precise = 0;
  let strayed = false;
  for (let i = 0; i <= BPF_REG_FP; i++) {
    const reg = regs[i];
    const { content, live } = reg;
    reg.owned = false;
    contents[i] = content;
    if (reg.strayed) strayed = true;
    if (reg.precise) {
      if (forget && content.type === SCALAR_VALUE) reg.precise = false;
      else precise |= 1 << i;
    }
    if (live === 0) continue;
    if ((live & REG_LIVE_READ64) !== 0) read64 |= 1 << i;
    else if ((live & REG_LIVE_READ32) !== 0) read32 |= 1 << i;
    if ((live & REG_LIVE_WRITTEN) !== 0) written |= 1 << i;
  }
  image.read32Regs = read32;
  image.read64Regs = read64;
  image.writtenRegs = written;
  image.preciseRegs = precise;
  for (let from = 0; from < count; from += 32) {
    read32 = read64 = written = precise = 0;
    const end = Math.min(count, from + 32);
    for (let i = from; i < end; i++) {
      const slot = stack[i];
      const { content, live } = slot;
      slot.owned = false;
      contents[FIRST_SLOT + i] = content;
      if (slot.strayed) strayed = true;
      if (slot.precise) {
        if (forget && isScalarSpill(content)) slot.precise = false;
        else precise |= 1 << i;
      }
      if (live === 0) continue;
      if ((live & REG_LIVE_READ64) !== 0) read64 |= 1 << i;
      else if ((live & REG_LIVE_READ32) !== 0) read32 |= 1 << i;
      if ((live & REG_LIVE_WRITTEN) !== 0) written |= 1 << i;
    }
    if (from === 0) {
      image.read32Lo = read32;
      image.read64Lo = read64;
      image.writtenLo = written;
      image.preciseLo = precise;
    } else {
      image.read32Hi = read32;
      image.read64Hi = read64;
      image.writtenHi = written;
      image.preciseHi = precise;
    }
  }
  if (strayed) noteStrays(image, frame);
  return image;
}

/** Registers and slots nobody read may hold anything, and nobody will read them any more. Source: `clean_func_state`. */
export function cleanImage(image: FrameImage): void {
  const { contents } = image;
  const regs = image.read32Regs | image.read64Regs;
  for (let i = 0; i < BPF_REG_FP; i++) {
    if ((regs & (1 << i)) === 0 && contents[i].type !== NOT_INIT) contents[i] = NOTHING;
  }
  const lo = image.read32Lo | image.read64Lo;
  const hi = image.read32Hi | image.read64Hi;
  for (let i = FIRST_SLOT; i < contents.length; i++) {
    if (((i < FIRST_SLOT + 32 ? lo : hi) & (1 << (i - FIRST_SLOT))) === 0) contents[i] = NOTHING;
  }
  image.done = true;
  // Marks never travel through here again.
  image.parent = undefined;
  image.strayPlaces = undefined;
  image.strayFrames = undefined;
}

/** Makes a frame what the image is of, sharing its contents. */
export function restoreFrame(to: FuncState, from: FrameImage): void {
  const { regs } = to;
  const { contents } = from;
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
  to.resizeStack(contents.length - FIRST_SLOT);
  const { stack } = to;
  for (let i = 0; i < contents.length; i++) {
    const reg = i < FIRST_SLOT ? regs[i] : stack[i - FIRST_SLOT];
    reg.content = contents[i];
    reg.owned = false;
    reg.live = liveOf(from, i);
    reg.precise = isPrecise(from, i);
    reg.strayed = false;
    if (from.strayPlaces === undefined || from.strayPlaces[i] < 0) continue;
    reg.strayed = true;
    reg.originPlace = from.strayPlaces[i];
    reg.originFrame = from.strayFrames?.[i];
  }
}
