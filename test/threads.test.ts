import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { wasmEngine } from '../src/engine/index.ts';
import { makeInsn, ProgramBuilder, R0, R1, R2, R3, R4, R6, R10 } from '../src/isa/index.ts';
import { createMachine } from '../src/machine/index.ts';
import type { BpfMap, MapDef } from '../src/maps/index.ts';
import { bpf_prog_type, bpf_map_type as T } from '../src/uapi/index.ts';
import { TAKEN_PROOF } from './support/taken-proof.ts';

// A program of one machine in two threads at the same time, as a load test would have it, the threads running what is built.

const BUILT = new URL('../dist/machine/index.js', import.meta.url);
const THREADS = 2;
const FLOWS = 64;
const PACKETS = 256;
const TIMES = 400;
const MAP_LOOKUP_ELEM = 1;

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.url).then(({ attachProgram }) => {
  const runner = attachProgram(workerData.shared);
  runner.load(workerData.packets);
  const done = runner.run(workerData.times);
  parentPort.postMessage({ done, fault: runner.fault, verdicts: runner.verdicts });
});
`;

interface Reply {
  readonly done: number;
  readonly fault: string | undefined;
  readonly verdicts: Uint32Array;
}

const DEFS: readonly MapDef[] = [
  { type: T.BPF_MAP_TYPE_ARRAY, valueSizeBytes: 16, maxEntries: FLOWS },
  { type: T.BPF_MAP_TYPE_HASH, valueSizeBytes: 8, maxEntries: FLOWS },
  { type: T.BPF_MAP_TYPE_PERCPU_ARRAY, valueSizeBytes: 8, maxEntries: 1 },
  { type: T.BPF_MAP_TYPE_PERCPU_HASH, valueSizeBytes: 8, maxEntries: FLOWS },
].map((def, i) => ({ name: `m${i}`, keySizeBytes: 4, flags: 0, ...def }));

/**
 * Adds one to what each map has of the packet's first byte, and the packet's bytes to the array's second word; atomically where threads
 * share the value. Returns the byte.
 */
function countInMaps(): ReturnType<ProgramBuilder['build']> {
  const b = new ProgramBuilder()
    .mov(R0, 0xff)
    .load('w', R2, R1, 0)
    .load('w', R3, R1, 4)
    .mov(R4, R2)
    .alu64('add', R4, 1)
    .jumpIf('jgt', R4, R3, 'end')
    .load('b', R6, R2, 0)
    .alu64('sub', R3, R2)
    .store('dw', R10, -16, R3);
  DEFS.forEach(({ type }, index) => {
    const mine = type === T.BPF_MAP_TYPE_PERCPU_ARRAY || type === T.BPF_MAP_TYPE_PERCPU_HASH;
    b.store('w', R10, -4, type === T.BPF_MAP_TYPE_PERCPU_ARRAY ? 0 : R6);
    b.raw(makeInsn(0x18, 1, 1, 0, index), makeInsn(0, 0, 0, 0, 0))
      .mov(R2, R10)
      .alu64('add', R2, -4);
    b.helper(MAP_LOOKUP_ELEM).jumpIf('jeq', R0, 0, 'end').mov(R1, 1);
    if (!mine) b.atomic(64, 'add', R0, 0, R1);
    else b.load('dw', R1, R0, 0).alu64('add', R1, 1).store('dw', R0, 0, R1);
    if (type === T.BPF_MAP_TYPE_ARRAY) b.load('dw', R1, R10, -16).atomic(64, 'add', R0, 8, R1);
  });
  return b.mov(R0, R6).label('end').exit().build();
}

const key = (n: number): Uint8Array => Uint8Array.from([n, 0, 0, 0]);
/** Words of 64 bits of what the map has of a key. */
const words = (map: BpfMap, n: number): number[] =>
  [...new BigUint64Array((map.userLookup(key(n)) as Uint8Array).slice().buffer)].map(Number);

describe('a program in two threads', () => {
  it('counts exactly, in maps that both have and in what is each one’s own', async () => {
    expect(existsSync(BUILT), 'npm run build first').toBe(true);
    const machine = createMachine({ engine: wasmEngine(), shared: true, cpuCount: THREADS });
    const maps = DEFS.map(def => machine.createMap(def));
    for (let n = 0; n < FLOWS; n++) {
      expect(maps[1].userUpdate(key(n), new Uint8Array(8))).toBe(0);
      expect(maps[3].userUpdate(key(n), new Uint8Array(8 * THREADS))).toBe(0);
    }
    const program = machine.loadInsns('count', bpf_prog_type.BPF_PROG_TYPE_XDP, countInMaps(), maps, TAKEN_PROOF);
    // The one thread has every flow, the other every second one; lengths differ.
    const packetsOf = (cpu: number): Uint8Array[] =>
      Array.from({ length: PACKETS }, (_, i) => new Uint8Array(20 + (i % 7)).fill((i * (cpu + 1)) % FLOWS, 0, 1));
    const replies = await Promise.all(
      Array.from({ length: THREADS }, (_, cpu) => {
        const shared = machine.share(program, { cpu });
        expect(shared).toBeDefined();
        const workerData = { url: BUILT.href, shared, packets: packetsOf(cpu), times: TIMES };
        return new Promise<Reply>((resolve, reject) => {
          new Worker(WORKER, { eval: true, workerData }).once('message', resolve).once('error', reject);
        });
      }),
    );
    const all = Array.from({ length: THREADS }, (_, cpu) => packetsOf(cpu));
    const counted = (cpu: number, flow: number): Uint8Array[] => all[cpu].filter(packet => packet[0] === flow);
    replies.forEach(({ done, fault, verdicts }, cpu) => {
      expect({ done, fault }).toEqual({ done: TIMES * PACKETS, fault: undefined });
      expect([...verdicts]).toEqual(all[cpu].map(packet => packet[0]));
    });
    for (let flow = 0; flow < FLOWS; flow++) {
      const by = [0, 1].map(cpu => TIMES * counted(cpu, flow).length);
      const bytes = [0, 1].map(cpu => TIMES * counted(cpu, flow).reduce((sum, { length }) => sum + length, 0));
      expect(words(maps[0], flow)).toEqual([by[0] + by[1], bytes[0] + bytes[1]]);
      expect(words(maps[1], flow)).toEqual([by[0] + by[1]]);
      expect(words(maps[3], flow)).toEqual(by);
    }
    expect(words(maps[2], 0)).toEqual([TIMES * PACKETS, TIMES * PACKETS]);
  });
});
