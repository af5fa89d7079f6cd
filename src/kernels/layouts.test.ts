import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import {
  createKernelSpace,
  customLayout,
  defaultKernelImage,
  defaultLayout,
  findLayout,
  type KernelArch,
  LAYOUTS,
  layoutsOf,
  withTextBase,
} from './index.ts';

const ARCHES: readonly KernelArch[] = ['ppc64', 'x86_64', 'arm64', 'riscv64', 's390x'];
const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);

function spaceOf(name: string) {
  const layout = findLayout(name);
  return createKernelSpace(layout, defaultKernelImage(layout.arch, layout.arch === 's390x' ? 'big' : 'little'));
}

const errorOf = (run: () => unknown): FarcallError => {
  try {
    run();
  } catch (error) {
    if (error instanceof FarcallError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('LAYOUTS', () => {
  it.each([
    ['ppc64-hash', 1n << 60n],
    ['ppc64-radix', 1n << 51n],
    ['ppc64-hash-64k', 1n << 51n],
    ['ppc64-hash-4k', 61n << 40n],
    ['ppc64-recorded', (1n << 51n) + 0x4000n],
  ])('%s: images begin a fixed distance behind text', (name, distance) => {
    const { images, textBase } = findLayout(name);
    expect(images.start - textBase).toBe(distance);
  });

  it.each([
    ['x86_64', 2n],
    ['x86_64-kaslr', 2n],
    ['riscv64', 2n],
    ['s390x', 4n],
  ])('%s: every image is within %d GB of all text', (name, gigabytes) => {
    const space = spaceOf(name);
    const { images, textBase } = space.layout;
    const textEnd = space.callBase + BigInt(space.kernel.syntheticEndOffset);
    for (const from of [images.start, images.end]) {
      for (const to of [textBase, textEnd])
        expect(from - to < gigabytes << 30n && to - from < gigabytes << 30n).toBe(true);
    }
  });

  it.each(LAYOUTS.filter(layout => layout.arch === 'ppc64').map(layout => layout.name))(
    '%s: 32 bits do not tell where an image is',
    name => {
      const { callBase, layout } = spaceOf(name);
      const image = layout.images.start + 0x10n;
      expect(callBase + s32(image - callBase)).not.toBe(image);
    },
  );

  it.each(['x86_64', 'x86_64-kaslr', 'riscv64'])('%s: 32 bits tell where an image is', name => {
    const { callBase, layout } = spaceOf(name);
    for (const image of [layout.images.start + 0x10n, layout.images.end - 64n]) {
      expect(callBase + s32(image - callBase)).toBe(image);
    }
  });

  it('arm64 has images next to text, and with KASLR out of reach of a branch', () => {
    const near = spaceOf('arm64');
    expect(near.reserve(64)!.addr - near.callBase < 1n << 27n).toBe(true);
    const far = spaceOf('arm64-kaslr');
    expect(far.callBase - far.reserve(64)!.addr > 1n << 45n).toBe(true);
  });

  it.each(LAYOUTS.map(layout => [layout.name, layout] as const))('%s is sound', (_name, layout) => {
    expect(customLayout(layout)).toEqual({ ...layout, source: 'customLayout()' });
    expect(layout.summary).not.toBe('');
    expect(layout.userLimit <= layout.images.start).toBe(true);
    // What maps and kernel objects lie in is not where images lie.
    expect(layout.linearMap.end <= layout.images.start || layout.images.end <= layout.linearMap.start).toBe(true);
  });

  it('has names of its own, and a default for every CPU', () => {
    expect(new Set(LAYOUTS.map(layout => layout.name)).size).toBe(LAYOUTS.length);
    for (const arch of ARCHES) {
      expect(defaultLayout(arch).arch).toBe(arch);
      expect(layoutsOf(arch)).toContain(defaultLayout(arch));
    }
    expect(ARCHES.flatMap(layoutsOf).length).toBe(LAYOUTS.length);
  });

  it('names the layouts there are when asked for another', () => {
    const error = errorOf(() => findLayout('ppc64-book3e'));
    expect([error.code, error.found]).toEqual(['arg.layout', "'ppc64-book3e'"]);
    for (const layout of LAYOUTS) expect(error.expected).toContain(layout.name);
  });
});

describe('customLayout', () => {
  const base = {
    name: 'user',
    arch: 'ppc64' as const,
    textBase: 0x10000000n,
    images: { start: 0x700000000000n, end: 0x700010000000n },
    modules: { start: 0x700000000000n, end: 0x700010000000n },
    linearMap: { start: 0x20000000n, end: 0x30000000n },
    userLimit: 0xffffn,
    packBytes: 0x200000,
  };

  it('makes a layout that fits user space', () => {
    const layout = customLayout(base);
    expect(layout.canonical).toEqual({ start: 0n, end: 1n << 52n });
    const space = createKernelSpace(layout, defaultKernelImage('ppc64', 'little'));
    expect(space.reserve(64)!.addr).toBe(0x700000000010n);
    expect(space.reserve(64, { from: 0x700000000010n, distance: -0x2000000n })!.addr).toBe(0x6ffffe000010n);
  });

  it.each([
    ['a reversed range', { images: { start: 0x20000n, end: 0x10000n } }],
    ['an empty range', { linearMap: { start: 0x20000n, end: 0x20000n } }],
    ['a range beyond 64 bits', { linearMap: { start: 0n, end: (1n << 64n) + 1n } }],
    ['a negative range', { linearMap: { start: -1n, end: 1n } }],
    ['images where code cannot be', { images: { start: 0x10000n, end: 1n << 60n } }],
    ['modules where code cannot be', { modules: { start: 1n << 60n, end: 1n << 61n } }],
    ['images off pages', { images: { start: 0x700000000100n, end: 0x700010000000n } }],
    ['text where code cannot be', { textBase: 1n << 63n }],
    ['text off pages', { textBase: 0x10000001n }],
    ['a bad limit', { userLimit: -1n }],
    ['a bad pack', { packBytes: 100 }],
    ['a pack smaller than a page', { packBytes: 0x1000 }],
    ['a giant pack', { packBytes: 2 ** 40 }],
    ['a bad page', { pageBytes: 3 }],
    ['an unknown CPU', { arch: 'vax' as never }],
    ['a bad name', { name: 'two words' }],
  ])('refuses %s', (_what, change) => {
    expect(errorOf(() => customLayout({ ...base, ...change })).code).toBe('arg.layout');
  });

  it('moves text as KASLR does', () => {
    const moved = withTextBase(findLayout('x86_64-kaslr'), 0xffffffff9a000000n);
    expect(moved).toEqual({ ...findLayout('x86_64-kaslr'), textBase: 0xffffffff9a000000n });
    expect(errorOf(() => withTextBase(moved, 0n)).code).toBe('arg.layout');
    // Too high for text to fit.
    const high = withTextBase(moved, 0xfffffffffffff000n);
    expect(errorOf(() => createKernelSpace(high, defaultKernelImage('x86_64', 'little'))).code).toBe('arg.layout');
  });
});
