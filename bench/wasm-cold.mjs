// From a verified program's instructions to its first result, in processes that have done nothing before: translate, compile,
// instantiate, run; milliseconds, medians over processes, and microseconds an instruction of the whole. Programs of 1,000 slots
// and more are written quickly when they first run, as here by default.
//   npm run build && node bench/wasm-cold.mjs [--json] [--processes N] [--sizes 100,5000] [--effort full] [--without PASS,PASS]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiled } from './programs.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    processes: { type: 'string', default: '9' },
    sizes: { type: 'string', default: '100,1000,5000,20000,100000' },
    without: { type: 'string', default: '' },
    effort: { type: 'string', default: 'quick' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
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

if (options.one !== undefined) await one(Number(options.one));
else {
  const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
  const rows = [];
  const samples = new Map(options.sizes.split(',').map(size => [size, []]));
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
      ];
      found.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
    }
  }
  for (const found of samples.values()) {
    const of = name => median(found.map(sample => sample[name]));
    const row = { insns: found[0].insns, sizeBytes: found[0].sizeBytes };
    for (const name of ['translate', 'module', 'instance', 'first', 'total']) row[`${name}Ms`] = of(name);
    row.leastMs = Math.min(...found.map(sample => sample.total));
    rows.push({ ...row, usPerInsn: (row.totalMs * 1000) / row.insns });
  }
  if (options.json) console.log(JSON.stringify({ node: process.version, rows }));
  else {
    console.log(`node ${process.version}, ${options.effort}, ms, medians of ${options.processes} processes`);
    console.log('  insns   bytes translate module instance  first  total (least)  µs/insn');
    for (const row of rows) {
      const ms = name => row[`${name}Ms`].toFixed(2);
      console.log(
        `${String(row.insns).padStart(7)} ${String(row.sizeBytes).padStart(7)} ${ms('translate').padStart(9)} ` +
          `${ms('module').padStart(6)} ${ms('instance').padStart(8)} ${ms('first').padStart(6)} ${ms('total').padStart(6)} ` +
          `(${row.leastMs.toFixed(2)})  ${row.usPerInsn.toFixed(2).padStart(6)}`,
      );
    }
  }
}
