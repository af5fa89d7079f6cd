// Map operations of programs compiled to WebAssembly, by entries in the map: ns an operation, the loop around it taken off,
// CPU time, medians of rounds that take turns with the same loop over tables in C (gcc -O2). Values have 64 bytes, keys come in no order.
//   npm run build && node bench/maps.mjs [--json] [--rounds N] [--ms N] [--entries LIST] [--only NAME,NAME] [--core N] [--engine wasm|interp]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '11' },
    ms: { type: 'string', default: '10' },
    entries: { type: 'string', default: '1024,16384,131072,1048576' },
    only: { type: 'string' },
    core: { type: 'string', default: '0' },
    cc: { type: 'string', default: 'gcc' },
    engine: { type: 'string', default: 'wasm' },
    dist: { type: 'string', default: new URL('../dist/', import.meta.url).href },
  },
});
const room = name => import(new URL(`${name}/index.js`, options.dist));
const [
  { ProgramBuilder, R0, R1, R2, R3, R4, R6, R7, R8, R9, R10 },
  { bpf_map_type: T, bpf_prog_type },
  engines,
  { createMachine },
] = await Promise.all(['isa', 'uapi', 'engine', 'machine'].map(room));
execFileSync('taskset', ['-pc', options.core, String(process.pid)], { stdio: 'ignore' });

const OPS = 1000;
const ROUND_NS = Number(options.ms) * 1e6;
const rounds = Number(options.rounds);
const PROOF = { ok: true, stats: { stackDepth: [] } };

const KEY = -8;
const VALUE = -96;
const [LOOKUP, UPDATE, DELETE] = [1, 2, 3];

/** A key's bytes from the number in R1. LPM keys are prefixes of 32 bits. */
const plainKey = size => b => b.store(size === 4 ? 'w' : 'dw', R10, KEY, R1);
const lpmKey = b => b.store('w', R10, KEY, 32).store('w', R10, KEY + 4, R1);

const arg = b => b.wide('lddw_map_fd', R1, 1).mov(R2, R10).alu64('add', R2, KEY);
const lookup = b =>
  arg(b).helper(LOOKUP).jumpIf('jeq', R0, 0, 'missing').load('dw', R1, R0).alu64('add', R9, R1).label('missing');
const update = b => arg(b).mov(R3, R10).alu64('add', R3, VALUE).mov(R4, 0).helper(UPDATE).alu64('add', R9, R0);
const remake = b => update(arg(b).helper(DELETE));

const CASES = {
  array_lookup: { type: T.BPF_MAP_TYPE_ARRAY, keyBytes: 4, op: lookup, beside: ['array_lookup'] },
  percpu_array_lookup: { type: T.BPF_MAP_TYPE_PERCPU_ARRAY, keyBytes: 4, op: lookup },
  array_update: { type: T.BPF_MAP_TYPE_ARRAY, keyBytes: 4, op: update },
  hash_lookup: { type: T.BPF_MAP_TYPE_HASH, keyBytes: 8, op: lookup, beside: ['chained_lookup', 'open_lookup'] },
  hash_update: { type: T.BPF_MAP_TYPE_HASH, keyBytes: 8, op: update, beside: ['chained_update', 'open_update'] },
  hash_delete_update: { type: T.BPF_MAP_TYPE_HASH, keyBytes: 8, op: remake },
  hash12_lookup: { type: T.BPF_MAP_TYPE_HASH, keyBytes: 12, op: lookup },
  percpu_hash_lookup: { type: T.BPF_MAP_TYPE_PERCPU_HASH, keyBytes: 8, op: lookup },
  lru_lookup: { type: T.BPF_MAP_TYPE_LRU_HASH, keyBytes: 8, op: lookup },
  lru_update: { type: T.BPF_MAP_TYPE_LRU_HASH, keyBytes: 8, op: update },
  lpm_lookup: { type: T.BPF_MAP_TYPE_LPM_TRIE, keyBytes: 8, flags: 1, op: lookup, key: lpmKey },
  lpm_update: { type: T.BPF_MAP_TYPE_LPM_TRIE, keyBytes: 8, flags: 1, op: update, key: lpmKey },
};

/** The seed lies in map 0; R6 its address, R7 the rounds left, R8 the seed, R9 the sum. */
function loop(entries, key, op) {
  const b = new ProgramBuilder().wide('lddw_map_value', R6, 0).load('w', R8, R6).mov(R7, OPS).mov(R9, 0);
  for (let at = VALUE; at < 0; at += 8) b.store('dw', R10, at, 0);
  b.label('again').alu32('mul', R8, 1664525).alu32('add', R8, 1013904223).alu32('mov', R1, R8);
  b.alu32('rsh', R1, 8)
    .alu32('and', R1, entries - 1)
    .store('dw', R10, VALUE, R1);
  key(b);
  op(b);
  return b.alu64('sub', R7, 1).jumpIf('jne', R7, 0, 'again').store('w', R6, 0, R8).mov(R0, R9).exit().build();
}
const emptyOp = b => b.load('dw', R1, R10, VALUE).alu64('add', R9, R1);

function prepare(name, entries) {
  const { type, keyBytes, flags = 0, key = plainKey(keyBytes), op } = CASES[name];
  const machine = createMachine({ engine: options.engine === 'wasm' ? engines.wasmEngine() : engines.interpEngine });
  const def = { valueSizeBytes: 64, maxEntries: entries, keySizeBytes: keyBytes, flags };
  const seed = machine.createMap({
    name: 'seed',
    type: T.BPF_MAP_TYPE_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: 8,
    maxEntries: 1,
    flags: 0,
  });
  const map = machine.createMap({ name, type, ...def });
  const bytes = new Uint8Array(keyBytes);
  const value = new Uint8Array(64);
  const keyWords = new Uint32Array(bytes.buffer, 0, keyBytes >> 2);
  const lpm = type === T.BPF_MAP_TYPE_LPM_TRIE;
  if (lpm) keyWords[0] = 32;
  for (let i = 0; i < entries; i++) {
    keyWords[lpm ? 1 : 0] = i;
    new DataView(value.buffer).setUint32(0, i, true);
    if (map.userUpdate(bytes, value) !== 0) throw new Error(`${name}: no room for element ${i}`);
  }
  const programOf = insns => machine.loadInsns(name, bpf_prog_type.BPF_PROG_TYPE_XDP, insns, [seed, map], PROOF);
  const programs = { op: programOf(loop(entries, key, op)), empty: programOf(loop(entries, key, emptyOp)) };
  const start = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]);
  return (which, times) => {
    seed.userUpdate(new Uint8Array(4), start);
    const before = process.cpuUsage();
    const { fault } = machine.run(programs[which], { repeat: times, dataIn: new Uint8Array(64) });
    const { user, system } = process.cpuUsage(before);
    if (fault !== undefined) throw new Error(`${name}: ${fault.message}`);
    return ((user + system) * 1000) / times / OPS;
  };
}

const scratch = mkdtempSync(join(tmpdir(), 'maps-'));
process.on('exit', () => rmSync(scratch, { recursive: true }));
const binary = join(scratch, 'native');
execFileSync(options.cc, ['-O2', fileURLToPath(new URL('maps/native.c', import.meta.url)), '-o', binary]);
const child = spawn('taskset', ['-c', options.core, binary], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
async function native(name, entries, times) {
  child.stdin.write(`${name} ${entries} ${times}\n`);
  return Number((await lines.next()).value.split(' ')[0]) / times / OPS;
}

const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
const spread = list => [Math.min(...list), Math.max(...list)];
const rows = [];
for (const name of options.only?.split(',') ?? Object.keys(CASES)) {
  for (const entries of options.entries.split(',').map(Number)) {
    const run = prepare(name, entries);
    // Optimised code comes in its own time, on other threads that want this core.
    for (let n = 0; n < 8; n++) {
      run('op', 50);
      run('empty', 50);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    const times = Math.max(20, Math.round(ROUND_NS / OPS / run('op', 50)));
    const beside = CASES[name].beside ?? [];
    const ours = [];
    const theirs = Object.fromEntries(beside.map(loopName => [loopName, []]));
    for (let round = 0; round < rounds; round++) {
      ours.push(run('op', times) - run('empty', times));
      for (const loopName of beside) {
        theirs[loopName].push((await native(loopName, entries, times)) - (await native('empty', entries, times)));
      }
    }
    rows.push({
      name,
      entries,
      ns: median(ours),
      range: spread(ours),
      c: Object.fromEntries(beside.map(loopName => [loopName, median(theirs[loopName])])),
    });
    if (!options.json) {
      const { ns, range, c } = rows[rows.length - 1];
      const others = Object.entries(c).map(([loopName, value]) => `${loopName} in C ${value.toFixed(1)}`);
      const cells = [name.padEnd(20), String(entries).padStart(8), ns.toFixed(1).padStart(7)];
      console.log(`${cells.join(' ')} (${range.map(n => n.toFixed(1)).join('–')})   ${others.join(', ')}`);
    }
  }
}
child.stdin.end();
if (options.json) console.log(JSON.stringify({ node: process.version, engine: options.engine, rounds, rows }));
