// Instructions the verifier looks at a second: programs of objects, the examples, and made-up ones of 1,000 to 100,000
// instructions whose cost per instruction has to stay the same. CPU time with garbage collection on other threads, log off,
// best of ROUNDS after a first run; heap in use after the last.
//   npm run build && node bench/verify.mjs [ROUNDS] [OBJECT_OR_DIRECTORY…]
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { openBtf } from '../dist/btf/index.js';
import { ProgramBuilder, R0, R1, R2, R3, R6, R7, R8, R9, R10 } from '../dist/isa/index.js';
import { kernelImage } from '../dist/kernels/index.js';
import { prepareObject } from '../dist/machine/index.js';
import { openObject, relocateObject } from '../dist/object/index.js';
import { verify } from '../dist/verifier/index.js';

const rounds = Number(process.argv[2] ?? 5);
const places = process.argv.slice(3);
const root = fileURLToPath(new URL('..', import.meta.url));
const btfBytes = readFileSync(join(root, 'assets/btf/vmlinux-6.12-amd64.btf.gz'));
const btf = openBtf(new Uint8Array(gunzipSync(btfBytes)));
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf, image };
const kconfig = { LINUX_KERNEL_VERSION: String(0x060c00) };

const objectsIn = place =>
  statSync(place).isDirectory()
    ? readdirSync(place)
        .filter(name => name.endsWith('.o'))
        .sort()
        .map(name => join(place, name))
    : [place];

/** Programs of an object, as libbpf hands them over. */
function programsOf(file) {
  let spec = openObject(new Uint8Array(readFileSync(file)));
  const programs = spec.programs.map(prog => (prog.type === 0 ? { ...prog, type: 1 } : prog));
  spec = relocateObject({ ...spec, programs }, { targetBtf: btf, kconfig }).spec;
  const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
  const prepared = prepareObject(spec, { kernelBtf: btf, image, kconfig, caps, relocated: true });
  return prepared.spec.programs.flatMap(program => {
    const { input, problem } = prepared.prepare(program);
    if (input === undefined) console.log(`${program.name}: ${problem?.message ?? 'not loaded'}`);
    return input === undefined ? [] : [{ name: program.name, input }];
  });
}

/** `body(b, n)` until there are `size` slots, with a number nobody knows in R6. */
function made(size, perStep, body, begin = () => {}, end = () => {}) {
  const b = new ProgramBuilder();
  b.mov(R9, R1).load('w', R6, R9, 0).mov(R7, 1).mov(R8, 0);
  begin(b);
  for (let n = 0; perStep * (n + 1) < size; n++) body(b, n);
  b.mov(R0, 0).exit();
  end(b);
  return b.build();
}

const SHAPES = {
  'straight line': size =>
    made(size, 4, (b, n) => b.alu64('add', R7, R6).alu64('xor', R7, n).alu32('mul', R7, 3).mov(R8, R7)),
  // Both ways meet again, knowing the same.
  diamonds: size =>
    made(size, 5, (b, n) =>
      b
        .load('w', R2, R9, 0)
        .jumpIf('jgt', R2, n & 0xffff, `l${n}`)
        .alu64('or', R7, 1)
        .alu64('and', R7, 0xff)
        .label(`l${n}`)
        .mov(R8, R6),
    ),
  'big stacks': size =>
    made(
      size,
      5,
      (b, n) =>
        b
          .load('dw', R2, R10, -8 * (1 + (n % 60)))
          .load('w', R3, R9, 0)
          .jumpIf('jgt', R3, n & 0xffff, `l${n}`)
          .alu64('add', R2, 7)
          .label(`l${n}`)
          .store('dw', R10, -8 * (1 + ((n * 7) % 60)), R2),
      b => {
        for (let slot = 1; slot <= 60; slot++) b.store('dw', R10, -8 * slot, R6);
      },
    ),
  'many calls': size =>
    made(
      size,
      3,
      b => b.mov(R1, R6).call('leaf').alu64('add', R7, R0),
      undefined,
      b => b.label('leaf').mov(R0, R1).alu64('mul', R0, 31).alu64('rsh', R0, 3).exit(),
    ),
  'many functions': size => {
    const count = 200;
    const length = Math.max(1, Math.floor((size - 4 * count) / (2 * count)));
    return made(
      2 * count + 2,
      2,
      (b, n) => (n < count ? b.mov(R1, R6).call(`f${n}`) : b),
      undefined,
      b => {
        for (let f = 0; f < count; f++) {
          b.label(`f${f}`).mov(R0, R1);
          for (let i = 0; i < length; i++) b.alu64('add', R0, R1).alu64('xor', R0, i);
          b.exit();
        }
      },
    );
  },
};

const rows = [];
for (const file of places.length > 0 ? places.flatMap(objectsIn) : objectsIn(join(root, 'examples')))
  for (const { name, input } of programsOf(file)) rows.push({ name, input, measured: places.length > 0 });
for (const [name, shape] of Object.entries(SHAPES)) {
  for (const size of [1000, 10_000, 100_000]) {
    // No more than 8,192 branches may wait at a time.
    const most = name === 'diamonds' || name === 'big stacks' ? Math.min(size, 40_000) : size;
    const input = {
      name: 'bench',
      type: 1,
      attachType: 0,
      flags: 0,
      insns: shape(most),
      maps: [],
      gplCompatible: true,
    };
    rows.push({ name: `${name}, ${most}`, input, measured: false });
  }
}

const cpuMs = () => process.cpuUsage().user / 1000;
console.log(`node ${process.version}, best of ${rounds}`);
console.log('| program | insns | looked at | states | peak | ms | M insns/s | heap MB |');
console.log('|---|--:|--:|--:|--:|--:|--:|--:|');
let insns = 0;
let time = 0;
for (const { name, input, measured } of rows) {
  let best = Number.POSITIVE_INFINITY;
  let verdict = verify(input, { kernel });
  const repeat = Math.max(1, Math.min(50, Math.round(20_000 / Math.max(1, verdict.stats.processedInsns))));
  for (let round = 0; round < rounds; round++) {
    const from = cpuMs();
    for (let i = 0; i < repeat; i++) verdict = verify(input, { kernel });
    best = Math.min(best, (cpuMs() - from) / repeat);
  }
  const { processedInsns, totalStates, peakStates } = verdict.stats;
  const heap = process.memoryUsage().heapUsed / 1e6;
  const figures = [input.insns.length, processedInsns, totalStates, peakStates, best.toFixed(best < 10 ? 2 : 0)];
  const rate = (processedInsns / best / 1000).toFixed(2);
  console.log(`| ${name}${verdict.ok ? '' : ' (refused)'} | ${figures.join(' | ')} | ${rate} | ${heap.toFixed(0)} |`);
  if (verdict.ok === false && !measured) console.log(`  ${verdict.message}`);
  if (!measured) continue;
  insns += processedInsns;
  time += best;
}
if (time > 0) console.log(`objects together: ${(insns / time / 1000).toFixed(2)} M insns/s`);
console.log(`resident at most: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
