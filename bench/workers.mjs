// Packets a second of one thread and of several, on one machine's maps: an XDP program that counts packets and bytes of 4,096
// flows with atomic additions, in an array that all threads share, and packets by CPU in a per-CPU array. Rounds of one and
// of all threads take turns; the counts must come out exact. Beside the ratio by the clock stands that by CPU time, for
// machines that have other things to do: packets a second of CPU time, times threads.
//   npm run build && node bench/workers.mjs [ROUNDS] [THREADS] [BATCHES]
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { wasmEngine } from '../dist/engine/index.js';
import { createMachine, ProgramBuilder } from '../dist/index.js';
import { makeInsn, R0, R1, R2, R3, R4, R10 } from '../dist/isa/index.js';
import { kernelImage } from '../dist/kernels/index.js';
import { attachProgram, prepareInsns, verifyInsns } from '../dist/machine/index.js';
import { bpf_map_type, bpf_prog_type, helperId } from '../dist/uapi/index.js';

const BATCH = 256;
const FLOWS = 4096;

if (isMainThread) await main();
else work();

/** Runs its packets as often as it is told, and says how long that took. */
function work() {
  const runner = attachProgram(workerData.shared);
  runner.load(Array.from({ length: BATCH }, (_, i) => frame(i)));
  parentPort.on('message', batches => {
    const from = performance.now();
    const done = runner.run(batches);
    parentPort.postMessage({ ms: performance.now() - from, done, fault: runner.fault });
  });
}

/** Flows in no order; each thread sees all of them. */
function frame(i) {
  const bytes = new Uint8Array(64);
  bytes.set([0x08, 0x00], 12);
  new DataView(bytes.buffer).setUint32(26, Math.imul(i, 2654435761) ^ (workerData.cpu * 0x9e3779b9), true);
  return bytes;
}

/** flows[hash of the source address] gets a packet and its bytes, atomically; per_cpu[0] one packet more. */
function program() {
  const call = id => makeInsn(0x85, 0, 0, 0, helperId(id));
  const map = (dst, index, src = 1) => [makeInsn(0x18, dst, src, 0, index), makeInsn(0, 0, 0, 0, 0)];
  const lookup = (b, index) =>
    b
      .raw(...map(1, index))
      .mov(R2, R10)
      .alu64('add', R2, -4)
      .raw(call('bpf_map_lookup_elem'))
      .jumpIf('jeq', R0, 0, 'end');
  const b = new ProgramBuilder()
    .load('w', R2, R1, 0)
    .load('w', R3, R1, 4)
    .mov({ reg: 7 }, R3)
    .alu64('sub', { reg: 7 }, R2)
    .mov(R4, R2)
    .alu64('add', R4, 34)
    .mov(R0, 1)
    .jumpIf('jgt', R4, R3, 'end')
    .load('h', R4, R2, 12)
    .jumpIf('jne', R4, 8, 'end')
    .load('w', R4, R2, 26)
    .alu64('mul', R4, 0x9e3779b1 | 0)
    .alu64('rsh', R4, 20)
    .alu64('and', R4, FLOWS - 1)
    .store('w', R10, -4, R4);
  lookup(b, 0)
    .mov(R1, 1)
    .raw(makeInsn(0xdb, 0, 1, 0, 0))
    .raw(makeInsn(0xdb, 0, 7, 8, 0));
  b.store('w', R10, -4, 0);
  lookup(b, 1).load('dw', R1, R0, 0).alu64('add', R1, 1).store('dw', R0, 0, R1);
  return b.mov(R0, 2).label('end').exit().build();
}

async function main() {
  const rounds = Number(process.argv[2] ?? 9);
  const threads = Number(process.argv[3] ?? 2);
  const batches = Number(process.argv[4] ?? 2000);
  const type = bpf_prog_type.BPF_PROG_TYPE_XDP;
  const image = kernelImage('6.12-amd64');
  const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
  const insns = program();
  const machine = createMachine({ engine: wasmEngine(), shared: true, cpuCount: threads });
  const def = {
    name: 'flows',
    type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: 64,
    maxEntries: FLOWS,
    flags: 0,
  };
  const maps = [
    machine.createMap(def),
    machine.createMap({
      ...def,
      name: 'per_cpu',
      type: bpf_map_type.BPF_MAP_TYPE_PERCPU_ARRAY,
      valueSizeBytes: 8,
      maxEntries: 1,
    }),
  ];
  const asVerified = maps.map(({ def: { name, type: mapType, keySizeBytes, valueSizeBytes, maxEntries, flags } }) => ({
    ...{ name, type: mapType, keySize: keySizeBytes, valueSize: valueSizeBytes, maxEntries, flags, mapExtra: 0n },
    ...{ keyTypeId: 0, valueTypeId: 0, frozen: false, unprivileged: false },
  }));
  const input = prepareInsns({ name: 'count', type, insns }, caps, undefined);
  const verdict = verifyInsns(
    { ...input, maps: asVerified },
    {
      kernel: { version: '6.12', arch: image.arch, btf: undefined, image },
      logLevel: 1,
      caps,
    },
  );
  if (verdict.verdict !== 'accept') throw new Error(verdict.log || verdict.message);
  const loaded = machine.loadInsns('count', type, insns, maps, verdict.full);
  const workers = Array.from({ length: threads }, (_, cpu) => {
    const shared = machine.share(loaded, { cpu });
    if (shared === undefined) throw new Error('the program cannot be shared');
    return new Worker(new URL(import.meta.url), { workerData: { shared, cpu } });
  });
  const run = worker =>
    new Promise((resolve, reject) => {
      worker.removeAllListeners();
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.postMessage(batches);
    });
  const samples = { one: [], all: [] };
  const perCpuMs = { one: [], all: [] };
  const ran = new Array(threads).fill(0);
  for (let round = -2; round < rounds; round++) {
    for (const [kind, list] of [
      ['one', [workers[Math.abs(round) % threads]]],
      ['all', workers],
    ]) {
      const from = performance.now();
      const cpuFrom = process.cpuUsage();
      const results = await Promise.all(list.map(run));
      const ms = performance.now() - from;
      const cpu = process.cpuUsage(cpuFrom);
      let done = 0;
      for (const [i, result] of results.entries()) {
        if (result.fault !== undefined) throw new Error(result.fault);
        done += result.done;
        ran[workers.indexOf(list[i])] += result.done;
      }
      if (round < 0) continue;
      samples[kind].push(done / ms / 1000);
      perCpuMs[kind].push(done / (cpu.user + cpu.system));
    }
  }
  for (const worker of workers) await worker.terminate();
  const key = n => Uint8Array.from([n & 0xff, n >> 8, 0, 0]);
  const words = bytes => [...new BigUint64Array(bytes.slice().buffer)].map(Number);
  const flows = Array.from({ length: FLOWS }, (_, n) => words(maps[0].userLookup(key(n))));
  const sum = at => flows.reduce((total, values) => total + values[at], 0);
  const total = ran.reduce((all, n) => all + n, 0);
  const wanted = [total, 64 * total, ...ran];
  const found = [sum(0), sum(1), ...words(maps[1].userLookup(key(0)))];
  if (wanted.join() !== found.join()) throw new Error(`counts ${found}, wanted ${wanted}`);
  const show = values => {
    values.sort((a, b) => a - b);
    return `${values[values.length >> 1].toFixed(1)} (${values[0].toFixed(1)}–${values.at(-1).toFixed(1)})`;
  };
  console.log(`node ${process.version}, ${rounds} rounds of ${batches} batches of ${BATCH}, million packets a second`);
  console.log(`one thread    ${show(samples.one)}`);
  console.log(`${threads} threads     ${show(samples.all)}`);
  const median = values => values.sort((a, b) => a - b)[values.length >> 1];
  const ratio = median(samples.all) / median(samples.one);
  const byCpu = (threads * median(perCpuMs.all)) / median(perCpuMs.one);
  console.log(`ratio         ${ratio.toFixed(2)} by the clock, ${byCpu.toFixed(2)} by CPU time`);
  console.log(`counts        ${total} packets, every count exact`);
}
