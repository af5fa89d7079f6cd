import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assembleSource } from '../../src/asm/index.ts';
import { emulatorEngine, type JitLoadedProgram } from '../../src/engine/index.ts';
import { type Insn, makeInsn } from '../../src/isa/index.ts';
import { plainFunc } from '../../src/jit/func-input.ts';
import { EXE_EXIT, findTarget, writeExecutable } from '../../src/jit/index.ts';
import { createKernelSpace, defaultKernelImage } from '../../src/kernels/index.ts';
import { createMachine, executableOf, RunRecorder } from '../../src/machine/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import { createRiscvCpu } from '../support/riscv64/cpu.ts';
import { apart, at, PLACES, type Place, runQemu, type Subject, threeWay, userLayout } from '../support/three-way.ts';
import { callSubject, insnSubject, objectSubject, plainSubject } from '../support/three-way-subjects.ts';
import { requireTool } from '../support/tools.ts';

// RISC-V code as executables under qemu-user, recorded on the small CPU of the tests, against the interpreter.

const CPUS = ['rv64gc', 'rv64gc_zba_zbb'] as const;
const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const insnsOf = (text: string): Insn[] => assembleSource(text, { dialect: 'llvm' }).insns as Insn[];
const subjectOf = (name: string, text: string): ReturnType<typeof insnSubject> =>
  insnSubject(name, 6, insnsOf(text), new Uint8Array(64), []);

const TWO_FUNCTIONS = `
  r6 = 0x1234
  r1 = r6
  call second
  r0 += r6
  exit
second:
  r0 = r1
  r0 *= 3
  exit`;

const ADD = makeInsn(0x07, 0, 0, 0, 1);
const SWAP = makeInsn(0xd7, 0, 0, 0, 64);
const MULTIPLY = makeInsn(0x2f, 0, 1, 0, 0);

/** Jumps over `count` times `insn` the first time round a loop, and goes over them the second. */
function jumping(condition: number, count: number, insn: Insn): ReturnType<typeof insnSubject> {
  const over = condition === 0x06 ? makeInsn(condition, 0, 0, 0, count) : makeInsn(condition, 1, 0, count, 8);
  const insns = [
    makeInsn(0xb7, 0, 0, 0, 3),
    makeInsn(0xb7, 1, 0, 0, condition === 0x15 ? 8 : 12),
    makeInsn(0xb7, 3, 0, 0, 0),
    makeInsn(0x55, 3, 0, condition === 0x06 ? 1 : 0, 0),
    over,
    ...Array.from({ length: count }, () => insn),
    makeInsn(0x07, 1, 0, 0, -10),
    makeInsn(0x07, 3, 0, 0, 1),
    makeInsn(0xa5, 3, 0, 1, 2),
    makeInsn(0x95, 0, 0, 0, 0),
    makeInsn(0x06, 0, 0, 0, -count - 7),
  ];
  return insnSubject(`code ${condition} over ${count}`, 6, insns, new Uint8Array(64), []);
}

/** ±1 MB and ±2 GB, and how far behind: the call lies some instructions behind its function's start. */
const REACHES = [0x100000n, 0x80000000n].flatMap(reach => [reach, -reach]);
const STEPS = Array.from({ length: 10 }, (_, i) => BigInt(4 * i - 16));

/** How the call of TWO_FUNCTIONS is made. */
function formOf(place: Place): string {
  const engine = emulatorEngine({
    target: 'riscv64',
    layout: userLayout(0, undefined, 'riscv64'),
    placement: place.of(0, 0n),
    wrapCpu: options => createRiscvCpu(options),
  });
  const { outcome } = createMachine({ engine }).loadInsns('main', 6, insnsOf(TWO_FUNCTIONS)).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error('not compiled');
  return outcome.funcs[0].sites[0].form;
}

const qemu = requireTool('qemu-riscv64', 'qemu-user');
if (qemu !== undefined) {
  describe.each(CPUS)('%s', cpu => {
    const config = { target: 'riscv64', cpu, mode: 'own', makeCpu: createRiscvCpu } as const;
    const agree = (subjects: readonly Subject[], placeOf: (index: number) => Place): void => {
      const { differences, agreed, skipped } = threeWay(subjects, config, placeOf, qemu);
      expect(
        differences.map(({ subject, place, ...rest }) => ({ name: subject.name, place: place.name, ...rest })),
      ).toEqual([]);
      expect([...skipped]).toEqual([]);
      expect(agreed).toBe(subjects.length);
    };

    it('generated programs of many functions, near, at the edges of branches, and far', () => {
      const places = Object.values(PLACES);
      agree(
        Array.from({ length: 24 }, (_, i) => callSubject(1000 + i)),
        index => places[index % places.length],
      );
    });

    it('generated programs with contexts, packets and maps', () => {
      agree(
        Array.from({ length: 10 }, (_, i) => plainSubject(500 + i)),
        () => PLACES.near,
      );
    });

    it('a call across every edge, in steps of one instruction', () => {
      const near = STEPS.map(step => formOf(apart(REACHES[0] + step)));
      expect([near[0], near.at(-1)]).toEqual(['jal', 'auipc']);
      // auipc reaches 2 KB less than 2 GB forward, and further behind.
      const far = STEPS.map(step => formOf(apart(REACHES[2] - 2048n + step)));
      expect([far[0], far.at(-1)]).toEqual(['auipc', 'imm64']);
      const places = (reach: bigint): Place[] => STEPS.filter((_, i) => i % 2 === 0).map(step => apart(reach + step));
      // Few at a time have room for 1 MB each.
      const [forward, back, farForward, farBack] = REACHES;
      for (const some of [
        places(forward),
        places(back),
        [...places(farForward), ...places(farForward - 2048n), ...places(farBack)],
      ]) {
        agree(
          some.map(place => subjectOf(place.name, TWO_FUNCTIONS)),
          index => some[index],
        );
      }
    });

    it('branches within and beyond the reach of every form', () => {
      // c.beqz reaches 256 bytes, c.j 2 KB, beq 4 KB and jal 1 MB; the last is made of byte swaps, which are long.
      const subjects = [50, 60, 64, 500, 1000, 1100, 9000].flatMap(count =>
        [0x15, 0x65, 0x46].map(condition => jumping(condition, count, ADD)),
      );
      agree(subjects, () => PLACES.near);
      if (cpu === 'rv64gc') agree([jumping(0x15, 20_000, SWAP), jumping(0x06, 280_000, MULTIPLY)], () => PLACES.near);
    });

    it('calls of kernel functions from 1 MB, 2 GB and terabytes away', () => {
      const text = 'call 5\nr6 = r0\ncall 5\nr0 -= r6\nexit';
      const kernelText = 0x1000000000n;
      const places = [
        ...REACHES.map(reach => at(kernelText + reach + (reach > 0n ? 0x8000000n : -0x8000000n))),
        at(0x700000000000n),
      ];
      agree(
        places.map(place => subjectOf(place.name, text)),
        index => places[index],
      );
    });

    it('an object on a capture, packet after packet', () => {
      const packets = pcapPackets(new Uint8Array(readFileSync(file('examples/traffic.pcap'))));
      const subject = objectSubject(file('examples/xdp_counter.bpf.o'), 'count_packets', packets, undefined);
      const { differences, runs } = threeWay([subject], config, () => PLACES.far, qemu);
      expect(differences).toEqual([]);
      expect(runs).toBe(packets.length);
    });
  });

  it.each(CPUS)('%s: what only the verifier makes: per-CPU addresses, probes, arenas', cpu => {
    const target = findTarget('riscv64');
    const space = createKernelSpace(userLayout(0, undefined, 'riscv64'), defaultKernelImage('riscv64', 'little'));
    const exit = makeInsn(0x95, 0, 0, 0, 0);
    const mov = (dst: number, imm: number): Insn => makeInsn(0xb7, dst, 0, 0, imm);
    const result = makeInsn(0xbf, 0, 1, 0, 0);
    const nowhere = [makeInsn(0x18, 1, 0, 0, 0), makeInsn(0, 0, 0, 0, 0x7000)];
    const store = makeInsn(0xbb, 1, 2, 8, 0);
    const load = makeInsn(0xb9, 0, 1, 8, 0);
    const programs: [insns: Insn[], line: string][] = [
      [[mov(1, 0x1234), makeInsn(0xbf, 1, 1, -1, 0), result, exit], '0x1234'],
      [[mov(1, 16), mov(0, 9), makeInsn(0x39, 0, 1, 0, 0), exit], '0x0'],
      [[...nowhere, makeInsn(0x39, 1, 1, 8, 0), result, makeInsn(0x07, 0, 0, 0, 4), exit], '0x4'],
      [[...nowhere, makeInsn(0x59, 1, 1, 30_000, 0), result, exit], '0x0'],
      [[mov(1, 0x100), mov(2, 77), store, load, exit], '0x4d'],
      [[mov(1, 0x60000000), mov(2, 77), mov(0, 5), store, load, makeInsn(0xfb, 1, 2, 8, 1), exit], '0x0'],
      [[mov(1, 0x60000000), mov(0, 77), makeInsn(0xfb, 1, 0, 8, 1), exit], '0x4d'],
      [[mov(1, 0x55), makeInsn(0xbf, 1, 1, 1, 1 << 16), result, exit], '0x7f0000000055'],
    ];
    const images = programs.map(([insns], index) => {
      const addr = space.layout.images.start + 256n * BigInt(index);
      const arena = { kernVmStart: 0x20000n, userVmStart: 0x7f0000000000n };
      const compiler = target.compiler(plainFunc(insns, { arena }), {
        cpu,
        mode: 'own',
        space,
        userLimit: 0xffffn,
        pcrel: false,
      });
      return { addr, name: `program ${index}`, ...compiler.emit(addr, []) };
    });
    const entries = images.map(({ addr }) => ({ func: addr, args: [], sp: 0x3ff00n }));
    const shared = { target, cpu, space, images, entries, gates: [], memory: [], memoryEnd: 0x40000 };
    const { lines, problem } = runQemu(qemu, cpu, writeExecutable({ ...shared, format: 'lines' }));
    expect([lines, problem]).toEqual([programs.map(([, line], index) => `${index} ${line}`), '']);
  });

  describe('what executables notice', () => {
    /** Records a program, lets a half word of its main function be another, and runs the executable. */
    const spoilt = (text: string, from: number, to: number) => {
      const recorder = new RunRecorder();
      const engine = emulatorEngine({
        target: 'riscv64',
        layout: userLayout(0, undefined, 'riscv64'),
        wrapCpu: (options, space) => recorder.wrapCpu(options, space, createRiscvCpu),
      });
      const machine = createMachine({ engine });
      const program = machine.loadInsns('main', 6, insnsOf(text));
      machine.run(program, { dataIn: new Uint8Array(64) });
      const { outcome } = program.loaded as JitLoadedProgram;
      if (!outcome.jited) throw new Error('not compiled');
      const [{ bytes, slot }] = outcome.funcs;
      const changed = bytes.slice();
      const view = new DataView(changed.buffer);
      const halves = Array.from({ length: bytes.length / 2 }, (_, k) => view.getUint16(2 * k, true));
      expect(halves).toContain(from);
      view.setUint16(2 * halves.indexOf(from), to, true);
      outcome.space.write(slot, changed);
      const options = { target: findTarget('riscv64'), cpu: 'rv64gc', limitSeconds: 1 };
      return runQemu(qemu, 'rv64gc', executableOf(recorder.runs, { ...options, format: 'lines' }));
    };
    const LI_A0_7 = 0x451d;

    it.each([
      ['nothing, when nothing is wrong', LI_A0_7, /^0 0x7 0x[0-9a-f]+$/, EXE_EXIT.ok],
      ['another value', 0x4521, /^0 0x8 /, EXE_EXIT.ok],
      ['a register that is not restored', 0x441d, /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['a stack pointer that is not restored', 0x1141, /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['an instruction there is none of', 0, /^0 signal 4 at 0x1020\w+, address /, EXE_EXIT.fault],
      ['an access to nothing', 0x6308, /^0 signal 11 at 0x1020\w+, address 0x0$/, EXE_EXIT.fault],
      ['a loop without end', 0xa001, /^0 signal 14 at 0x1020/, EXE_EXIT.fault],
    ])('%s', (_, word, line, status) => {
      const { lines, problem } = spoilt('r0 = 7\nexit', LI_A0_7, word);
      expect(lines).toEqual([expect.stringMatching(line)]);
      if (status === EXE_EXIT.ok) expect(problem).toBe('');
      else expect(problem).toContain(`ended with ${status}`);
    });

    it('calls that were not recorded', () => {
      // c.li a1,7 and 8
      const { lines, problem } = spoilt('r2 = 7\ncall 44\nr0 = 7\nexit', 0x459d, 0x45a1);
      const line = 'replay mismatch: call 1 is bpf_xdp_adjust_head, argument 2 0x8, recorded 0x7';
      expect(lines).toEqual([`0 ${line}`]);
      expect(problem).toContain(`ended with ${EXE_EXIT.mismatch}`);
    });
  });
}
