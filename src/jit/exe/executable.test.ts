import { describe, expect, it } from 'vitest';
import { openElf, PT_LOAD } from '../../elf/index.ts';
import { createKernelSpace, defaultKernelImage } from '../../kernels/index.ts';
import { equalBytes } from '../../util/index.ts';
import { findTarget, TARGETS } from '../targets.ts';
import { writeExecutable } from './executable.ts';
import { ReplayLog } from './replay-log.ts';
import { EXE_STATE, EXE_STATE_BYTES, type ExeInit } from './types.ts';
import { findUserLayout, userLayouts } from './user-layouts.ts';

const [USER] = userLayouts('ppc64');
const EXE_TARGETS = TARGETS.filter(target => target.arch === 'ppc64').map(target => target.name);

function initOf(targetName: string, change: Partial<ExeInit> = {}): ExeInit {
  const target = findTarget(targetName);
  const space = createKernelSpace(USER, defaultKernelImage(target.arch, target.order));
  const image = { addr: USER.images.start, bytes: new Uint8Array(64).fill(0x11), name: 'bpf_prog_0' };
  return {
    target,
    cpu: target.cpus[0],
    space,
    images: [image],
    gates: [{ addr: space.symbolAddr('bpf_ktime_get_ns'), name: 'bpf_ktime_get_ns' }],
    memory: [{ addr: 0x20010, bytes: Uint8Array.of(1, 2, 3) }],
    memoryEnd: 0x41234,
    entries: [{ func: image.addr, args: [0x20010n], sp: 0x3fe00n }],
    format: 'value',
    ...change,
  };
}

describe.each(EXE_TARGETS)('executables for %s', name => {
  it('map the linear memory, code at its address, and nothing twice', () => {
    const elf = openElf(writeExecutable(initOf(name)));
    expect(elf.order).toBe(findTarget(name).order);
    const loads = elf.segments
      .filter(segment => segment.type === PT_LOAD)
      .map(segment => ({ start: segment.vaddr, end: segment.vaddr + segment.memsz }))
      .sort((a, b) => a.start - b.start);
    for (let i = 1; i < loads.length; i++) {
      expect(Math.floor(loads[i].start / 0x10000)).toBeGreaterThanOrEqual(Math.ceil(loads[i - 1].end / 0x10000));
    }
    const mapped = (addr: number): boolean => loads.some(({ start, end }) => addr >= start && addr < end);
    expect([0xffff, 0x10000, 0x41233, Number(USER.images.start)].map(mapped)).toEqual([false, true, true, true]);
    const memory = elf.sections.find(section => section.name === '.memory');
    expect([memory?.addr, [...(memory?.data.subarray(0x10) ?? [])]]).toEqual([0x20000, [1, 2, 3]]);
    expect(elf.symtab?.byName('bpf_prog_0')?.value).toBe(Number(USER.images.start));
    expect(elf.symtab?.byName('bpf_ktime_get_ns')?.place).toBe('absolute');
  });

  it('are the same bytes every time', () => {
    expect(equalBytes(writeExecutable(initOf(name)), writeExecutable(initOf(name)))).toBe(true);
  });

  it('hold code beyond what loaders map, and code in many places, to be moved', () => {
    const far = findUserLayout('user-far', 'ppc64')!.images.start;
    const images = Array.from({ length: 40 }, (_, i) => ({
      addr: far + BigInt(i) * 0x100000n,
      bytes: new Uint8Array(8).fill(i),
      name: `f${i}`,
    }));
    const exe = writeExecutable(initOf(name, { images }));
    const elf = openElf(exe);
    expect(elf.segments.every(segment => segment.vaddr < 2 ** 40)).toBe(true);
    expect(exe.length).toBeLessThan(0x100000);
    expect(elf.symtab?.byName('f39')?.value64).toBe(images[39].addr);
  });
});

describe('what executables refuse', () => {
  const kernelSpace = () => createKernelSpace(USER, defaultKernelImage('ppc64', 'little'));
  it.each<[string, Partial<ExeInit>, RegExp]>([
    ['images on top of each other', { images: [0n, 32n].map(image) }, /^f32 overlaps f0 /],
    ['a kernel address', { images: [{ ...image(0n), addr: 0xc008000000000000n }] }, /where a process has no memory/],
    [
      'an image in the linear memory',
      { images: [{ ...image(0n), addr: 0x30000n }] },
      /^f0 overlaps the linear memory /,
    ],
    ['an image in the runtime', { images: [{ ...image(0n), addr: runtimeAddr() }] }, /^f0 overlaps the runtime /],
  ])('%s', (_, change, message) => {
    expect(() => writeExecutable(initOf('ppc64le', change))).toThrow(message);
  });

  function image(off: bigint) {
    return { addr: USER.images.start + off, bytes: new Uint8Array(64), name: `f${off}` };
  }
  function runtimeAddr(): bigint {
    const space = kernelSpace();
    return space.callBase + BigInt(Math.ceil(space.kernel.etextOffset / 0x10000) * 0x10000 + 128);
  }
});

describe('ReplayLog', () => {
  it('writes events as the runtime reads them', () => {
    const log = new ReplayLog('big');
    log.call(3, [1n, undefined, 2n]);
    log.write(0x100, Uint8Array.of(9));
    log.writeAt(2, -8, Uint8Array.of(7));
    log.callback(0x700000000000n, [6n, 8n], [0, 2]);
    log.result(5n, 0xffn);
    log.return(-1n, 3);
    const bytes = log.finish();
    const view = new DataView(bytes.buffer);
    const words = Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigUint64(8 * i));
    const minusOne = (1n << 64n) - 1n;
    const call = [1n, 3n, 0b101n, 1n, 0n, 2n, 0n, 0n];
    const write = [2n, 0x100n, 1n, 9n << 56n];
    const writeAt = [8n, 1n, minusOne - 7n, 1n, 7n << 56n];
    const callback = [4n, 0x700000000000n, 0x20n, 6n, 8n, 0n, 0n, 0n];
    expect(words).toEqual([...call, ...write, ...writeAt, ...callback, 5n, 5n, 0xffn, 6n, minusOne, 3n, 0n]);
  });
});

it('the state block has no two things in one place', () => {
  const { sys, out, ...cells } = EXE_STATE;
  const all = Object.values(cells);
  expect(new Set(all).size).toBe(all.length);
  expect(all.every(off => off % 8 === 0 && off >= 0x100 && off < sys)).toBe(true);
  expect(sys + 7 * 8).toBeLessThanOrEqual(out);
  expect(out).toBeLessThan(EXE_STATE_BYTES);
});
