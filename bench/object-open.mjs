// Time to open a BPF object and fit it to a kernel, without and with opening the kernel's BTF.
//
//   npm run build && node bench/object-open.mjs OBJECT.o VMLINUX_BTF [RUNS]
//
// VMLINUX_BTF is raw BTF (/sys/kernel/btf/vmlinux). Prints medians in milliseconds, the first run apart: it compiles.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { openBtf } from '../dist/btf/index.js';
import { openObject, relocateObject } from '../dist/object/index.js';

const [objectPath, btfPath, runsText = '31'] = process.argv.slice(2);
if (btfPath === undefined) {
  console.error('usage: node bench/object-open.mjs OBJECT.o VMLINUX_BTF [RUNS]');
  process.exit(2);
}
const objectBytes = new Uint8Array(readFileSync(objectPath));
const btfBytes = new Uint8Array(readFileSync(btfPath));
const runs = Number(runsText);

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];
const times = { 'open BTF': [], 'open object': [], relocate: [], 'open + relocate': [] };
let last;
for (let i = 0; i < runs; i++) {
  const t0 = performance.now();
  const targetBtf = openBtf(btfBytes);
  const t1 = performance.now();
  const spec = openObject(objectBytes, { name: objectPath });
  const t2 = performance.now();
  last = relocateObject(spec, { targetBtf });
  const t3 = performance.now();
  times['open BTF'].push(t1 - t0);
  times['open object'].push(t2 - t1);
  times.relocate.push(t3 - t2);
  times['open + relocate'].push(t3 - t1);
}
const { programs } = last.spec;
const insns = programs.reduce((sum, program) => sum + program.insns.length, 0);
console.log(
  `node ${process.version} ${process.arch}: ${objectBytes.length} bytes, ${programs.length} programs, ${insns} slots, ` +
    `${last.results.length} CO-RE relocations, BTF of ${btfBytes.length} bytes`,
);
for (const [name, values] of Object.entries(times)) {
  console.log(`${name.padEnd(16)} median ${median(values).toFixed(2)} ms, first ${values[0].toFixed(2)} ms`);
}
