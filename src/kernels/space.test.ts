import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FarcallError, InternalError } from '../util/index.ts';
import {
  createKernelSpace,
  defaultKernelImage,
  findLayout,
  type ImageSlot,
  type KernelSpace,
  LAYOUTS,
  type LayoutRow,
} from './index.ts';

function spaceOf(layout: LayoutRow, options = {}): KernelSpace {
  const order = layout.arch === 's390x' ? 'big' : 'little';
  return createKernelSpace(layout, defaultKernelImage(layout.arch, order), options);
}

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const codeOf = (run: () => unknown): string | undefined => {
  const error = caught(run);
  return error instanceof FarcallError ? error.code : undefined;
};

const overlap = (a: ImageSlot, b: ImageSlot): boolean =>
  a.addr < b.addr + BigInt(b.sizeBytes) && b.addr < a.addr + BigInt(a.sizeBytes);

describe.each(LAYOUTS.map(layout => [layout.name, layout] as const))('space of %s', (_name, layout) => {
  const { start, end } = layout.images;

  it('puts images into its region, never over each other or over text, and takes everything back', () => {
    const action = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('reserve' as const), size: fc.integer({ min: 1, max: 9000 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('place' as const),
          size: fc.integer({ min: 1, max: 5000 }),
          at: fc.integer({ min: 0, max: 0x6000 }).map(n => BigInt(n) * 8n),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(50) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), which: fc.nat(50), by: fc.nat(3000) }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('huge' as const), size: fc.integer({ min: 0x1f0000, max: 0x300000 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.boolean(), (actions, seeded) => {
        let seed = 1;
        const random = seeded ? () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff : undefined;
        const space = spaceOf(layout, { random });
        const live: ImageSlot[] = [];
        for (const step of actions) {
          if (step.do === 'reserve' || step.do === 'huge') {
            const slot = space.reserve(step.size)!;
            expect(slot.addr >= start && slot.addr + BigInt(slot.sizeBytes) <= end).toBe(true);
            expect(slot.sizeBytes).toBe(step.size);
            live.push(slot);
          } else if (step.do === 'place') {
            // Near the end of the region, where first fit does not come, and among its first images.
            const at = step.at % 16n === 0n ? start + step.at : end - 0x100000n + step.at;
            const slot = { addr: at, sizeBytes: step.size };
            const before = space.slotCount;
            const result = caught(() => live.push(space.reserve(step.size, { at })!));
            if (result === undefined) expect(live.at(-1)).toEqual(slot);
            else {
              expect(
                codeOf(() => {
                  throw result;
                }),
              ).toBe('arg.placement');
              expect(space.slotCount).toBe(before);
            }
          } else if (live.length > 0) {
            const index = step.which % live.length;
            if (step.do === 'release') space.release(live.splice(index, 1)[0]);
            else live[index] = space.trim(live[index], Math.max(1, live[index].sizeBytes - step.by));
          }
          expect(space.slotCount).toBe(live.length);
        }
        live.sort((a, b) => (a.addr < b.addr ? -1 : 1));
        for (let i = 1; i < live.length; i++) expect(overlap(live[i - 1], live[i])).toBe(false);
        for (const slot of live) space.write(slot, new Uint8Array(slot.sizeBytes).fill(1));
        expect(space.images().map(image => [image.addr, image.bytes.length])).toEqual(
          live.map(s => [s.addr, s.sizeBytes]),
        );
        for (const slot of live) space.release(slot);
        expect([space.slotCount, space.images().length]).toEqual([0, 0]);
        // And the region is as good as new.
        if (!seeded) expect(space.reserve(100)).toEqual(spaceOf(layout).reserve(100));
      }),
      { numRuns: 30 },
    );
  });

  it('places two functions any distance apart that the CPU can address', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: 1n << 63n }), any => {
        const space = spaceOf(layout);
        const first = space.reserve(64)!;
        const distance = any & ~7n;
        const to = first.addr + distance;
        const { canonical } = layout;
        const run = () => space.reserve(64, { from: first.addr, distance });
        const inText = to + 64n > layout.textBase && to < space.callBase + BigInt(space.kernel.syntheticEndOffset);
        if (to < canonical.start || to + 64n > canonical.end || (distance < 64n && distance > -64n)) {
          expect(codeOf(run)).toBe('arg.placement');
        } else if (inText) expect(codeOf(run)).toBe('arg.placement');
        else expect(run()).toEqual({ addr: to, sizeBytes: 64 });
      }),
      { numRuns: 60 },
    );
  });
});

describe('createKernelSpace', () => {
  const radix = findLayout('ppc64-radix');

  it('refuses kernels of another CPU', () => {
    expect(codeOf(() => createKernelSpace(radix, defaultKernelImage('x86_64', 'little')))).toBe('arg.layout');
  });

  it('starts code 16 bytes into a chunk of the first pack, and lets small images share it', () => {
    const space = spaceOf(radix);
    expect(space.reserve(100)).toEqual({ addr: 0xc008000000000010n, sizeBytes: 100 });
    expect(space.reserve(40)).toEqual({ addr: 0xc008000000000090n, sizeBytes: 40 });
    expect(space.reserve(41)).toEqual({ addr: 0xc0080000000000d0n, sizeBytes: 41 });
    expect(space.reserve(1)).toEqual({ addr: 0xc008000000000150n, sizeBytes: 1 });
  });

  // Addresses and lengths of programs' functions as Linux 6.12.107 on ppc64el gave them. Where in its first chunk an image
  // starts is chance there, which chunk is not.
  it.each([
    [
      [0xc008000000004a48n, 276],
      [0xc008000000004ba8n, 560],
      [0xc008000000004e10n, 476],
      [0xc008000000005028n, 264],
      [0xc00800000000514cn, 100],
    ],
    [
      [0xc008000000004a6cn, 320],
      [0xc008000000004bc8n, 808],
    ],
    [
      [0xc008000000004a6cn, 592],
      [0xc008000000004cccn, 476],
    ],
    [
      [0xc008000000004a54n, 356],
      [0xc008000000004bc8n, 808],
    ],
    [
      [0xc008000000004a50n, 84],
      [0xc008000000004accn, 792],
    ],
  ] as const)('takes the chunks the kernel took (%#)', (...functions) => {
    const space = spaceOf(findLayout('ppc64-recorded'));
    // The kernel's own programs came before.
    space.reserve(0xa40 - 24);
    for (const [recorded, sizeBytes] of functions) {
      const chunk = (recorded - 8n) & ~63n;
      expect(space.reserve(sizeBytes)).toEqual({ addr: chunk + 16n, sizeBytes });
    }
  });

  it('fills the lowest hole first', () => {
    const space = spaceOf(radix);
    const slots = [200, 200, 200, 200].map(size => space.reserve(size)!);
    space.release(slots[1]);
    expect(space.reserve(300)!.addr).toBeGreaterThan(slots[3].addr);
    expect(space.reserve(150)!.addr).toBe(slots[1].addr);
  });

  it('opens another pack behind an unmapped page when one is full, and drops it when it is empty', () => {
    const space = spaceOf(radix);
    const half = space.reserve(0x180000)!;
    const other = space.reserve(0x100000)!;
    expect(other.addr - half.addr).toBe(0x210000n);
    space.release(half);
    expect(space.reserve(0x200001)!.addr > other.addr).toBe(true);
    expect(space.reserve(0x180000)!.addr).toBe(half.addr);
  });

  it('gives images pages of their own where there are no packs', () => {
    const space = spaceOf(findLayout('s390x'));
    const [a, b] = [space.reserve(8)!, space.reserve(8)!];
    expect(b.addr - a.addr).toBe(0x2000n);
    space.release(a);
    expect(space.reserve(8)).toEqual(a);
  });

  it('gives chunks behind a trimmed image back', () => {
    const space = spaceOf(radix);
    const slot = space.trim(space.reserve(1000)!, 100);
    expect(slot.sizeBytes).toBe(100);
    expect(space.reserve(40)!.addr - slot.addr).toBe(128n);
  });

  it('ends with undefined at its limit, and goes on when something is released', () => {
    const space = spaceOf(radix, { limitBytes: 256 });
    const slot = space.reserve(200)!;
    expect(space.reserve(41)).toBeUndefined();
    expect(space.reserve(64, { at: 0xc009000000000000n })).toBeUndefined();
    space.release(slot);
    expect(space.reserve(41)).toBeDefined();
  });

  it('ends with undefined when the region is full', () => {
    const space = spaceOf(findLayout('riscv64'));
    const slots: ImageSlot[] = [];
    for (;;) {
      const slot = space.reserve(0x1f0000);
      if (slot === undefined) break;
      slots.push(slot);
    }
    // 128 MB hold 63 packs with a page between, and all of them lie below text.
    expect(slots.length).toBe(63);
    expect(slots.at(-1)!.addr < space.layout.textBase).toBe(true);
    for (const slot of slots) space.release(slot);
    expect(space.slotCount).toBe(0);
  });

  it('keeps images out of ranges it is told', () => {
    const { start } = radix.images;
    const space = spaceOf(radix, {
      keepOut: [
        { start, end: start + 100n },
        { start: start + 50n, end: start + 0x30000n },
      ],
    });
    expect(space.reserve(8)!.addr).toBe(start + 0x40010n);
    expect(codeOf(() => space.reserve(8, { at: start + 0x20000n }))).toBe('arg.placement');
  });

  it.each([
    ['over text', { at: 0xc000000000000000n }],
    ['over an image', { at: 0xc008000000000020n }],
    ['in user space', { at: 0x10000n }],
    ['beyond 64 bits', { from: 0xfffffffffffffff0n, distance: 0x1000n }],
    ['below 0', { from: 0n, distance: -8n }],
    ['askew', { at: 0xc009000000000002n }],
    ['at two places', { at: 0xc009000000000000n, from: 0xc009000000000000n, distance: 8n }],
    ['at a distance from nothing', { distance: 8n }],
  ])('refuses to place an image %s', (_what, placement) => {
    const space = spaceOf(radix);
    space.reserve(64);
    expect(codeOf(() => space.reserve(64, placement))).toBe('arg.placement');
    expect(space.slotCount).toBe(1);
  });

  it.each([0, -1, 1.5, 2 ** 31, Number.NaN])('refuses images of %s bytes', size => {
    expect(codeOf(() => spaceOf(radix).reserve(size))).toBe('arg.placement');
  });

  it('calls misuse by its name', () => {
    const space = spaceOf(radix);
    const slot = space.reserve(64)!;
    expect(() => space.write(slot, new Uint8Array(65))).toThrow(InternalError);
    expect(() => space.trim(slot, 65)).toThrow(InternalError);
    space.release(slot);
    expect(() => space.release(slot)).toThrow(InternalError);
    expect(() => space.write(slot, new Uint8Array(1))).toThrow(InternalError);
  });

  it('finds the image an address lies in', () => {
    const space = spaceOf(radix);
    const slots = [1, 2, 3].map(n => {
      const slot = space.reserve(100)!;
      space.write(slot, new Uint8Array(n * 10).fill(n));
      return slot;
    });
    expect(space.imageAt(slots[1].addr + 19n)?.bytes[0]).toBe(2);
    expect(space.imageAt(slots[1].addr + 20n)).toBeUndefined();
    expect(space.imageAt(slots[1].addr - 1n)).toBeUndefined();
    space.write(slots[1], new Uint8Array(100).fill(9));
    expect(space.imageAt(slots[1].addr + 99n)?.bytes[0]).toBe(9);
    expect(space.images().map(image => image.bytes[0])).toEqual([1, 9, 3]);
    space.release(slots[1]);
    expect(space.imageAt(slots[1].addr)).toBeUndefined();
  });

  it('knows what an address is called', () => {
    const space = spaceOf(radix);
    const { addr } = space.reserve(64)!;
    space.addKsym({ addr, sizeBytes: 64, kind: 't', name: 'bpf_prog_0000000000000000_f', module: 'bpf' });
    expect(space.symbolize(addr + 63n)).toEqual({ name: 'bpf_prog_0000000000000000_f', offBytes: 63, module: 'bpf' });
    expect(space.symbolize(addr + 64n)).toBeUndefined();
    expect(space.symbolize(space.symbolAddr('bpf_ktime_get_ns') + 8n)).toEqual({
      name: 'bpf_ktime_get_ns',
      offBytes: 8,
      module: '',
    });
    expect(space.symbolize(space.symbolAddr('nobody_recorded_me') + 4n)).toEqual({
      name: 'nobody_recorded_me',
      offBytes: 4,
      module: '',
    });
    expect(space.symbolize(0n)).toBeUndefined();
    expect(() => space.addKsym({ addr: addr + 8n, sizeBytes: 8, kind: 't', name: 'x', module: 'bpf' })).toThrow(
      InternalError,
    );
    expect(space.ksyms().length).toBe(1);
    expect(space.ksyms(true).length).toBeGreaterThan(2000);
    space.removeKsym(addr);
    expect(space.ksyms()).toEqual([]);
    expect(() => space.removeKsym(addr)).toThrow(InternalError);
  });
});
