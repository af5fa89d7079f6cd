/**
 * Records what a real kernel's verifier logs of random arithmetic and branches, in two steps around a kernel lab:
 *   npx tsx test/tools/record-walk.ts programs OUT.prog [--seed N] [--count N]
 *   ask 6.12-amd64 DIR OUT.jsonl --log 2       with OUT.prog in DIR; a lab that knows `nocap` and has mitigations on
 *   npx tsx test/tools/compare-xlated.ts OUT.jsonl DIR --logs
 *   npx tsx test/tools/record-walk.ts fixture OUT.prog OUT.jsonl testdata/kernel/walk-6.12-amd64.jsonl.gz
 * The fixture keeps the shorter logs, each kind of refusal twice at least.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { formatProg, parseProgs } from '../support/prog-file.ts';
import { lastLine } from '../support/scoreboard/answers.ts';
import { maskLine } from '../support/scoreboard/logs.ts';
import { packetProgram, singleProgram, valueProgram } from '../support/walk-programs.ts';

const [what, ...paths] = process.argv.slice(2);
const number = (name: string, otherwise: number): number => {
  const at = paths.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(paths[at + 1]);
};
if (what === 'programs' && paths[0] !== undefined) {
  const seed = number('seed', 1);
  const count = number('count', 1000);
  const entries = Array.from({ length: count }, (_, i) => [valueProgram(seed + i), packetProgram(seed + i)]).flat();
  for (let code = 0; code < 256; code++) {
    for (let n = 0; n < count / 100; n++) entries.push(singleProgram(code, seed + n));
  }
  writeFileSync(paths[0], entries.map(formatProg).join(''));
} else if (what === 'fixture' && paths.length === 3) {
  const [programs, answers, out] = paths;
  const entries = new Map(parseProgs(readFileSync(programs, 'utf8')).map(entry => [entry.name, entry]));
  const kinds = new Map<string, number>();
  const lines: string[] = [];
  for (const line of readFileSync(answers, 'latin1').split('\n')) {
    if (!line.startsWith('{"file"')) continue;
    const { prog, errno, log } = JSON.parse(line) as { prog: string; errno: number; log: string };
    const entry = entries.get(prog);
    if (entry === undefined || log.length > 12_000) continue;
    const kind = errno === 0 ? `${prog.split('_')[0]} accepted` : lastLine(log).replace(/0x[0-9a-f]+|\d+/g, 'N');
    const seen = kinds.get(kind) ?? 0;
    kinds.set(kind, seen + 1);
    if (seen >= (errno === 0 ? 60 : 4)) continue;
    lines.push(JSON.stringify({ program: formatProg(entry), errno, log: log.split('\n').map(maskLine).join('\n') }));
  }
  writeFileSync(out, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  process.stdout.write(`${lines.length} programs, ${kinds.size} kinds\n`);
} else {
  process.stderr.write('usage: record-walk programs OUT.prog | fixture IN.prog LAB.jsonl OUT.jsonl.gz\n');
  process.exit(2);
}
