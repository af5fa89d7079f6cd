// What a call costs by distance and CPU: the form chosen, its bytes, and the instructions one call executes on the emulated
// CPU, callee's own work taken off; beside what Linux 6.12's JIT does at the same place.
//   npm run build && node bench/calls.mjs
import { emulatorEngine } from '../dist/engine/index.js';
import { ProgramBuilder, R0, R1 } from '../dist/isa/index.js';
import { createMachine } from '../dist/machine/index.js';

const CALLS = 16;
const BASE = 0xc008000040000040n;
const DISTANCES = [
  ['1 KB', 0x400n],
  ['32 MB - 64 KB', 0x1ff0000n],
  ['32 MB + 64 KB', 0x2010000n],
  ['1 GB', 0x40000000n],
  ['6 GB', 0x180000000n],
  ['1 TB', 0x10012345600n],
];

/** `calls` calls of a function that returns at once. */
function program(calls) {
  const b = new ProgramBuilder().mov(R1, 1);
  for (let i = 0; i < calls; i++) b.call('f').mov(R1, R0);
  return b.mov(R0, R1).exit().label('f').mov(R0, R1).exit().build();
}

function measure(target, cpu, mode, distance) {
  const run = calls => {
    const engine = emulatorEngine({
      target,
      cpu,
      mode,
      placement: (_, index) => ({ at: BASE + BigInt(index) * distance }),
    });
    const machine = createMachine({ engine, order: target === 'ppc64' ? 'big' : 'little' });
    const { loaded } = machine.loadInsns('calls', 1, program(calls));
    const { outcome } = loaded;
    if (!outcome.jited) throw new Error(outcome.reason?.message);
    return { insns: loaded.run(0n).insnCount, func: outcome.funcs[0] };
  };
  const many = run(CALLS + 1);
  const one = run(1);
  const site = many.func.sites[0];
  return {
    form: site.form,
    bytes: site.endBytes - site.offBytes,
    insns: ((many.insns - one.insns) / CALLS).toFixed(1),
    all: many.func.bytes.length,
  };
}

console.log(
  `node ${process.version}: ${CALLS + 1} calls of one function; bytes of the first, instructions a call with its callee and the move after it`,
);
for (const target of ['ppc64le', 'ppc64']) {
  console.log(`\n${target.padEnd(18)}${['power8', 'power9', 'power10', '6.12'].map(name => name.padEnd(24)).join('')}`);
  for (const [name, distance] of DISTANCES) {
    const cells = [];
    for (const [cpu, mode] of [
      ['power8', 'own'],
      ['power9', 'own'],
      ['power10', 'own'],
      ['power9', 'compat'],
    ]) {
      const { form, bytes, insns } = measure(target, cpu, mode, distance);
      cells.push(`${form} ${bytes} B, ${insns} insns`.padEnd(24));
    }
    console.log(`${name.padEnd(18)}${cells.join('')}`);
  }
}
