import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assembleSource } from '../../src/asm/index.ts';
import { emulatorEngine, type JitLoadedProgram } from '../../src/engine/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { EXE_EXIT, findTarget } from '../../src/jit/index.ts';
import { createMachine, executableOf, RunRecorder } from '../../src/machine/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import { createS390xCpu } from '../support/s390x/cpu.ts';
import { apart, at, PLACES, type Place, runQemu, type Subject, threeWay, userLayout } from '../support/three-way.ts';
import { callSubject, insnSubject, objectSubjects, plainSubject } from '../support/three-way-subjects.ts';
import { requireTool } from '../support/tools.ts';

// s390x code as executables under qemu-user, recorded on the small CPU of the tests, against the interpreter.

const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const insnsOf = (text: string): Insn[] => assembleSource(text, { dialect: 'llvm' }).insns as Insn[];
const subjectOf = (name: string, text: string): Subject => insnSubject(name, 6, insnsOf(text), new Uint8Array(64), []);

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

/** ±4 GB, and images on both sides of it: code is aligned to 8. */
const EDGE = 0x100000000n;
const STEPS = Array.from({ length: 16 }, (_, i) => BigInt(8 * i - 64));

const recording = (place: Place, recorder?: RunRecorder) =>
  emulatorEngine({
    target: 's390x',
    layout: userLayout(0, undefined, 's390x'),
    placement: place.of(0, 0n),
    wrapCpu: (options, space) => recorder?.wrapCpu(options, space, createS390xCpu) ?? createS390xCpu(options),
  });

/** How the call of TWO_FUNCTIONS is made. */
function formOf(place: Place): string {
  const machine = createMachine({ order: 'big', engine: recording(place) });
  const { outcome } = machine.loadInsns('main', 6, insnsOf(TWO_FUNCTIONS)).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error('not compiled');
  return outcome.funcs[0].sites[0].form;
}

const qemu = requireTool('qemu-s390x', 'qemu-user');
if (qemu !== undefined) {
  describe.each(findTarget('s390x').cpus)('%s', cpu => {
    const config = { target: 's390x', cpu, mode: 'own', makeCpu: createS390xCpu } as const;
    const agree = (subjects: readonly Subject[], placeOf: (index: number) => Place): number => {
      const { differences, agreed, skipped, runs } = threeWay(subjects, config, placeOf, qemu);
      expect(
        differences.map(({ subject, place, ...rest }) => ({ name: subject.name, place: place.name, ...rest })),
      ).toEqual([]);
      expect([...skipped]).toEqual([]);
      expect(agreed).toBe(subjects.length);
      return runs;
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

    it('a call across 4 GB, step by step', () => {
      const places = [EDGE, -EDGE].flatMap(edge => STEPS.map(step => apart(edge + step)));
      expect([...new Set(places.slice(0, STEPS.length).map(formOf))]).toEqual(['brasl', 'imm64']);
      expect([...new Set(places.slice(STEPS.length).map(formOf))]).toEqual(['imm64', 'brasl']);
      agree(
        places.map(place => subjectOf(place.name, TWO_FUNCTIONS)),
        index => places[index],
      );
    });

    it('calls of kernel functions from beside, 4 GB and terabytes away', () => {
      const text = 'call 5\nr6 = r0\ncall 5\nr0 -= r6\nexit';
      const kernelText = 0x1000000000n;
      const places = [at(kernelText + 0x8000000n), at(kernelText - 2n * EDGE), at(0x700000000000n)];
      agree(
        places.map(place => subjectOf(place.name, text)),
        index => places[index],
      );
    });

    it('an object on a capture, packet after packet', () => {
      const packets = pcapPackets(new Uint8Array(readFileSync(file('examples/traffic.pcap'))));
      const subjects = objectSubjects(file('testdata/bpfeb/xdp_counter.bpf.o'), packets, undefined);
      expect(agree(subjects, () => PLACES.far)).toBe(packets.length * subjects.length);
    });
  });

  describe('what executables notice', () => {
    /** Records a program, puts other bytes for some of its main function, and runs the executable. */
    const spoilt = (text: string, from: string, to: string) => {
      const recorder = new RunRecorder();
      const machine = createMachine({ order: 'big', engine: recording(PLACES.near, recorder) });
      const program = machine.loadInsns('main', 6, insnsOf(text));
      machine.run(program, { dataIn: new Uint8Array(64) });
      const { outcome } = program.loaded as JitLoadedProgram;
      if (!outcome.jited) throw new Error('not compiled');
      const [{ bytes, slot }] = outcome.funcs;
      const hex = Buffer.from(bytes).toString('hex');
      expect(hex).toContain(from);
      outcome.space.write(slot, Uint8Array.from(Buffer.from(hex.replace(from, to), 'hex')));
      const options = { target: findTarget('s390x'), cpu: 'z13', limitSeconds: 1, format: 'lines' } as const;
      return runQemu(qemu, 'z13', executableOf(recorder.runs, options));
    };
    const LGHI_R2_7 = 'a7290007';

    it.each([
      ['nothing, when nothing is wrong', LGHI_R2_7, /^0 0x7 0x[0-9a-f]+$/, EXE_EXIT.ok],
      ['another value', 'a7290008', /^0 0x8 /, EXE_EXIT.ok],
      ['a register that is not restored', 'a7890007', /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['an argument that is kept', 'a7690007', /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['a stack pointer that is not restored', 'a7fbff00', /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['an instruction there is none of', '00000000', /^0 signal 4 at 0x1020\w+, address /, EXE_EXIT.fault],
      ['an access to nothing', '58200000', /^0 signal 11 at 0x1020\w+, address 0x0$/, EXE_EXIT.fault],
      ['a loop without end', 'a7f40000', /^0 signal 14 at 0x1020/, EXE_EXIT.fault],
    ])('%s', (_, code, line, status) => {
      const { lines, problem } = spoilt('r0 = 7\nexit', LGHI_R2_7, code);
      expect(lines).toEqual([expect.stringMatching(line)]);
      if (status === EXE_EXIT.ok) expect(problem).toBe('');
      else expect(problem).toContain(`ended with ${status}`);
    });

    it('calls that were not recorded', () => {
      const { lines, problem } = spoilt('r2 = 7\ncall 44\nr0 = 7\nexit', 'a7390007', 'a7390008');
      const line = 'replay mismatch: call 1 is bpf_xdp_adjust_head, argument 2 0x8, recorded 0x7';
      expect(lines).toEqual([`0 ${line}`]);
      expect(problem).toContain(`ended with ${EXE_EXIT.mismatch}`);
    });
  });
}
