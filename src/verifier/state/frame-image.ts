import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import type { FrameHead, FuncState, RefState, StackChunk } from './func-state.ts';
import {
  FIRST_SLOT,
  NOTHING,
  REG_LIVE_DONE,
  REG_LIVE_READ32,
  REG_LIVE_READ64,
  REG_LIVE_WRITTEN,
  type RegContent,
  type RegState,
} from './reg.ts';
import { STACK_SPILL } from './stack.ts';

/**
 * A frame of a state that is kept or waits for its turn. Contents are shared with the frame it is the image of; liveness
 * and precision are bits by place: registers, slots 0..31 (`Lo`), slots 32..63 (`Hi`).
 */
export class FrameImage {
  readonly head: Readonly<FrameHead>;
  readonly refs: readonly RefState[];
  /** R0..R10, see {@link regOf}. */
  readonly regs: readonly RegContent[];
  /** The stack, see {@link slotOf}. */
  readonly chunks: readonly StackChunk[];
  /** Registers and slots. */
  readonly placeCount: number;
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
  /** The register by which a frame was found to differ from it last; -1 for none. */
  differingReg = -1;
  /** Every path through it has ended: nobody reads it any more. */
  done = false;

  constructor(from: FuncState, regs: readonly RegContent[], chunks: readonly StackChunk[]) {
    this.head = from.head;
    this.refs = from.refs;
    this.regs = regs;
    this.chunks = chunks;
    this.placeCount = FIRST_SLOT + from.stack.length;
    this.parent = from.parent;
  }
}

/** Whether somebody reads register `regno` or slot `spi` of a state that is kept. */
const readsReg = (image: FrameImage, regno: number): boolean =>
  ((image.read32Regs | image.read64Regs) & (1 << regno)) !== 0;
const readsSlot = (image: FrameImage, spi: number): boolean =>
  ((spi < 32 ? image.read32Lo | image.read64Lo : image.read32Hi | image.read64Hi) & (1 << spi)) !== 0;

/** What slot `spi` of the stack holds: nothing any more if all paths have ended and none read it. */
export const slotOf = (image: FrameImage, spi: number): RegContent =>
  image.done && !readsSlot(image, spi) ? NOTHING : image.chunks[spi >> 3][spi & 7];
/** The same of R0..R10; the frame pointer stays. */
export const regOf = (image: FrameImage, regno: number): RegContent =>
  image.done && regno !== BPF_REG_FP && !readsReg(image, regno) ? NOTHING : image.regs[regno];
/** What a place holds: R0..R10, then the slots. */
export const contentOf = (image: FrameImage, place: number): RegContent =>
  place < FIRST_SLOT ? regOf(image, place) : slotOf(image, place - FIRST_SLOT);

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
  return parent !== undefined && place < parent.placeCount ? parent : undefined;
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

/** The chunk of the stack at `from`: the same as in the last image if nothing in it changed. */
function chunkOf(stack: readonly RegState[], from: number, end: number, last: StackChunk | undefined): StackChunk {
  const count = end - from;
  let same = last !== undefined && last.length === count;
  for (let i = 0; same && i < count; i++) same = (last as StackChunk)[i] === stack[from + i].content;
  if (same) return last as StackChunk;
  // Of its final size at once.
  const chunk = new Array<RegContent>(count);
  for (let i = 0; i < count; i++) chunk[i] = stack[from + i].content;
  return chunk;
}

/** All chunks of a frame's stack; the frame remembers them. */
function chunksOf(frame: FuncState): readonly StackChunk[] {
  const { stack, chunks: last } = frame;
  const count = (stack.length + 7) >> 3;
  let out: StackChunk[] | undefined = count === last.length ? undefined : last.slice(0, count);
  for (let n = 0; n < count; n++) {
    const before = n < last.length ? last[n] : undefined;
    const chunk = chunkOf(stack, n << 3, Math.min(stack.length, (n + 1) << 3), before);
    if (chunk === before) continue;
    out ??= last.slice();
    out[n] = chunk;
  }
  if (out === undefined) return last;
  frame.chunks = out;
  return out;
}

/**
 * The image of a frame, which shares all contents with it from now on. With `forget` no scalar matters in either any more.
 */
export function imageOf(frame: FuncState, forget: boolean): FrameImage {
  const { regs, stack } = frame;
  const count = stack.length;
  const contents = new Array<RegContent>(FIRST_SLOT);
  const image = new FrameImage(frame, contents, chunksOf(frame));
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
      const { live } = slot;
      slot.owned = false;
      if (slot.strayed) strayed = true;
      if (slot.precise) {
        if (forget && isScalarSpill(slot.content)) slot.precise = false;
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
  image.done = true;
  // Marks never travel through here again.
  image.parent = undefined;
  image.strayPlaces = undefined;
  image.strayFrames = undefined;
}

/** Makes a frame what the image is of, sharing its contents. */
export function restoreFrame(to: FuncState, from: FrameImage): void {
  to.head = from.head;
  to.refs = from.refs;
  to.parent = from.parent;
  to.chunks = from.chunks;
  to.resizeStack(from.placeCount - FIRST_SLOT);
  const done = from.done ? REG_LIVE_DONE : 0;
  restorePlaces(to.regs, from.regs, 0, done, from.read32Regs, from.read64Regs, from.writtenRegs, from.preciseRegs);
  const { stack } = to;
  for (let n = 0; n < from.chunks.length; n++) {
    const chunk = from.chunks[n];
    const shift = (n & 3) << 3;
    if (n < 4)
      restorePlaces(
        stack,
        chunk,
        n << 3,
        done,
        from.read32Lo >>> shift,
        from.read64Lo >>> shift,
        from.writtenLo >>> shift,
        from.preciseLo >>> shift,
      );
    else
      restorePlaces(
        stack,
        chunk,
        n << 3,
        done,
        from.read32Hi >>> shift,
        from.read64Hi >>> shift,
        from.writtenHi >>> shift,
        from.preciseHi >>> shift,
      );
  }
  if (from.strayPlaces !== undefined) restoreStrays(to, from.strayPlaces, from.strayFrames ?? []);
}

/** Registers or slots from `first` on; bit 0 of each mask is the first one's. */
function restorePlaces(
  places: readonly RegState[],
  contents: readonly RegContent[],
  first: number,
  done: number,
  read32: number,
  read64: number,
  written: number,
  precise: number,
): void {
  for (let i = 0; i < contents.length; i++) {
    const reg = places[first + i];
    const bit = 1 << i;
    reg.content = contents[i];
    reg.owned = false;
    let live = done;
    if ((read64 & bit) !== 0) live |= REG_LIVE_READ64;
    else if ((read32 & bit) !== 0) live |= REG_LIVE_READ32;
    if ((written & bit) !== 0) live |= REG_LIVE_WRITTEN;
    reg.live = live;
    reg.precise = (precise & bit) !== 0;
    reg.strayed = false;
  }
}

function restoreStrays(
  { regs, stack }: FuncState,
  places: readonly number[],
  frames: readonly (FrameImage | undefined)[],
): void {
  for (let i = 0; i < places.length; i++) {
    if (places[i] < 0) continue;
    const reg = i < FIRST_SLOT ? regs[i] : stack[i - FIRST_SLOT];
    reg.strayed = true;
    reg.originPlace = places[i];
    reg.originFrame = frames[i];
  }
}
