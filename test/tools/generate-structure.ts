/**
 * Writes small programs about functions and control flow as `.prog` files for a kernel lab.
 *   npx tsx test/tools/generate-structure.ts OUT_DIR COUNT [FIRST_SEED [KERNEL_BTF]] [--pointers]
 * KERNEL_BTF: that of the kernel to be asked, gzipped; by default 6.12's for amd64.
 * --pointers: only programs that move frame pointers about, for the estimate of stack depths.
 * The lab has to know the keys of func_info and its like (test/support/prog-file.ts).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatProg } from '../support/prog-file.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { everyCode, generateStructure } from '../support/structure-generator.ts';

const [dir, countText, firstText, btfPath] = process.argv.slice(2).filter(arg => !arg.startsWith('--'));
const kind = process.argv.includes('--pointers') ? 'pointers' : undefined;
if (dir === undefined || countText === undefined) {
  process.stderr.write('usage: generate-structure OUT_DIR COUNT [FIRST_SEED]\n');
  process.exit(2);
}
const kernel = kernelBtf(btfPath);
const PER_FILE = 500;
const first = Number(firstText ?? 1);
const end = first + Number(countText);
mkdirSync(dir, { recursive: true });
for (let seed = first; seed < end; seed += PER_FILE) {
  const progs: string[] = [];
  for (let s = seed; s < Math.min(seed + PER_FILE, end); s++)
    progs.push(formatProg(generateStructure(s, kernel, kind)));
  writeFileSync(join(dir, `structure-${String(seed).padStart(7, '0')}.prog`), progs.join(''));
}
writeFileSync(join(dir, 'codes.prog'), everyCode().map(formatProg).join(''));
