// Packets a second of one thread and of several, on one machine's maps: an XDP program that counts packets and bytes of 4,096
// flows with atomic additions, in an array that all threads share, and packets by CPU in a per-CPU array. Rounds of one and
// of all threads take turns; the counts must come out exact. Which flows a thread sees:
//
//   by flow   a flow's packets all come to one thread, as network cards spread them (receive-side scaling)
//   any       a thread gets packets of any flows: with 256 packets each of 4,096 flows, one in sixteen is of a flow the other has too
//   the same  all threads see the same packets in the same order: nothing but contention
//
// "nothing shared" is a loop of JavaScript that touches no memory: what the machine has to give at the moment. Beside the ratio by
// the clock stands that by CPU time, for machines that have other things to do: packets a second of CPU time, times threads.
// Flows are counted in an array, in a hash, or each packet is an update of its flow's element of a hash (of which no count is kept).
//   npm run build && node bench/workers.mjs [ROUNDS] [THREADS] [BATCHES] [array|hash|update]
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { wasmEngine } from '../dist/engine/index.js';
import { createMachine, ProgramBuilder } from '../dist/index.js';
import { makeInsn, R0, R1, R2, R3, R4, R10 } from '../dist/isa/index.js';
import { kernelImage } from '../dist/kernels/index.js';
import { attachProgram, prepareInsns, verifyInsns } from '../dist/machine/index.js';
import { bpf_map_type, bpf_prog_type, helperId } from '../dist/uapi/index.js';

const BATCH = 256;
const FLOWS = 4096;
const VALUE_BYTES = 64;
const KINDS = ['array', 'hash', 'update'];
const KIND = process.argv[5] ?? KINDS[0];
if (!KINDS.includes(KIND)) throw new Error(`array, hash or update, not ${KIND}`);
const MIXES = ['nothing shared', 'by flow', 'any', 'the same'];

/** Runs what it is told as often as it is told, and says how long that took. */
function work() {
  const { shared, cpu, threads } = workerData;
  const runner = attachProgram(shared);
  let loaded = '';
  parentPort.on('message', ({ mix, batches }) => {
    if (mix === MIXES[0]) {
      const from = performance.now();
      let sum = 0;
      for (let i = 0; i < batches; i++) sum ^= spin(i);
      parentPort.postMessage({ ms: performance.now() - from, done: batches * BATCH, sum });
      return;
    }
    if (loaded !== mix) runner.load(frames(mix, cpu, threads));
    loaded = mix;
    const from = performance.now();
    const done = runner.run(batches);
    parentPort.postMessage({ ms: performance.now() - from, done, fault: runner.fault });
  });
}

/** About as long as a batch of packets. */
function spin(seed) {
  let x = seed;
  for (let i = 0; i < 10 * BATCH; i++) x = (Math.imul(x, 0x19660d) + i) | 0;
  return x;
}

/** A number in no order. */
function scramble(n) {
  let x = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Packets of a thread. Every flow has one source address. */
function frames(mix, cpu, threads) {
  const list = [];
  for (let n = mix === 'any' ? cpu << 20 : 0; list.length < BATCH; n++) {
    const source = scramble(n);
    if (mix === 'by flow' && scramble(flowOf(source) + 1) % threads !== cpu) continue;
    const bytes = new Uint8Array(64);
    bytes.set([0x08, 0x00], 12);
    new DataView(bytes.buffer).setUint32(26, source, true);
    list.push(bytes);
  }
  return list;
}

/** As the program has it. */
function flowOf(source) {
  return (Math.imul(source, 0x9e3779b1) >>> 20) & (FLOWS - 1);
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
    .alu32('mul', R4, 0x9e3779b1 | 0)
    .alu64('rsh', R4, 20)
    .alu64('and', R4, FLOWS - 1)
    .store('w', R10, -4, R4);
  if (KIND === 'update') {
    for (let at = VALUE_BYTES; at > 0; at -= 8) b.store('dw', R10, -8 - at, { reg: 7 });
    b.raw(...map(1, 0))
      .mov(R2, R10)
      .alu64('add', R2, -4)
      .mov(R3, R10)
      .alu64('add', R3, -8 - VALUE_BYTES)
      .mov(R4, 0)
      .raw(call('bpf_map_update_elem'));
  } else {
    lookup(b, 0)
      .mov(R1, 1)
      .raw(makeInsn(0xdb, 0, 1, 0, 0))
      .raw(makeInsn(0xdb, 0, 7, 8, 0));
  }
  b.store('w', R10, -4, 0);
  lookup(b, 1).load('dw', R1, R0, 0).alu64('add', R1, 1).store('dw', R0, 0, R1);
  return b.mov(R0, 2).label('end').exit().build();
}

async function main() {
  const rounds = Number(process.argv[2] ?? 9);
  const threads = Number(process.argv[3] ?? 2);
  const batches = Number(process.argv[4] ?? 20000);
  const type = bpf_prog_type.BPF_PROG_TYPE_XDP;
  const image = kernelImage('6.12-amd64');
  const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
  const insns = program();
  const machine = createMachine({ engine: wasmEngine(), shared: true, cpuCount: threads });
  const def = {
    name: 'flows',
    type: KIND === 'array' ? bpf_map_type.BPF_MAP_TYPE_ARRAY : bpf_map_type.BPF_MAP_TYPE_HASH,
    keySizeBytes: 4,
    valueSizeBytes: VALUE_BYTES,
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
  const key = n => Uint8Array.from([n & 0xff, n >> 8, 0, 0]);
  for (let n = 0; n < FLOWS; n++) maps[0].userUpdate(key(n), new Uint8Array(VALUE_BYTES));
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
    return new Worker(new URL(import.meta.url), { workerData: { shared, cpu, threads } });
  });
  const run = (worker, mix) =>
    new Promise((resolve, reject) => {
      worker.removeAllListeners();
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.postMessage({ mix, batches });
    });
  const samples = Object.fromEntries(MIXES.map(mix => [mix, { one: [], all: [], cpuOne: [], cpuAll: [] }]));
  const ran = new Array(threads).fill(0);
  for (let round = -3; round < rounds; round++) {
    for (const mix of MIXES) {
      for (const [kind, list] of [
        ['One', [workers[Math.abs(round) % threads]]],
        ['All', workers],
      ]) {
        const from = performance.now();
        const cpuFrom = process.cpuUsage();
        const results = await Promise.all(list.map(worker => run(worker, mix)));
        const ms = performance.now() - from;
        const cpu = process.cpuUsage(cpuFrom);
        let done = 0;
        for (const [i, result] of results.entries()) {
          if (result.fault !== undefined) throw new Error(result.fault);
          done += result.done;
          if (mix !== MIXES[0]) ran[workers.indexOf(list[i])] += result.done;
        }
        if (round < 0) continue;
        samples[mix][kind.toLowerCase()].push(done / ms / 1000);
        samples[mix][`cpu${kind}`].push(done / (cpu.user + cpu.system));
      }
    }
  }
  for (const worker of workers) await worker.terminate();
  const words = bytes => [...new BigUint64Array(bytes.slice().buffer)].map(Number);
  const flows = Array.from({ length: FLOWS }, (_, n) => words(maps[0].userLookup(key(n))));
  const sum = at => flows.reduce((total, values) => total + values[at], 0);
  const total = ran.reduce((all, n) => all + n, 0);
  const wanted = KIND === 'update' ? ran : [...ran, total, 64 * total];
  const found = words(maps[1].userLookup(key(0)));
  if (KIND !== 'update') found.push(sum(0), sum(1));
  if (wanted.join() !== found.join()) throw new Error(`counts ${found}, wanted ${wanted}`);
  const median = values => values.sort((a, b) => a - b)[values.length >> 1];
  const show = values =>
    `${median(values).toFixed(1)} (${values[0].toFixed(1)}–${values.at(-1).toFixed(1)})`.padEnd(22);
  console.log(
    `node ${process.version}, ${rounds} rounds of ${batches} batches of ${BATCH}, ${KIND}, million packets a second`,
  );
  console.log(`${'flows'.padEnd(16)}${'one thread'.padEnd(22)}${`${threads} threads`.padEnd(22)}ratio  by CPU time`);
  for (const [mix, { one, all, cpuOne, cpuAll }] of Object.entries(samples)) {
    const ratio = median(all) / median(one);
    const byCpu = (threads * median(cpuAll)) / median(cpuOne);
    console.log(`${mix.padEnd(16)}${show(one)}${show(all)}${ratio.toFixed(2)}   ${byCpu.toFixed(2)}`);
  }
  console.log(`${total} packets, every count exact`);
}

if (isMainThread) await main();
else work();
