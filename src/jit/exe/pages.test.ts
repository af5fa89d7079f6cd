import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, FarcallError } from '../../util/index.ts';
import { endOf, PAGE_BYTES, pageEnd, pageStart, runBytes, runsOf } from './pages.ts';

const piece = (addr: bigint, sizeBytes: number) => ({
  addr,
  sizeBytes,
  name: `at ${addr}`,
  bytes: new Uint8Array(sizeBytes).fill(1 + Number(addr % 250n)),
});

describe('runs of pages', () => {
  it('hold every piece once, share no page, and keep its bytes', () => {
    const gaps = fc.array(fc.tuple(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 1, max: 70_000 })), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(gaps, list => {
        let at = 0x10000n;
        const pieces = list.map(([gap, size]) => {
          const made = piece(at + BigInt(gap), size);
          at = endOf(made);
          return made;
        });
        const runs = runsOf([...pieces].reverse(), 0x10000n, 1n << 47n);
        expect(runs.flatMap(run => run.pieces)).toEqual(pieces);
        for (let i = 1; i < runs.length; i++) {
          expect(pageStart(runs[i].start)).toBeGreaterThanOrEqual(pageEnd(runs[i - 1].end));
        }
        for (const run of runs) {
          const bytes = runBytes(run);
          expect(bytes.length).toBe(Number(run.end - run.start));
          for (const { addr, sizeBytes, bytes: own } of run.pieces) {
            const off = Number(addr - run.start);
            expect(equalBytes(bytes.subarray(off, off + sizeBytes), own)).toBe(true);
          }
        }
      }),
    );
  });

  it.each([
    ['an overlap', [piece(0x20000n, 100), piece(0x20063n, 4)], /^at 131171 overlaps at 131072 /],
    ['what lies below', [piece(0xfff0n, 100)], /lies where a process has no memory/],
    ['what lies above', [piece((1n << 47n) - 4n, 8)], /lies where a process has no memory/],
  ])('refuse %s', (_, pieces, message) => {
    const run = () => runsOf(pieces, BigInt(PAGE_BYTES), 1n << 47n);
    expect(run).toThrow(FarcallError);
    expect(run).toThrow(message);
  });
});
