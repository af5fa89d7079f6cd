// ns a packet of a tiny XDP program from JavaScript, by way of running it, beside a WebAssembly export that does nothing.
// Ways take turns; medians of rounds with their spread, and how many times the export's least the least is, which says most on a
// machine that is busy.
//   npm run build && node bench/packet.mjs [ROUNDS]

import { interpEngine, wasmEngine } from '../dist/engine/index.js';
import { createMachine, ProgramBuilder } from '../dist/index.js';
import { R0, R1, R2, R3, R4 } from '../dist/isa/index.js';
import { kernelImage } from '../dist/kernels/index.js';
import { prepareInsns, verifyInsns } from '../dist/machine/index.js';
import { bpf_prog_type } from '../dist/uapi/index.js';

const rounds = Number(process.argv[2] ?? 15);
const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const BATCH = 256;

/** XDP_PASS for IPv4, XDP_DROP for the rest: bounds check and two loads. */
const insns = new ProgramBuilder()
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

// (func (export "f") (param i32 i32) (result i32) local.get 0)
const EMPTY = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 32,
  0, 11,
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

let sink = 0;
/** Each runs `count` packets. */
const WAYS = {
  'an export that does nothing': count => {
    for (let i = 0; i < count; i++) sink += f(i, 64);
  },
  'context ready': count => {
    for (let i = 0; i < count; i++) sink += context.run();
  },
  'context made in WebAssembly': count => {
    for (let i = 0; i < count; i++) sink += batch.runOne(i & 255);
  },
  'batches of 8': count => {
    for (let i = 0; i < count; i += 8) eight.runAll();
  },
  'batches of 256': count => {
    for (let i = 0; i < count; i += BATCH) batch.runAll();
  },
  'machine.run, repeat': count => {
    sink += repeats.run(repeated, { dataIn: frame, repeat: count }).retval;
  },
  'machine.run': count => {
    for (let i = 0; i < count >> 6; i++) sink += full.run(whole, { dataIn: frame }).retval;
  },
  'interpreter, repeat': count => {
    sink += slow.run(interpreted, { dataIn: frame, repeat: count >> 4 }).retval;
  },
};
const DIVIDE = { 'machine.run': 64, 'interpreter, repeat': 16 };
const COUNT = 1 << 18;

const samples = Object.fromEntries(Object.keys(WAYS).map(name => [name, []]));
for (let round = -8; round < rounds; round++) {
  for (const [name, way] of Object.entries(WAYS)) {
    const from = performance.now();
    way(COUNT);
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
