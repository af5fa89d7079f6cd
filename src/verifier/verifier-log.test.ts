import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BPF_LOG_FIXED, BPF_LOG_LEVEL2, VerifierLog } from './verifier-log.ts';

describe('the log', () => {
  const step = fc.oneof(
    fc.record({ text: fc.string({ maxLength: 12 }), times: fc.constantFrom(1, 1, 3, 4000) }),
    fc.record({ back: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );

  it.each([
    [undefined, 0],
    [50, 0],
    [30_000, 0],
    [50, BPF_LOG_FIXED],
    [30_000, BPF_LOG_FIXED],
  ])('of %s bytes, flags %d, is what was written and not taken back', (size, flags) => {
    const cut = new Set<boolean>();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), steps => {
        const log = new VerifierLog(BPF_LOG_LEVEL2 | flags, size);
        let model = '';
        let most = 0;
        for (const part of steps) {
          if ('back' in part) {
            // What has left the buffer at its beginning cannot be brought back, so it is not gone back so far.
            const least = size === undefined || flags !== 0 ? 0 : Math.max(0, most - size);
            const position = Math.max(least, Math.floor(model.length * (0.7 + 0.3 * part.back)));
            if (position > model.length || most > (size ?? most)) continue;
            log.reset(position);
            model = model.slice(0, position);
          } else {
            const text = part.text.repeat(part.times);
            log.write(text);
            model += text;
            most = Math.max(most, model.length);
          }
          expect(log.position).toBe(model.length);
        }
        const { text, trueSizeBytes, truncated } = log.finish();
        const room = (size ?? Number.POSITIVE_INFINITY) - 1;
        cut.add(truncated);
        expect(trueSizeBytes).toBe(most + 1);
        expect(truncated).toBe(most > room);
        if (model.length <= room) expect(text).toBe(model);
        else expect(text).toBe(flags !== 0 ? model.slice(0, room) : model.slice(-room));
      }),
      { numRuns: 300 },
    );
    expect(cut.has(true)).toBe(size !== undefined);
  });
});
