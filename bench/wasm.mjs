// Kernels of bench/kernels translated to WebAssembly beside what gcc -O2 makes of the same C: ns a run, medians of rounds
// that take turns, ratios and their geometric mean. Both run on one core (--core), the C in a process of its own.
//   npm run build && node bench/wasm.mjs [--json] [--rounds N] [--only NAME,NAME] [--core N] [--without PASS,PASS]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    without: { type: 'string', default: '' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
    wasm: { type: 'string' },
  },
});
const { openObject } = await import(new URL('object/index.js', options.dist));
const { translateProgram, MAIN_STATE, RUN_STATE } = await import(new URL('jit/index.js', options.dist));

const dir = fileURLToPath(new URL('kernels/', import.meta.url));
const ROUND_NS = 15e6;
const rounds = Number(options.rounds);
execFileSync('taskset', ['-pc', options.core, String(process.pid)]);

/** Bytes that look like nothing in particular, the same each time. */
function noise(sizeBytes) {
  const bytes = new Uint8Array(sizeBytes);
  let x = 0x2545f491;
  for (let i = 0; i < sizeBytes; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 8;
  }
  return bytes;
}

function packet() {
  const bytes = noise(1500);
  bytes.set([0x08, 0x00, 0x46], 12);
  bytes[23] = 17;
  return bytes;
}

/** 16 segments' options, 40 bytes each. */
function segments() {
  const bytes = new Uint8Array(16 * 40).fill(1);
  for (let n = 0; n < 16; n++) {
    const some = [[2, 4, 5, 0xb4], [4, 2], [8, 10, n, 1, 2, 3, n, 5, 6, 7], [1], [3, 3, n], [77, 5, 1, 2, 3]];
    let at = 40 * n;
    for (let k = 0; k < some.length; k++) {
      const option = some[(k * 5 + n) % some.length];
      bytes.set(option, at);
      at += option.length;
    }
    if (n % 3 === 0) bytes[at] = 0;
  }
  return bytes;
}

const KERNELS = {
  alu: noise(8),
  jhash: noise(1024),
  siphash: noise(1024),
  sieve: new Uint8Array(8192),
  packet: packet(),
  calls: noise(8),
  sort: noise(256),
  options: segments(),
  crc32: noise(2048),
};
const all = Object.keys(KERNELS);
const names = options.only?.split(',') ?? all;
const without = new Set(options.without.split(',').filter(name => name !== ''));

const scratch = mkdtempSync(join(tmpdir(), 'kernels-'));
process.on('exit', () => rmSync(scratch, { recursive: true }));

function startNative() {
  const objects = names.map(name => {
    const object = join(scratch, `${name}.o`);
    execFileSync(options.cc, ['-O2', `-Dkernel=kernel_${name}`, '-c', join(dir, `${name}.c`), '-o', object]);
    writeFileSync(join(scratch, `${name}.bin`), KERNELS[name]);
    return object;
  });
  const binary = join(scratch, 'native');
  const list = names.map(name => `KERNEL(${name})`).join(' ');
  execFileSync(options.cc, ['-O2', `-DKERNELS=${list}`, join(dir, 'native.c'), ...objects, '-o', binary]);
  const child = spawn('taskset', ['-c', options.core, binary, ...names.map(name => join(scratch, `${name}.bin`))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(name, times) {
      child.stdin.write(`${names.indexOf(name)} ${times}\n`);
      const [ns, result] = (await lines.next()).value.split(' ');
      return { ns: Number(ns) / times, result: BigInt(result) };
    },
    end: () => child.stdin.end(),
  };
}

const CTX = 0x10000;
const DATA = 0x20000;
const STACK_END = 0x1f000;

function instantiate(name) {
  const spec = openObject(readFileSync(join(dir, `${name}.bpf.o`)), { name });
  const { insns } = [...spec.programs].find(program => program.name === 'kernel');
  const from = process.hrtime.bigint();
  const { bytes } = translateProgram(insns, { without });
  const translateMs = Number(process.hrtime.bigint() - from) / 1e6;
  if (options.wasm !== undefined) writeFileSync(join(options.wasm, `${name}.wasm`), bytes);
  const memory = new WebAssembly.Memory({ initial: 16 });
  const u8 = new Uint8Array(memory.buffer);
  u8.set(KERNELS[name], DATA);
  new Uint32Array(memory.buffer).set([DATA, DATA + KERNELS[name].length], CTX / 4);
  const never = () => {
    throw new Error('the kernel called out');
  };
  const module = new WebAssembly.Module(bytes);
  const imports = { memory, table: new WebAssembly.Table({ element: 'anyfunc', initial: 64 }) };
  for (const { name: wanted, kind } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') imports[wanted] = never;
    if (kind === 'global') imports[wanted] = new WebAssembly.Global({ value: 'i32' }, 1);
  }
  const { exports } = new WebAssembly.Instance(module, { farcall: imports });
  const i32 = new Int32Array(memory.buffer);
  i32[(MAIN_STATE + RUN_STATE.sp) / 4] = STACK_END;
  const high = (MAIN_STATE + RUN_STATE.regs) / 4 + 1;
  const { run } = exports;
  return {
    translateMs,
    sizeBytes: bytes.length,
    insns: insns.length,
    run(times) {
      let low = 0;
      const before = process.hrtime.bigint();
      for (let n = 0; n < times; n++) low = run(CTX, 0);
      const ns = Number(process.hrtime.bigint() - before) / times;
      return { ns, result: (BigInt(i32[high] >>> 0) << 32n) | BigInt(low >>> 0) };
    },
  };
}

const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
const native = startNative();
const rows = [];
for (const name of names) {
  const ours = instantiate(name);
  // Optimised code comes in its own time, on other threads that want this core.
  for (let n = 0; n < 12; n++) {
    ours.run(Math.max(20, Math.round(ROUND_NS / 2 / ours.run(20).ns)));
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  const theirTimes = Math.max(1, Math.round(ROUND_NS / (await native.run(name, 2000)).ns));
  const ourTimes = Math.max(1, Math.round(ROUND_NS / ours.run(1000).ns));
  const wasmNs = [];
  const gccNs = [];
  for (let round = 0; round < rounds; round++) {
    const a = ours.run(ourTimes);
    const b = await native.run(name, theirTimes);
    if (a.result !== b.result) throw new Error(`${name}: ${a.result} here, ${b.result} from C`);
    wasmNs.push(a.ns);
    gccNs.push(b.ns);
  }
  const { insns, sizeBytes } = ours;
  // Each round's two are neighbours in time: the machine's clock moves between rounds.
  const ratio = median(wasmNs.map((ns, i) => ns / gccNs[i]));
  rows.push({ name, insns, sizeBytes, wasmNs: median(wasmNs), gccNs: median(gccNs), ratio });
}
native.end();
const geomean = Math.exp(rows.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / rows.length);
const result = { node: process.version, rounds, without: [...without], kernels: rows, geomean };
if (options.json) console.log(JSON.stringify(result));
else {
  console.log(
    `node ${process.version}, ${rounds} rounds${without.size > 0 ? `, without ${[...without].join(', ')}` : ''}`,
  );
  for (const { name, wasmNs, gccNs, ratio, insns, sizeBytes } of rows) {
    const cells = [wasmNs.toFixed(0).padStart(7), gccNs.toFixed(0).padStart(7), ratio.toFixed(2).padStart(6)];
    console.log(`${name.padEnd(9)}${cells.join(' ')}   ${insns} insns, ${sizeBytes} bytes`);
  }
  console.log(`${'geomean'.padEnd(24)} ${geomean.toFixed(2).padStart(6)}`);
}
