import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCALAR_VALUE } from '../../helpers/index.ts';
import { scalarOfInt32 } from '../domain/index.ts';
import { FrameImages, REGS, SLOTS_HI, SLOTS_LO } from './frame-images.ts';
import { FuncState, newRegs } from './func-state.ts';
import { FIRST_SLOT, REG_LIVE_READ32, REG_LIVE_READ64, REG_LIVE_WRITTEN, type RegState, setOrigin } from './reg.ts';
import { STACK_SPILL, slotTypesAll } from './stack.ts';

interface Place {
  readonly value: number;
  readonly live: number;
  readonly precise: boolean;
  readonly stray: number;
}

const place: fc.Arbitrary<Place> = fc.record({
  value: fc.integer({ min: -3, max: 3 }),
  live: fc.constantFrom(0, REG_LIVE_READ32, REG_LIVE_READ64, REG_LIVE_WRITTEN, REG_LIVE_WRITTEN | REG_LIVE_READ64),
  precise: fc.boolean(),
  stray: fc.constantFrom(0, 0, 0, 2),
});

function fill(reg: RegState, { value, live, precise, stray }: Place): void {
  reg.type = SCALAR_VALUE;
  reg.scalar = scalarOfInt32(value);
  reg.live = live;
  reg.precise = precise;
  if (stray !== 0) setOrigin(reg, 1, stray);
}

function frameOf(regs: readonly Place[], slots: readonly Place[], parent: number, parentPlaces: number): FuncState {
  const frame = new FuncState(7, 0, 0, newRegs());
  frame.beginFrom(parent, parentPlaces);
  frame.resizeStack(slots.length);
  regs.forEach((what, i) => {
    fill(frame.regs[i], what);
  });
  slots.forEach((what, i) => {
    frame.stack[i].slotTypes = slotTypesAll(STACK_SPILL);
    fill(frame.stack[i], what);
  });
  return frame;
}

const seen = ({ regs, stack, parent, parentPlaces, callsite }: FuncState): unknown => [
  ...[...regs, ...stack].map(r => [
    ...[r.type, r.scalar.valueLo, r.live, r.precise, r.slotTypes, r.strayed],
    ...(r.strayed ? [r.originFrame, r.originPlace] : []),
  ]),
  ...[parent, parentPlaces, callsite],
];

const places = fc.array(place, { minLength: FIRST_SLOT, maxLength: FIRST_SLOT });
const slots = fc.array(place, { maxLength: 64 });

describe('an image of a frame', () => {
  it('gives the frame back, and tells of each place what the frame did', () => {
    fc.assert(
      fc.property(places, slots, fc.boolean(), (regs, stack, forget) => {
        const images = new FrameImages();
        const parent = images.capture([frameOf(regs, [], 0, 0)], 1, false);
        const frame = frameOf(regs, stack, parent, FIRST_SLOT);
        const image = images.capture([frame], 1, forget);
        const all = [...frame.regs, ...frame.stack];
        expect(images.placeCount(image)).toBe(all.length);
        all.forEach((reg, i) => {
          expect(images.contentOf(image, i)).toBe(reg.content);
          expect(images.liveOf(image, i)).toBe(reg.live);
          expect(images.isPrecise(image, i)).toBe(reg.precise);
          expect(images.originOf(image, i)).toBe(reg.strayed ? 1 : i < FIRST_SLOT ? parent : 0);
          expect(images.strayPlaceOf(image, i)).toBe(reg.strayed ? 2 : i);
          if (forget) expect(reg.precise).toBe(false);
        });
        const copy = new FuncState(-1, 0, 0, newRegs());
        copy.resizeStack(3);
        images.restore(copy, image);
        expect(seen(copy)).toEqual(seen(frame));
      }),
      { numRuns: 200 },
    );
  });

  it('that is done shows what somebody reads', () => {
    const images = new FrameImages();
    const frame = new FuncState(-1, 0, 0, newRegs());
    frame.resizeStack(40);
    for (const reg of [...frame.regs, ...frame.stack]) fill(reg, { value: 1, live: 0, precise: false, stray: 0 });
    const image = images.capture([frame], 1, false);
    const read = [3, FIRST_SLOT + 2, FIRST_SLOT + 39];
    for (const at of read) images.setRead(image, at, REG_LIVE_READ64);
    expect([REGS, SLOTS_LO, SLOTS_HI].map(group => images.readMask(image, group))).toEqual([8, 4, 128]);
    images.clean(image);
    const held = [...Array(FIRST_SLOT + 40).keys()].filter(at => images.contentOf(image, at).type === SCALAR_VALUE);
    // The frame pointer stays.
    expect(held).toEqual([3, 10, FIRST_SLOT + 2, FIRST_SLOT + 39]);
  });

  it('that is not compared any more tells where numbers are', () => {
    const images = new FrameImages();
    const frame = new FuncState(-1, 0, 0, newRegs());
    for (const i of [1, 4]) fill(frame.regs[i], { value: i, live: 0, precise: false, stray: 0 });
    const image = images.capture([frame], 1, false);
    images.forgetValues(image);
    const isNumber = (i: number): boolean => images.capturedReg(image, i).type === SCALAR_VALUE;
    expect([...Array(FIRST_SLOT).keys()].filter(isNumber)).toEqual([1, 4]);
    expect(frame.regs[4].scalar.valueLo).toBe(4);
  });

  it('differs by a constant only where that matters', () => {
    const images = new FrameImages();
    const frame = new FuncState(-1, 0, 0, newRegs());
    fill(frame.regs[4], { value: 1, live: 0, precise: true, stray: 0 });
    const image = images.capture([frame], 1, false);
    const other = new FuncState(-1, 0, 0, newRegs());
    const differs = (value: number, exact: boolean): boolean => {
      fill(other.regs[4], { value, live: 0, precise: false, stray: 0 });
      return images.surelyDiffers(image, other, exact);
    };
    expect(differs(2, true)).toBe(false);
    images.setDifferingPlace(image, 4);
    expect([differs(1, true), differs(2, true), differs(2, false)]).toEqual([false, true, false]);
    images.setRead(image, 4, REG_LIVE_READ32);
    expect([differs(1, false), differs(2, false)]).toEqual([false, true]);
  });

  it('is used again when nobody needs it, in rows of the same length', () => {
    const images = new FrameImages();
    const frames = [0, 1, 2].map(() => new FuncState(-1, 0, 0, newRegs()));
    const first = Array.from({ length: 5000 }, () => images.capture(frames, 3, false));
    expect(first[4999]).toBe(1 + 3 * 4999);
    images.release(first[7], 3);
    images.release(images.capture(frames, 2, false), 2);
    expect(images.capture(frames, 3, false)).toBe(first[7]);
    expect(images.capture(frames, 1, false)).toBeGreaterThan(first[4999]);
  });
});
