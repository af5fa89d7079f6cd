import { describe, expect, it } from 'vitest';
import { assembleSource } from '../asm/index.ts';
import { emulatorEngine } from '../engine/index.ts';
import { findTarget, userLayouts } from '../jit/index.ts';
import { FarcallError, hex64 } from '../util/index.ts';
import { executableOf, expectedLine } from './executable.ts';
import { createMachine } from './machine.ts';
import { GateTable, type RecordOptions, RunRecorder } from './run-recorder.ts';

const XDP = 6;
/** Looks key 1 up in an array, counts there, and calls back twice. */
const PROGRAM = `
  *(u32 *)(r10 - 4) = 1
  map: r1 = 0 ll
  r2 = r10
  r2 += -4
  call 1
  if r0 == 0 goto out
  r6 = r0
  r1 = *(u64 *)(r6 + 0)
  r1 += 1
  *(u64 *)(r6 + 0) = r1
  r1 = 2
  r2 = each ll
  r3 = r6
  r4 = 0
  call 181
  r0 = *(u64 *)(r6 + 0)
out:
  exit
each:
  r1 = *(u64 *)(r2 + 0)
  r1 += 10
  *(u64 *)(r2 + 0) = r1
  r0 = 0
  exit`;

function recorded(options: RecordOptions = {}, packets = 1) {
  const recorder = new RunRecorder(options);
  const engine = emulatorEngine({ target: 'ppc64le', layout: userLayouts('ppc64')[0], wrapCpu: recorder.wrapCpu });
  const machine = createMachine({ engine });
  const map = machine.createMap({
    name: 'counts',
    type: 2,
    keySizeBytes: 4,
    valueSizeBytes: 8,
    maxEntries: 4,
    flags: 0,
  });
  const insns = assembleSource(PROGRAM, { dialect: 'llvm' }).insns.map((insn, i) =>
    i === 1 ? { ...insn, src: 1 } : insn,
  );
  const program = machine.loadInsns('count', XDP, insns, [map]);
  for (let i = 0; i < packets; i++) machine.run(program, { dataIn: new Uint8Array(64).fill(i) });
  return recorder;
}

const words = (log: Uint8Array): bigint[] => [...new BigUint64Array(log.slice().buffer)];

describe('RunRecorder', () => {
  it('writes down calls, callbacks and results', () => {
    const { runs, gates } = recorded();
    expect(runs).toHaveLength(1);
    expect(gates.gates.map(gate => gate.name)).toEqual(['bpf_map_lookup_elem', 'bpf_loop']);
    const log = words(runs[0].log);
    // The look-up of two arguments, the value's address returned.
    expect([log[0], log[1], log[2], log[8]]).toEqual([1n, 0n, 0b11n, 6n]);
    // bpf_loop calls back with 0 and 1 and the same context, and returns 2.
    const loop = log.slice(11);
    expect([loop[0], loop[1], loop[2], loop[3]]).toEqual([1n, 1n, 0b1111n, 2n]);
    const all = (1n << 64n) - 1n;
    const callback = (index: bigint) => [4n, loop[4], 0n, index, log[9], 0n, 0n, 0n, 5n, 0n, all];
    expect(loop.slice(8)).toEqual([...callback(0n), ...callback(1n), 6n, 2n, 0n, 0n]);
    expect(runs[0].result).toMatchObject({ ok: true, value: 21n });
  });

  it('has what lay in memory before, and from the second run on what changed in between', () => {
    const { runs } = recorded({}, 3);
    expect(runs.map(run => run.changed === undefined)).toEqual([true, false, false]);
    const bytes = (run: (typeof runs)[number]) =>
      (run.changed ?? run.before ?? []).reduce((sum, each) => sum + each.bytes.length, 0);
    // The packet's 64 bytes, and little else.
    expect(bytes(runs[1])).toBeLessThan(256);
    expect(runs[1].changed?.some(piece => piece.bytes.every(byte => byte === 1))).toBe(true);
    expect(new Set(runs.map(run => run.digest)).size).toBe(3);
  });

  it('digests the kinds of memory asked for', () => {
    const [values] = recorded({ kinds: ['map_value'] }).runs;
    expect(values.ranges).toEqual([{ addr: values.ranges[0].addr, sizeBytes: 32 }]);
    expect(expectedLine(values, 7)).toBe(`7 0x15 ${hex64(values.digest)}`);
    expect(expectedLine(recorded({ kinds: [] }).runs[0], 0)).toBe('0 0x15');
  });
});

describe('executableOf', () => {
  const options = { target: findTarget('ppc64le'), cpu: 'power8', format: 'lines' } as const;

  it('joins runs of several machines that share a table of gates', () => {
    const gates = new GateTable();
    const first = recorded({ gates });
    expect(() => executableOf([...first.runs, ...recorded().runs], options)).toThrow(/different address spaces/);
    // Both have their code at the same addresses.
    expect(() => executableOf([...first.runs, ...recorded({ gates }).runs], options)).toThrow(/overlaps/);
  });

  it('wants all runs of a machine', () => {
    const { runs } = recorded({}, 3);
    expect(executableOf(runs.slice(0, 2), options).length).toBeGreaterThan(0);
    expect(() => executableOf(runs.slice(1), options)).toThrow(/a run is missing/);
  });

  it('refuses to repeat nothing', () => {
    expect(() => executableOf([], options)).toThrow(FarcallError);
  });
});
