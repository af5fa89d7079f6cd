import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { FarcallError, InternalError } from '../util/index.ts';
import { LinearMemory, NULL_GUARD_BYTES } from './index.ts';

describe('allocator', () => {
  it('hands out aligned, zeroed blocks that never overlap, and takes them back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.constantFrom(8, 16, 64, 4096), fc.boolean()), {
          maxLength: 60,
        }),
        fc.constantFrom(false, false, false, true),
        (requests, shared) => {
          const mem = new LinearMemory('little', shared);
          const live: [number, number][] = [];
          for (const [size, align, freeOne] of requests) {
            if (freeOne && live.length > 0) mem.free(live.shift()![0]);
            const addr = mem.alloc(size, align);
            expect(addr % align).toBe(0);
            expect(addr).toBeGreaterThanOrEqual(NULL_GUARD_BYTES);
            expect(mem.read(addr, size).every(b => b === 0)).toBe(true);
            for (const [start, end] of live) expect(addr >= end || addr + size <= start).toBe(true);
            mem.u8.fill(0xee, addr, addr + size);
            const ends = addr + size;
            // Of threads that share it, none touches lines of another one's blocks.
            live.push(shared ? [addr & ~127, (ends + 127) & ~127] : [addr, ends]);
          }
        },
      ),
    );
  });

  it.each([
    [
      'no memory',
      {
        Memory: class {
          constructor() {
            throw new RangeError('could not allocate memory');
          }
        },
      },
    ],
    ['no WebAssembly', undefined],
  ])('is an error with a name where there is %s', (_, found) => {
    vi.stubGlobal('WebAssembly', found);
    try {
      expect(() => new LinearMemory()).toThrow(expect.objectContaining({ code: 'run.out-of-memory' }));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('grows, and says so when 2 GiB are spent', () => {
    const mem = new LinearMemory();
    expect(mem.alloc(10_000_000)).toBeGreaterThan(0);
    expect(() => mem.alloc(2 ** 31)).toThrow(FarcallError);
    expect(() => mem.free(12345)).toThrow(InternalError);
  });
});

describe('regions', () => {
  it('allow exactly what they cover', () => {
    const region = fc.record({ gap: fc.integer({ min: 0, max: 20 }), size: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(
        fc.array(region, { maxLength: 12 }),
        fc.integer({ min: 0, max: 700 }),
        fc.integer({ min: 1, max: 16 }),
        (regions, addr, size) => {
          const mem = new LinearMemory();
          let at = 0;
          const spans = regions.map(({ gap, size: sizeBytes }) => {
            const start = at + gap;
            at = start + sizeBytes;
            return { start, sizeBytes };
          });
          // Added out of order; the map of regions sorts them.
          for (const span of [...spans].reverse()) mem.addRegion({ kind: 'mem', name: `at ${span.start}`, ...span });
          const inside = spans.some(s => addr >= s.start && addr + size <= s.start + s.sizeBytes);
          expect(mem.accessible(addr, size, 'read') !== undefined).toBe(inside);
        },
      ),
    );
  });

  it('know cells and rights', () => {
    const mem = new LinearMemory();
    const pool = mem.addRegion({
      kind: 'map_value',
      name: 'pool',
      start: 1000,
      sizeBytes: 96,
      strideBytes: 32,
      cellBytes: 24,
      writable: false,
    });
    expect(mem.accessible(1000, 24, 'read')).toBe(pool);
    expect(mem.accessible(1032 + 16, 8, 'read')).toBe(pool);
    expect(mem.accessible(1032 + 17, 8, 'read')).toBeUndefined();
    expect(mem.accessible(1024, 1, 'read')).toBeUndefined();
    expect(mem.accessible(1000, 1, 'write')).toBeUndefined();
    mem.moveRegion(pool, 2000, 2096);
    expect(mem.regionAt(1000)).toBeUndefined();
    expect(mem.regionAt(2095)).toBe(pool);
    mem.removeRegion(pool);
    expect(mem.regionAt(2000)).toBeUndefined();
  });
});
