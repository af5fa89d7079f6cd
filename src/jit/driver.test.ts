import { describe, expect, it } from 'vitest';
import { TOY_NEAR, toyTarget } from '../../test/support/toy-target.ts';
import { xlatedOf } from '../../test/support/xlated.ts';
import { CALL_ARGS, type Insn, ProgramBuilder, R0, R1, R10 } from '../isa/index.ts';
import {
  createKernelSpace,
  defaultKernelImage,
  defaultLayout,
  findLayout,
  type KernelSpace,
  kernelImage,
  LAYOUTS,
} from '../kernels/index.ts';
import { ERRNO } from '../uapi/index.ts';
import { xlateUnverified } from '../verifier/index.ts';
import { type JitOptions, jitProgram } from './driver.ts';
import { immTarget } from './func-addr.ts';
import { plainFunc } from './func-input.ts';
import type { DumpEncoding, InterpretedProgram, JitedProgram, JitResult } from './program.ts';
import { findTarget } from './targets.ts';
import type { JitTarget } from './types.ts';

const kernel = kernelImage('6.12-ppc64el');
const newSpace = (layout = 'ppc64-radix'): KernelSpace => createKernelSpace(findLayout(layout), kernel);

/** main calls a twice and b once; a calls b. */
function threeFunctions(): Insn[] {
  return new ProgramBuilder()
    .call('a')
    .call('b')
    .call('a')
    .exit()
    .label('a')
    .mov(R1, 1)
    .call('b')
    .exit()
    .label('b')
    .mov(R0, 7)
    .exit()
    .build();
}

function jited(result: JitResult): JitedProgram {
  if (!result.ok || !result.prog.jited)
    throw new Error(`not jited: ${JSON.stringify(result.ok ? result.prog : result.rejection)}`);
  return result.prog;
}
function interpreted(result: JitResult): InterpretedProgram {
  if (!result.ok || result.prog.jited) throw new Error('not interpreted');
  return result.prog;
}

describe('jit_subprogs', () => {
  it.each(['x86_64', 'arm64', 'riscv64', 's390x'])('%s: compiles what asks for no address once', name => {
    const target = findTarget(name);
    const image = defaultKernelImage(target.arch, target.order);
    const space = createKernelSpace(defaultLayout(target.arch), image);
    const emitted: number[] = [];
    const counting: JitTarget = {
      ...target,
      compiler: (func, env) => {
        const compiler = target.compiler(func, env);
        emitted[func.index] = 0;
        return {
          emit: (at, callees) => {
            emitted[func.index]++;
            return compiler.emit(at, callees);
          },
        };
      },
    };
    const insns = new ProgramBuilder()
      .call('leaf')
      .exit()
      .label('leaf')
      .mov(R0, 0x12345678)
      .jumpIf('jgt', R1, 5, 'out')
      .store('dw', R10, -8, R0)
      .label('out')
      .exit()
      .build();
    const xlated = xlateUnverified({ name: 'once', type: 1, insns }, { kernel: image });
    const prog = jited(jitProgram(xlated, { target: counting, space }));
    expect(emitted).toEqual([2, 1]);
    const [, leaf] = prog.funcs;
    // As it would be at its address.
    const again = target.compiler(
      plainFunc(insns.slice(2), { index: 1, isFunc: true, stackDepthBytes: xlated.subprogs[1].stackDepthBytes }),
      {
        cpu: target.cpus[0],
        mode: 'own',
        space,
        userLimit: space.layout.userLimit,
        pcrel: false,
      },
    );
    expect(again.emit(leaf.addr, prog.aux.func).bytes).toEqual(leaf.bytes);
  });

  it('makes tags and symbols when somebody asks, and lists them as any other', () => {
    const space = newSpace();
    const prog = jited(jitProgram(xlatedOf(threeFunctions()), { target: toyTarget, space }));
    const listed = space.ksyms().map(ksym => ({ ...ksym }));
    expect(listed.map(({ name }) => name)).toEqual(prog.funcs.map(({ symbol }) => symbol));
    expect(space.symbolize(prog.funcs[1].addr)?.name).toBe(prog.funcs[1].symbol);
    expect(prog.funcs.every(({ tag, symbol }) => /^[0-9a-f]{16}$/.test(tag) && symbol.startsWith('bpf_prog_'))).toBe(
      true,
    );
    prog.free();
    prog.free();
    expect(space.slotCount).toBe(0);
  });

  it('gives every function one shared table and publishes all or nothing', () => {
    const space = newSpace();
    const prog = jited(jitProgram(xlatedOf(threeFunctions()), { target: toyTarget, space }));
    expect(prog.funcs.map(func => [func.index, func.start, func.insns.length])).toEqual([
      [0, 0, 4],
      [1, 4, 3],
      [2, 7, 2],
    ]);
    expect(prog.aux.funcCount).toBe(3);
    expect(prog.aux.func.map(callee => callee.bpfFunc)).toEqual(prog.funcs.map(func => func.bpfFunc));
    // off keeps the callee's number through the last pass; imm stays a placeholder.
    expect(prog.funcs[0].insns.filter(insn => insn.code === 0x85).map(insn => [insn.off, insn.imm])).toEqual([
      [1, 1],
      [2, 1],
      [1, 1],
    ]);
    expect(space.ksyms().map(ksym => ksym.name)).toEqual(prog.funcs.map(func => func.symbol));
    expect(prog.funcs[1].symbol).toMatch(/^bpf_prog_[0-9a-f]{16}_F$/);
    expect(space.images().length).toBe(3);
    prog.free();
    expect([space.slotCount, space.images().length, space.ksyms().length]).toEqual([0, 0, 0]);
    prog.free();
  });

  it('reaches the same callees at any distance, and settles', () => {
    for (const distance of [
      -TOY_NEAR - 0x40n,
      -TOY_NEAR,
      TOY_NEAR - 0x40n,
      TOY_NEAR,
      TOY_NEAR + 0x40n,
      1n << 33n,
      -(1n << 40n),
    ]) {
      const space = newSpace();
      const first = space.layout.images.start + (1n << 41n);
      const prog = jited(
        jitProgram(xlatedOf(threeFunctions()), {
          target: toyTarget,
          space,
          placement: index =>
            index === 0
              ? { at: first }
              : { from: first, distance: distance + BigInt(index) * 0x1000n * (distance < 0n ? -1n : 1n) },
        }),
      );
      for (const func of prog.funcs) {
        for (const site of func.sites) {
          expect(site.target).toBe(prog.funcs[site.subprog].bpfFunc);
          const reach = site.target - (func.addr + BigInt(site.offBytes));
          expect(site.form).toBe(reach >= -TOY_NEAR && reach < TOY_NEAR ? 'near' : 'far');
        }
        expect(func.bytes.length).toBeLessThanOrEqual(func.slot.sizeBytes);
      }
      expect(prog.rounds).toBeGreaterThan(1);
    }
  });

  it('refuses outright what -EFAULT refuses', () => {
    const space = newSpace();
    const result = jitProgram(xlatedOf(threeFunctions(), { starts: [0, 4] }), { target: toyTarget, space });
    expect(result).toMatchObject({
      ok: false,
      rejection: { errno: ERRNO.EFAULT, message: 'verifier bug. No program starts at insn 7' },
    });
    for (const site of ['alloc func', 'compile[1]']) {
      const hard = jitProgram(xlatedOf(threeFunctions()), {
        target: toyTarget,
        space,
        inject: at => (at === site ? ERRNO.EFAULT : 0),
      });
      expect(hard).toMatchObject({ ok: false, rejection: { errno: ERRNO.EFAULT } });
    }
    expect(space.slotCount).toBe(0);
  });

  it('fails at every step without leaving anything, and falls back to the interpreter', () => {
    const xlated = xlatedOf(threeFunctions(), { stackDepthBytes: 40 });
    const sites: string[] = [];
    jited(jitProgram(xlated, { target: toyTarget, space: newSpace(), inject: site => sites.push(site) & 0 }));
    expect(new Set(sites).size).toBe(sites.length);
    expect(sites.length).toBeGreaterThan(25);
    for (const errno of [ERRNO.ENOMEM, ERRNO.ENOTSUPP]) {
      for (const failing of sites) {
        const space = newSpace();
        const options: JitOptions = { target: toyTarget, space, inject: site => (site === failing ? errno : 0) };
        const prog = interpreted(jitProgram(xlated, options));
        expect(prog.jitRequested).toBe(false);
        expect(prog.reason).toMatchObject({ errno, site: failing });
        expect([space.slotCount, space.images().length, space.ksyms().length]).toEqual([0, 0, 0]);
        const calls = prog.insns.filter(insn => insn.code === CALL_ARGS);
        expect(calls.map(insn => insn.off)).toEqual([3, 5, 1, 1]);
        expect(prog.insns.some(insn => insn.code === 0x85)).toBe(false);
        expect(jitProgram(xlated, { ...options, alwaysOn: true })).toMatchObject({
          ok: false,
          rejection: { errno, message: '' },
        });
      }
    }
  });

  it('refuses what the interpreter cannot carry', () => {
    const space = newSpace();
    const options: JitOptions = { target: toyTarget, space, jitRequested: false };
    const kfunc = new ProgramBuilder().raw({ code: 0x85, dst: 0, src: 2, off: 0, imm: 5 }).exit().build();
    const tail = new ProgramBuilder()
      .call('f')
      .exit()
      .label('f')
      .raw({ code: 0xf5, dst: 0, src: 0, off: 0, imm: 0 })
      .exit()
      .build();
    const callback = new ProgramBuilder().func(R1, 'f').exit().label('f').exit().build();
    const message = (insns: readonly Insn[]): unknown => {
      const result = jitProgram(xlatedOf(insns), options);
      return result.ok ? 'loads' : [result.rejection.errno, result.rejection.message];
    };
    expect(message(kfunc)).toEqual([ERRNO.EINVAL, 'calling kernel functions are not allowed in non-JITed programs']);
    expect(message(tail)).toEqual([
      ERRNO.EINVAL,
      'tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls',
    ]);
    expect(message(callback)).toEqual([ERRNO.EINVAL, 'callbacks are not allowed in non-JITed programs']);
    expect(message(threeFunctions())).toBe('loads');
    // With one function the JIT's own failure is what the user sees.
    const failing = jitProgram(xlatedOf(kfunc), {
      target: toyTarget,
      space,
      inject: site => (site === 'compile[0]' ? ERRNO.ENOMEM : 0),
    });
    expect(failing).toMatchObject({ ok: false, rejection: { errno: ERRNO.ENOTSUPP, message: '' } });
  });

  it('shows calls in both encodings', () => {
    const calls = (encoding: DumpEncoding): unknown => {
      const prog = jited(jitProgram(xlatedOf(threeFunctions()), { target: toyTarget, space: newSpace(), encoding }));
      return prog.insns.filter(insn => insn.code === 0x85).map(insn => [insn.off, insn.imm]);
    };
    const pairs = [
      [3, 1],
      [5, 2],
      [1, 1],
      [1, 2],
    ];
    expect(calls('6.12')).toEqual(pairs);
    expect(calls('7.2')).toEqual(pairs);
    expect(calls('7.1')).toEqual(pairs.map(([distance, callee]) => [callee, distance]));
  });
});

describe('dispatch through imm alone', () => {
  // arm64 and s390x may hit or miss: their images lie anywhere within 128 TB and 4 GB of the text.
  it.each(LAYOUTS.filter(({ arch }) => arch !== 'arm64' && arch !== 's390x'))('$name', layout => {
    const space = createKernelSpace(layout, defaultKernelImage(layout.arch, 'little'));
    const slot = space.reserve(256);
    if (slot === undefined) throw new Error('no room');
    expect(immTarget(space.callBase, slot.addr) === slot.addr).toBe(layout.arch !== 'ppc64');
  });
});
