import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assembleSource } from '../../src/asm/index.ts';
import { emulatorEngine, type JitLoadedProgram } from '../../src/engine/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { EXE_EXIT, findTarget, type JitMode } from '../../src/jit/index.ts';
import { createMachine, executableOf, RunRecorder } from '../../src/machine/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import {
  apart,
  at,
  PLACES,
  type Place,
  runQemu,
  type Subject,
  type ThreeWayConfig,
  threeWay,
  userLayout,
} from '../support/three-way.ts';
import { callSubject, insnSubject, objectSubjects, plainSubject } from '../support/three-way-subjects.ts';
import { requireTool } from '../support/tools.ts';

const TARGETS = ['ppc64le', 'ppc64'] as const;
const MODES: readonly JitMode[] = ['own', 'compat'];
const CPUS = ['power8', 'power10'] as const;
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

/** ±32 MB, ±2 GB and ±8 GB, and how far behind: the call lies some instructions behind its function's start. */
const REACHES = [0x2000000n, 0x80000000n, 0x200000000n].flatMap(reach => [reach, -reach]);
const STEPS = Array.from({ length: 18 }, (_, i) => BigInt(4 * i - 8));

/** How the call of TWO_FUNCTIONS is made. */
function formOf(config: ThreeWayConfig, place: Place): string {
  const engine = emulatorEngine({ ...config, layout: userLayout(0), placement: place.of(0, 0n) });
  const machine = createMachine({ order: findTarget(config.target).order, engine });
  const { outcome } = machine.loadInsns('main', 6, insnsOf(TWO_FUNCTIONS)).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error('not compiled');
  return outcome.funcs[0].sites[0].form;
}

for (const target of TARGETS) {
  const qemu = requireTool(`qemu-${target}`, 'qemu-user');
  if (qemu === undefined) continue;
  const combinations = CPUS.flatMap(cpu => MODES.map(mode => ({ target, cpu, mode })));

  describe.each(combinations)('$target $cpu $mode', config => {
    const agree = (subjects: readonly Subject[], placeOf: (index: number) => Place): void => {
      const { differences, agreed, skipped } = threeWay(subjects, config, placeOf, qemu);
      expect(
        differences.map(({ subject, place, ...rest }) => ({ name: subject.name, place: place.name, ...rest })),
      ).toEqual([]);
      expect([...skipped]).toEqual([]);
      expect(agreed).toBe(subjects.length);
    };

    it('generated programs of many functions, near, at the edges of branches, and far', () => {
      const asJited = config.mode === 'compat';
      const places = Object.values(PLACES);
      agree(
        Array.from({ length: 18 }, (_, i) => callSubject(1000 + i, { asJited })),
        index => places[index % places.length],
      );
    });

    it('generated programs with contexts, packets and maps', () => {
      const asJited = config.mode === 'compat';
      agree(
        Array.from({ length: 8 }, (_, i) => plainSubject(500 + i, { asJited })),
        () => PLACES.near,
      );
    });

    it('a call across every edge, in steps of one instruction', () => {
      const near = STEPS.map(step => formOf(config, apart(REACHES[0] + step)));
      // Only farcall's own code has a form for calls within 32 MB: then the steps have to lead over its edge.
      expect([near[0] === 'bl', near.at(-1) === 'bl']).toEqual([config.mode === 'own', false]);
      const places = REACHES.flatMap(reach => STEPS.map(step => apart(reach + step)));
      for (let from = 0; from < places.length; from += 100) {
        const some = places.slice(from, from + 100);
        agree(
          some.map(place => subjectOf(place.name, TWO_FUNCTIONS)),
          index => some[index],
        );
      }
    });

    it('calls of kernel functions from 32 MB, 2 GB, 8 GB and terabytes away', () => {
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
  });

  describe.each(MODES)(`${target} %s: objects on a capture, packet after packet`, mode => {
    const packets = pcapPackets(new Uint8Array(readFileSync(file('examples/traffic.pcap')))).slice(0, 40);
    const config = { target, cpu: 'power8', mode } as const;
    const suffix = target === 'ppc64le' ? 'el' : 'eb';

    const objects: readonly (readonly [what: string, name: string, programs: number])[] = [
      ['callbacks in callbacks, tail calls, packets that move, records', 'calls', 5],
      ['exceptions', 'throw', 2],
    ];
    // Linux 6.12 has no exceptions on this CPU.
    it.each(mode === 'own' ? objects : objects.slice(0, 1))('%s', (_, name, programs) => {
      const subjects = objectSubjects(file(`testdata/exe/${name}.bpf${suffix}.o`), packets, undefined);
      for (const place of Object.values(PLACES)) {
        const { differences, runs, skipped } = threeWay(subjects, config, () => place, qemu);
        expect(differences.map(({ subject, ...rest }) => ({ name: subject.name, ...rest }))).toEqual([]);
        expect([...skipped]).toEqual([]);
        expect(runs).toBe(programs * packets.length);
      }
    });
  });

  describe(`${target}: what executables notice`, () => {
    /** Records a program, lets `spoil` change its main function's code, and runs the executable. */
    const spoilt = (text: string, spoil: (code: DataView, little: boolean) => void) => {
      const recorder = new RunRecorder();
      const engine = emulatorEngine({ target, layout: userLayout(0), mode: 'compat', wrapCpu: recorder.wrapCpu });
      const machine = createMachine({ order: findTarget(target).order, engine });
      const program = machine.loadInsns('main', 6, insnsOf(text));
      machine.run(program, { dataIn: new Uint8Array(64) });
      const { outcome } = program.loaded as JitLoadedProgram;
      if (!outcome.jited) throw new Error('not compiled');
      const [{ bytes, slot, entry, addr }] = outcome.funcs;
      const changed = bytes.slice();
      spoil(new DataView(changed.buffer, Number(entry - addr)), target === 'ppc64le');
      outcome.space.write(slot, changed);
      const options = { target: findTarget(target), cpu: 'power8', limitSeconds: 1 };
      const lines = runQemu(qemu, 'power8', executableOf(recorder.runs, { ...options, format: 'lines' }));
      const value = runQemu(qemu, 'power8', executableOf(recorder.runs, { ...options, format: 'value' }));
      return { lines: lines.lines, problem: value.problem, value: value.lines };
    };
    /** The word `from` becomes `to`. */
    const replace =
      (from: number, to: number) =>
      (code: DataView, little: boolean): void => {
        for (let off = 0; off < code.byteLength; off += 4) {
          if (code.getUint32(off, little) !== from) continue;
          code.setUint32(off, to, little);
          return;
        }
        throw new Error('no such word');
      };
    const LI_R8_7 = 0x39000007;

    it('nothing, when nothing is wrong', () => {
      const { lines, problem, value } = spoilt('r0 = 7\nexit', replace(LI_R8_7, LI_R8_7));
      expect(lines).toEqual([expect.stringMatching(/^0 0x7 0x[0-9a-f]+$/)]);
      expect([value, problem]).toEqual([['0x7'], '']);
    });

    it.each([
      ['another value', LI_R8_7 + 1, /^0 0x8 /, EXE_EXIT.ok],
      ['a register that is not restored', 0x3a000007, /^0 a register was not restored$/, EXE_EXIT.mismatch],
      ['an instruction there is none of', 0, /^0 signal 4 at 0x1020\w+, address /, EXE_EXIT.fault],
      ['an access to nothing', 0xe8000000, /^0 signal 11 at 0x1020\w+, address 0x0$/, EXE_EXIT.fault],
      ['a loop without end', 0x48000000, /^0 signal 14 at 0x1020/, EXE_EXIT.fault],
    ])('%s', (_, word, line, status) => {
      const { lines, problem } = spoilt('r0 = 7\nexit', replace(LI_R8_7, word));
      expect(lines).toEqual([expect.stringMatching(line)]);
      if (status === EXE_EXIT.ok) expect(problem).toBe('');
      else expect(problem).toContain(`ended with ${status}`);
    });

    it('calls that were not recorded', () => {
      const program = 'r2 = 7\ncall 44\nr0 = 7\nexit';
      const { lines, problem } = spoilt(program, replace(0x38800007, 0x38800008));
      const line = 'replay mismatch: call 1 is bpf_xdp_adjust_head, argument 2 0x8, recorded 0x7';
      expect(lines).toEqual([`0 ${line}`]);
      expect(problem).toContain(`ended with ${EXE_EXIT.mismatch}: ${line}`);
    });
  });
}
