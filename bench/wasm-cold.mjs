// From a verified program's instructions to its first result, in processes that have done nothing before: translate, compile,
// instantiate, run; milliseconds, medians over processes, and microseconds an instruction of the whole. Programs of 1,000 slots
// and more are written quickly when they first run, as here by default.
//   npm run build && node bench/wasm-cold.mjs [--json] [--processes N] [--sizes 100,5000] [--effort full] [--without PASS,PASS]
// With --machine a machine loads the program, which was verified before, and runs it on a packet: all that a first run takes.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiled } from './programs.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    processes: { type: 'string', default: '9' },
    sizes: { type: 'string' },
    without: { type: 'string', default: '' },
    effort: { type: 'string', default: 'quick' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
    machine: { type: 'boolean', default: false },
    one: { type: 'string' },
  },
});

async function one(size) {
  const isa = await import(new URL('isa/index.js', options.dist));
  const { translateProgram, MAIN_STATE, RUN_STATE } = await import(new URL('jit/index.js', options.dist));
  const insns = compiled(isa, size);
  const memory = new WebAssembly.Memory({ initial: 16 });
  new Int32Array(memory.buffer)[(MAIN_STATE + RUN_STATE.sp) / 4] = 0x1f000;
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 64 });
  const never = () => {
    throw new Error('the program called out');
  };
  const without = new Set(options.without.split(',').filter(name => name !== ''));
  const t0 = performance.now();
  const { bytes } = translateProgram(insns, { without, effort: options.effort });
  const t1 = performance.now();
  const module = new WebAssembly.Module(bytes);
  const t2 = performance.now();
  const imports = { memory, table };
  for (const { name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') imports[name] = never;
    if (kind === 'global') imports[name] = new WebAssembly.Global({ value: 'i32' }, 1);
  }
  const { exports } = new WebAssembly.Instance(module, { farcall: imports });
  const t3 = performance.now();
  exports.run(0x20000, 0);
  const t4 = performance.now();
  const parts = { translate: t1 - t0, module: t2 - t1, instance: t3 - t2, first: t4 - t3, total: t4 - t0 };
  console.log(JSON.stringify({ insns: insns.length, sizeBytes: bytes.length, ...parts }));
}

/** The same by way of a machine. */
async function oneByMachine(size) {
  const load = path => import(new URL(path, options.dist));
  const isa = await load('isa/index.js');
  const { createMachine } = await load('index.js');
  const { wasmEngine } = await load('engine/index.js');
  const { kernelImage } = await load('kernels/index.js');
  const { prepareInsns, verifyInsns } = await load('machine/index.js');
  const insns = compiled(isa, size);
  const image = kernelImage('6.12-amd64');
  const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
  const kernel = { version: '6.12', arch: image.arch, btf: undefined, image };
  const verdict = verifyInsns(prepareInsns({ name: 'cold', type: 1, insns }, caps, undefined), {
    kernel,
    logLevel: 0,
    caps,
  });
  if (verdict.verdict !== 'accept') throw new Error(verdict.message);
  const machine = createMachine({ engine: wasmEngine() });
  const dataIn = new Uint8Array(64);
  const t0 = performance.now();
  const program = machine.loadInsns('cold', 1, insns, [], verdict.full);
  const t1 = performance.now();
  machine.run(program, { dataIn });
  const t2 = performance.now();
  console.log(JSON.stringify({ insns: insns.length, load: t1 - t0, run: t2 - t1, total: t2 - t0 }));
}

if (options.one !== undefined) await (options.machine ? oneByMachine : one)(Number(options.one));
else {
  const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
  const rows = [];
  // The verifier gives up on more than 8,192 branches.
  const sizes = options.sizes ?? `100,1000,5000,20000${options.machine ? '' : ',100000'}`;
  const samples = new Map(sizes.split(',').map(size => [size, []]));
  for (let round = 0; round < Number(options.processes); round++) {
    // Sizes take turns: the machine's clock moves.
    for (const [size, found] of samples) {
      const script = fileURLToPath(import.meta.url);
      const args = [
        script,
        '--one',
        size,
        '--dist',
        options.dist,
        '--without',
        options.without,
        '--effort',
        options.effort,
        ...(options.machine ? ['--machine'] : []),
      ];
      found.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
    }
  }
  const columns = options.machine ? ['load', 'run', 'total'] : ['translate', 'module', 'instance', 'first', 'total'];
  for (const found of samples.values()) {
    const of = name => median(found.map(sample => sample[name]));
    const row = { insns: found[0].insns, sizeBytes: found[0].sizeBytes };
    for (const name of columns) row[`${name}Ms`] = of(name);
    row.leastMs = Math.min(...found.map(sample => sample.total));
    rows.push({ ...row, usPerInsn: (row.totalMs * 1000) / row.insns });
  }
  if (options.json) console.log(JSON.stringify({ node: process.version, rows }));
  else {
    console.log(`node ${process.version}, ${options.effort}, ms, medians of ${options.processes} processes`);
    const table = [
      ['insns', 'bytes', ...columns, '(least)', 'µs/insn'],
      ...rows.map(row => [
        String(row.insns),
        String(row.sizeBytes ?? '-'),
        ...columns.map(name => row[`${name}Ms`].toFixed(2)),
        `(${row.leastMs.toFixed(2)})`,
        row.usPerInsn.toFixed(2),
      ]),
    ];
    for (const cells of table) console.log(cells.map(cell => cell.padStart(9)).join(' '));
  }
}
