/**
 * Writes typed programs as `.prog` files for a kernel lab.
 *   npx tsx test/tools/generate-typed.ts OUT_DIR COUNT [FIRST_SEED]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProg } from '../support/prog-file.ts';
import { typedProgram } from '../support/typed-programs.ts';

const [dir, countText, firstText] = process.argv.slice(2);
if (dir === undefined || countText === undefined) {
  process.stderr.write('usage: generate-typed OUT_DIR COUNT [FIRST_SEED]\n');
  process.exit(2);
}
const PER_FILE = 500;
const first = Number(firstText ?? 1);
const end = first + Number(countText);
mkdirSync(dir, { recursive: true });
for (let seed = first; seed < end; seed += PER_FILE) {
  const progs: string[] = [];
  for (let s = seed; s < Math.min(seed + PER_FILE, end); s++) progs.push(formatProg(typedProgram(s)));
  writeFileSync(join(dir, `typed-${String(seed).padStart(7, '0')}.prog`), progs.join(''));
}
