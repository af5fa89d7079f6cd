// ns a BPF instruction on the interpreter: the example checksum loop over packets of 64 and 1,500 bytes, and a loop of
// arithmetic. Medians of rounds with their spread.
//   npm run build && node bench/interp.mjs [ROUNDS]
import { readFileSync } from 'node:fs';
import { createMachine, openObject, ProgramBuilder } from '../dist/index.js';
import { R0, R1 } from '../dist/isa/index.js';

const rounds = Number(process.argv[2] ?? 15);
const object = readFileSync(new URL('../examples/checksum.bpf.o', import.meta.url));

function measure(name, machine, program, request) {
  const samples = [];
  for (let round = -5; round < rounds; round++) {
    const repeat = 2000;
    const from = performance.now();
    const result = machine.run(program, { ...request, repeat });
    if (result.fault !== undefined) throw new Error(result.fault.message);
    const ns = ((performance.now() - from) * 1e6) / result.insnCount;
    if (round >= 0) samples.push({ ns, insns: result.insnCount / repeat });
  }
  samples.sort((a, b) => a.ns - b.ns);
  const median = samples[samples.length >> 1];
  const spread = `${samples[0].ns.toFixed(1)}..${samples.at(-1).ns.toFixed(1)}`;
  console.log(
    `${name.padEnd(28)} ${median.ns.toFixed(1).padStart(6)} ns/insn  (${spread}, ${median.insns} insns a run)`,
  );
}

console.log(`node ${process.version}, ${rounds} rounds`);
for (const bytes of [64, 1500]) {
  const machine = createMachine();
  const loaded = machine.loadObject(openObject(object, { name: 'checksum' }));
  measure(`checksum of ${bytes} bytes`, machine, loaded.programs.get('checksum'), {
    dataIn: new Uint8Array(bytes).fill(0x5a),
  });
}
const machine = createMachine();
const loop = new ProgramBuilder()
  .mov(R0, 1)
  .mov(R1, 200)
  .label('l')
  .alu64('mul', R0, 31)
  .alu64('add', R0, R1)
  .alu64('sub', R1, 1)
  .jumpIf('jne', R1, 0, 'l')
  .exit();
measure('64-bit arithmetic loop', machine, machine.loadInsns('loop', 6, loop.build()), { dataIn: new Uint8Array(64) });
