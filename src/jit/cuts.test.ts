import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodeBuffer } from './code-buffer.ts';
import { Cuts } from './cuts.ts';

describe('cuts', () => {
  it('move labels, fixups and bytes alike', () => {
    const pieces = fc.array(
      fc.record({ keep: fc.integer({ min: 1, max: 90 }), cut: fc.integer({ min: 0, max: 15 }) }),
      {
        minLength: 1,
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(pieces, list => {
        const cuts = new Cuts();
        const whole = new CodeBuffer('little', list.length);
        const left = new CodeBuffer('little', list.length);
        let value = 0;
        // Labels are asked for in no order.
        const extra: [whole: number, left: number][] = [];
        list.forEach(({ keep, cut }, n) => {
          whole.bind(n);
          left.bind(n);
          extra.push([whole.label(), left.label()]);
          whole.bind(extra[n][0]);
          left.bind(extra[n][1]);
          whole.fixup(list.length - 1 - n, n);
          left.fixup(list.length - 1 - n, n);
          for (let i = 0; i < keep; i++) {
            value = (value + 37) & 0xff;
            whole.u8(value);
            left.u8(value);
          }
          cuts.add(whole.length, whole.length + cut);
          for (let i = 0; i < cut; i++) whole.u8(0xee);
        });
        whole.cut(cuts);
        expect(whole.finish()).toEqual(left.finish());
        for (let label = 0; label < 2 * list.length; label++) expect(whole.offsetOf(label)).toBe(left.offsetOf(label));
        for (let n = 0; n < list.length; n++) expect(whole.fixupOff(n)).toBe(left.fixupOff(n));
      }),
    );
  });
});
