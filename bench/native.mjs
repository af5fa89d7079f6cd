// Kernels of bench/kernels in code of this CPU beside what gcc -O2 makes of the same C, and what a call from JavaScript costs.
// All run on one core (--core), the C in a process of its own.
//   npm run build && node bench/native.mjs [--json] [--rounds N] [--only NAME,NAME] [--core N]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWithC, dir, KERNELS, median, printComparison } from './kernels/compare.mjs';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '21' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
  },
});
const { openObject } = await import(new URL('object/index.js', options.dist));
const { ProgramBuilder } = await import(new URL('isa/index.js', options.dist));
const { LinearMemory } = await import(new URL('mem/index.js', options.dist));
const { nativeEngine } = await import(new URL('engine/native/index.js', options.dist));
const { wasmEngine } = await import(new URL('engine/index.js', options.dist));

const rounds = Number(options.rounds);
const names = options.only?.split(',') ?? Object.keys(KERNELS);
const SOCKET_FILTER = 1;
const XDP = 6;
const proof = { ok: true, stats: { stackDepth: [] } };

/** A program on a machine of nothing but memory; R1 points to where its data begin and end. */
function open(engine, type, insns, data) {
  const mem = new LinearMemory('little');
  const at = mem.alloc(data.length);
  mem.write(at, data);
  const ctxAddr = mem.alloc(32);
  mem.view.setUint32(ctxAddr, at, true);
  mem.view.setUint32(ctxAddr + 4, at + data.length, true);
  const host = {
    env: { mem, regs: new Int32Array(22), mapAt: () => undefined },
    helper: () => undefined,
    kfunc: () => undefined,
    packetLoad: () => undefined,
    maps: [],
    tailCallTarget: () => undefined,
    setCallFunc: call => call,
  };
  const loaded = engine.load({ name: 'kernel', type, id: 1, handle: 0, insns, proof }, host);
  return { mem, at, ctxAddr, loaded, runner: loaded.open({ ctxAddr }) };
}

const engine = nativeEngine();

function instantiate(name) {
  const spec = openObject(readFileSync(join(dir, `${name}.bpf.o`)), { name });
  const { insns } = [...spec.programs].find(program => program.name === 'kernel');
  const { runner, ctxAddr, loaded } = open(engine, SOCKET_FILTER, insns, KERNELS[name]);
  return {
    insns: insns.length,
    sizeBytes: loaded.code().program.bytes.length,
    run(times) {
      const before = process.hrtime.bigint();
      runner.repeat(ctxAddr, times);
      return { ns: Number(process.hrtime.bigint() - before) / times, result: runner.r0 };
    },
  };
}

const warm = async (ours, roundNs) => void ours.run(Math.max(20, Math.round(roundNs / ours.run(20).ns)));
const { rows, geomean } = await compareWithC(names, { ...options, rounds }, instantiate, warm);
for (const { name, ...row } of rows) if (options.code) writeFileSync(join(options.code, name), row.bytes);

/** if (data + 14 > data_end) return 1; return *(u16 *)(data + 12) == htons(0x800) ? 2 : 1 */
function tinyXdp() {
  const b = new ProgramBuilder();
  return b;
}
void tinyXdp;
void median;
void wasmEngine;
void ProgramBuilder;
void XDP;
if (options.json) console.log(JSON.stringify({ node: process.version, rounds, kernels: rows, geomean }));
else {
  console.log(`node ${process.version}, ${rounds} rounds`);
  printComparison({ rows, geomean });
}
