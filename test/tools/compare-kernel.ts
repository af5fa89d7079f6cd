/**
 * Compares generated programs with a real kernel's answers: return value and packet of a test run.
 *   npx tsx test/tools/compare-kernel.ts ANSWERS.jsonl [--show N] [--kernel RELEASE]
 * ANSWERS is what a kernel lab said of the files generate-progs wrote: a line each with prog (the seed), errno, run_errno
 * or retval and data_out.
 */
import { readFileSync } from 'node:fs';
import { disassemble } from '../../src/asm/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { FarcallError, fromHex, toHex } from '../../src/util/index.ts';
import { generateProgram } from '../support/program-generator.ts';

const [answers, ...rest] = process.argv.slice(2);
if (answers === undefined) {
  process.stderr.write('usage: compare-kernel ANSWERS.jsonl [--show N]\n');
  process.exit(2);
}
const option = (name: string): string | undefined => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const show = Number(option('--show') ?? 1);
const kernel = option('--kernel');

interface Answer {
  readonly prog?: string;
  readonly errno: number;
  readonly run_errno?: number;
  readonly retval?: number;
  readonly data_out?: string;
}

let same = 0;
let rejected = 0;
let refusedRuns = 0;
const different: string[] = [];
for (const line of readFileSync(answers, 'utf8').split('\n')) {
  if (!line.includes('"prog"')) continue;
  const answer = JSON.parse(line) as Answer;
  if (answer.errno !== 0) {
    rejected++;
    continue;
  }
  const { type, insns, packet, maps } = generateProgram(Number(answer.prog), { kernel });
  const machine = createMachine();
  const created = maps.map(def => machine.createMap(def));
  let ours: string;
  try {
    const result = machine.run(machine.loadInsns('generated', type, insns, created), { dataIn: packet });
    ours =
      result.fault === undefined
        ? `retval ${result.retval} data ${toHex(result.dataOut ?? new Uint8Array(0))}`
        : `fault ${result.fault.message}`;
  } catch (error) {
    if (!(error instanceof FarcallError)) throw error;
    ours = /EINVAL/.test(error.message) ? 'run_errno 22' : error.message;
  }
  const theirs =
    answer.run_errno === undefined
      ? `retval ${answer.retval} data ${toHex(fromHex(answer.data_out ?? ''))}`
      : `run_errno ${answer.run_errno}`;
  if (ours === theirs) {
    same++;
    if (answer.run_errno !== undefined) refusedRuns++;
  } else {
    different.push(`${answer.prog} (type ${type}): kernel ${theirs}\n${' '.repeat(8)}farcall ${ours}`);
    if (different.length <= show)
      process.stdout.write(`${different.at(-1)}\n${disassemble(insns, { dialect: 'llvm' })}\n`);
  }
}
for (const text of different.slice(show, 200)) process.stdout.write(`${text}\n`);
process.stdout.write(
  `${same} same (${refusedRuns} of them runs both refuse), ${different.length} different, ${rejected} rejected by the kernel\n`,
);
process.exit(different.length === 0 ? 0 : 1);
