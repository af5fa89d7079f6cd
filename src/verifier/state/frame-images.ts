import { BPF_BASE_TYPE_MASK, NOT_INIT, PTR_TO_ARENA, SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import type { FrameHead, FuncState, RefState, StackChunk } from './func-state.ts';
import { firstRecords, moreRecords, RECORD_BITS, RecordValues } from './records.ts';
import {
  ANY_NUMBER,
  FIRST_SLOT,
  NOTHING,
  REG_LIVE_DONE,
  REG_LIVE_READ32,
  REG_LIVE_READ64,
  REG_LIVE_WRITTEN,
  type RegContent,
  type RegState,
} from './reg.ts';
import { STACK_SPILL, slotTypesAll } from './stack.ts';

/**
 * Words of an image's record. Of each kind of mark there are three: by register, by slot 0..31, by slot 32..63; see
 * {@link groupOf}.
 */
const READ32 = 0;
const READ64 = 3;
const WRITTEN = 6;
const PRECISE = 9;
const PARENT = 12;
/**
 * ```
 *   18..12                11     10              9        8      6..0
 *   place that differed   async  callback depth  strays   done   places
 *   last, plus 1                 is not 0
 * ```
 */
const INFO = 13;
const FINGERPRINT = 14;
const CALLSITE = 15;
const PLACES = 127;
const DONE = 1 << 8;
const STRAYS = 1 << 9;
const CALLED_BACK = 1 << 10;
const ASYNC = 1 << 11;
const DIFFERING_SHIFT = 12;

/** A frame that is none of an asynchronous callback. */
export const NO_ASYNC_ENTRY = -1;

/** The groups of places that marks are kept for. */
export const REGS = 0;
export const SLOTS_LO = 1;
export const SLOTS_HI = 2;
/** A place's group; its bit there is that of {@link bitOf}. */
const groupOf = (place: number): number => (place < FIRST_SLOT ? REGS : place < FIRST_SLOT + 32 ? SLOTS_LO : SLOTS_HI);
const bitOf = (place: number): number => 1 << (place < FIRST_SLOT ? place : place - FIRST_SLOT);

/** Places whose liveness goes elsewhere than to the same place of the parent: place, place there, frame, and so on. */
type Strays = readonly number[];
const NO_STRAYS: Strays = [];

const ALL_SPILL = slotTypesAll(STACK_SPILL);

/** Whether there is a scalar at a place: in the register, or spilled to the slot. */
export const isScalarAt = (content: RegContent, place: number): boolean =>
  content.type === SCALAR_VALUE && (place < FIRST_SLOT || content.slotTypes >>> 28 === STACK_SPILL);

/**
 * Frames of states that are kept or wait for their turn, by number; 0 is none. Contents are shared with the frame an image
 * is of; liveness and precision are bits by place: registers, slots 0..31, slots 32..63.
 */
export class FrameImages {
  #words = firstRecords();
  #end = 1;
  readonly #regs = new RecordValues<RegContent>(FIRST_SLOT);
  readonly #heads = new RecordValues<Readonly<FrameHead>>(1);
  readonly #refs = new RecordValues<readonly RefState[]>(1);
  readonly #chunks = new RecordValues<readonly StackChunk[]>(1);
  readonly #strays = new RecordValues<Strays>(1);
  /** By how many there are in a row: the first ones of rows nobody needs any more. */
  readonly #free: number[][] = [];

  /** Images of frames, in a row: the first one. With `forget` no scalar matters any more, neither in frame nor image. */
  capture(frames: readonly FuncState[], count: number, forget: boolean): number {
    const first = this.#free[count]?.pop() ?? this.#add(count);
    for (let f = 0; f < count; f++) this.#fill(first + f, frames[f], forget);
    return first;
  }

  /** Nobody needs a row of images any more. */
  release(first: number, count: number): void {
    this.#free[count] ??= [];
    this.#free[count].push(first);
  }

  #add(count: number): number {
    const first = this.#end;
    const end = first + count;
    this.#end = end;
    while (this.#words.length < end << RECORD_BITS) this.#words = moreRecords(this.#words);
    for (const values of [this.#regs, this.#heads, this.#refs, this.#chunks, this.#strays]) values.reserve(end);
    return first;
  }

  head(image: number): Readonly<FrameHead> {
    return this.#heads.get(image, 0);
  }
  /** Where the function was called. */
  callsite(image: number): number {
    return this.#words[(image << RECORD_BITS) | CALLSITE];
  }
  /** Of an asynchronous callback: how often it was entered, {@link NO_ASYNC_ENTRY} of others. */
  asyncEntryCnt(image: number): number {
    return (this.#words[(image << RECORD_BITS) | INFO] & ASYNC) === 0 ? NO_ASYNC_ENTRY : this.head(image).asyncEntryCnt;
  }
  callbackDepth(image: number): number {
    return (this.#words[(image << RECORD_BITS) | INFO] & CALLED_BACK) === 0 ? 0 : this.head(image).callbackDepth;
  }
  refs(image: number): readonly RefState[] {
    return this.#refs.get(image, 0);
  }
  /** Registers and slots. */
  placeCount(image: number): number {
    return this.#words[(image << RECORD_BITS) | INFO] & PLACES;
  }
  slotCount(image: number): number {
    return (this.#words[(image << RECORD_BITS) | INFO] & PLACES) - FIRST_SLOT;
  }
  /** Every path through it has ended: nobody reads it any more. */
  isDone(image: number): boolean {
    return (this.#words[(image << RECORD_BITS) | INFO] & DONE) !== 0;
  }
  /** The place by which a frame was found to differ from it last; -1 for none. */
  differingPlace(image: number): number {
    return (this.#words[(image << RECORD_BITS) | INFO] >>> DIFFERING_SHIFT) - 1;
  }
  setDifferingPlace(image: number, place: number): void {
    const at = (image << RECORD_BITS) | INFO;
    this.#words[at] = (this.#words[at] & ((1 << DIFFERING_SHIFT) - 1)) | ((place + 1) << DIFFERING_SHIFT);
  }
  /**
   * Whether the place by which it was found to differ last holds another constant, type or offset in `frame`: the commonest
   * ways to differ, which need no comparison. With `exact` it matters that nobody reads the place, or relies on its value.
   */
  surelyDiffers(image: number, frame: FuncState, exact: boolean): boolean {
    const words = this.#words;
    const at = image << RECORD_BITS;
    const info = words[at | INFO];
    const place = (info >>> DIFFERING_SHIFT) - 1;
    if (place < 0) return false;
    let precise = exact;
    if (exact) {
      if ((info & DONE) !== 0) return false;
    } else {
      const group = groupOf(place);
      const bit = bitOf(place);
      if (((words[at | (READ32 + group)] | words[at | (READ64 + group)]) & bit) === 0) return false;
      precise = (words[at | (PRECISE + group)] & bit) !== 0;
    }
    if (place < FIRST_SLOT) return areUnlike(this.#regs.get(image, place), frame.regs[place].content, exact, precise);
    const spi = place - FIRST_SLOT;
    if (spi >= frame.stack.length) return false;
    const a = this.capturedSlot(image, spi);
    const b = frame.stack[spi].content;
    return a.slotTypes === ALL_SPILL && b.slotTypes === ALL_SPILL && areUnlike(a, b, exact, precise);
  }
  /** What somebody made of its registers; 0 until then. */
  fingerprint(image: number): number {
    return this.#words[(image << RECORD_BITS) | FINGERPRINT];
  }
  setFingerprint(image: number, value: number): void {
    this.#words[(image << RECORD_BITS) | FINGERPRINT] = value;
  }

  /** Marks of a group as a mask. */
  readMask(image: number, group: number): number {
    const at = (image << RECORD_BITS) | group;
    return this.#words[at + READ32] | this.#words[at + READ64];
  }
  read32Mask(image: number, group: number): number {
    return this.#words[((image << RECORD_BITS) | group) + READ32];
  }
  read64Mask(image: number, group: number): number {
    return this.#words[((image << RECORD_BITS) | group) + READ64];
  }
  preciseMask(image: number, group: number): number {
    return this.#words[((image << RECORD_BITS) | group) + PRECISE];
  }

  /** R0..R10 as they were captured, even if nobody reads them any more. */
  capturedReg(image: number, regno: number): RegContent {
    return this.#regs.get(image, regno);
  }
  /** What R0..R10 holds: nothing any more if all paths have ended and none read it; the frame pointer stays. */
  regOf(image: number, regno: number): RegContent {
    const unread = (this.readMask(image, REGS) & (1 << regno)) === 0;
    return unread && this.isDone(image) && regno !== BPF_REG_FP ? NOTHING : this.#regs.get(image, regno);
  }
  capturedSlot(image: number, spi: number): RegContent {
    return this.#chunks.get(image, 0)[spi >> 3][spi & 7];
  }
  /** The same of a slot of the stack. */
  slotOf(image: number, spi: number): RegContent {
    const unread = (this.readMask(image, spi < 32 ? SLOTS_LO : SLOTS_HI) & (1 << spi)) === 0;
    return unread && this.isDone(image) ? NOTHING : this.capturedSlot(image, spi);
  }
  /** What a place holds: R0..R10, then the slots. */
  contentOf(image: number, place: number): RegContent {
    return place < FIRST_SLOT ? this.regOf(image, place) : this.slotOf(image, place - FIRST_SLOT);
  }

  /** Liveness of a place. */
  liveOf(image: number, place: number): number {
    const words = this.#words;
    const at = image << RECORD_BITS;
    const group = groupOf(place);
    const bit = bitOf(place);
    let live = (words[at | INFO] & DONE) !== 0 ? REG_LIVE_DONE : 0;
    if ((words[at | (READ64 + group)] & bit) !== 0) live |= REG_LIVE_READ64;
    else if ((words[at | (READ32 + group)] & bit) !== 0) live |= REG_LIVE_READ32;
    if ((words[at | (WRITTEN + group)] & bit) !== 0) live |= REG_LIVE_WRITTEN;
    return live;
  }
  /** Notes that a place is read: REG_LIVE_READ32 or REG_LIVE_READ64, which covers the former. */
  setRead(image: number, place: number, flag: number): void {
    const word = (flag === REG_LIVE_READ64 ? READ64 : READ32) + groupOf(place);
    this.#words[(image << RECORD_BITS) | word] |= bitOf(place);
  }
  isRead(image: number, place: number): boolean {
    return (this.readMask(image, groupOf(place)) & bitOf(place)) !== 0;
  }
  isPrecise(image: number, place: number): boolean {
    return (this.#words[(image << RECORD_BITS) | (PRECISE + groupOf(place))] & bitOf(place)) !== 0;
  }
  setPrecise(image: number, place: number): void {
    this.#words[(image << RECORD_BITS) | (PRECISE + groupOf(place))] |= bitOf(place);
  }

  /** What a place of an image is the continuation of: the frame; the place is {@link strayPlaceOf}. */
  originOf(image: number, place: number): number {
    const words = this.#words;
    const at = image << RECORD_BITS;
    if ((words[at | INFO] & STRAYS) !== 0) {
      const strays = this.#strays.get(image, 0);
      for (let i = 0; i < strays.length; i += 3) if (strays[i] === place) return strays[i + 2];
    }
    const parent = words[at | PARENT];
    return parent !== 0 && place < this.placeCount(parent) ? parent : 0;
  }
  strayPlaceOf(image: number, place: number): number {
    if ((this.#words[(image << RECORD_BITS) | INFO] & STRAYS) !== 0) {
      const strays = this.#strays.get(image, 0);
      for (let i = 0; i < strays.length; i += 3) if (strays[i] === place) return strays[i + 1];
    }
    return place;
  }

  /** Registers and slots nobody read may hold anything, and nobody will read them any more. Source: `clean_func_state`. */
  clean(image: number): void {
    const words = this.#words;
    const at = image << RECORD_BITS;
    words[at | INFO] = (words[at | INFO] & ~STRAYS) | DONE;
    // Marks never travel through here again.
    words[at | PARENT] = 0;
    this.#strays.set(image, 0, NO_STRAYS);
    const read = this.readMask(image, REGS) | (1 << BPF_REG_FP);
    const contents = this.#regs.pageOf(image);
    const start = this.#regs.startOf(image);
    for (let i = 0; i < FIRST_SLOT; i++) if ((read & (1 << i)) === 0) contents[start + i] = NOTHING;
  }

  /** It is not compared any more: of its registers nobody asks but whether they hold numbers. */
  forgetValues(image: number): void {
    const contents = this.#regs.pageOf(image);
    const start = this.#regs.startOf(image);
    for (let i = 0; i < BPF_REG_FP; i++)
      contents[start + i] = contents[start + i].type === SCALAR_VALUE ? ANY_NUMBER : NOTHING;
  }

  #fill(image: number, frame: FuncState, forget: boolean): void {
    const words = this.#words;
    const at = image << RECORD_BITS;
    const { head, regs, stack } = frame;
    this.#heads.set(image, 0, head);
    this.#refs.set(image, 0, frame.refs);
    this.#chunks.set(image, 0, chunksOf(frame));
    words[at | PARENT] = frame.parent;
    words[at | FINGERPRINT] = 0;
    words[at | CALLSITE] = head.callsite;
    const contents = this.#regs.pageOf(image);
    const start = this.#regs.startOf(image);
    for (let i = 0; i < FIRST_SLOT; i++) contents[start + i] = regs[i].content;
    let strayed = this.#fillMarks(at | REGS, regs, 0, FIRST_SLOT, forget);
    const count = stack.length;
    if (this.#fillMarks(at | SLOTS_LO, stack, 0, Math.min(count, 32), forget)) strayed = true;
    if (this.#fillMarks(at | SLOTS_HI, stack, 32, count, forget)) strayed = true;
    const kind = (head.callbackDepth === 0 ? 0 : CALLED_BACK) | (head.inAsyncCallbackFn ? ASYNC : 0);
    words[at | INFO] = (FIRST_SLOT + count) | (strayed ? STRAYS : 0) | kind;
    this.#strays.set(image, 0, strayed ? straysOf(frame) : NO_STRAYS);
  }

  /** Marks of the places of a group, whose words begin at `at`; whether liveness of one goes elsewhere. */
  #fillMarks(at: number, places: readonly RegState[], from: number, end: number, forget: boolean): boolean {
    let read32 = 0;
    let read64 = 0;
    let written = 0;
    let precise = 0;
    let strayed = false;
    for (let i = from; i < end; i++) {
      const reg = places[i];
      const { live } = reg;
      reg.owned = false;
      if (reg.strayed) strayed = true;
      if (reg.precise) {
        if (forget && isScalarAt(reg.content, reg.place)) reg.precise = false;
        else precise |= 1 << i;
      }
      if (live === 0) continue;
      if ((live & REG_LIVE_READ64) !== 0) read64 |= 1 << i;
      else if ((live & REG_LIVE_READ32) !== 0) read32 |= 1 << i;
      if ((live & REG_LIVE_WRITTEN) !== 0) written |= 1 << i;
    }
    const words = this.#words;
    words[at + READ32] = read32;
    words[at + READ64] = read64;
    words[at + WRITTEN] = written;
    words[at + PRECISE] = precise;
    return strayed;
  }

  /** Makes a frame what the image is of, sharing its contents. */
  restore(to: FuncState, image: number): void {
    const words = this.#words;
    const at = image << RECORD_BITS;
    const info = words[at | INFO];
    const chunks = this.#chunks.get(image, 0);
    to.head = this.#heads.get(image, 0);
    to.refs = this.#refs.get(image, 0);
    to.chunks = chunks;
    const parent = words[at | PARENT];
    to.beginFrom(parent, parent === 0 ? 0 : this.placeCount(parent));
    to.resizeStack((info & PLACES) - FIRST_SLOT);
    const page = this.#regs.pageOf(image);
    const start = this.#regs.startOf(image);
    this.#restorePlaces(image, REGS, 0, to.regs, 0, page, start, FIRST_SLOT);
    for (let n = 0; n < chunks.length; n++) {
      const group = n < 4 ? SLOTS_LO : SLOTS_HI;
      this.#restorePlaces(image, group, (n & 3) << 3, to.stack, n << 3, chunks[n], 0, chunks[n].length);
    }
    if ((info & STRAYS) === 0) return;
    const strays = this.#strays.get(image, 0);
    for (let i = 0; i < strays.length; i += 3) {
      const place = strays[i];
      const reg = place < FIRST_SLOT ? to.regs[place] : to.stack[place - FIRST_SLOT];
      reg.strayed = true;
      reg.originPlace = strays[i + 1];
      reg.originFrame = strays[i + 2];
    }
  }

  /** Places from `first` on get `contents[from..]`; the marks of the first one are bit `shift` of the group's. */
  #restorePlaces(
    image: number,
    group: number,
    shift: number,
    places: readonly RegState[],
    first: number,
    contents: readonly RegContent[],
    from: number,
    count: number,
  ): void {
    const words = this.#words;
    const at = (image << RECORD_BITS) | group;
    const done = this.isDone(image) ? REG_LIVE_DONE : 0;
    const read32 = words[at + READ32] >>> shift;
    const read64 = words[at + READ64] >>> shift;
    const written = words[at + WRITTEN] >>> shift;
    const precise = words[at + PRECISE] >>> shift;
    for (let i = 0; i < count; i++) {
      const reg = places[first + i];
      const bit = 1 << i;
      reg.content = contents[from + i];
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
}

/** Whether `b` is surely no special case of `a`. */
function areUnlike(a: RegContent, b: RegContent, exact: boolean, precise: boolean): boolean {
  if (a === b) return false;
  const { type } = a;
  if (type !== b.type) return exact || type !== NOT_INIT;
  if (type !== SCALAR_VALUE) return a.off !== b.off && (type & BPF_BASE_TYPE_MASK) !== PTR_TO_ARENA;
  if (!precise) return false;
  const s = a.scalar;
  const t = b.scalar;
  return (s.maskHi | s.maskLo | t.maskHi | t.maskLo) === 0 && (s.valueLo !== t.valueLo || s.valueHi !== t.valueHi);
}

function straysOf({ regs, stack }: FuncState): Strays {
  const strays: number[] = [];
  for (const reg of regs) if (reg.strayed) strays.push(reg.place, reg.originPlace, reg.originFrame);
  for (const slot of stack) if (slot.strayed) strays.push(slot.place, slot.originPlace, slot.originFrame);
  return strays;
}

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
