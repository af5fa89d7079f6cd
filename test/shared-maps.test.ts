import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { EngineHost } from '../src/engine/index.ts';
import { linkHelpers } from '../src/engine/wasm/link-helpers.ts';
import { linkMapOps } from '../src/engine/wasm/link-map-ops.ts';
import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R6, R7, R8, R9, R10 } from '../src/isa/index.ts';
import { helperImport, MAIN_STATE, RUN_STATE, translateProgram } from '../src/jit/index.ts';
import {
  type BpfMap,
  BUCKETS_LAYOUT,
  isQueueStackMap,
  isRingbufMap,
  MAP_GATES,
  MAP_HANDLE,
  MAP_LOCKS,
  POOL_LAYOUT,
  POOL_NODE,
} from '../src/maps/index.ts';
import { bpf_map_type as T } from '../src/uapi/index.ts';
import { allKeys, bytesNumber, numberBytes, TestMapHost } from './support/map-host.ts';

// Two threads run programs on the maps of one memory, each for a while and with no help of the other. What is counted comes
// out exact, and nothing is lost of what maps are made of.

const ROUNDS = 60_000;
const THREADS = 2;
const STACK_BYTES = 4096;

/** Instantiates what it is given and runs it; helpers find no more memory. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, memory, stateAddr, seed, names, helpers } = workerData;
const i32 = new Int32Array(memory.buffer);
const imports = { memory, table: new WebAssembly.Table({ element: 'anyfunc', initial: 64 }) };
for (const name of names) imports[name] = () => { throw new Error(name); };
for (const name of helpers) imports[name] = () => { i32[stateAddr / 4] = 0; i32[stateAddr / 4 + 1] = 0; };
imports.tableBase = new WebAssembly.Global({ value: 'i32' }, 0);
const { exports } = new WebAssembly.Instance(module, { farcall: imports });
const r0 = exports.run(seed, 0);
parentPort.postMessage(r0);
`;

async function runInThreads(
  host: TestMapHost,
  insns: readonly Insn[],
  cpuOf = (thread: number): number => thread,
): Promise<number[]> {
  const { mem } = host;
  const engineHost = { env: host } as unknown as EngineHost;
  const threads = Array.from({ length: THREADS }, (_, thread) => {
    const stateAddr = MAIN_STATE + 256 * (thread + 1);
    const linked = linkHelpers(insns, engineHost, linkMapOps, stateAddr);
    const { bytes, calls } = translateProgram(linked.insns, {
      shared: true,
      stateAddr,
      stackDepths: [512, ...linked.addedDepths],
    });
    mem.i32[(stateAddr + RUN_STATE.cpu) >> 2] = cpuOf(thread);
    mem.i32[(stateAddr + RUN_STATE.sp) >> 2] = mem.alloc(STACK_BYTES, 16) + STACK_BYTES;
    const module = new WebAssembly.Module(bytes);
    const gates = [helperImport(MAP_GATES.grow), helperImport(MAP_GATES.fieldDies)];
    const names = WebAssembly.Module.imports(module)
      .filter(({ kind }) => kind === 'function')
      .map(({ name }) => name);
    expect(calls.helpers.every(id => gates.includes(helperImport(id)))).toBe(true);
    const workerData = {
      module,
      memory: mem.wasm,
      stateAddr,
      seed: 12345 + 999 * thread,
      names,
      helpers: gates.filter(name => names.includes(name)),
    };
    return new Promise<number>((resolve, reject) => {
      const worker = new Worker(WORKER, { eval: true, workerData });
      worker.once('message', resolve).once('error', reject);
    });
  });
  return Promise.all(threads);
}

const KEY = -8;
const VALUE = -24;

/** `body` for ROUNDS keys below `keys`, which R1 holds; what it adds to R9 is the result. */
function rounds(keys: number, body: (b: ProgramBuilder) => void): Insn[] {
  const b = new ProgramBuilder().mov(R8, R1).mov(R7, ROUNDS).mov(R9, 0).mov(R6, 0);
  b.store('dw', R10, VALUE, 0)
    .store('dw', R10, VALUE + 8, 0)
    .label('again');
  b.alu32('mul', R8, 1664525).alu32('add', R8, 1013904223).alu32('mov', R1, R8).alu32('rsh', R1, 9);
  b.alu32('and', R1, keys - 1).store('dw', R10, KEY, R1);
  body(b);
  return b.alu64('sub', R7, 1).jumpIf('jne', R7, 0, 'again').mov(R0, R9).exit().build();
}
const keyArgs = (b: ProgramBuilder, map: BpfMap): ProgramBuilder =>
  b.wide('lddw', R1, map.addr).mov(R2, R10).alu64('add', R2, KEY);
const update = (b: ProgramBuilder, map: BpfMap, flags: number): ProgramBuilder =>
  keyArgs(b, map).mov(R3, R10).alu64('add', R3, VALUE).mov(R4, flags).helper(2);

const hash = (type: number, maxEntries: number, flags = 0) => ({
  type,
  keySizeBytes: 8,
  valueSizeBytes: 16,
  maxEntries,
  flags,
});

/** Nodes on a pool's list of free ones. */
function freeNodes(host: TestMapHost, pool: number): number {
  const word = (at: number): number => host.mem.view.getInt32(at, true);
  let count = 0;
  for (let node = word(pool + POOL_LAYOUT.free); node !== 0; node = word(node + POOL_NODE.freeLink)) count++;
  return count;
}

describe('maps that two threads share', () => {
  it.each([
    ['array', { type: T.BPF_MAP_TYPE_ARRAY, keySizeBytes: 4, valueSizeBytes: 16, maxEntries: 64 }, 64],
    ['hash', hash(T.BPF_MAP_TYPE_HASH, 1024), 1024],
    ['hash of few buckets', hash(T.BPF_MAP_TYPE_HASH, 8), 8],
  ] as const)('count exactly in a %s', async (_name, shape, keys) => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create(shape);
    const count = rounds(keys, b => {
      keyArgs(b, map).helper(1).jumpIf('jne', R0, 0, 'there');
      // Whoever comes second finds it there.
      update(b, map, 1);
      keyArgs(b, map).helper(1).jumpIf('jeq', R0, 0, 'lost').label('there');
      b.mov(R1, 1).atomic(64, 'add', R0, 8, R1).jump('next').label('lost').alu64('add', R9, 1).label('next');
    });
    expect(await runInThreads(host, count)).toEqual([0, 0]);
    const values = allKeys(map).map(key => map.userLookup(key) as Uint8Array);
    expect(values).toHaveLength(keys);
    expect(values.reduce((sum, value) => sum + bytesNumber(value.subarray(8)), 0)).toBe(THREADS * ROUNDS);
  });

  it.each([
    ['array', { type: T.BPF_MAP_TYPE_ARRAY, keySizeBytes: 4, valueSizeBytes: 16, maxEntries: 4 }],
    ['hash', hash(T.BPF_MAP_TYPE_HASH, 4)],
  ] as const)('count exactly under the locks of values in a %s', async (_name, shape) => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create({ ...shape, fields: [{ kind: 'spin_lock', offBytes: 0, sizeBytes: 4 }] });
    const { keySizeBytes } = shape;
    for (let i = 0; i < 4; i++) {
      const key = new Uint8Array(keySizeBytes).fill(i, 0, 1);
      expect(map.userUpdate(key, new Uint8Array(16))).toBe(0);
    }
    const count = rounds(4, b => {
      keyArgs(b, map).helper(1).jumpIf('jeq', R0, 0, 'lost').mov(R6, R0).mov(R1, R6).helper(93);
      b.load('dw', R1, R6, 8).alu64('add', R1, 1).store('dw', R6, 8, R1).mov(R1, R6).helper(94);
      b.jump('next').label('lost').alu64('add', R9, 1).label('next');
    });
    expect(await runInThreads(host, count)).toEqual([0, 0]);
    const values = allKeys(map).map(key => map.userLookup(key) as Uint8Array);
    expect(values.reduce((sum, value) => sum + bytesNumber(value.subarray(8)), 0)).toBe(THREADS * ROUNDS);
  });

  it('lose no node of a hash whose elements come and go', async () => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create(hash(T.BPF_MAP_TYPE_HASH, 64));
    const churn = rounds(128, b => {
      update(b, map, 0).jumpIf('jne', R0, 0, 'full').alu64('add', R9, 1).label('full');
      b.alu32('mov', R1, R8).alu32('rsh', R1, 20).alu32('and', R1, 127).store('dw', R10, KEY, R1);
      keyArgs(b, map).helper(3);
    });
    const done = await runInThreads(host, churn);
    for (const times of done) expect(times).toBeGreaterThan(ROUNDS / 2);
    const pool = map.addr + BUCKETS_LAYOUT.pool;
    const word = (at: number): number => host.mem.view.getUint32(at, true);
    const keys = allKeys(map);
    expect(new Set(keys.map(key => bytesNumber(key))).size).toBe(keys.length);
    expect(word(map.addr + BUCKETS_LAYOUT.count)).toBe(keys.length);
    const unused =
      (word(pool + POOL_LAYOUT.freshEnd) - word(pool + POOL_LAYOUT.fresh)) / word(pool + POOL_LAYOUT.nodeStride);
    const spares = word(map.addr + MAP_HANDLE.locks) + MAP_LOCKS.spares;
    const spare = [0, 1].filter(cpu => word(spares + MAP_LOCKS.spareBytes * cpu) !== 0).length;
    expect(keys.length + freeNodes(host, pool) + unused + spare).toBe(word(pool + POOL_LAYOUT.total));
  });

  it('replace elements of a full hash, however many threads are one CPU', async () => {
    const host = new TestMapHost({ cpuCount: 1, shared: true });
    const map = host.create(hash(T.BPF_MAP_TYPE_HASH, 64));
    for (let n = 0; n < 64; n++) expect(map.userUpdate(numberBytes(n, 8), new Uint8Array(16))).toBe(0);
    const replace = rounds(64, b => update(b, map, 0).jumpIf('jeq', R0, 0, 'done').alu64('add', R9, 1).label('done'));
    expect(await runInThreads(host, replace, () => 0)).toEqual([0, 0]);
    expect(allKeys(map)).toHaveLength(64);
  });

  it.each([0, 2])('evict and never grow (flags %i)', async flags => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create(hash(T.BPF_MAP_TYPE_LRU_HASH, 512, flags));
    const put = rounds(4096, b => {
      update(b, map, 0).jumpIf('jeq', R0, 0, 'put').alu64('add', R9, 1).label('put');
      keyArgs(b, map).helper(1);
    });
    expect(await runInThreads(host, put)).toEqual([0, 0]);
    const keys = allKeys(map);
    expect(keys.length).toBeLessThanOrEqual(512);
    expect(keys.length).toBeGreaterThan(128);
    for (const key of keys) expect(map.userDelete(key)).toBe(0);
    expect(host.mem.view.getUint32(map.addr + BUCKETS_LAYOUT.count, true)).toBe(0);
    for (let i = 0; i < 512; i++)
      expect(
        map.userUpdate(
          keys[0].map((_, at) => (at < 2 ? i >> (8 * at) : 7)),
          new Uint8Array(16),
        ),
      ).toBe(0);
  });

  it('hold every route of a trie', async () => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create({ ...hash(T.BPF_MAP_TYPE_LPM_TRIE, 4096, 1) });
    const route = rounds(2048, b => {
      b.store('w', R10, KEY + 4, R1).store('w', R10, KEY, 32);
      update(b, map, 0).jumpIf('jeq', R0, 0, 'put').alu64('add', R9, 1).label('put');
      keyArgs(b, map).helper(1).jumpIf('jne', R0, 0, 'found').alu64('add', R9, 1).label('found');
    });
    expect(await runInThreads(host, route)).toEqual([0, 0]);
    expect(allKeys(map)).toHaveLength(2048);
  });

  it('take out of a queue what was put in, once', async () => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create({ type: T.BPF_MAP_TYPE_QUEUE, keySizeBytes: 0, valueSizeBytes: 16, maxEntries: 100 });
    const move = rounds(2, b => {
      const args = (): ProgramBuilder => b.wide('lddw', R1, map.addr).mov(R2, R10).alu64('add', R2, VALUE);
      b.jumpIf('jeq', R1, 0, 'push');
      args().helper(88).jumpIf('jne', R0, 0, 'next').alu64('sub', R9, 1).jump('next').label('push');
      args().mov(R3, 0).helper(87).jumpIf('jne', R0, 0, 'next').alu64('add', R9, 1).label('next');
    });
    const left = (await runInThreads(host, move)).reduce((sum, more) => sum + more, 0);
    if (!isQueueStackMap(map)) throw new Error('no queue');
    expect(map.contents()).toHaveLength(left);
  });

  it('put records into a ring buffer, whole', async () => {
    const host = new TestMapHost({ cpuCount: THREADS, shared: true });
    const map = host.create({ type: T.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 1 << 22 });
    const put = rounds(256, b => {
      b.store('dw', R10, VALUE, R1).store('dw', R10, VALUE + 8, R1);
      b.wide('lddw', R1, map.addr).mov(R2, R10).alu64('add', R2, VALUE).mov(R3, 16).mov(R4, 0).helper(130);
      b.jumpIf('jne', R0, 0, 'full').alu64('add', R9, 1).label('full');
    });
    const done = await runInThreads(host, put);
    if (!isRingbufMap(map)) throw new Error('no ring buffer');
    const records = map.consume();
    expect(records).toHaveLength(done[0] + done[1]);
    const torn = records.filter(record => record.length !== 16 || record.some((byte, i) => byte !== record[i & 7]));
    expect(torn).toEqual([]);
  });
});
