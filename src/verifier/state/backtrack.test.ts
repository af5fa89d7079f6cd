import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BacktrackState, fmtRegMask, fmtStackMask } from './backtrack.ts';

describe('what is traced back', () => {
  it('remembers slots as a set does', () => {
    const step = fc.record({ frame: fc.nat(7), spi: fc.nat(63), set: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const bt = new BacktrackState();
        bt.frame = 7;
        const model = new Set<number>();
        for (const { frame, spi, set } of steps) {
          if (set) {
            bt.setFrameSlot(frame, spi);
            model.add(frame * 64 + spi);
          } else {
            bt.clearFrameSlot(frame, spi);
            model.delete(frame * 64 + spi);
          }
        }
        const all = Array.from({ length: 512 }, (_, i) => i);
        expect(all.filter(i => bt.isFrameSlotSet(i >> 6, i & 63))).toEqual(all.filter(i => model.has(i)));
        expect(bt.empty).toBe(model.size === 0);
        const last = [...model].filter(i => i >= 448).map(i => i & 63);
        expect(bt.stackEmpty).toBe(last.length === 0);
        const text = last.sort((a, b) => a - b).map(spi => `${-(spi + 1) * 8}`);
        expect(fmtStackMask(bt.stackLo[7], bt.stackHi[7])).toBe(text.join(','));
      }),
    );
  });

  it('looks at the frames it is in only', () => {
    const bt = new BacktrackState();
    bt.setFrameReg(2, 6);
    expect(bt.empty).toBe(true);
    bt.frame = 2;
    expect(bt.empty).toBe(false);
    expect(bt.isRegSet(6)).toBe(true);
    expect(bt.isFrameRegSet(1, 6)).toBe(false);
    bt.reset();
    bt.frame = 2;
    expect(bt.empty).toBe(true);
  });

  it('is written as the log writes it', () => {
    expect(fmtRegMask(0x15)).toBe('r0,r2,r4');
    expect(fmtRegMask(0)).toBe('');
    expect(fmtStackMask(0x15, -0x80000000)).toBe('-8,-24,-40,-512');
  });
});
