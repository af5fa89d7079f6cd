import { alignUp } from '../../../util/index.ts';
import type { FuncInput } from '../../types.ts';
import { addi, blr, ld, li, mflr, mtlr, nop, std, stdu } from '../encode.ts';
import type { Allocation } from './allocate.ts';

/** What the two ABIs and the two modes differ in. */
export interface OwnAbi {
  /** Images begin with a descriptor, and so do functions of modules. */
  readonly descriptors: boolean;
  /** Whoever enters a function has loaded r2. Otherwise functions that use it load it, from the paca. */
  readonly tocGiven: boolean;
  /** Where callers keep their TOC, from r1, if it is theirs to load again behind a call. Undefined: the paca has it. */
  readonly tocSlot: number | undefined;
  readonly order: 'little' | 'big';
  /** What a frame begins with: back chain, CR, LR, TOC, and on ELFv1 room for eight arguments. */
  readonly headerBytes: number;
}

/** Of kernels. */
export const ELFV2: OwnAbi = {
  descriptors: false,
  tocGiven: false,
  tocSlot: undefined,
  order: 'little',
  headerBytes: 32,
};
export const ELFV1: OwnAbi = { descriptors: true, tocGiven: true, tocSlot: undefined, order: 'big', headerBytes: 112 };
/** Where callers of C functions keep their TOC, from r1. */
export const TOC_SLOT = { elfv2: 24, elfv1: 40 } as const;

/** Of shared objects: their TOC is given by what stands in front of functions, or by descriptors somewhere else. */
const OBJECT_ELFV2: OwnAbi = { ...ELFV2, tocGiven: true, tocSlot: TOC_SLOT.elfv2 };
const OBJECT_ELFV1: OwnAbi = { ...ELFV1, descriptors: false, tocSlot: TOC_SLOT.elfv1 };

/** The ABI as code of a shared object has it. */
export const objectAbi = ({ descriptors }: OwnAbi): OwnAbi => (descriptors ? OBJECT_ELFV1 : OBJECT_ELFV2);

/** Bytes below r1 that interrupts leave alone, in both ABIs (`arch/powerpc: KERNEL_REDZONE_SIZE`). */
const RED_ZONE = 288;
/** Room at the bottom for a value on its way through memory. */
const SPARE = 8;
/** r14 … r31. */
const ALL_SAVED = 0xffffc000 | 0;
/** Where the tail call count, or the address of the one that counts, lies below the caller's r1. */
export const COUNT_OFF = -8;
/** Where a boundary's registers lie below its caller's r1: r31 here, r30 below, down to r14. */
const BOUNDARY_SAVE = -16;
/** In the paca: the kernel's TOC, and this CPU's per-CPU offset. */
export const PACA_TOC = 16;
export const PACA_DATA_OFFSET = 48;

/**
 * A function's frame. Offsets from its caller's r1, growing down:
 *
 * ```
 *   +16  LR of this function's return               (if it calls)
 *    -8  tail call count or its address             (if a tail call may happen here or below)
 *        r31, r30, … as far as used                 8 bytes each
 *        values kept here instead of in a register  8 bytes each
 *        stack of the BPF function                  R10 is its upper end
 *        header of its own, r1                      (if it calls, or 288 bytes are not enough)
 * ```
 */
export interface Frame {
  /** Bytes r1 goes down; 0 for none. */
  readonly sizeBytes: number;
  readonly savesLr: boolean;
  /** Registers kept for the caller, as a bit set. */
  readonly saved: number;
  /** Of the first of them below the caller's r1. */
  readonly saveOff: number;
  /** R10 − r1 in the body. */
  readonly fpOff: number;
  /** From r1, by register: where values lie that would be in it. */
  readonly slotOffs: ReadonlyMap<number, number>;
  /** Eight bytes nothing else uses, from r1. */
  readonly spareOff: number;
  readonly reachable: boolean;
  readonly boundary: boolean;
  readonly callback: boolean;
}

export function planFrame(func: FuncInput, abi: OwnAbi, allocation: Allocation, tailCalls: boolean): Frame {
  const boundary = func.exceptionBoundary || func.exceptionCallback;
  const saved = boundary ? ALL_SAVED : allocation.saved;
  const reachable = func.tailCallReachable || tailCalls;
  const saveOff = boundary || reachable ? BOUNDARY_SAVE : -8;
  let count = 0;
  const slots: number[] = [];
  for (let p = 31; p >= 14; p--) {
    if (((saved >>> p) & 1) !== 0) count++;
    if (((allocation.inFrame >>> p) & 1) !== 0) slots.push(p);
  }
  const saveBytes = 8 * count;
  count += slots.length;
  const below = -saveOff - 8 + 8 * count;
  const stack = alignUp(func.stackDepthBytes, 8);
  const framed = allocation.calls || boundary || below + stack + SPARE > RED_ZONE;
  const sizeBytes = framed ? alignUp(abi.headerBytes + stack + below, 16) : 0;
  return {
    sizeBytes,
    savesLr: allocation.calls || boundary,
    saved,
    saveOff,
    // R10 at the top of what is not saved registers.
    fpOff: sizeBytes - below,
    slotOffs: new Map(slots.map((p, n) => [p, sizeBytes + saveOff - saveBytes - 8 * n])),
    spareOff: framed ? -SPARE : -below - stack - SPARE,
    reachable,
    boundary: func.exceptionBoundary,
    callback: func.exceptionCallback,
  };
}

/** Words of the prologue, without what comes before the entry callers with a TOC use. */
export interface Prologue {
  readonly words: readonly number[];
  /** Words in front of the local entry. */
  readonly localEntry: number;
}

export function prologueOf(frame: Frame, abi: OwnAbi, index: number, toc: boolean): Prologue {
  const words: number[] = [];
  const loadsToc = toc && !abi.tocGiven;
  if (frame.reachable) words.push(li(9, 0));
  if (loadsToc) words.push(ld(2, PACA_TOC, 13));
  const localEntry = words.length;
  // Tail calls enter one word in, with r0 = LR and r2 right: only some first words may be skipped.
  if (index === 0 && words.length === 0 && !(frame.savesLr && !frame.callback)) words.push(nop());
  if (frame.callback) words.push(ld(1, 0, 4));
  else {
    if (frame.savesLr) words.push(mflr(0));
    if (frame.reachable) words.push(std(9, COUNT_OFF, 1));
    if (frame.savesLr) words.push(std(0, 16, 1));
    saves(frame, (register, off) => words.push(std(register, off, 1)));
  }
  if (frame.sizeBytes > 0) words.push(stdu(1, -frame.sizeBytes, 1));
  return { words, localEntry };
}

/** Restores what the prologue changed, r1 and LR included; leaves r0 = LR where it saved it. */
export function teardownOf(frame: Frame): number[] {
  const words: number[] = [];
  if (frame.sizeBytes > 0) words.push(addi(1, 1, frame.sizeBytes));
  if (frame.savesLr) words.push(ld(0, 16, 1));
  saves(frame, (register, off) => words.push(ld(register, off, 1)));
  if (frame.savesLr) words.push(mtlr(0));
  return words;
}

export function epilogueOf(frame: Frame): number[] {
  return [...teardownOf(frame), blr()];
}

function saves(frame: Frame, each: (register: number, off: number) => void): void {
  let off = frame.saveOff;
  for (let register = 31; register >= 14; register--) {
    if (((frame.saved >>> register) & 1) === 0) continue;
    each(register, off);
    off -= 8;
  }
}
