// What a tail call costs natively, in WebAssembly, and natively where JavaScript finds the target: a program that tail-calls itself
// 33 times, and 33 programs one behind the other that keep registers and have a frame; less a run whose array is empty.
//   npm run build && node bench/tail-calls.mjs [--rounds N] [--json]
import { parseArgs } from 'node:util';
import { median } from './kernels/compare.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
  },
});
const { ProgramBuilder, R0, R1, R2, R3, R6, R7, R8, R9, R10 } = await import(new URL('isa/index.js', options.dist));
const { createMachine } = await import(new URL('machine/index.js', options.dist));
const { nativeEngine } = await import(new URL('engine/native/index.js', options.dist));
const { wasmEngine } = await import(new URL('engine/index.js', options.dist));

const [SOCKET_FILTER, PROG_ARRAY, TAIL_CALL] = [1, 3, 12];
const MOST = 33;
const COUNT = 20_000;
const proof = { ok: true, stats: { stackDepth: [] } };
const u32 = value => new Uint8Array(new Uint32Array([value]).buffer);

/** Tail-calls an element; says how far it came where there is none. */
function small(to) {
  return new ProgramBuilder().wide('lddw_map_fd', R2, 0).mov(R3, to).helper(TAIL_CALL).mov(R0, to).exit().build();
}
/** The same with all there is to save. */
function large(to) {
  const b = new ProgramBuilder().mov(R6, R1).load('w', R7, R6, 0).mov(R8, to).mov(R9, R7).alu64('add', R9, R8);
  for (const [n, register] of [R7, R8, R9].entries()) b.store('dw', R10, -8 * (n + 1), register);
  b.mov(R1, R6).wide('lddw_map_fd', R2, 0).mov(R3, to).helper(TAIL_CALL);
  b.load('dw', R0, R10, -16).alu64('xor', R9, R7).alu64('add', R0, R9).alu64('sub', R0, R9);
  return b.alu64('or', R0, R8).exit().build();
}

const SHAPES = { itself: [small(0)], '33 others': Array.from({ length: MOST + 1 }, (_, n) => large(n + 1)) };

/** Programs without a handle are never found in memory. */
const withoutHandles = engine => ({
  ...engine,
  load: (program, host) => engine.load({ ...program, handle: 0 }, host),
});
const native = nativeEngine();
const WAYS = { native, 'native, by the gate': withoutHandles(native), wasm: wasmEngine() };

/** Runs a shape on an engine: ns a run, and what it gave. */
function ready(engine, programs) {
  const machine = createMachine({ engine });
  const array = { name: 'jumps', type: PROG_ARRAY, keySizeBytes: 4, valueSizeBytes: 4, maxEntries: MOST + 2, flags: 0 };
  const jumps = machine.createMap(array);
  const loaded = programs.map((insns, n) => machine.loadInsns(`p${n}`, SOCKET_FILTER, insns, [jumps], proof));
  return {
    fill: full => {
      for (const [n, { id }] of loaded.entries()) {
        if (full) jumps.userUpdate(u32(n), u32(id));
        else jumps.userDelete(u32(n));
      }
    },
    run: () => {
      const runner = machine.open(loaded[0], { dataIn: new Uint8Array(64) });
      const before = process.hrtime.bigint();
      runner.repeat(COUNT);
      const ns = Number(process.hrtime.bigint() - before) / COUNT;
      const { r0 } = runner;
      runner.close();
      return { ns, r0 };
    },
  };
}

const results = [];
for (const [shape, programs] of Object.entries(SHAPES)) {
  const ways = Object.entries(WAYS).map(([way, engine]) => ({ way, ...ready(engine, programs), ns: [] }));
  for (let round = -3; round < Number(options.rounds); round++) {
    for (const { way, fill, run, ns } of ways) {
      fill(false);
      const none = run();
      fill(true);
      const all = run();
      const wanted = BigInt(programs.length === 1 ? 0 : MOST + 1);
      if (all.r0 !== wanted) throw new Error(`${shape}, ${way}: ${all.r0}, not ${wanted}`);
      if (round >= 0) ns.push((all.ns - none.ns) / MOST);
    }
  }
  for (const { way, ns } of ways) results.push({ shape, way, median: median(ns), least: Math.min(...ns) });
}
if (options.json) console.log(JSON.stringify({ node: process.version, results }));
else {
  console.log(`node ${process.version}: ns a tail call, median and least`);
  for (const { shape, way, median: middle, least } of results) {
    console.log(
      `${shape.padEnd(12)} ${way.padEnd(22)} ${middle.toFixed(2).padStart(8)} ${least.toFixed(2).padStart(8)}`,
    );
  }
}
