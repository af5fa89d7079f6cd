/**
 * Compares what the verifier's value domain makes of programs over unknown numbers with a real kernel's log.
 *   npx tsx test/tools/compare-scalars.ts generate OUT_DIR COUNT [FIRST_SEED]
 *   … a kernel lab answers OUT_DIR at log level 2 …
 *   npx tsx test/tools/compare-scalars.ts compare ANSWERS.jsonl [--show N] [--record FILE.jsonl.gz COUNT]
 * --record keeps COUNT of the answers, those with contradictions first.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodeInsns } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';
import { formatProg } from '../support/prog-file.ts';
import { compareWithLog, noComparison, recordedLog } from '../support/scalar-log.ts';
import { scalarProgram } from '../support/scalar-programs.ts';
import { type LabAnswer, logLines } from '../support/structure-answer.ts';

const [verb, ...args] = process.argv.slice(2);
const PER_FILE = 500;

interface Answer {
  readonly seed: number;
  readonly log: string;
  /** It has contradictions in it. */
  readonly rare: boolean;
}

function generate(dir: string, count: number, first: number): void {
  mkdirSync(dir, { recursive: true });
  for (let seed = first; seed < first + count; seed += PER_FILE) {
    const progs: string[] = [];
    for (let s = seed; s < Math.min(seed + PER_FILE, first + count); s++) progs.push(formatProg(scalarProgram(s)));
    writeFileSync(join(dir, `scalars-${String(seed).padStart(7, '0')}.prog`), progs.join(''));
  }
}

/** Those with contradictions in them first, then others, evenly spread. */
function record(answers: readonly Answer[], file: string, count: number): void {
  const rare = answers.filter(answer => answer.rare).slice(0, count >> 1);
  const common = answers.filter(answer => !answer.rare);
  const stride = Math.max(1, Math.floor(common.length / (count - rare.length)));
  const kept = [...rare, ...common.filter((_, i) => i % stride === 0)].slice(0, count).sort((a, b) => a.seed - b.seed);
  const lines = kept.map(({ seed, log }) =>
    JSON.stringify({
      name: `s${seed}`,
      insns: toHex(encodeInsns(scalarProgram(seed).insns)),
      log: recordedLog(log),
    }),
  );
  writeFileSync(file, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  process.stdout.write(`${kept.length} recorded\n`);
}

function compare(file: string, show: number): void {
  const total = noComparison();
  let programs = 0;
  let refused = 0;
  let wrong = 0;
  const seen: Answer[] = [];
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (!text.endsWith('}')) continue;
    const answer = JSON.parse(text) as LabAnswer;
    if (answer.prog === undefined || answer.log === undefined) continue;
    programs++;
    if (answer.errno !== 0) {
      if (refused++ < show)
        process.stdout.write(`${answer.prog} is refused: ${answer.libbpf ?? logLines(answer.log).slice(-300)}\n`);
      continue;
    }
    const seed = Number(answer.prog.slice(1));
    const one = noComparison();
    compareWithLog(scalarProgram(seed).insns, answer.log, one, answer.prog);
    total.compared += one.compared;
    total.violations += one.violations;
    total.pruned += one.pruned;
    seen.push({ seed, log: answer.log, rare: one.violations > 0 });
    if (one.mismatches.length > 0 && wrong++ < show) process.stdout.write(`${one.mismatches.slice(0, 3).join('\n')}\n`);
  }
  process.stdout.write(
    `${programs} programs, ${refused} refused; ${total.compared} registers compared, ${total.violations} contradictions, ` +
      `${total.pruned} paths pruned; ${wrong} programs differ\n`,
  );
  const at = args.indexOf('--record');
  if (at >= 0) record(seen, args[at + 1], Number(args[at + 2]));
  if (wrong > 0) process.exitCode = 1;
}

if (verb === 'generate' && args.length >= 2) generate(args[0], Number(args[1]), Number(args[2] ?? 1));
else if (verb === 'compare' && args.length >= 1)
  compare(args[0], args.includes('--show') ? Number(args[args.indexOf('--show') + 1]) : 5);
else {
  process.stderr.write('usage: compare-scalars generate OUT_DIR COUNT [SEED] | compare ANSWERS.jsonl\n');
  process.exitCode = 2;
}
