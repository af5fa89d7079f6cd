// Kernels of bench/kernels in code of this CPU beside what gcc -O2 makes of the same C, and what calls from
// JavaScript cost, beside WebAssembly's.
// All run on one core (--core), the C in a process of its own.
//   npm run build && node bench/native.mjs [--json] [--rounds N] [--only NAME,NAME] [--core N] [--blind]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWithC, dir, KERNELS, median, printComparison, verifierOf } from './kernels/compare.mjs';
import { tinyXdp } from './programs.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    blind: { type: 'boolean' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
  },
});
const { openObject } = await import(new URL('object/index.js', options.dist));
const isa = await import(new URL('isa/index.js', options.dist));
const { LinearMemory } = await import(new URL('mem/index.js', options.dist));
const { nativeEngine } = await import(new URL('engine/native/index.js', options.dist));
const { wasmEngine } = await import(new URL('engine/index.js', options.dist));

const rounds = Number(options.rounds);
const names = options.only?.split(',') ?? Object.keys(KERNELS);
const SOCKET_FILTER = 1;
const XDP = 6;
/** Nothing is known but that they may run. */
const TAKEN = { ok: true, stats: { stackDepth: [] } };
const verifierSays = await verifierOf(options.dist, options.blind);

/** A program on a machine of nothing but memory; R1 points to where its data begin and end. */
function open(engine, type, insns, data, proof = TAKEN) {
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
  const { runner, ctxAddr, loaded } = open(engine, SOCKET_FILTER, insns, KERNELS[name], verifierSays(name, insns));
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
const { rows, ...means } = await compareWithC(names, { ...options, rounds }, instantiate, warm);

const TINY = tinyXdp(isa);
const BATCH = 256;
const FRAME_BYTES = 64;
const frames = new Uint8Array(BATCH * FRAME_BYTES);
for (let n = 0; n < BATCH; n++) frames[n * FRAME_BYTES + 12] = n % 3 === 0 ? 6 : 8;

/** The program held ready on an engine, and packets for it. */
function ready(named) {
  const { mem, at, runner } = open(named, XDP, TINY, frames);
  const list = mem.alloc(8 * BATCH);
  const verdicts = mem.alloc(4 * BATCH);
  for (let n = 0; n < BATCH; n++) {
    mem.view.setUint32(list + 8 * n, at + n * FRAME_BYTES, true);
    mem.view.setUint32(list + 8 * n + 4, FRAME_BYTES, true);
  }
  return { runner, at, batch: runner.over(list, BATCH, verdicts) };
}
const native = ready(engine);
const wasm = ready(wasmEngine());
// (func (export "f") (result i32) i32.const 2)
const EMPTY = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 2, 11,
]);
const { f } = new WebAssembly.Instance(new WebAssembly.Module(EMPTY)).exports;

/** Each runs `count` packets: functions of their own, so that what is measured is the call and not how it is reached. */
const WAYS = {
  'an export of WebAssembly that does nothing': count => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum = (sum + f()) | 0;
    return sum;
  },
  'native, context ready': count => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum = (sum + native.runner.ready()) | 0;
    return sum;
  },
  'native, packet(address, bytes)': count => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum = (sum + native.runner.packet(native.at, FRAME_BYTES)) | 0;
    return sum;
  },
  'native, batches of 256': count => {
    for (let n = 0; n < count; n += BATCH) native.batch.all();
    return 0;
  },
  'wasm, context ready': count => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum = (sum + wasm.runner.ready()) | 0;
    return sum;
  },
  'wasm, packet(address, bytes)': count => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum = (sum + wasm.runner.packet(wasm.at, FRAME_BYTES)) | 0;
    return sum;
  },
  'wasm, batches of 256': count => {
    for (let n = 0; n < count; n += BATCH) wasm.batch.all();
    return 0;
  },
};

/** ns for each packet, least and median; ways take turns. */
function timeCalls() {
  const COUNT = 1 << 18;
  const samples = Object.keys(WAYS).map(way => ({ way, ns: [] }));
  for (let round = -5; round < rounds; round++) {
    for (const { way, ns } of samples) {
      const before = process.hrtime.bigint();
      WAYS[way](COUNT);
      const took = Number(process.hrtime.bigint() - before) / COUNT;
      if (round >= 0) ns.push(took);
    }
  }
  return samples.map(({ way, ns }) => ({ way, median: median(ns), least: Math.min(...ns) }));
}

const calls = timeCalls();
if (options.json) console.log(JSON.stringify({ node: process.version, rounds, kernels: rows, ...means, calls }));
else {
  console.log(`node ${process.version}, ${rounds} rounds`);
  printComparison({ rows, ...means });
  console.log('ns a packet of a tiny XDP program, median and least:');
  for (const { way, median: middle, least } of calls) {
    console.log(`${way.padEnd(44)} ${middle.toFixed(2).padStart(7)} ${least.toFixed(2).padStart(7)}`);
  }
}
