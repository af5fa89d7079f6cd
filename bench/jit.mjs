// BPF instructions compiled a second, for programs of 100 to 100,000 instructions: the whole of jit_subprogs, from xlated
// program to linked images and symbols in a kernel address space. Medians of CPU time, garbage collection included, after
// warm-up.
//   npm run build && node bench/jit.mjs [TARGET] [CPU] [ROUNDS]
// With native-x86_64 or native-arm64 for a target: what the native engine compiles, optimiser included, without loading it.
import * as isa from '../dist/isa/index.js';
import { findTarget, jitProgram, NATIVE_TARGETS } from '../dist/jit/index.js';
import { createKernelSpace, defaultKernelImage, defaultLayout } from '../dist/kernels/index.js';
import { xlateUnverified } from '../dist/verifier/index.js';
import { compiled, compiledInFunctions } from './programs.mjs';

const name = process.argv[2] ?? 'ppc64le';
const native = name.startsWith('native-') ? NATIVE_TARGETS[name.slice('native-'.length)] : undefined;
const target = findTarget(native === undefined ? name : name.slice('native-'.length));
const cpu = process.argv[3] || target.cpus[0];
const rounds = Number(process.argv[4] ?? 15);

const layout = defaultLayout(target.arch);
const kernel = defaultKernelImage(target.arch, target.order);
// Not the only program there is.
const space = createKernelSpace(layout, kernel);
space.reserve(1000);
const SIZES = [100, 1000, 5000, 20_000, 100_000];
const FAMILIES = {
  'one function': size => compiled(isa, size, false),
  'one function and one of four instructions that it calls': size => compiled(isa, size, true),
  'functions of a hundred instructions, at most 256 of them': size => compiledInFunctions(isa, size),
};
const cases = Object.keys(FAMILIES).flatMap(family => SIZES.map(size => ({ family, size })));
const rows = cases.map(({ family, size }) => {
  const insns = FAMILIES[family](size);
  const xlated = xlateUnverified({ name: 'bench', type: 1, insns }, { kernel, zext: target.caps('own').needsZext });
  // As many instructions a sample for every size.
  return {
    family,
    size,
    count: insns.length,
    insns,
    xlated,
    repeat: Math.max(1, Math.round(100_000 / size)),
    samples: [],
    bytes: 0,
  };
});

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function compile(row, times) {
  for (let i = 0; i < times; i++) {
    if (native !== undefined) {
      const options = { gateAddr: 0x7f0000001000n, verifiedSlots: row.insns.length, extended: cpu === 'x86-64-v3' };
      row.bytes = native.compile(row.insns, options).bytes.length;
      continue;
    }
    const result = jitProgram(row.xlated, { target, cpu, space });
    if (!result.ok || !result.prog.jited)
      throw new Error(JSON.stringify(result, (_, v) => (typeof v === 'bigint' ? String(v) : v)).slice(0, 300));
    row.bytes = result.prog.funcs.reduce((sum, func) => sum + func.bytes.length, 0);
    result.prog.free();
  }
}

/** Milliseconds of one compilation: of this process's time, whatever else the machine does. */
function sample(row) {
  // Caches hold this row's program then, and others' garbage is gone.
  compile(row, Math.ceil(row.repeat / 5));
  const from = cpuMs();
  compile(row, row.repeat);
  return (cpuMs() - from) / row.repeat;
}

// Sizes take turns, so that a machine whose clock moves slows them all.
const WARM_UP = 5;
for (let round = -WARM_UP; round < rounds; round++) {
  for (const row of rows) {
    const ms = sample(row);
    if (round >= 0) row.samples.push(ms);
  }
}

console.log(`node ${process.version}, target ${name}, cpu ${cpu}, ${rounds} rounds`);
const rate = (row, ms) => row.count / ms / 1000;
const median = row => row.samples[row.samples.length >> 1];
for (const row of rows) row.samples.sort((a, b) => a - b);
const nsOf = row => (median(row) / row.count) * 1e6;
for (const row of rows) {
  const base = rows.find(({ family, size }) => family === row.family && size === 5000);
  if (row.size === SIZES[0]) console.log(row.family);
  console.log(
    `${String(row.count).padStart(7)} insns  ${rate(row, median(row)).toFixed(2).padStart(6)} M insns/s` +
      `  (${rate(row, row.samples.at(-1)).toFixed(2)}..${rate(row, row.samples[0]).toFixed(2)}), ` +
      `${nsOf(row).toFixed(0)} ns an insn, ${(nsOf(row) / nsOf(base)).toFixed(2)} of ${base.count}'s; ` +
      `${(row.bytes / row.count).toFixed(2)} bytes an insn`,
  );
}
