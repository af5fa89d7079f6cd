// Kernels of bench/kernels in code of this CPU beside what gcc -O2 makes of the same C, and what calls from
// JavaScript cost, beside WebAssembly's.
// All run on one core (--core), the C in a process of its own.
//   npm run build && node bench/native.mjs [--json] [--rounds N] [--only NAME,NAME] [--core N]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWithC, dir, KERNELS, median, printComparison } from './kernels/compare.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
  },
});
const { openObject } = await import(new URL('object/index.js', options.dist));
const { ProgramBuilder, R0, R1, R2, R3, R4 } = await import(new URL('isa/index.js', options.dist));
const { LinearMemory } = await import(new URL('mem/index.js', options.dist));
const { nativeEngine } = await import(new URL('engine/native/index.js', options.dist));
const { wasmEngine } = await import(new URL('engine/index.js', options.dist));

const rounds = Number(options.rounds);
const names = options.only?.split(',') ?? Object.keys(KERNELS);
const SOCKET_FILTER = 1;
const XDP = 6;
const proof = { ok: true, stats: { stackDepth: [] } };

/** A program on a machine of nothing but memory; R1 points to where its data begin and end. */
function open(engine, type, insns, data) {
  const mem = new LinearMemory('little');
  const at = mem.alloc(data.length);
  mem.write(at, data);
  const ctxAddr = mem.alloc(32);
  mem.view.setUint32(ctxAddr, at, true);
  mem.view.setUint32(ctxAddr + 4, at + data.length, true);
  const host = {
    env: { mem, regs: new Int32Array(22), mapAt: () => undefined },
    helper: () => undefined,
    kfunc: () => undefined,
    packetLoad: () => undefined,
    maps: [],
    tailCallTarget: () => undefined,
    setCallFunc: call => call,
  };
  const loaded = engine.load({ name: 'kernel', type, id: 1, handle: 0, insns, proof }, host);
  return { mem, at, ctxAddr, loaded, runner: loaded.open({ ctxAddr }) };
}

const engine = nativeEngine();

function instantiate(name) {
  const spec = openObject(readFileSync(join(dir, `${name}.bpf.o`)), { name });
  const { insns } = [...spec.programs].find(program => program.name === 'kernel');
  const { runner, ctxAddr, loaded } = open(engine, SOCKET_FILTER, insns, KERNELS[name]);
  return {
    insns: insns.length,
    sizeBytes: loaded.code().program.bytes.length,
    run(times) {
      const before = process.hrtime.bigint();
      runner.repeat(ctxAddr, times);
      return { ns: Number(process.hrtime.bigint() - before) / times, result: runner.r0 };
    },
  };
}

const warm = async (ours, roundNs) => void ours.run(Math.max(20, Math.round(roundNs / ours.run(20).ns)));
const { rows, geomean } = await compareWithC(names, { ...options, rounds }, instantiate, warm);

/** XDP_PASS for IPv4, XDP_DROP for the rest: bounds check and two loads. */
const TINY = new ProgramBuilder()
  .load('w', R2, R1, 0)
  .load('w', R3, R1, 4)
  .mov(R4, R2)
  .alu64('add', R4, 14)
  .mov(R0, 1)
  .jumpIf('jgt', R4, R3, 'end')
  .load('h', R4, R2, 12)
  .jumpIf('jne', R4, 8, 'end')
  .mov(R0, 2)
  .label('end')
  .exit()
  .build();
const BATCH = 256;
const FRAME_BYTES = 64;
const frames = new Uint8Array(BATCH * FRAME_BYTES);
for (let n = 0; n < BATCH; n++) frames[n * FRAME_BYTES + 12] = n % 3 === 0 ? 6 : 8;

function ways(named) {
  const { mem, at, ctxAddr, runner } = open(named, XDP, TINY, frames);
  const list = mem.alloc(8 * BATCH);
  const verdicts = mem.alloc(4 * BATCH);
  for (let n = 0; n < BATCH; n++) {
    mem.view.setUint32(list + 8 * n, at + n * FRAME_BYTES, true);
    mem.view.setUint32(list + 8 * n + 4, FRAME_BYTES, true);
  }
  return {
    'run(context)': { each: 1, body: () => runner.run(ctxAddr) },
    'packet(address, bytes)': { each: 1, body: () => runner.packet(at, FRAME_BYTES) },
    'batch of 256': { each: BATCH, body: () => runner.batch(list, BATCH, verdicts) },
  };
}

/** ns for each packet, by engine and way; ways take turns. */
function timeCalls() {
  const all = [
    // What the loop below costs by itself: functions that are not known to be one and the same.
    ['', { nothing: { each: 1, body: () => 0 } }],
    ['native', ways(engine)],
    ['wasm', ways(wasmEngine())],
  ].flatMap(([by, made]) => Object.entries(made).map(([way, { each, body }]) => ({ by, way, each, body, ns: [] })));
  for (let round = -5; round < rounds; round++) {
    for (const { each, body, ns } of all) {
      const times = Math.round(400_000 / each);
      const before = process.hrtime.bigint();
      for (let n = 0; n < times; n++) body();
      const took = Number(process.hrtime.bigint() - before) / times / each;
      if (round >= 0) ns.push(took);
    }
  }
  return all.map(({ by, way, ns }) => ({ by, way, ns: median(ns) }));
}

const calls = timeCalls();
if (options.json) console.log(JSON.stringify({ node: process.version, rounds, kernels: rows, geomean, calls }));
else {
  console.log(`node ${process.version}, ${rounds} rounds`);
  printComparison({ rows, geomean });
  console.log('ns a packet of a tiny XDP program:');
  for (const { by, way, ns } of calls) console.log(`${by.padEnd(7)} ${way.padEnd(24)} ${ns.toFixed(2).padStart(7)}`);
}
