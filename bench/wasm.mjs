// Kernels of bench/kernels translated to WebAssembly beside what gcc -O2 makes of the same C: ns a run, medians of rounds
// that take turns, ratios and their geometric mean. Both run on one core (--core), the C in a process of its own.
//   npm run build && node bench/wasm.mjs [--json] [--rounds N] [--only NAME,NAME] [--core N] [--without PASS,PASS] [--blind]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWithC, dir, KERNELS, printComparison, verifierOf } from './kernels/compare.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    without: { type: 'string', default: '' },
    blind: { type: 'boolean' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
    wasm: { type: 'string' },
  },
});
const { openObject } = await import(new URL('object/index.js', options.dist));
const { translateProgram, MAIN_STATE, RUN_STATE } = await import(new URL('jit/index.js', options.dist));

const verifierSays = await verifierOf(options.dist, options.blind);

const rounds = Number(options.rounds);

const all = Object.keys(KERNELS);
const names = options.only?.split(',') ?? all;
const without = new Set(options.without.split(',').filter(name => name !== ''));

const CTX = 0x10000;
const DATA = 0x20000;
const STACK_END = 0x1f000;

function instantiate(name) {
  const spec = openObject(readFileSync(join(dir, `${name}.bpf.o`)), { name });
  const { insns } = [...spec.programs].find(program => program.name === 'kernel');
  const { stackDepth, stackReach } = verifierSays(name, insns)?.stats ?? {};
  const from = process.hrtime.bigint();
  const { bytes } = translateProgram(insns, { without, stackDepths: stackDepth, stackReach });
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

/** Optimised code comes in its own time, on other threads that want this core. */
async function warm(ours, roundNs) {
  for (let n = 0; n < 12; n++) {
    ours.run(Math.max(20, Math.round(roundNs / 2 / ours.run(20).ns)));
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

const { rows, ...means } = await compareWithC(names, { ...options, rounds }, instantiate, warm);
const kernels = rows.map(({ ourNs, ...row }) => ({ ...row, wasmNs: ourNs }));
const result = { node: process.version, rounds, without: [...without], kernels, ...means };
if (options.json) console.log(JSON.stringify(result));
else {
  console.log(
    `node ${process.version}, ${rounds} rounds${without.size > 0 ? `, without ${[...without].join(', ')}` : ''}`,
  );
  printComparison({ rows, ...means });
}
