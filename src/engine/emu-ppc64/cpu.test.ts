import { describe, expect, it } from 'vitest';
import { type Code, IMAGES, testMachine, wordsToBytes } from '../../../test/support/ppc64/machine.ts';
import * as p from '../../jit/ppc64/encode.ts';
import { FarcallError, InternalError } from '../../util/index.ts';
import type { EmuFaultKind } from '../emu-types.ts';
import { createPpc64Cpu } from './index.ts';

/** Runs code with arguments; `data` and numbers are passed as they are. */
function run(code: Code, args: (bigint | number)[] = [], setup: Parameters<typeof testMachine>[0] = {}) {
  const machine = testMachine(setup);
  return { machine, result: machine.cpu.call(machine.add(code), args.map(BigInt)) };
}
const fault = (kind: EmuFaultKind, message: RegExp) => ({
  ok: false,
  fault: { kind, message: expect.stringMatching(message) },
});

describe('running', () => {
  it('passes arguments and returns a value', () => {
    const code = [p.add(3, 3, 4), p.add(3, 3, 10), p.blr()];
    const args = [1n, 2n, 0n, 0n, 0n, 0n, 0n, 0xffffffff00000000n];
    for (const abi of ['elfv1', 'elfv2'] as const) {
      expect(run(code, args, { abi }).result).toEqual({ ok: true, value: 0xffffffff00000003n, insnCount: 3 });
    }
  });

  it('loops, branches, and spends its budget', () => {
    const code = [p.mtctr(4), p.addi(3, 3, 3), p.bc(16, 0, -4), p.blr()];
    expect(run(code, [0, 1000]).result).toEqual({ ok: true, value: 3000n, insnCount: 2002 });
    const machine = testMachine();
    const at = machine.add(code);
    const result = machine.cpu.call(at, [0n, 1000n], { insnBudget: 2001 });
    expect(result).toMatchObject({ insnCount: 2001, ...fault('step-budget', /spent/) });
    expect(machine.cpu.call(at, [0n, 1000n], { insnBudget: 2002 }).ok).toBe(true);
  });

  it('goes from image to image, and sees when one has been replaced', () => {
    const machine = testMachine();
    const second = machine.add([p.li(3, 7), p.blr()], IMAGES + 0x1000n);
    const first = machine.add([p.b(0x1000)], IMAGES);
    expect(machine.cpu.call(first, [])).toMatchObject({ ok: true, value: 7n });
    machine.remove(second);
    expect(machine.cpu.call(first, [])).toMatchObject(fault('bad-fetch', /0xc008000000011000, where there is neither/));
    machine.add([p.li(3, 8), p.blr()], second);
    expect(machine.cpu.call(first, [])).toMatchObject({ ok: true, value: 8n });
  });

  it('crosses 4 GiB inside an image', () => {
    const machine = testMachine();
    const code = [p.b(8), p.nop(), p.mflr(0), p.bl(8), p.nop(), p.mflr(3), p.mtlr(0), p.blr()];
    const at = 0xc0080000fffffff8n;
    expect(machine.cpu.call(machine.add(code, at), [])).toMatchObject({ ok: true, value: at + 16n });
  });

  it('goes on in the image behind the last instruction', () => {
    const machine = testMachine();
    const at = machine.add([p.li(3, 1)]);
    machine.add([p.addi(3, 3, 1), p.blr()], at + 4n);
    expect(machine.cpu.call(at, [])).toMatchObject({ ok: true, value: 2n });
  });

  it('tells every instruction to who listens', () => {
    const machine = testMachine();
    const at = machine.add([p.li(3, 1), p.blr()]);
    const seen: string[] = [];
    machine.cpu.trace((pc, word) => seen.push(`${pc - at}:${(word >>> 0).toString(16)}`));
    machine.cpu.call(at, []);
    expect(seen).toEqual(['0:38600001', '4:4e800020']);
  });

  it('keeps no stack contents from run to run', () => {
    const machine = testMachine();
    const peek = machine.add([p.ld(3, -280, 1), p.blr()]);
    const poke = machine.add([p.stdu(1, -256, 1), p.std(3, -24, 1), p.addi(1, 1, 256), p.blr()]);
    expect(machine.cpu.call(poke, [5n]).ok).toBe(true);
    expect(machine.cpu.call(peek, [])).toMatchObject({ value: 0n });
  });
});

describe('what it refuses', () => {
  it('words that are no instruction', () => {
    for (const word of [0, 0xffffffff, p.add(3, 3, 3) | 0x400 | 0x3f, 0x7c0005dc]) {
      expect(run([word]).result).toMatchObject(fault('illegal-instruction', /^0x[0-9a-f]{8}: /));
    }
  });

  it('reserved bits and invalid forms', () => {
    const words = [
      p.mflr(3) | 1,
      p.lwzu(3, 8, 3),
      p.ldu(3, 8, 0),
      p.stwu(3, 8, 0),
      p.stdux(3, 0, 4),
      p.bcctr(16, 0),
      p.mfcr(3) | 0x1000,
      p.cmpwi(0, 3, 1) | (1 << 22),
    ];
    for (const word of words)
      expect(run([word]).result, word.toString(16)).toMatchObject(fault('illegal-instruction', /./));
  });

  it.each([
    ['power8', 9, p.modsd(3, 3, 4)],
    ['power9', 10, p.setbc(3, 0)],
    ['power9', 10, p.brd(3, 3)],
  ])('on %s, instructions of POWER%i', (cpu, level, word) => {
    expect(run([word], [], { cpu }).result).toMatchObject(
      fault('illegal-instruction', new RegExp(`needs POWER${level}`)),
    );
    expect(run([word, p.blr()], [9n, 4n], { cpu: `power${level}` }).result.ok).toBe(true);
  });

  it('prefixed instructions before POWER10', () => {
    expect(run([p.pli(3, 5)], [], { cpu: 'power9' }).result).toMatchObject(
      fault('illegal-instruction', /prefixed instruction needs POWER10/),
    );
  });

  it('branches into nothing, and between instructions', () => {
    expect(run([p.mtctr(3), p.bctr()], [0xc000000000000000n]).result).toMatchObject(fault('bad-fetch', /neither code/));
    expect(run([p.b(-4)]).result).toMatchObject(fault('bad-fetch', /neither/));
    const machine = testMachine();
    const odd = machine.addRaw(new Uint8Array(7), IMAGES + 0x1000n);
    const at = machine.add([p.mtctr(3), p.bctr()], IMAGES);
    expect(machine.cpu.call(at, [odd + 4n])).toMatchObject(fault('bad-fetch', /no instruction of its image/));
  });

  it('names the instruction', () => {
    const machine = testMachine();
    const at = machine.add([p.li(5, 3), p.ld(3, 0, 3)]);
    expect(machine.cpu.call(at, [24n])).toMatchObject({
      ok: false,
      insnCount: 2,
      fault: {
        kind: 'out-of-bounds',
        pc: at + 4n,
        addr: 24n,
        sizeBytes: 8,
        message: expect.stringMatching(/null pointer/),
      },
    });
  });

  it('arguments of its own that make no sense', () => {
    const options = { ...testMachine(), order: 'little', abi: 'elfv2', kernelToc: 0n, userLimit: 0n } as never;
    expect(() => createPpc64Cpu({ ...(options as object), cpu: 'power7' } as never)).toThrow(FarcallError);
    expect(() => createPpc64Cpu({ ...(options as object), cpu: 'power8', order: 'big' } as never)).toThrow(
      InternalError,
    );
  });
});

describe('prefixed instructions', () => {
  const cpu = 'power10';
  it('load immediates and addresses of 34 bits, and run in one step', () => {
    expect(run([p.pli(3, -0x1ffffffff), p.blr()], [], { cpu }).result).toEqual({
      ok: true,
      value: 0xfffffffe00000001n,
      insnCount: 2,
    });
    expect(run([p.nop(), p.pla(3, -4), p.blr()], [], { cpu }).result).toMatchObject({ ok: true, value: IMAGES });
  });

  it('may lie anywhere but across 64 bytes', () => {
    const nops = (n: number): number[] => new Array<number>(n).fill(p.nop());
    expect(run([...nops(14), p.pli(3, 5), p.blr()], [], { cpu }).result).toMatchObject({ ok: true, value: 5n });
    expect(run([...nops(15), p.pli(3, 5), p.blr()], [], { cpu }).result).toMatchObject(fault('misaligned', /64 bytes/));
    expect(run([p.pli(3, 5)[0]], [], { cpu }).result).toMatchObject(fault('illegal-instruction', /without its suffix/));
  });

  it('relative to themselves have no base', () => {
    expect(run([p.pld(3, 8, 4, 1)], [], { cpu }).result).toMatchObject(fault('illegal-instruction', /base register/));
  });

  it('do nothing as pnop', () => {
    expect(run([0x07000000, 0, p.li(3, 1), p.blr()], [], { cpu }).result).toMatchObject({ ok: true, value: 1n });
  });
});

describe('traps', () => {
  /** Which of the bits of TO fire for two values. */
  const fired = (word: (to: number) => number, a: bigint, b: bigint): number[] =>
    [16, 8, 4, 2, 1].filter(to => {
      const { result } = run([word(to), p.blr()], [a, b]);
      if (!result.ok) expect(result.fault.kind).toBe('trap');
      return !result.ok;
    });
  const tw = (to: number): number => (31 << 26) | (to << 21) | (3 << 16) | (4 << 11) | (4 << 1);
  const td = (to: number): number => (31 << 26) | (to << 21) | (3 << 16) | (4 << 11) | (68 << 1);
  it.each([
    [1n, 2n, [16, 2], [16, 2]],
    [2n, 1n, [8, 1], [8, 1]],
    [5n, 5n, [4], [4]],
    [-1n, 1n, [16, 1], [16, 1]],
    [1n, -1n, [8, 2], [8, 2]],
    [0x100000000n, 0n, [4], [8, 1]],
    [0x80000000n, 1n, [16, 1], [8, 1]],
  ])('of %i and %i', (a, b, word, doubleword) => {
    expect(fired(tw, a, b)).toEqual(word);
    expect(fired(td, a, b)).toEqual(doubleword);
    if (b < 0x8000n && b > -0x8000n) {
      const si = Number(b) & 0xffff;
      expect(fired(to => (3 << 26) | (to << 21) | (3 << 16) | si, a, b)).toEqual(word);
      expect(fired(to => (2 << 26) | (to << 21) | (3 << 16) | si, a, b)).toEqual(doubleword);
    }
  });
  it('always', () => {
    expect(run([p.trap()]).result).toMatchObject(fault('trap', /^trap$/));
  });
});

describe('memory', () => {
  it('says what is wrong with an access', () => {
    const machine = testMachine();
    const { mem } = machine;
    const start = mem.alloc(64);
    const region = mem.addRegion({ kind: 'rodata', name: 'ro', start, sizeBytes: 16, writable: false });
    const load = machine.add([p.ld(3, 0, 3), p.blr()]);
    const store = machine.add([p.std(3, 0, 3), p.blr()]);
    expect(machine.cpu.call(load, [BigInt(start + 8)]).ok).toBe(true);
    expect(machine.cpu.call(load, [BigInt(start + 9)])).toMatchObject(
      fault('out-of-bounds', /rodata ro\+9\): outside it/),
    );
    expect(machine.cpu.call(store, [BigInt(start)])).toMatchObject(
      fault('write-protected', /rodata ro\+0\): read-only/),
    );
    mem.removeRegion(region);
    expect(machine.cpu.call(load, [BigInt(start + 8)])).toMatchObject(fault('out-of-bounds', /nothing is there/));
    expect(machine.cpu.call(load, [1n << 40n])).toMatchObject(fault('out-of-bounds', /nothing is there/));
    expect(machine.cpu.call(load, [-8n])).toMatchObject(fault('out-of-bounds', /0xfffffffffffffff8/));
  });

  it('wraps around 2^64 into the data', () => {
    const machine = testMachine();
    const at = machine.add([p.ldx(3, 3, 4), p.blr()]);
    machine.mem.view.setBigUint64(machine.data, 77n, true);
    expect(machine.cpu.call(at, [BigInt(machine.data) - 0x7fffffffffffffffn, 0x7fffffffffffffffn])).toMatchObject({
      value: 77n,
    });
  });

  it('lets code read code, and write none', () => {
    for (const order of ['little', 'big'] as const) {
      const machine = testMachine({ order });
      const at = machine.add([p.ld(3, 0, 3), p.blr(), p.std(3, 0, 3)]);
      const bytes = wordsToBytes([p.ld(3, 0, 3), p.blr()], order);
      const value = new DataView(bytes.buffer).getBigUint64(0, order === 'little');
      expect(machine.cpu.call(at, [at])).toMatchObject({ ok: true, value });
      expect(machine.cpu.call(at, [at + 8n])).toMatchObject(fault('out-of-bounds', /nothing/));
      expect(machine.cpu.call(at + 8n, [at])).toMatchObject(fault('out-of-bounds', /write/));
    }
  });

  it('continues at the fixup of an instruction that has one', () => {
    const machine = testMachine();
    const code = [p.lbz(3, 0, 3), p.addi(3, 3, 1), p.blr(), p.li(3, 40), p.b(-12)];
    const at = machine.add(code);
    machine.fixups.set(at, at + 12n);
    expect(machine.cpu.call(at, [8n])).toMatchObject({ ok: true, value: 41n, insnCount: 5 });
    expect(machine.cpu.call(at, [BigInt(machine.data)])).toMatchObject({ ok: true, value: 1n });
  });

  it('does not update the base of an access that faults', () => {
    const machine = testMachine();
    const at = machine.add([p.ldu(4, 8, 3), p.blr(), p.stdu(4, 8, 3), p.blr()]);
    machine.fixups.set(at, at + 4n);
    machine.fixups.set(at + 8n, at + 12n);
    expect(machine.cpu.call(at, [16n])).toMatchObject({ ok: true, value: 16n });
    expect(machine.cpu.call(at + 8n, [16n])).toMatchObject({ ok: true, value: 16n });
  });

  it('has the per-CPU page at r13, for reading', () => {
    const machine = testMachine();
    const at = machine.add([
      p.ld(3, 16, 13),
      p.ld(4, 24, 13),
      p.ld(5, 48, 13),
      p.add(3, 3, 5),
      p.sub(3, 3, 4),
      p.blr(),
    ]);
    expect(machine.cpu.call(at, [])).toMatchObject({ ok: true, value: 0x2000000n });
    const write = machine.add([p.std(3, 16, 13)]);
    expect(machine.cpu.call(write, [])).toMatchObject(fault('write-protected', /paca/));
    const pcrel = testMachine({ kernelToc: 0n, cpu: 'power10' });
    expect(pcrel.cpu.call(pcrel.add([p.ld(3, 16, 13), p.blr()]), [])).toMatchObject({ value: 0xc000000000000000n });
  });

  it('wants reservations aligned, and drops them', () => {
    const machine = testMachine();
    const pair = machine.add([p.ldarx(5, 0, 3), p.stdcxDot(4, 0, 3), p.mfcr(3), p.blr()]);
    expect(machine.cpu.call(pair, [BigInt(machine.data), 9n])).toMatchObject({ ok: true, value: 0x356a9355n });
    expect(machine.mem.view.getBigUint64(machine.data, true)).toBe(9n);
    expect(machine.cpu.call(pair, [BigInt(machine.data + 4), 9n])).toMatchObject(fault('misaligned', /./));
    const alone = machine.add([p.stdcxDot(4, 0, 3), p.mfcr(3), p.blr()]);
    expect(machine.cpu.call(alone, [BigInt(machine.data), 1n])).toMatchObject({ ok: true, value: 0x156a9355n });
    let left = 3;
    const lossy = testMachine({ losesReservation: () => left-- > 0 });
    const loop = lossy.add([p.ldarx(5, 0, 3), p.addi(5, 5, 1), p.stdcxDot(5, 0, 3), p.bc(4, 2, -12), p.blr()]);
    expect(lossy.cpu.call(loop, [BigInt(lossy.data)])).toMatchObject({ ok: true, insnCount: 17 });
    expect(lossy.mem.view.getBigUint64(lossy.data, true)).toBe(1n);
    const twice = machine.add([p.ldarx(5, 0, 3), p.stdcxDot(4, 0, 3), p.stdcxDot(4, 0, 3), p.mfcr(3), p.blr()]);
    expect(machine.cpu.call(twice, [BigInt(machine.data), 1n])).toMatchObject({ ok: true, value: 0x156a9355n });
  });
});
