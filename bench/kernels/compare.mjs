// The kernels of this folder: what they work on, the same C compiled by gcc in a process of its own, and rounds of both.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const dir = fileURLToPath(new URL('./', import.meta.url));
const ROUND_NS = 15e6;

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

export const KERNELS = {
  alu: noise(8),
  jhash: noise(1024),
  siphash: noise(1024),
  sieve: new Uint8Array(8192),
  packet: packet(),
  calls: noise(8),
  sort: noise(256),
  options: segments(),
  crc32: noise(2048),
  // The same as three of the others, in forms that suit WebAssembly less.
  packet16: packet(),
  sort32: noise(256),
  sieve32: new Uint8Array(8192),
  // With arrays on the stack that a variable indexes, beside what compilers put there: these are verified, as what
  // becomes of the rest of the frame hangs on what the verifier knows.
  matrix: noise(4 * 36),
  sha256: noise(4 * 64 * 2),
};
const VERIFIED = ['matrix', 'sha256'];
const XDP = 6;

/**
 * What the verifier says of a kernel as an XDP program; undefined for those that read their data without a look at its end.
 * Throws where it refuses another.
 *
 * @param dist where farcall was built
 * @param blind it does not say what is reached of frames
 */
export async function verifierOf(dist, blind = false) {
  const { verify } = await import(new URL('verifier/index.js', dist));
  const { kernelImage } = await import(new URL('kernels/index.js', dist));
  const image = kernelImage('6.12-amd64');
  const kernel = { version: '6.12', arch: image.arch, btf: undefined, image };
  return (name, insns) => {
    if (!VERIFIED.includes(name)) return undefined;
    const input = { name, type: XDP, attachType: 0, flags: 0, gplCompatible: true, insns, maps: [] };
    const verdict = verify(input, { kernel });
    if (!verdict.ok) throw new Error(`${name}: ${verdict.message}`);
    return blind ? { ...verdict, stats: { ...verdict.stats, stackReach: undefined } } : verdict;
  };
}

function startNative(names, { cc, core }) {
  const scratch = mkdtempSync(join(tmpdir(), 'kernels-'));
  process.on('exit', () => rmSync(scratch, { recursive: true }));
  const objects = names.map(name => {
    const object = join(scratch, `${name}.o`);
    execFileSync(cc, ['-O2', `-Dkernel=kernel_${name}`, '-c', join(dir, `${name}.c`), '-o', object]);
    writeFileSync(join(scratch, `${name}.bin`), KERNELS[name]);
    return object;
  });
  const binary = join(scratch, 'native');
  const list = names.map(name => `KERNEL(${name})`).join(' ');
  execFileSync(cc, ['-O2', `-DKERNELS=${list}`, join(dir, 'native.c'), ...objects, '-o', binary]);
  const child = spawn('taskset', ['-c', core, binary, ...names.map(name => join(scratch, `${name}.bin`))], {
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

export const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];

/**
 * Runs each kernel by turns as `instantiate(name).run(times) → { ns, result }` has it and as gcc -O2 does.
 *
 * @param warm prepares what was instantiated, given the time of a round
 */
export async function compareWithC(names, options, instantiate, warm) {
  const { core, rounds } = options;
  execFileSync('taskset', ['-pc', core, String(process.pid)]);
  const native = startNative(names, options);
  const rows = [];
  for (const name of names) {
    const ours = instantiate(name);
    await warm(ours, ROUND_NS);
    const theirTimes = Math.max(1, Math.round(ROUND_NS / (await native.run(name, 2000)).ns));
    const ourTimes = Math.max(1, Math.round(ROUND_NS / ours.run(1000).ns));
    const ourNs = [];
    const gccNs = [];
    for (let round = 0; round < rounds; round++) {
      const a = ours.run(ourTimes);
      const b = await native.run(name, theirTimes);
      if (a.result !== b.result) throw new Error(`${name}: ${a.result} here, ${b.result} from C`);
      ourNs.push(a.ns);
      gccNs.push(b.ns);
    }
    const { insns, sizeBytes } = ours;
    // Each round's two are neighbours in time: the machine's clock moves between rounds.
    const ratio = median(ourNs.map((ns, i) => ns / gccNs[i]));
    rows.push({ name, insns, sizeBytes, ourNs: median(ourNs), gccNs: median(gccNs), ratio });
  }
  native.end();
  const mean = some => Math.exp(some.reduce((sum, { ratio }) => sum + Math.log(ratio), 0) / some.length);
  const others = rows.filter(({ name }) => VERIFIED.includes(name));
  const geomean = mean(rows.filter(row => !others.includes(row)));
  return { rows, geomean, geomeanOfVerified: mean(others) };
}

export function printComparison({ rows, geomean, geomeanOfVerified }) {
  for (const { name, ourNs, gccNs, ratio, insns, sizeBytes } of rows) {
    const cells = [ourNs.toFixed(0).padStart(7), gccNs.toFixed(0).padStart(7), ratio.toFixed(2).padStart(6)];
    console.log(`${name.padEnd(9)}${cells.join(' ')}   ${insns} insns, ${sizeBytes} bytes`);
  }
  const say = (what, mean) => Number.isNaN(mean) || console.log(`${what.padEnd(24)} ${mean.toFixed(2).padStart(6)}`);
  say('geomean', geomean);
  say(`geomean of ${VERIFIED}`, geomeanOfVerified);
}
