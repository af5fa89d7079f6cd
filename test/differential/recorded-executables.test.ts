import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findTarget } from '../../src/jit/index.ts';
import {
  createMachine,
  executableOf,
  expectedLine,
  GateTable,
  type RecordedRun,
  RunRecorder,
  recordedInterpreter,
} from '../../src/machine/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import { runQemu, type Subject, userLayout } from '../support/three-way.ts';
import { callSubject, objectSubject, objectSubjects, plainSubject } from '../support/three-way-subjects.ts';
import { THREE_WAY_TARGETS } from '../support/three-way-targets.ts';

const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const packets = pcapPackets(new Uint8Array(readFileSync(file('examples/traffic.pcap')))).slice(0, 20);

describe.each(THREE_WAY_TARGETS)(
  'executables for $target of what the interpreter ran',
  ({ target: name, cpus, runner }) => {
    const run = runner();
    const target = findTarget(name);
    const suffix = target.order === 'little' ? 'el' : 'eb';

    /** Lines of one executable of all subjects, and those expected. */
    const linesOf = (subjects: readonly Subject[]): [found: string[], expected: (string | undefined)[]] => {
      const gates = new GateTable();
      const runs: RecordedRun[] = [];
      subjects.forEach((subject, index) => {
        const recorder = new RunRecorder({ gates });
        const layout = userLayout(index, 0x80000n, target.arch);
        const engine = recordedInterpreter({ target: name, layout, cpu: cpus[0] }, recorder);
        const results = subject.run(createMachine({ order: target.order, engine }));
        expect(results.filter(result => result.startsWith('fault'))).toEqual([]);
        runs.push(...recorder.runs);
      });
      const exe = executableOf(runs, { target, cpu: cpus[0], format: 'lines', limitSeconds: 60 });
      return [runQemu(run ?? '', cpus[0], exe).lines, runs.map(expectedLine)];
    };

    it.skipIf(run === undefined)('callbacks in callbacks, tail calls, packets that move, records', () => {
      const [found, expected] = linesOf(objectSubjects(file(`testdata/exe/calls.bpf${suffix}.o`), packets, undefined));
      expect(expected).toHaveLength(5 * packets.length);
      expect(found).toEqual(expected);
    });

    it.skipIf(run === undefined)('generated programs', () => {
      const seeds = Array.from({ length: 10 }, (_, i) => 7000 + i);
      const [found, expected] = linesOf([
        ...seeds.map(seed => callSubject(seed)),
        ...seeds.map(seed => plainSubject(seed)),
      ]);
      expect(found).toEqual(expected);
    });

    it('cannot repeat exceptions, and says so', () => {
      const recorder = new RunRecorder();
      const layout = userLayout(0, 0x80000n, target.arch);
      const engine = recordedInterpreter({ target: name, layout }, recorder);
      const machine = createMachine({ order: target.order, engine });
      const subject = objectSubject(file(`testdata/exe/throw.bpf${suffix}.o`), 'tagged', packets, undefined);
      expect(() => subject.run(machine)).toThrow(expect.objectContaining({ code: 'run.replay' }));
    });
  },
);
