// ns a packet of a tiny XDP program from JavaScript, by way of running it, beside a WebAssembly export that does nothing.
// Ways take turns, each a function of its own; medians of rounds with their spread, and how many times the export's least the least is, which says most on a
// machine that is busy.
//   npm run build && node bench/packet.mjs [ROUNDS]

import { interpEngine, wasmEngine } from '../dist/engine/index.js';
import { createMachine } from '../dist/index.js';
import * as isa from '../dist/isa/index.js';
import { kernelImage } from '../dist/kernels/index.js';
import { prepareInsns, verifyInsns } from '../dist/machine/index.js';
import { bpf_prog_type } from '../dist/uapi/index.js';
import { tinyXdp } from './programs.mjs';

const rounds = Number(process.argv[2] ?? 15);
const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const BATCH = 256;

const insns = tinyXdp(isa);

const image = kernelImage('6.12-amd64');
const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
const verdict = verifyInsns(prepareInsns({ name: 'tiny', type: XDP, insns }, caps, undefined), {
  kernel: { version: '6.12', arch: image.arch, btf: undefined, image },
  logLevel: 0,
  caps,
});
if (verdict.verdict !== 'accept') throw new Error(verdict.message);

const frame = new Uint8Array(64);
frame[12] = 8;
const frames = Array.from({ length: BATCH }, (_, i) => {
  const copy = frame.slice();
  copy[12] = i % 3 === 0 ? 6 : 8;
  return copy;
});

const machine = () => createMachine({ engine: wasmEngine() });
const tiny = on => on.loadInsns('tiny', XDP, insns, [], verdict.full);

// (func (export "f") (result i32) i32.const 2)
const EMPTY = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 2, 11,
]);
const { f } = new WebAssembly.Instance(new WebAssembly.Module(EMPTY)).exports;

const single = machine();
const context = single.open(tiny(single), { dataIn: frame });
const packets = machine();
const batch = packets.openBatch(tiny(packets), frames);
const few = machine();
const eight = few.openBatch(tiny(few), frames.slice(0, 8));
const repeats = machine();
const repeated = tiny(repeats);
const full = machine();
const whole = tiny(full);
const slow = createMachine({ engine: interpEngine });
const interpreted = slow.loadInsns('tiny', XDP, insns);

/**
 * Each runs `count` packets. They are functions of their own with a sum of their own, so that what is measured is the call: one
 * function that is given different things to call, or a sum in a variable of the module, costs more than some of the calls do.
 */
const WAYS = {
  'an export that does nothing': count => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum = (sum + f()) | 0;
    return sum;
  },
  'context ready': count => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum = (sum + context.run()) | 0;
    return sum;
  },
  'context made in WebAssembly': count => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum = (sum + batch.runOne(i & 255)) | 0;
    return sum;
  },
  'batches of 8': count => {
    for (let i = 0; i < count; i += 8) eight.runAll();
    return 0;
  },
  'batches of 256': count => {
    for (let i = 0; i < count; i += BATCH) batch.runAll();
    return 0;
  },
  'machine.run, repeat': count => repeats.run(repeated, { dataIn: frame, repeat: count }).retval,
  'machine.run': count => {
    let sum = 0;
    for (let i = 0; i < count >> 6; i++) sum = (sum + full.run(whole, { dataIn: frame }).retval) | 0;
    return sum;
  },
  'interpreter, repeat': count => slow.run(interpreted, { dataIn: frame, repeat: count >> 4 }).retval,
};
const DIVIDE = { 'machine.run': 64, 'interpreter, repeat': 16 };
const COUNT = 1 << 18;

let sink = 0;
const samples = Object.fromEntries(Object.keys(WAYS).map(name => [name, []]));
for (let round = -8; round < rounds; round++) {
  for (const [name, way] of Object.entries(WAYS)) {
    const from = performance.now();
    sink ^= way(COUNT);
    const ns = ((performance.now() - from) * 1e6) / (COUNT / (DIVIDE[name] ?? 1));
    if (round >= 0) samples[name].push(ns);
  }
}
for (const runner of [context, batch, eight]) {
  if (runner.fault !== undefined) throw new Error(runner.fault.message);
  runner.close();
}
const check = packets.openBatch(tiny(packets), frames);
const { verdicts } = check.run();
if (!verdicts.every((verdict, i) => verdict === (i % 3 === 0 ? 1 : 2))) throw new Error('wrong verdicts');
console.log(`node ${process.version}, ${rounds} rounds of ${COUNT} packets, ns a packet (${sink & 1})`);
let least;
for (const [name, values] of Object.entries(samples)) {
  values.sort((a, b) => a - b);
  const spread = `${values[0].toFixed(2)}–${values.at(-1).toFixed(2)}`;
  least ??= values[0];
  console.log(
    `${name.padEnd(30)} ${values[values.length >> 1].toFixed(2).padStart(8)}  (${spread})  ${(values[0] / least).toFixed(2)}`,
  );
}
