import { type Scalar, scalarEqual } from '../domain/index.ts';
import type { FuncState } from '../state/func-state.ts';
import type { RegInfo, RegState } from '../state/reg.ts';

/** What a register or stack slot held at a moment. Never changes. */
export class Held {
  readonly type: number;
  readonly off: number;
  readonly scalar: Scalar;
  readonly id: number;
  readonly refObjId: number;
  readonly info: Readonly<RegInfo>;
  readonly frameno: number;
  /** Stack only. */
  readonly slotTypes: number;

  constructor(reg: RegState) {
    this.type = reg.type;
    this.off = reg.off;
    this.scalar = reg.scalar;
    this.id = reg.id;
    this.refObjId = reg.refObjId;
    this.info = reg.info;
    this.frameno = reg.frameno;
    this.slotTypes = reg.slotTypes;
  }
}

/** Whether nothing a reader would notice is different. Ids come and go without a meaning of their own. */
export function sameHeld(held: Held, reg: RegState | Held): boolean {
  return (
    held.type === reg.type &&
    held.slotTypes === reg.slotTypes &&
    held.off === reg.off &&
    held.info === reg.info &&
    held.refObjId === reg.refObjId &&
    held.frameno === reg.frameno &&
    (held.scalar === reg.scalar || scalarEqual(held.scalar, reg.scalar))
  );
}

/** A function's registers and stack at a moment; its elements are replaced, never changed. */
export interface HeldFrame {
  readonly subprogno: number;
  readonly callsite: number;
  readonly regs: Held[];
  /** Slot 0 is [R10-8, R10). */
  readonly stack: Held[];
}

export const holdFrame = ({ subprogno, callsite, regs, stack }: FuncState): HeldFrame => ({
  subprogno,
  callsite,
  regs: regs.map(reg => new Held(reg)),
  stack: stack.map(slot => new Held(slot)),
});

export const copyFrame = (frame: HeldFrame): HeldFrame => ({
  ...frame,
  regs: [...frame.regs],
  stack: [...frame.stack],
});

/** Places in a frame: registers are 0..10, stack slot `spi` is 16 + spi. */
export const SLOT_PLACE = 16;
export const isSlot = (place: number): boolean => place >= SLOT_PLACE;
/** `r1`, `fp-8` */
export const placeName = (place: number): string =>
  isSlot(place) ? `fp-${(place - SLOT_PLACE + 1) * 8}` : `r${place}`;

export const heldAt = (frame: HeldFrame, place: number): Held | undefined =>
  isSlot(place) ? frame.stack[place - SLOT_PLACE] : frame.regs[place];
