/**
 * Runs generated programs that the verifier accepts in the checking interpreter, on random inputs: no fault, no run without
 * end, every register an instruction reads has a value that the verifier thought of there, and no slot of the stack is touched in a
 * way that is not in `stackReach`.
 *   npx tsx test/tools/soundness.ts COUNT [FIRST_SEED] [--runs N] [--show N] [--frames 1]
 * With --frames 1 programs whose frames are indexed by variables and whose functions are given pointers to them.
 * COUNT is how many accepted programs to run.
 */
import { kernelImage } from '../../src/kernels/index.ts';
import { generateProgram, progEntryOf } from '../support/program-generator.ts';
import { checkSoundness } from '../support/soundness.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { typedProgram } from '../support/typed-programs.ts';

const [countText, firstText, ...rest] = process.argv.slice(2);
const option = (name: string, otherwise: number): number =>
  rest.includes(name) ? Number(rest[rest.indexOf(name) + 1]) : otherwise;
const count = Number(countText);
if (!(count > 0)) {
  process.stderr.write('usage: soundness COUNT [FIRST_SEED] [--runs N] [--show N]\n');
  process.exit(2);
}
const runs = option('--runs', 3);
const show = option('--show', 5);
const frames = option('--frames', 0) === 1;
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: kernelBtf(undefined), image };

let accepted = 0;
let leftOut = 0;
let steps = 0;
let executed = 0;
let problems = 0;
const started = Date.now();
for (let seed = Number(firstText ?? 1); accepted < count; seed++) {
  const entry = frames
    ? progEntryOf(generateProgram(seed, { functions: [1, 3, 6, 12][seed & 3], frames }))
    : typedProgram(seed);
  const result = checkSoundness(entry, seed, runs, kernel);
  if (result.leftOut) leftOut++;
  else if (result.accepted) accepted++;
  steps += result.steps;
  executed += result.runs;
  if (result.problem !== undefined && ++problems <= show) process.stdout.write(`seed ${seed}: ${result.problem}\n`);
  if (seed % 20_000 === 0) process.stderr.write(`seed ${seed}: ${accepted} accepted, ${problems} problems\n`);
}
const seconds = ((Date.now() - started) / 1000).toFixed(0);
process.stdout.write(
  `${accepted} accepted programs, ${executed} runs, ${steps} instructions: ${problems} problems; ${leftOut} left out, ${seconds} s\n`,
);
process.exitCode = problems === 0 ? 0 : 1;
