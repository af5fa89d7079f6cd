import { describe, expect, it } from 'vitest';
import { type Code, IMAGES, type TestMachine, TOC, testMachine } from '../../../test/support/ppc64/machine.ts';
import { ProgramFault } from '../../helpers/index.ts';
import * as p from '../../jit/ppc64/encode.ts';
import { InternalError } from '../../util/index.ts';
import type { EmuFaultKind } from '../emu-types.ts';
import { CpuFault } from './index.ts';

const fault = (kind: EmuFaultKind, message: RegExp) => ({
  ok: false,
  fault: { kind, message: expect.stringMatching(message) },
});

/** Loads an address; five instructions. */
function li64(rt: number, addr: bigint): number[] {
  const part = (shift: bigint): number => Number((addr >> shift) & 0xffffn);
  return [
    p.lis(rt, part(48n)),
    p.ori(rt, rt, part(32n)),
    p.sldi(rt, rt, 32),
    p.oris(rt, rt, part(16n)),
    p.ori(rt, rt, part(0n)),
  ];
}
/** A call through r12, as a function pointer of ELFv2 or to kernel text. */
const call = (addr: bigint): number[] => [...li64(12, addr), p.mtctr(12), p.bctrl()];
/** A function with a frame. */
const framed = (body: Code, bytes = 176): Code => [
  p.mflr(0),
  p.std(0, 16, 1),
  p.stdu(1, -bytes, 1),
  ...body,
  p.addi(1, 1, bytes),
  p.ld(0, 16, 1),
  p.mtlr(0),
  p.blr(),
];
const loadToc = p.ld(2, 16, 13);

function sumGate(machine: TestMachine): bigint {
  return machine.gate('sum', (cpu, out) => {
    out[0] = cpu.argLo(0) + cpu.argLo(1) + cpu.argLo(4);
    out[1] = cpu.argHi(7);
  });
}

describe.each(['elfv1', 'elfv2'] as const)('a kernel function on %s', abi => {
  it('takes up to eight arguments and returns a value', () => {
    const machine = testMachine({ abi });
    const gate = sumGate(machine);
    const args = [1n, 2n, 99n, 99n, 4n, 99n, 99n, 5n << 32n];
    const at = machine.add(framed([loadToc, ...call(gate)]));
    expect(machine.cpu.call(at, args)).toMatchObject({ ok: true, value: 0x500000007n });
  });

  it('needs a frame, aligned, with a back chain', () => {
    const machine = testMachine({ abi });
    const gate = sumGate(machine);
    const bad: [Code, RegExp][] = [
      [[loadToc, ...call(gate)], /without a frame/],
      [framed([loadToc, ...call(gate)], 16), /without a frame/],
      [framed([p.addi(1, 1, -8), loadToc, ...call(gate)]), /not aligned to 16 bytes/],
      [framed([p.addi(1, 1, -160), loadToc, ...call(gate)]), /broken back chain/],
      [framed([p.li(0, 0), p.std(0, 0, 1), loadToc, ...call(gate)]), /broken back chain/],
      [[p.mr(6, 1), p.li(1, 64), loadToc, ...call(gate)], /outside the stack/],
    ];
    for (const [code, message] of bad) {
      expect(machine.cpu.call(machine.add(code), [])).toMatchObject(fault('bad-stack', message));
    }
  });

  it('clobbers what it may, and nothing else', () => {
    const machine = testMachine({ abi });
    const gate = sumGate(machine);
    const volatile = [0, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    for (const reg of volatile) {
      const at = machine.add(framed([loadToc, p.li(reg, 1), ...call(gate), p.mr(3, reg)]));
      const result = machine.cpu.call(at, []);
      expect(result.ok && result.value >> 48n, `r${reg}`).toBe(0x5a00n);
    }
    const special: Code[] = [
      [p.mtctr(14), ...call(gate), p.mfctr(3)],
      [p.cmpdi(0, 14, 0), ...call(gate), p.mfcr(3), p.srwi(3, 3, 28)],
      [p.std(14, -8, 1), ...call(gate), p.ld(3, -8, 1)],
      [p.stw(14, 8, 1), ...call(gate), p.lwz(3, 8, 1)],
    ];
    for (const code of special) {
      const at = machine.add(framed([p.mr(15, 14), loadToc, p.li(14, 0), ...code, p.mr(14, 15)]));
      // r14 and r15 are not the function's to change; that is for what it returns with.
      expect(machine.cpu.call(at, [])).toMatchObject(fault('clobbered', /r15/));
    }
    const kept = framed([p.std(14, 128, 1), loadToc, p.li(14, 5), ...call(gate), p.mr(3, 14), p.ld(14, 128, 1)]);
    expect(machine.cpu.call(machine.add(kept), [])).toMatchObject({ ok: true, value: 5n });
  });

  it('gives up reservations', () => {
    const machine = testMachine({ abi });
    const gate = sumGate(machine);
    const body = [
      p.std(3, 128, 1),
      p.ldarx(4, 0, 3),
      loadToc,
      ...call(gate),
      p.ld(5, 128, 1),
      p.stdcxDot(4, 0, 5),
      p.mfcr(3),
    ];
    const result = machine.cpu.call(machine.add(framed([...body, p.rlwinm(3, 3, 3, 31, 31)])), [BigInt(machine.data)]);
    expect(result).toMatchObject({ ok: true, value: 0n });
  });

  it('may be entered by a tail call', () => {
    const machine = testMachine({ abi });
    const gate = sumGate(machine);
    const code = [loadToc, ...li64(12, gate), p.mtctr(12), p.bctr()];
    expect(machine.cpu.call(machine.add(code), [1n, 2n, 0n, 0n, 0n, 0n, 0n, 0n])).toMatchObject({
      ok: true,
      value: 3n,
    });
    expect(machine.cpu.call(machine.add([p.stdu(1, -112, 1), ...code]), [])).toMatchObject(
      fault('bad-stack', /tail call/),
    );
  });

  it('may fault, and the fault lies at its call', () => {
    const machine = testMachine({ abi });
    const gate = machine.gate('bad', () => {
      throw new ProgramFault('bad-argument', 'no such thing', 5n, 4);
    });
    const at = machine.add(framed([loadToc, ...call(gate)]));
    const pc = at + (abi === 'elfv1' ? 24n : 0n) + 4n * 10n;
    expect(machine.cpu.call(at, [])).toMatchObject({
      ok: false,
      fault: { kind: 'bad-argument', message: 'no such thing', addr: 5n, sizeBytes: 4, pc },
    });
    const broken = machine.gate('broken', () => {
      throw new TypeError('a bug');
    });
    expect(() => machine.cpu.call(machine.add(framed([loadToc, ...call(broken)])), [])).toThrow(TypeError);
    // The CPU is usable afterwards.
    expect(machine.cpu.call(machine.add([p.li(3, 1), p.blr()]), [])).toMatchObject({ ok: true, value: 1n });
  });

  it('may make memory grow', () => {
    const machine = testMachine({ abi });
    const gate = machine.gate('grow', (cpu, out) => {
      cpu.mem.alloc(1 << 24);
      out[0] = 1;
      out[1] = 0;
    });
    const body = [p.std(3, 128, 1), loadToc, ...call(gate), p.ld(4, 128, 1), p.std(3, 0, 4)];
    expect(machine.cpu.call(machine.add(framed(body)), [BigInt(machine.data)]).ok).toBe(true);
    expect(machine.mem.view.getBigUint64(machine.data, machine.mem.littleEndian)).toBe(1n);
  });
});

describe('the TOC', () => {
  it('is the kernel’s at a local entry', () => {
    const machine = testMachine();
    const gate = sumGate(machine);
    expect(machine.cpu.call(machine.add(framed([...call(gate + 8n)])), [])).toMatchObject(
      fault('bad-toc', /r2 = 0x5a/),
    );
    const good = framed([loadToc, ...call(gate + 8n), p.mr(3, 2)]);
    expect(machine.cpu.call(machine.add(good), [])).toMatchObject({ ok: true, value: TOC });
  });

  it('comes from r12 at a global entry', () => {
    const machine = testMachine();
    const gate = sumGate(machine);
    const wrong = framed([...li64(11, gate), p.mtctr(11), p.bctrl()]);
    expect(machine.cpu.call(machine.add(wrong), [])).toMatchObject(fault('bad-toc', /global entry with r12/));
    const right = framed([...call(gate), p.mr(3, 2)]);
    expect(machine.cpu.call(machine.add(right), [])).toMatchObject({ ok: true, value: TOC });
  });

  it('is the kernel’s on ELFv1, where descriptors hold it', () => {
    const machine = testMachine({ abi: 'elfv1' });
    const gate = sumGate(machine);
    const wrong = framed([p.li(2, 0), ...call(gate)]);
    expect(machine.cpu.call(machine.add(wrong), [])).toMatchObject(fault('bad-toc', /r2 = 0x0/));
    // The kernel's functions have descriptors too.
    const body = [...li64(12, gate), p.ld(9, 0, 12), p.mtctr(9), p.ld(2, 8, 12), p.ld(11, 16, 12), p.bctrl()];
    expect(machine.cpu.call(machine.add(framed(body)), [1n, 2n, 0n, 0n, 0n, 0n, 0n, 0n])).toMatchObject({ value: 3n });
    expect(machine.cpu.call(0xc000000000000008n, [])).toMatchObject(fault('bad-fetch', /descriptor/));
  });

  it('does not exist in kernels built PC-relative', () => {
    const machine = testMachine({ kernelToc: 0n, cpu: 'power10' });
    const gate = sumGate(machine);
    const code = framed([...li64(11, gate), p.mtctr(11), p.bctrl(), p.li(2, 0)]);
    expect(machine.cpu.call(machine.add(code), [1n, 2n, 0n, 0n, 0n, 0n, 0n, 0n])).toMatchObject({ value: 3n });
  });
});

describe.each(['elfv1', 'elfv2'] as const)('a return on %s', abi => {
  const bad: [string, EmuFaultKind, Code, RegExp][] = [
    ['r1', 'bad-stack', [p.addi(1, 1, 16)], /r1/],
    ['r31', 'clobbered', [p.addi(31, 31, 1)], /another r31/],
    ['r14', 'clobbered', [p.li(14, 0)], /another r14/],
    ['r13', 'clobbered', [p.addi(13, 13, 8)], /another r13/],
    ['CR2', 'clobbered', [p.cmpdi(2, 3, 0)], /CR2/],
    ['CR4', 'clobbered', [p.cmpdi(4, 3, 0)], /CR4/],
    ['r2', 'bad-toc', [p.li(2, 1)], /r2 = 0x1/],
  ];
  it.each(bad)('with another %s faults', (_name, kind, code, message) => {
    const machine = testMachine({ abi });
    expect(machine.cpu.call(machine.add([...code, p.blr()]), [0n])).toMatchObject(fault(kind, message));
  });

  it('may leave the rest as it likes', () => {
    const machine = testMachine({ abi });
    const code = [
      p.cmpdi(0, 3, 0),
      p.cmpdi(1, 3, 0),
      p.cmpdi(5, 3, 0),
      p.cmpdi(7, 3, 0),
      p.li(12, 0),
      p.li(0, 0),
      p.blr(),
    ];
    expect(machine.cpu.call(machine.add([p.mtctr(3), ...code]), [0n]).ok).toBe(true);
  });
});

describe('the stack', () => {
  it('has 288 bytes below r1, and an end', () => {
    const machine = testMachine();
    const run = (code: Code) => machine.cpu.call(machine.add(code), []);
    expect(run([p.std(3, -288, 1), p.blr()]).ok).toBe(true);
    expect(run([p.std(3, -296, 1)])).toMatchObject(fault('bad-stack', /296 bytes below r1/));
    expect(run([p.lis(4, -1), p.stdux(1, 1, 4)])).toMatchObject(fault('stack-overflow', /does not fit/));
    expect(run([p.li(4, -32768), p.stdux(1, 1, 4), p.b(-4)])).toMatchObject(fault('stack-overflow', /does not fit/));
    expect(run([p.addis(1, 1, -1), p.std(3, 0, 1)])).toMatchObject(
      fault('stack-overflow', /below the end of the stack/),
    );
    expect(run([p.li(4, 0), p.sldi(4, 1, 20), p.stdux(1, 1, 4)])).toMatchObject(fault('bad-stack', /does not fit/));
    // However deep the recursion, it ends.
    const at = IMAGES + 0x100000n;
    const recursive = machine.add([p.mflr(0), p.std(0, 16, 1), p.stdu(1, -64, 1), p.bl(-12)], at);
    expect(machine.cpu.call(recursive, [])).toMatchObject(fault('stack-overflow', /a frame of 64 bytes/));
  });
});

describe('calls inside calls', () => {
  /** A program calls a gate that calls a function back, `depth` times over. */
  function nest(abi: 'elfv1' | 'elfv2', depth: number, last: Code = [p.blr()]) {
    const machine = testMachine({ abi });
    let level = 0;
    const gate = machine.gate('loop', (cpu, out) => {
      level++;
      const result = cpu.call(level < depth ? program : leaf, [BigInt(cpu.argLo(0) + 1)]);
      level--;
      if (!result.ok) throw new CpuFault(result.fault);
      out[0] = Number(result.value);
      out[1] = 0;
    });
    const program = machine.add(framed([p.std(15, 128, 1), loadToc, p.li(15, depth), ...call(gate), p.ld(15, 128, 1)]));
    const leaf = machine.add(last);
    return { machine, program, gate, leaf };
  }

  it('return through each other', () => {
    for (const abi of ['elfv1', 'elfv2'] as const) {
      const { machine, program } = nest(abi, 5);
      expect(machine.cpu.call(program, [100n])).toMatchObject({ ok: true, value: 105n });
    }
  });

  it('share one budget', () => {
    const { machine, program } = nest('elfv2', 5);
    const result = machine.cpu.call(program, [0n]);
    expect(machine.cpu.call(program, [0n], { insnBudget: result.insnCount }).ok).toBe(true);
    const short = machine.cpu.call(program, [0n], { insnBudget: result.insnCount - 1 });
    expect(short).toMatchObject(fault('step-budget', /./));
    expect(short.insnCount).toBe(result.insnCount - 1);
  });

  it('hand faults out with their place', () => {
    const { machine, program, leaf } = nest('elfv2', 3, [p.nop(), p.ld(3, 0, 3)]);
    expect(machine.cpu.call(program, [0n])).toMatchObject({
      ok: false,
      fault: { kind: 'out-of-bounds', pc: leaf + 4n, addr: 3n },
    });
    const recursive = nest('elfv2', 1e9);
    expect(recursive.machine.cpu.call(recursive.program, [0n])).toMatchObject(fault('stack-overflow', /nested/));
  });

  it('are all on the stack', () => {
    const { machine, program, leaf } = nest('elfv2', 2);
    machine.remove(leaf);
    let seen: string[] = [];
    const spy = machine.gate('spy', cpu => {
      const frames = cpu.frames();
      const name = (pc: bigint) =>
        pc >= program && pc < leaf ? `program+${pc - program}` : pc >= leaf && pc < leaf + 0x100n ? 'leaf' : '';
      seen = frames.map(({ pc }) => name(pc));
      expect(frames.every(({ sp }, i) => i === 0 || sp > frames[i - 1].sp)).toBe(true);
    });
    machine.add(framed([loadToc, ...call(spy)]), leaf);
    machine.cpu.call(program, [0n]);
    const back = `program+${4 * (3 + 3 + 7)}`;
    // Every other frame is that of the kernel function which calls back.
    expect(seen).toEqual(['leaf', '', back, '', back]);
  });
});

describe('leaving for good', () => {
  it.each(['elfv1', 'elfv2'] as const)('enters a function in a frame further out, on %s', abi => {
    const machine = testMachine({ abi });
    let depth = 0;
    let boundary = 0n;
    const thrower = machine.gate('throw', cpu => {
      const frames = cpu.frames();
      boundary = frames[frames.length - 1].sp;
      cpu.resumeAt({ func: handler, args: [42n, boundary], frameSp: boundary });
    });
    const loop = machine.gate('loop', cpu => {
      depth++;
      cpu.call(depth < 3 ? middle : inner, []);
      expect.fail('the call did not return');
    });
    const saveAll = Array.from({ length: 18 }, (_, i) => p.std(14 + i, 112 + 8 * i, 1));
    const loadAll = Array.from({ length: 18 }, (_, i) => p.ld(14 + i, 112 + 8 * i, 1));
    const dirty = Array.from({ length: 18 }, (_, i) => p.li(14 + i, i));
    const inner = machine.add(framed([loadToc, ...call(thrower)]));
    const middle = machine.add(framed([loadToc, ...call(loop)]));
    const program = machine.add(framed([...saveAll, ...dirty, loadToc, ...call(loop), ...loadAll], 272));
    // The handler takes over the boundary's frame and returns to its caller.
    const handler = machine.add([
      p.mr(1, 4),
      ...loadAll,
      p.addi(1, 1, 272),
      p.ld(0, 16, 1),
      p.mtlr(0),
      p.addi(3, 3, 1),
      p.blr(),
    ]);
    expect(machine.cpu.call(program, [])).toMatchObject({ ok: true, value: 43n });
    expect(depth).toBe(3);
    // A handler that does not restore what the boundary saved has lost it.
    depth = 0;
    machine.remove(handler);
    machine.add([p.mr(1, 4), p.addi(1, 1, 272), p.ld(0, 16, 1), p.mtlr(0), p.blr()], handler);
    expect(machine.cpu.call(program, [])).toMatchObject(fault('clobbered', /r14/));
  });

  it('only into a frame there is', () => {
    const machine = testMachine();
    const thrower = machine.gate('throw', cpu => cpu.resumeAt({ func: 0n, args: [], frameSp: 1n << 40n }));
    expect(() => machine.cpu.call(machine.add(framed([loadToc, ...call(thrower)])), [])).toThrow(InternalError);
  });
});
