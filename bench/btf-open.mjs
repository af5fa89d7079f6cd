/**
 * How long BTF takes to open, and what it costs to look things up in it. `npm run build` first, then
 *
 *     node bench/btf-open.mjs [FILE.btf | FILE.btf.gz]
 *
 * FILE is raw BTF, a kernel's by default. Also opens made-up BTF of three sizes, to see how the cost grows.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { BtfBuilder, openBtf } from '../dist/btf/index.js';

const ROUNDS = 25;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];
const ms = value => `${value.toFixed(2)} ms`;

function timed(body) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    body();
    times.push(performance.now() - start);
  }
  return times;
}

/** Heap and typed arrays an opened BTF holds, with its name index, beyond its bytes. */
async function memoryOf(bytes, name) {
  // Freed buffers leave the count a little after the collection.
  const used = async () => {
    for (let round = 0; round < 3; round++) {
      collect();
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = await used();
  const btf = openBtf(bytes);
  btf.findByName(name);
  const after = await used();
  return { btf, heapBytes: after - before };
}

/** Structs, pointers, functions and their prototypes, in about the proportions of a kernel. */
function madeUp(count) {
  const builder = new BtfBuilder();
  const int = {
    kind: 'INT',
    sizeBytes: 4,
    signed: true,
    char: false,
    bool: false,
    encoding: 1,
    bitOffset: 0,
    bits: 32,
  };
  builder.add({ ...int, name: 'int' });
  for (let i = 1; builder.typeCount <= count; i++) {
    const member = (name, typeId, bitOffset) => ({ name, typeId, bitOffset, bitSize: 0 });
    const members = [member(`first_${i % 97}`, 1, 0), member('next', builder.typeCount + 1, 64)];
    const struct = builder.add({ kind: 'STRUCT', name: `made_up_${i}`, sizeBytes: 16, members });
    const pointer = builder.add({ kind: 'PTR', name: '', typeId: struct });
    const params = [{ name: 'self', typeId: pointer }];
    const proto = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 1, params });
    for (let f = 0; f < 2; f++) builder.add({ kind: 'FUNC', name: `made_up_${i}_do_${f}`, typeId: proto, linkage: 0 });
  }
  return builder.encode();
}

async function report(label, bytes, name) {
  const first = timed(() => openBtf(bytes).findByName(name));
  const opens = timed(() => openBtf(bytes));
  const { btf, heapBytes } = await memoryOf(bytes, name);
  const names = [];
  for (let id = 1; id < btf.typeCount && names.length < 10_000; id += 7)
    if (btf.nameOf(id) !== '') names.push(btf.nameOf(id));
  const byName = median(timed(() => names.forEach(text => void btf.findByName(text)))) / names.length;
  const ids = Array.from({ length: 10_000 }, (_, i) => 1 + ((i * 7919) % (btf.typeCount - 1)));
  const byId = median(timed(() => ids.forEach(id => void btf.typeById(id)))) / ids.length;
  console.log(`${label}: ${btf.typeCount} types, ${(bytes.length / 1e6).toFixed(1)} MB`);
  console.log(`  open                      ${ms(median(opens))} median of ${ROUNDS}`);
  console.log(`  open and first name       ${ms(median(first))} median, ${ms(first[0])} the first time in the process`);
  console.log(`  per 1,000 types           ${ms((1000 * median(first)) / btf.typeCount)}`);
  console.log(`  a type by name            ${(1e6 * byName).toFixed(0)} ns`);
  console.log(`  a type by id              ${(1e6 * byId).toFixed(0)} ns, once made`);
  console.log(`  held beyond the bytes     ${(heapBytes / 1e6).toFixed(1)} MB`);
}

const path = process.argv[2] ?? new URL('../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url).pathname;
console.log(`node ${process.version}, ${process.arch}`);
if (existsSync(path)) {
  const file = readFileSync(path);
  const raw = path.endsWith('.gz') ? gunzipSync(file) : file;
  await report(path.split('/').pop(), new Uint8Array(raw.buffer, raw.byteOffset, raw.length), 'task_struct');
} else console.log(`no ${path}: kernel BTF skipped`);
for (const count of [10_000, 50_000, 150_000]) await report('made up', madeUp(count), 'made_up_99');
console.log(`heap in use at the end      ${(process.memoryUsage().heapUsed / 1e6).toFixed(1)} MB`);
