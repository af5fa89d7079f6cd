import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assembleSource } from '../../src/asm/index.ts';
import { emulatorEngine, type JitLoadedProgram } from '../../src/engine/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { EXE_EXIT, findTarget } from '../../src/jit/index.ts';
import { createMachine, executableOf, RunRecorder } from '../../src/machine/index.ts';
import { createArm64Cpu } from '../support/arm64/cpu.ts';
import { pcapPackets } from '../support/pcap.ts';
import { apart, at, PLACES, type Place, runQemu, type Subject, threeWay, userLayout } from '../support/three-way.ts';
import { callSubject, insnSubject, objectSubject, plainSubject } from '../support/three-way-subjects.ts';
import { requireTool } from '../support/tools.ts';

// arm64 code as executables under qemu-user, recorded on the small CPU of the tests, against the interpreter.

const CPUS = ['armv8-a', 'armv8.1-a'] as const;
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

/** ±128 MB and ±4 GB, and how far behind: the call lies some instructions behind its function's start. */
const REACHES = [0x8000000n, 0x100000000n].flatMap(reach => [reach, -reach]);
const STEPS = Array.from({ length: 18 }, (_, i) => BigInt(4 * i - 8));

/** How the call of TWO_FUNCTIONS is made. */
function formOf(place: Place): string {
  const engine = emulatorEngine({
    target: 'arm64',
    layout: userLayout(0, undefined, 'arm64'),
    placement: place.of(0, 0n),
    wrapCpu: options => createArm64Cpu(options),
  });
  const { outcome } = createMachine({ engine }).loadInsns('main', 6, insnsOf(TWO_FUNCTIONS)).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error('not compiled');
  return outcome.funcs[0].sites[0].form;
}

const qemu = requireTool('qemu-aarch64', 'qemu-user');
if (qemu !== undefined) {
  describe.each(CPUS)('%s', cpu => {
    const config = { target: 'arm64', cpu, mode: 'own', makeCpu: createArm64Cpu } as const;
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
      expect([near[0], near.at(-1)]).toEqual(['bl', 'adrp']);
      const far = STEPS.map(step => formOf(apart(REACHES[2] + 0x1000n * step)));
      expect([far[0], far.at(-1)]).toEqual(['adrp', 'imm64']);
      const places = REACHES.flatMap(reach => STEPS.map(step => apart(reach + step)));
      agree(
        places.map(place => subjectOf(place.name, TWO_FUNCTIONS)),
        index => places[index],
      );
    });

    it('calls of kernel functions from 128 MB, 4 GB and terabytes away', () => {
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

  describe('what executables notice', () => {
    /** Records a program, lets a word of its main function be another, and runs the executable. */
    const spoilt = (text: string, from: number, to: number) => {
      const recorder = new RunRecorder();
      const engine = emulatorEngine({
        target: 'arm64',
        layout: userLayout(0, undefined, 'arm64'),
        wrapCpu: (options, space) => recorder.wrapCpu(options, space, createArm64Cpu),
      });
      const machine = createMachine({ engine });
      const program = machine.loadInsns('main', 6, insnsOf(text));
      machine.run(program, { dataIn: new Uint8Array(64) });
      const { outcome } = program.loaded as JitLoadedProgram;
      if (!outcome.jited) throw new Error('not compiled');
      const [{ bytes, slot }] = outcome.funcs;
      const changed = bytes.slice();
      const view = new DataView(changed.buffer);
      const words = Array.from({ length: bytes.length / 4 }, (_, k) => view.getUint32(4 * k, true));
      expect(words).toContain(from >>> 0);
      view.setUint32(4 * words.indexOf(from >>> 0), to, true);
      outcome.space.write(slot, changed);
      const options = { target: findTarget('arm64'), cpu: 'armv8-a', limitSeconds: 1 };
      return runQemu(qemu, 'armv8-a', executableOf(recorder.runs, { ...options, format: 'lines' }));
    };
    const MOV_W0_7 = 0x528000e0;

    it.each([
      ['nothing, when nothing is wrong', MOV_W0_7, /^0 0x7 0x[0-9a-f]+$/, EXE_EXIT.ok],
      ['another value', 0x52800100, /^0 0x8 /, EXE_EXIT.ok],
      ['a register that is not restored', 0xd2800013, /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['a stack pointer that is not restored', 0xd10043ff, /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['an instruction there is none of', 0, /^0 signal 4 at 0x1020\w+, address /, EXE_EXIT.fault],
      ['an access to nothing', 0xf9400120, /^0 signal \d+ at /, EXE_EXIT.fault],
      ['a loop without end', 0x14000000, /^0 signal 14 at 0x1020/, EXE_EXIT.fault],
    ])('%s', (_, word, line, status) => {
      const { lines, problem } = spoilt('r0 = 7\nexit', MOV_W0_7, word);
      expect(lines).toEqual([expect.stringMatching(line)]);
      if (status === EXE_EXIT.ok) expect(problem).toBe('');
      else expect(problem).toContain(`ended with ${status}`);
    });

    it('calls that were not recorded', () => {
      // mov w1,#7 and #8
      const { lines, problem } = spoilt('r2 = 7\ncall 44\nr0 = 7\nexit', 0x528000e1, 0x52800101);
      const line = 'replay mismatch: call 1 is bpf_xdp_adjust_head, argument 2 0x8, recorded 0x7';
      expect(lines).toEqual([`0 ${line}`]);
      expect(problem).toContain(`ended with ${EXE_EXIT.mismatch}`);
    });
  });
}
