/**
 * Makes testdata/kernel/structure-*.jsonl of a kernel lab's answers: a few programs for every thing a kernel says, and
 * which codes it takes for instructions.
 *   npx tsx test/tools/record-structure.ts ANSWERS.jsonl DIR OUT.jsonl
 * DIR holds what generate-structure wrote, ANSWERS what the kernel said of it at log level 2.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProg, type ProgFileEntry, parseProgs } from '../support/prog-file.ts';
import { isStructural, type LabAnswer, refusalOf, type StructureRecord } from '../support/structure-answer.ts';

const [answers, dir, out] = process.argv.slice(2);
if (answers === undefined || dir === undefined || out === undefined) {
  process.stderr.write('usage: record-structure ANSWERS.jsonl DIR OUT.jsonl\n');
  process.exit(2);
}
const EACH = 3;
const ACCEPTED = 40;
const LATER = 15;
const MOST_CHARS = 6000;

const files = new Map<string, ReadonlyMap<string, ProgFileEntry>>();
function entryOf(file: string, prog: string): ProgFileEntry | undefined {
  let entries = files.get(file);
  if (entries === undefined) {
    entries = new Map(parseProgs(readFileSync(join(dir, file), 'utf8')).map(entry => [entry.name, entry]));
    files.set(file, entries);
  }
  return entries.get(prog);
}

const records: StructureRecord[] = [];
const knownCodes: number[] = [];
const taken = new Map<string, number>();
for (const line of readFileSync(answers, 'utf8').split('\n')) {
  if (!line.includes('"prog"')) continue;
  const { file = '', prog = '', errno = 0, log = '', btf_errno } = JSON.parse(line) as LabAnswer;
  if (btf_errno !== undefined) continue;
  const message = errno === 0 ? '' : refusalOf(log);
  if (prog.startsWith('code ')) {
    if (!message.startsWith('unknown opcode')) knownCodes.push(Number(prog.slice(5)));
    continue;
  }
  const later = errno !== 0 && message !== '' && !isStructural(message);
  const kind = errno === 0 ? 'accepted' : later ? 'later' : message.replace(/\d+/g, 'N');
  const most = errno === 0 ? ACCEPTED : later ? LATER : EACH;
  const count = taken.get(kind) ?? 0;
  const entry = entryOf(file, prog);
  if (count >= most || entry === undefined) continue;
  const text = formatProg(entry);
  if (text.length > MOST_CHARS && count > 0) continue;
  taken.set(kind, count + 1);
  records.push({ program: text, errno, message, ...(later ? { later } : {}) });
}
const lines = [JSON.stringify({ knownCodes }), ...records.map(record => JSON.stringify(record))];
writeFileSync(out, `${lines.join('\n')}\n`);
process.stdout.write(`${records.length} programs, ${taken.size} kinds\n`);
