import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { emulatorEngine, type JitEngine, type JitLoadedProgram } from '../src/engine/index.ts';
import { type Insn, ProgramBuilder, R0, R1, R2, R6, R10 } from '../src/isa/index.ts';
import { immTarget, type JitedProgram, type JitMode, jitProgram, TARGETS } from '../src/jit/index.ts';
import {
  createKernelSpace,
  defaultKernelImage,
  formatKallsyms,
  LAYOUTS,
  layoutsOf,
  type Placement,
} from '../src/kernels/index.ts';
import { createMachine, type Machine } from '../src/machine/index.ts';
import { openObject } from '../src/object/index.ts';
import { ERRNO } from '../src/uapi/index.ts';
import { checkStructure } from '../src/verifier/index.ts';

// What has to hold of calls between functions, point by point; each describe is one point.

const object = openObject(readFileSync(new URL('../examples/load_balancer.bpf.o', import.meta.url)), { name: 'lb' });
const packet = Uint8Array.from(
  { length: 54 },
  (_, i) =>
    ({ 12: 8, 14: 0x45, 17: 40, 22: 64, 23: 6, 26: 192, 27: 168, 29: 9, 30: 10, 33: 100, 35: 80, 37: 80 })[i] ?? 0,
);

/** main calls a and b, a calls b: a sum that tells from which of them it came. */
function chain(): Insn[] {
  return new ProgramBuilder()
    .mov(R6, R1)
    .mov(R1, 3)
    .call('a')
    .mov(R6, R0)
    .mov(R1, 1000)
    .call('b')
    .alu64('mul', R6, 7)
    .alu64('add', R0, R6)
    .exit()
    .label('a')
    .store('dw', R10, -8, R1)
    .alu64('add', R1, 10)
    .call('b')
    .load('dw', R2, R10, -8)
    .alu64('add', R0, R2)
    .exit()
    .label('b')
    .mov(R0, R1)
    .alu64('mul', R0, 3)
    .exit()
    .build();
}
const CHAIN_RESULT = (13n * 3n + 3n) * 7n + 3000n;

interface Made {
  readonly prog: JitedProgram;
  readonly r0: bigint;
  readonly engine: JitEngine;
  readonly machine: Machine;
}

/** Compiles and runs a program; throws when it does not end well. */
function make(
  insns: readonly Insn[],
  options: {
    readonly target?: string;
    readonly layout?: string;
    readonly mode?: JitMode;
    readonly cpu?: string;
    readonly placement?: (index: number) => Placement | undefined;
  } = {},
): Made {
  const { placement, target = 'ppc64le', ...rest } = options;
  const engine = emulatorEngine({
    ...rest,
    target,
    placement: placement === undefined ? undefined : (_, index) => placement(index),
  });
  const machine = createMachine({ engine, order: target === 'ppc64' ? 'big' : 'little' });
  const program = machine.loadInsns('chain', 1, insns);
  const { outcome } = program.loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error(outcome.reason?.message);
  const result = program.loaded.run(0n);
  if (!result.ok) throw new Error(`${result.fault.kind}: ${result.fault.message}`);
  return { prog: outcome, r0: result.r0, engine, machine };
}

const PPC64 = ['ppc64le', 'ppc64'] as const;
const PPC64_LAYOUTS = layoutsOf('ppc64').map(layout => layout.name);

describe('1. the same program on every address layout', () => {
  describe.each(TARGETS.map(target => target.name))('%s', name => {
    const target = TARGETS.find(candidate => candidate.name === name)!;

    it.each(layoutsOf(target.arch).map(layout => layout.name))('reaches every callee on %s', layoutName => {
      const kernel = defaultKernelImage(target.arch, target.order);
      const layout = LAYOUTS.find(candidate => candidate.name === layoutName)!;
      if (target.arch === 'ppc64') {
        for (const mode of ['own', 'compat'] as const) {
          expect(make(chain(), { target: name, layout: layoutName, mode }).r0).toBe(CHAIN_RESULT);
        }
      }
      const space = createKernelSpace(layout, kernel);
      const machine = createMachine({ order: target.order });
      expect(machine.loadInsns('chain', 1, chain()).loaded.run(0n)).toMatchObject({ r0: CHAIN_RESULT });
      const { prog } = compileOn(target.name, space);
      const sites = prog.funcs.flatMap(func => func.sites);
      expect(sites.map(site => site.subprog)).toEqual([1, 2, 2]);
      for (const site of sites) {
        const callee = prog.funcs[site.subprog];
        expect([callee.bpfFunc, callee.entry, callee.localEntry]).toContain(site.target);
      }
    });
  });

  it('an imm-only JIT calls the wrong place on ppc64 and the callee on x86-64', () => {
    for (const layout of LAYOUTS.filter(({ arch }) => arch === 'ppc64' || arch === 'x86_64')) {
      const space = createKernelSpace(layout, defaultKernelImage(layout.arch, 'little'));
      const slot = space.reserve(128)!;
      const reached = immTarget(space.callBase, slot.addr);
      expect([layout.name, reached === slot.addr]).toEqual([layout.name, layout.arch === 'x86_64']);
      // Not merely wrong: it lands in kernel text or behind it, next to symbols that have nothing to do with it.
      if (layout.arch === 'ppc64') expect(reached >> 32n).toBe(space.callBase >> 32n);
    }
  });

  it.each(PPC64_LAYOUTS)('a real object gives the interpreter’s result on %s', layout => {
    const run = (machine: Machine): unknown => {
      const { programs, maps } = machine.loadObject(object);
      const result = machine.run(programs.get('balance')!, { dataIn: packet });
      const data = [...maps.values()].map(map => String(map.userLookup(new Uint8Array(map.def.keySizeBytes))));
      return [result.fault, result.retval, result.dataOut, data];
    };
    const wanted = run(createMachine());
    for (const mode of ['own', 'compat'] as const) {
      expect(run(createMachine({ engine: emulatorEngine({ target: 'ppc64le', layout, mode }) }))).toEqual(wanted);
    }
  });
});

function compileOn(name: string, space: ReturnType<typeof createKernelSpace>): { readonly prog: JitedProgram } {
  const target = TARGETS.find(candidate => candidate.name === name)!;
  const { prog } = make(chain());
  const result = jitProgram({ ...prog.xlated, kernel: space.kernel }, { target, space });
  if (!result.ok || !result.prog.jited) throw new Error(JSON.stringify(result.ok ? 'interpreted' : result.rejection));
  return { prog: result.prog };
}

describe('2. one shared table of functions', () => {
  it('is filled before the last pass, and off keeps the callee’s number', () => {
    const { prog } = make(chain());
    expect(prog.aux.func).toHaveLength(3);
    expect([prog.aux.funcCount, prog.aux.realFuncCount]).toEqual([3, 3]);
    const calls = prog.funcs.map(func =>
      func.insns.filter(insn => insn.code === 0x85).map(insn => [insn.off, insn.imm]),
    );
    expect(calls).toEqual([
      [
        [1, 1],
        [2, 1],
      ],
      [[2, 1]],
      [],
    ]);
    prog.funcs.forEach((func, index) => {
      expect(prog.aux.func[index].bpfFunc).toBe(func.bpfFunc);
    });
  });
});

// 3 is test/fault-injection.test.ts and src/jit/driver.test.ts.

describe('4. images keep their length once addresses are known', () => {
  /** Addresses whose halves are zero, which shorten 64-bit loads. */
  const places = [
    0xc008000000000000n,
    0xc008000000010000n,
    0xc008000100000000n,
    0xc008000100001000n,
    0xc008123400000000n,
  ];

  it.each(PPC64)('%s, own and compatible mode, at addresses with zero halves', target => {
    for (const mode of ['own', 'compat'] as const) {
      for (const base of places) {
        const placement = (index: number): Placement => ({ at: base + BigInt(index) * 0x200000000n });
        const { prog, r0 } = make(chain(), { target, mode, placement });
        expect(r0).toBe(CHAIN_RESULT);
        for (const func of prog.funcs) {
          expect(func.addr).toBe(base + BigInt(func.index) * 0x200000000n);
          expect(func.bytes.length).toBeLessThanOrEqual(func.slot.sizeBytes);
          expect(prog.space.images().find(image => image.addr === func.addr)?.bytes).toEqual(func.bytes);
        }
        // The proving round emitted the same bytes as the one before it.
        expect(prog.rounds).toBeGreaterThanOrEqual(2);
      }
    }
  });
});

describe('5. what the system shows of them', () => {
  it('kallsyms lists every function at its address, or hides the addresses', () => {
    const { prog } = make(chain());
    const lines = formatKallsyms(prog.space.ksyms()).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    prog.funcs.forEach((func, index) => {
      expect(lines[index]).toBe(`${func.addr.toString(16)} t ${func.symbol}\t[bpf]`);
    });
    expect(formatKallsyms(prog.space.ksyms(), { hide: true })).toMatch(/^0{16} t bpf_prog_[0-9a-f]{16}_/);
  });
});

describe('6. near calls', () => {
  const NEAR = 0x2000000n;
  const base = 0xc008000040000000n;

  /** Like {@link chain}, with `padding` one-word stores in front of the first call. */
  function padded(padding: number): Insn[] {
    const b = new ProgramBuilder();
    for (let k = 0; k < padding; k++) b.store('b', R10, -1 - k, R1);
    return [...b.build(), ...chain()];
  }

  /** The form of main's first call when its callee is exactly `distance` away. */
  function formAt(target: string, distance: bigint): string {
    for (let padding = 0; padding < 16; padding++) {
      const at = (calleeAt: bigint): Made =>
        make(padded(padding), { target, placement: index => ({ at: [base, calleeAt, base + 0x100000n][index] }) });
      const probe = at(base + 0x800000n).prog.funcs;
      const callee = base + BigInt(probe[0].sites[0].offBytes) + distance - (probe[1].localEntry - probe[1].addr);
      // Images begin at multiples of 64 bytes: some amount of padding fits.
      if (callee % 64n !== 0n) continue;
      const { prog, r0 } = at(callee);
      expect(r0).toBe(CHAIN_RESULT);
      const [site] = prog.funcs[0].sites;
      expect(site.target - (base + BigInt(site.offBytes))).toBe(distance);
      return site.form;
    }
    throw new Error('no padding fits');
  }

  it.each(PPC64)('%s takes one branch exactly as far as one reaches', target => {
    const forms = [-NEAR - 4n, -NEAR, -NEAR + 4n, NEAR - 8n, NEAR - 4n, NEAR, NEAR + 4n].map(
      d => formAt(target, d) === 'bl',
    );
    expect(forms).toEqual([false, true, true, true, true, false, false]);
  });

  it.each(PPC64)('%s climbs the ladder with distance, and the result stays the same', target => {
    const formsOf = (cpu: string, distance: bigint): string => {
      const placement = (index: number): Placement => ({ at: base + 0x40n + BigInt(index) * distance });
      const { prog, r0 } = make(chain(), { target, cpu, placement });
      expect(r0).toBe(CHAIN_RESULT);
      return prog.funcs[0].sites[0].form;
    };
    for (const cpu of ['power8', 'power9', 'power10']) {
      expect(formsOf(cpu, 0x1000n)).toBe('bl');
      expect(formsOf(cpu, (1n << 40n) + 0x12340000n)).toBe('imm64');
    }
    expect(formsOf('power8', 1n << 28n)).toBe('imm64');
    expect(formsOf('power9', 1n << 28n)).toBe('pcrel');
    expect(formsOf('power10', (1n << 32n) + 0x12340000n)).toBe('pla');
  });
});

describe('7. limits', () => {
  const verdict = (insns: readonly Insn[]): unknown => {
    const result = checkStructure({ insns, type: 1 }, {});
    return result.ok ? 'ok' : [result.errno, result.message];
  };
  /** main calls `count - 1` functions, each of which returns at once. */
  const flat = (count: number): Insn[] => {
    const b = new ProgramBuilder();
    for (let i = 1; i < count; i++) b.call(`f${i}`);
    b.mov(R0, 0).exit();
    for (let i = 1; i < count; i++) b.label(`f${i}`).mov(R0, 0).exit();
    return b.build();
  };
  /** `frames` functions, each calling the next, `stackBytes` of stack in each. */
  const deep = (frames: number, stackBytes: number): Insn[] => {
    const b = new ProgramBuilder();
    for (let i = 0; i < frames; i++) {
      b.label(`f${i}`);
      if (stackBytes > 0) b.store('dw', R10, -stackBytes, 0);
      if (i + 1 < frames) b.call(`f${i + 1}`);
      b.mov(R0, 0).exit();
    }
    return b.build();
  };

  it('256 subprogs', () => {
    expect(verdict(flat(256))).toBe('ok');
    expect(verdict(flat(257))).toEqual([ERRNO.E2BIG, 'too many subprograms']);
  });

  it('8 frames', () => {
    expect(verdict(deep(8, 0))).toBe('ok');
    expect(verdict(deep(9, 0))).toEqual([ERRNO.E2BIG, 'the call stack of 9 frames is too deep']);
  });

  it('512 bytes of stack over a chain of calls, 16 at least a frame', () => {
    expect(verdict(deep(2, 256))).toBe('ok');
    expect(verdict(deep(2, 264))).toEqual([ERRNO.EACCES, 'combined stack size of 2 calls is 544. Too large']);
    expect(verdict(deep(8, 64))).toBe('ok');
    expect(verdict(deep(8, 72))).toEqual([ERRNO.EACCES, expect.stringContaining('combined stack size of')]);
  });
});
