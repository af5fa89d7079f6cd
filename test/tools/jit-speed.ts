/**
 * Compile speed of programs that a kernel accepted, by their length: all of a class one after the other, as a loader would, never one
 * program in a loop. Medians of CPU time after warm-up, images taken out again included. Input: lines of
 * `ask 6.12-ARCH DIR OUT.jsonl --log 4 --ksyms`. Bundled, as tsx makes functions slower:
 *   npx esbuild test/tools/jit-speed.ts --bundle --platform=node --format=esm --outfile=PLACE/a/b/c/jit-speed.mjs   (PLACE holds assets/)
 *   node PLACE/a/b/c/jit-speed.mjs OUT.jsonl [--arch amd64] [--btf VMLINUX.BTF] [--rounds 21]
 */
import { parseArgs } from 'node:util';
import { findTarget, jitProgram } from '../../src/jit/index.ts';
import type { XlatedProgram } from '../../src/verifier/index.ts';
import { readLab } from '../support/lab-lines.ts';
import { labTarget } from '../support/lab-targets.ts';
import { xlatedOfAnswer } from '../support/lab-xlated.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: 'string', default: 'amd64' },
    btf: { type: 'string' },
    rounds: { type: 'string', default: '21' },
  },
});
const [path] = positionals;
if (path === undefined) {
  process.stderr.write('usage: jit-speed OUT.jsonl [--arch ARCH] [--btf VMLINUX.BTF] [--rounds N]\n');
  process.exit(2);
}

const lab = labTarget(values.arch);
const { programs, kfunc, space } = readLab(path, values.btf, lab);
const target = findTarget(lab.target);

/** False: it is not compiled. */
function compile(xlated: XlatedProgram): boolean {
  const result = jitProgram(xlated, { target, space });
  if (!result.ok || !result.prog.jited) return false;
  result.prog.free();
  return true;
}

const compiled: XlatedProgram[] = [];
for (const answer of programs) {
  try {
    const xlated = xlatedOfAnswer(answer, { space, lab, kfunc });
    if (compile(xlated)) compiled.push(xlated);
  } catch {}
}
console.log(`node ${process.version}, ${target.name}: ${compiled.length} of ${programs.length} programs`);

const BOUNDS = [0, 30, 100, 300, 1000, Number.POSITIVE_INFINITY];
const classes = [...BOUNDS.slice(0, -1).map((low, n) => [low, BOUNDS[n + 1]]), [0, Number.POSITIVE_INFINITY]]
  .map(([low, high]) => ({
    low,
    high,
    samples: [] as number[],
    programs: compiled.filter(({ insns }) => insns.length >= low && insns.length < high),
  }))
  .filter(({ programs: some }) => some.length > 0);
const insnsOf = (some: readonly XlatedProgram[]): number => some.reduce((sum, { insns }) => sum + insns.length, 0);
const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const WARM_UP = 5;
for (let round = -WARM_UP; round < Number(values.rounds); round++) {
  for (const row of classes) {
    const repeat = Math.max(1, Math.round(100_000 / insnsOf(row.programs)));
    const from = cpuUs();
    for (let n = 0; n < repeat; n++) for (const xlated of row.programs) compile(xlated);
    if (round >= 0) row.samples.push((cpuUs() - from) / repeat);
  }
}
for (const { low, high, programs: some, samples } of classes) {
  samples.sort((a, b) => a - b);
  const insns = insnsOf(some);
  const rate = (us: number): string => (insns / us).toFixed(2);
  const length = high === Number.POSITIVE_INFINITY ? (low === 0 ? 'all' : `${low} and more`) : `${low} to ${high - 1}`;
  console.log(
    `${length.padStart(13)} insns: ${String(some.length).padStart(4)} programs of ${(insns / some.length).toFixed(0).padStart(4)} on average, ` +
      `${rate(samples[samples.length >> 1])} M insns/s (${rate(samples[samples.length - 1])}..${rate(samples[0])})`,
  );
}
