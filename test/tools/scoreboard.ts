/**
 * Compares the verifier with a kernel's recorded answers: verdicts, errno, messages, figures, logs.
 *   npx tsx test/tools/scoreboard.ts ANSWERS.jsonl OBJECT_DIR [options]
 *     --only FILE[:PROG]   these alone (repeatable); FILE without directory, `.o` may be left out
 *     --diff               show where each log parts from the kernel's, with --context N lines (default 4)
 *     --dump DIR           write both logs of each program that differs, addresses masked: FILE.PROG.kernel, .ours
 *     --limit N            stop after N programs that differ
 *     --max-insns N        pass over programs the kernel looked at more than N instructions of
 *     --groups N           how many groups of differences to print (default 40)
 *     --out FILE           where every difference goes (default: scoreboard-ANSWERS.txt in the system's temporary directory)
 *     --btf FILE           the kernel's BTF (default: Linux 6.12 for amd64)
 *     --level N            log level (default 2)
 *     --no-mitigations     the kernel ran with mitigations=off: matters to programs loaded without capabilities
 *     --trace              stacks of what is thrown
 * ANSWERS is what a kernel lab said of the objects (or `.prog` files) in OBJECT_DIR.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  type Answer,
  figuresOf,
  KEPT_LOG_CHARS,
  parseSelection,
  readAnswers,
  releaseOf,
} from '../support/scoreboard/answers.ts';
import { type Comparison, compareOne, type Verify } from '../support/scoreboard/judge.ts';
import { differenceText, maskLine } from '../support/scoreboard/logs.ts';
import { Totals } from '../support/scoreboard/report.ts';
import { Subjects } from '../support/scoreboard/subjects.ts';

const [answers, dir, ...rest] = process.argv.slice(2);
if (answers === undefined || dir === undefined || !existsSync(answers)) {
  process.stderr.write('usage: scoreboard ANSWERS.jsonl OBJECT_DIR [--only FILE[:PROG]] [--diff] [--limit N] …\n');
  process.exit(2);
}
const flag = (name: string): boolean => rest.includes(`--${name}`);
const all = (name: string): string[] => rest.flatMap((arg, i) => (arg === `--${name}` ? [rest[i + 1]] : []));
const number = (name: string, otherwise: number): number => Number(all(name)[0] ?? otherwise);

const only = all('only').map(parseSelection);
const limit = number('limit', Number.POSITIVE_INFINITY);
const maxInsns = number('max-insns', Number.POSITIVE_INFINITY);
const context = number('context', 4);
const dump = all('dump')[0];

async function loadVerify(): Promise<Verify> {
  const room = (await import('../../src/verifier/index.ts')) as { verify?: Verify };
  if (room.verify !== undefined) return room.verify;
  throw new Error('src/verifier/index.ts does not export verify yet');
}

function processedOf(answer: Answer): number {
  return (
    answer.verified_insns ?? figuresOf(answer.log)?.processed ?? (answer.log.length > KEPT_LOG_CHARS ? 1_000_000 : 0)
  );
}

function show(row: Comparison): void {
  const { answer } = row;
  if (row.logDifference === undefined && row.ours === row.kernel && row.ourErrno === answer.errno) return;
  const out = [`${answer.file}:${answer.prog}  kernel ${row.kernel} ${answer.errno}, our ${row.ours} ${row.ourErrno}`];
  if (row.kernelMessage !== row.ourMessage) out.push(`  k ${row.kernelMessage}`, `  f ${row.ourMessage}`);
  if (row.missing !== undefined) out.push(`  expected: ${row.missing}`);
  if (row.logDifference !== undefined) out.push(differenceText(answer.log, row.ourLog, row.logDifference, context));
  process.stdout.write(`${out.join('\n')}\n\n`);
}

const masked = (log: string): string => log.split('\n').map(maskLine).join('\n');

const release = releaseOf(answers) ?? '6.12.0-amd64';
const verify = await loadVerify();
const traced: Verify = (input, options) => {
  try {
    return verify(input, options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    throw error;
  }
};
const subjects = new Subjects(dir, release, all('btf')[0]);
const totals = new Totals();
const options = { logLevel: number('level', 2), mitigations: !flag('no-mitigations') };
const out = all('out')[0] ?? join(tmpdir(), `scoreboard-${basename(answers).replace(/\.jsonl$/, '')}.txt`);
const SLOW_MS = 10_000;
const SAVE_MS = 20_000;
let nextSave = SAVE_MS;
const save = (): void => {
  writeFileSync(out, totals.summary(1000) + totals.details());
  nextSave = performance.now() + SAVE_MS;
};
let different = 0;
let skipped = 0;
for (const answer of readAnswers(answers, only)) {
  if (processedOf(answer) > maxInsns) {
    skipped++;
    continue;
  }
  const row = compareOne(answer, subjects, flag('trace') ? traced : verify, options);
  totals.add(row);
  if (row.ms > SLOW_MS) process.stderr.write(`slow: ${answer.file}:${answer.prog} ${(row.ms / 1000).toFixed(1)} s\n`);
  if (only.length === 0 && performance.now() > nextSave) save();
  const differs = row.ours !== row.kernel || row.ourErrno !== answer.errno || row.logDifference !== undefined;
  if (!differs) continue;
  if (flag('diff')) show(row);
  if (dump !== undefined) {
    mkdirSync(dump, { recursive: true });
    const name = join(dump, `${answer.file}.${answer.prog}`);
    writeFileSync(`${name}.kernel`, masked(answer.log));
    writeFileSync(`${name}.ours`, masked(row.ourLog));
  }
  if (++different >= limit) break;
}
if (only.length === 0) save();
process.stdout.write(totals.summary(number('groups', 40)));
if (skipped > 0) process.stdout.write(`${skipped} passed over: more than ${maxInsns} instructions\n`);
if (only.length === 0) process.stdout.write(`differences: ${out}\n`);
