import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { type Insn, LD_IMM64 } from '../../src/isa/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import { createMachine, prepareObject, verifyPrepared } from '../../src/machine/index.ts';
import type { MapDef } from '../../src/maps/index.ts';
import { openObject, relocateObject } from '../../src/object/index.ts';
import { progTypeRow } from '../../src/progtypes/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { type Verdict, type VerifyOptions, verify } from '../../src/verifier/index.ts';
import { difference, insnsOutcome, objectOutcomes } from '../support/engine-outcome.ts';
import { NOT_HERE } from '../support/native-run.ts';
import { pcapPackets } from '../support/pcap.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { verifyInputOf } from '../support/verify-input.ts';
import { runCases } from './run-cases/index.ts';

// Helpers, objects and their traffic as WebAssembly, and in code of this CPU, against the interpreter: everything a run leaves.

const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
const image = kernelImage('6.12-amd64');
const btf = kernelBtf(undefined);
const how: VerifyOptions = { kernel: { version: '6.12', arch: image.arch, btf, image }, logLevel: 0, caps };
const wasm = wasmEngine();
/** What runs programs as the verifier proved them. */
const fast = [wasm, ...(NOT_HERE === undefined ? [nativeEngine()] : [])];
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../${name}`, import.meta.url)));

const EXAMPLES = [
  'checksum',
  'firewall',
  'flow_events',
  'load_balancer',
  'syscall_latency',
  'tail_parser',
  'xdp_counter',
];

describe('examples on their traffic', () => {
  const packets = pcapPackets(file('examples/traffic.pcap'));

  it.each(EXAMPLES)('%s', name => {
    const { spec } = relocateObject(openObject(file(`examples/${name}.bpf.o`), { name }), { targetBtf: btf });
    const prepared = prepareObject(spec, { kernelBtf: btf, image, caps, relocated: true });
    const proofs = new Map<string, Verdict>();
    for (const program of spec.programs) {
      const { verdict, full } = verifyPrepared(prepared.prepare(program), prepared.spec, how);
      expect([program.name, verdict]).toEqual([program.name, 'accept']);
      if (full !== undefined) proofs.set(program.name, full);
    }
    for (const { name: program, type } of spec.programs) {
      const packet = progTypeRow(type)?.packet === true;
      const requests = packet ? packets.map(dataIn => ({ dataIn })) : [{}, {}];
      const subject = { spec, program, only: [...proofs.keys()], requests };
      const wanted = objectOutcomes(interpEngine, subject);
      for (const [kind, found] of [
        ...fast.map(engine => [engine.name, objectOutcomes(engine, { ...subject, proofs })] as const),
        ['checked', objectOutcomes(wasm, subject)] as const,
      ]) {
        const parts = found.map((outcome, i) => difference(wanted[i], outcome)).filter(text => text !== undefined);
        expect([program, kind, ...parts]).toEqual([program, kind]);
      }
    }
  });

  it('in batches give what runs give, and leave the same maps', () => {
    const { spec } = relocateObject(openObject(file('examples/xdp_counter.bpf.o')), { targetBtf: btf });
    const prepared = prepareObject(spec, { kernelBtf: btf, image, caps, relocated: true });
    const { full } = verifyPrepared(prepared.prepare(spec.programs[0]), prepared.spec, how);
    const machines = [1, 2].map(() => createMachine({ engine: wasmEngine() }));
    const programs = machines.map(machine => {
      const proofs = new Map(full === undefined ? [] : [[spec.programs[0].name, full]]);
      const loaded = machine.loadObject(spec, { proofs }).programs.get(spec.programs[0].name);
      if (loaded === undefined) throw new Error('not loaded');
      return loaded;
    });
    const wanted = packets.map(dataIn => machines[0].run(programs[0], { dataIn }).retval);
    const batch = machines[1].openBatch(programs[1], packets);
    expect([...(batch?.run().verdicts ?? [])]).toEqual(wanted);
    batch?.close();
    const contents = (at: number): string[] =>
      machines[at].maps.flatMap(map => {
        const found: string[] = [];
        for (let key = map.userNextKey(null); key instanceof Uint8Array; key = map.userNextKey(key)) {
          found.push(`${map.def.name} ${key} ${map.userLookup(key)}`);
        }
        return found.sort();
      });
    expect(contents(1)).toEqual(contents(0));
    expect(contents(1).length).toBeGreaterThan(5);
  });
});

it('objects of the other byte order leave the same, memory included', () => {
  const spec = openObject(file('testdata/object/legacy-maps.eb.o'));
  const program = spec.programs[0].name;
  const requests = [0, 1].map(() => ({ dataIn: Uint8Array.from({ length: 64 }, (_, i) => i) }));
  const subject = { spec, program, only: [program], requests };
  const wanted = objectOutcomes(interpEngine, subject);
  expect(wanted.map(({ fault, r0 }) => [fault, r0])).toEqual([1, 2].map(() => [undefined, 1n]));
  const found = objectOutcomes(wasm, subject);
  expect(found.map((outcome, i) => difference(wanted[i], outcome))).toEqual([undefined, undefined]);
});

it('helpers do the same, one case after the other', () => {
  const cases = runCases();
  const different: string[] = [];
  let proven = 0;
  for (const { name, type, insns, maps = [], data, ctx } of cases) {
    const defs: MapDef[] = maps.map(({ type: mapType, key, value, max }) => ({
      name: 'm',
      type: mapType,
      keySizeBytes: key,
      valueSizeBytes: value,
      maxEntries: max,
      flags: 0,
    }));
    const subject = { type, insns, maps: defs, request: { dataIn: data, ctxIn: ctx } };
    const wanted = insnsOutcome(interpEngine, subject);
    const checked = difference(wanted, insnsOutcome(wasm, subject));
    if (checked !== undefined) different.push(`${name} checked: ${checked}`);
    const proof = proofOf(type, insns, defs);
    if (proof?.ok !== true) continue;
    proven++;
    const found = difference(wanted, insnsOutcome(wasm, { ...subject, proof }));
    if (found !== undefined) different.push(`${name} proven: ${found}`);
  }
  expect(different).toEqual([]);
  expect(proven).toBeGreaterThan(cases.length / 2);
});

function proofOf(type: number, insns: readonly Insn[], maps: readonly MapDef[]): Verdict | undefined {
  try {
    const input = verifyInputOf({
      name: 'p',
      type,
      insns,
      maps: maps.map(def => `${def.type} ${def.keySizeBytes} ${def.valueSizeBytes} ${def.maxEntries} ${def.flags}`),
      ldmaps: insns.flatMap(({ code, src, imm }, slot) =>
        code === LD_IMM64 && (src === 1 || src === 2) ? [`${slot} ${imm} ${src} ${insns[slot + 1].imm}`] : [],
      ),
    });
    return verify(input, how);
  } catch (error) {
    if (error instanceof FarcallError) return undefined;
    throw error;
  }
}
