// What an abstract operation of the verifier's value domain costs, in ns: each over the same mix of 256 pairs of scalars,
// so that neither their shapes nor their results can be foreseen. CPU time, garbage collection included; median of the rounds, after warm-up.
//   npm run build && node bench/verifier-domain.mjs [ROUNDS]
import {
  draftOf,
  isBranchTaken,
  refineBranch,
  SCALAR_UNKNOWN,
  scalarAlu,
  scalarKnown,
  scalarText,
  scalarTruncate,
  scalarZext32,
  syncBounds,
  tnumAdd,
  tnumMul,
} from '../dist/verifier/domain/index.js';

const rounds = Number(process.argv[2] ?? 15);
let seed = 12345;
const random = n => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return (seed >>> 8) % n;
};

/** Half constants, half what loads and a few operations make. */
function some() {
  if (random(2) === 0) return scalarKnown(random(4) === 0 ? -1 : 0, random(3) === 0 ? random(1 << 24) : random(64));
  let s = random(4) === 0 ? SCALAR_UNKNOWN : scalarTruncate(SCALAR_UNKNOWN, [1, 2, 4][random(3)]);
  for (let n = random(3); n > 0; n--)
    s = scalarAlu(
      ['add', 'and', 'or', 'rsh', 'mul'][random(5)],
      random(3) === 0 ? 32 : 64,
      s,
      scalarKnown(0, 1 + random(31)),
    );
  return s;
}
const pairs = Array.from({ length: 256 }, () => [some(), some()]);
const shifts = Array.from({ length: 256 }, () => scalarKnown(0, random(32)));

let sink = 0;
function time(name, op) {
  const repeat = 2000;
  const samples = [];
  for (let round = -4; round < rounds; round++) {
    const from = process.cpuUsage();
    for (let i = 0; i < repeat; i++)
      for (let k = 0; k < 256; k++) {
        const pair = pairs[k];
        sink ^= op(pair[0], pair[1], k);
      }
    const { user, system } = process.cpuUsage(from);
    if (round >= 0) samples.push(((user + system) * 1000) / (repeat * 256));
  }
  samples.sort((a, b) => a - b);
  const [low, middle, high] = [samples[0], samples[samples.length >> 1], samples.at(-1)].map(ns => ns.toFixed(1));
  console.log(`${name.padEnd(28)} ${middle.padStart(7)} ns  (${low}..${high})`);
}

console.log(`node ${process.version}, ${rounds} rounds`);
time('copy', a => draftOf(a).uminLo);
time('copy and sync', a => {
  const r = draftOf(a);
  syncBounds(r);
  return r.uminLo;
});
for (const op of ['add', 'sub', 'and', 'or', 'xor', 'mul']) {
  time(`${op}64`, (a, b) => scalarAlu(op, 64, a, b).uminLo);
  time(`${op}32`, (a, b) => scalarAlu(op, 32, a, b).uminLo);
}
for (const op of ['lsh', 'rsh', 'arsh'])
  time(`${op}64 by a constant`, (a, _, k) => scalarAlu(op, 64, a, shifts[k]).uminLo);
time('add64 75 %, and64 25 %', (a, b, k) => scalarAlu((k & 3) === 0 ? 'and' : 'add', 64, a, b).uminLo);
time('zext', a => scalarZext32(a).uminLo);
const jumps = ['jeq', 'jne', 'jset', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'];
time('branch: is it taken', (a, b, k) => isBranchTaken(jumps[k % 11], 64, a, b));
time('branch: both ways', (a, b, k) => {
  const op = jumps[k % 11];
  const taken = isBranchTaken(op, 64, a, b);
  return taken < 0 ? refineBranch(op, 64, a, b).trueA.uminLo : taken;
});
time('tnum add', (a, b) => tnumAdd(a, b).valueLo);
time('tnum mul', (a, b) => tnumMul(a, b).valueLo);
time('text', a => scalarText(a).length);
if (sink === 1.5) console.log(sink);
