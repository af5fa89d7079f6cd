/**
 * Compares what the verifier makes of accepted programs with what a kernel shows of them.
 *   npx tsx test/tools/compare-xlated.ts ANSWERS.jsonl OBJECT_DIR [options]
 *     --only FILE[:PROG]   these alone (repeatable)
 *     --show N             how many differences to print with instructions around them (default 10)
 *     --list               names of all that differ
 *     --logs               compare logs (level 2) and verdicts too, of refused programs as well
 *     --max-insns N        pass over programs the kernel looked at more than N instructions of
 *     --btf FILE           the kernel's BTF (default: Linux 6.12 for amd64)
 * ANSWERS is what a kernel lab said of the objects (or `.prog` files) in OBJECT_DIR.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { printInsn } from '../../src/asm/index.ts';
import { CALL, decodeInsns, type Insn } from '../../src/isa/index.ts';
import type { KernelImage } from '../../src/kernels/index.ts';
import { fromHex } from '../../src/util/index.ts';
import { verify, type XlatedProgram } from '../../src/verifier/index.ts';
import { parseProgs } from '../support/prog-file.ts';
import { type Answer, parseSelection, readAnswers, releaseOf } from '../support/scoreboard/answers.ts';
import { compareLogs, differenceText } from '../support/scoreboard/logs.ts';
import { Subjects } from '../support/scoreboard/subjects.ts';
import { compareDumps, dumpOf, knownPlaces } from '../support/xlated-dump.ts';

const [answers, dir, ...rest] = process.argv.slice(2);
if (answers === undefined || dir === undefined || !existsSync(answers)) {
  process.stderr.write('usage: compare-xlated ANSWERS.jsonl OBJECT_DIR [--only FILE[:PROG]] [--show N] [--list]\n');
  process.exit(2);
}
const all = (name: string): string[] => rest.flatMap((arg, i) => (arg === `--${name}` ? [rest[i + 1]] : []));
const number = (name: string, otherwise: number): number => Number(all(name)[0] ?? otherwise);
const show = number('show', 10);
const maxInsns = number('max-insns', Number.POSITIVE_INFINITY);

type XlatedAnswer = Answer & { readonly xlated?: string };

function lineOf(insns: readonly Insn[], idx: number, image: KernelImage): string {
  const insn = insns[idx];
  if (insn === undefined) return '—';
  const raw = `${insn.code.toString(16).padStart(2, '0')} d${insn.dst} s${insn.src} o${insn.off} i${insn.imm}`;
  const symbol = insn.code === CALL && insn.src !== 1 ? (image.symbolAt(insn.imm) ?? '?') : '';
  let text = '';
  try {
    text = printInsn(insns, idx, { dialect: 'kernel' });
  } catch {
    text = '';
  }
  return `${raw} ${text} ${symbol}`;
}

/** Bytes the lab's guest gives the log. */
const LAB_LOG_BYTES = (64 << 20) - 1;
const NO_CAPS = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };
const withLogs = rest.includes('--logs');
const unprivileged = new Map<string, ReadonlySet<string>>();

/** Whether the lab loaded a `.prog` program without rights. */
function isUnprivileged({ file, prog }: Answer): boolean {
  if (!file.endsWith('.prog')) return false;
  let names = unprivileged.get(file);
  if (names === undefined) {
    const entries = parseProgs(readFileSync(join(dir, file), 'utf8'));
    names = new Set(entries.filter(entry => entry.unprivileged === true).map(({ name }) => name));
    unprivileged.set(file, names);
  }
  return names.has(prog);
}

const counts = new Map<string, number>();
const count = (what: string): void => {
  counts.set(what, (counts.get(what) ?? 0) + 1);
};
const subjects = new Subjects(dir, releaseOf(answers) ?? '6.12.0-amd64', all('btf')[0]);
const { image } = subjects.kernel;
const known = knownPlaces(image);
let shown = 0;
const different: string[] = [];

/** Stack of each function, where the log has it (levels 4 and up). */
function compareDepths(log: string, { subprogs }: XlatedProgram, name: string): void {
  const theirs = /^stack depth ([\d+]+)$/m.exec(log)?.[1];
  if (theirs === undefined) return;
  const ours = subprogs.map(subprog => subprog.stackDepthBytes).join('+');
  count(ours === theirs ? 'stack depths equal' : 'STACK DEPTHS DIFFER');
  if (ours !== theirs) process.stdout.write(`${name}: stack depth ${ours}, kernel ${theirs}\n`);
}

function compare(answer: XlatedAnswer): void {
  const name = `${answer.file}:${answer.prog}`;
  const { input } = subjects.subject(answer.file, answer.prog);
  if (input === undefined) {
    count('not prepared');
    return;
  }
  const verdict = verify(input, {
    kernel: subjects.kernel,
    logLevel: withLogs ? 2 : 0,
    logSizeBytes: LAB_LOG_BYTES,
    ...(isUnprivileged(answer) ? { caps: NO_CAPS } : {}),
  });
  if (withLogs) {
    const difference = compareLogs(answer.log, verdict.log);
    count(verdict.errno === answer.errno ? 'verdicts equal' : 'VERDICTS DIFFER');
    count(difference === undefined ? 'logs equal' : 'LOGS DIFFER');
    if (difference !== undefined && shown++ < show)
      process.stdout.write(`${name}\n${differenceText(answer.log, verdict.log, difference, 4)}\n`);
    if (answer.errno !== 0) return;
  }
  if (!verdict.ok || verdict.xlated === undefined) {
    count('accepted by the kernel only');
    if (rest.includes('--list')) process.stdout.write(`refused ${name}: ${verdict.message}\n`);
    return;
  }
  compareDepths(answer.log, verdict.xlated, name);
  const theirs = decodeInsns(fromHex(answer.xlated ?? ''));
  const ours = dumpOf(verdict.xlated);
  const difference = compareDumps(theirs, ours, known);
  if (difference === undefined) {
    count('equal');
    return;
  }
  count(`DIFFERENT: ${difference.why}`);
  different.push(name);
  if (shown++ >= show) return;
  process.stdout.write(`${name}: ${difference.why} at ${difference.slot} of ${theirs.length} (ours ${ours.length})\n`);
  for (let idx = Math.max(0, difference.slot - 2); idx < difference.slot + 5; idx++) {
    const mark = idx === difference.slot ? '>' : ' ';
    process.stdout.write(
      ` ${mark}${idx} k ${lineOf(theirs, idx, image)}\n ${mark}${idx} f ${lineOf(ours, idx, image)}\n`,
    );
  }
}

for (const answer of readAnswers(answers, all('only').map(parseSelection)) as Iterable<
  XlatedAnswer & { verified_insns?: number }
>) {
  if (!withLogs && (answer.errno !== 0 || answer.xlated === undefined)) {
    count('not accepted by the kernel');
    continue;
  }
  if ((answer.verified_insns ?? 0) > maxInsns) {
    count('passed over');
    continue;
  }
  try {
    compare(answer);
  } catch (error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    count(`THROWN: ${text.slice(0, 100)}`);
    different.push(`${answer.file}:${answer.prog}`);
    if (rest.includes('--trace') && error instanceof Error)
      process.stdout.write(`${answer.file}:${answer.prog} ${error.stack}\n`);
  }
}
if (rest.includes('--list')) for (const name of different) process.stdout.write(`${name}\n`);
for (const [what, n] of [...counts].sort()) process.stdout.write(`${n.toString().padStart(7)} ${what}\n`);
process.exitCode = different.length === 0 ? 0 : 1;
