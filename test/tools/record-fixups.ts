/**
 * Records how real kernels rewrite programs of our own, in two steps around a kernel lab:
 *   npx tsx test/tools/record-fixups.ts programs OUT.prog
 *   ask 6.12-ppc64el DIR OUT.jsonl --log 4               with OUT.prog in DIR; the same for 6.12-amd64
 *   npx tsx test/tools/record-fixups.ts fixture OUT.jsonl testdata/kernel/fixups-6.12-ppc64el.jsonl.gz
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { assemble } from '../../src/asm/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';
import { FIXUP_PROGRAMS } from '../support/fixup-programs.ts';

const [what, ...paths] = process.argv.slice(2);
if (what === 'programs' && paths.length === 1) {
  const entries = FIXUP_PROGRAMS.map(({ name, type, text }) => {
    const code = toHex(encodeInsns(assemble(text, { dialect: 'kernel' }))).match(/.{16}/g) ?? [];
    return `name ${name}\ntype ${type}\nlic GPL\nnorun\ninsn ${code.join(' ')}\nend\n`;
  });
  writeFileSync(paths[0], entries.join(''));
} else if (what === 'fixture' && paths.length === 2) {
  const lines: string[] = [];
  for (const line of readFileSync(paths[0], 'utf8').split('\n')) {
    if (!line.startsWith('{"file"')) continue;
    const { prog, errno, log, xlated } = JSON.parse(line);
    if (errno !== 0) throw new Error(`${prog} was refused: ${log}`);
    const stackDepths = /^stack depth ([\d+]+)$/m.exec(log)?.[1].split('+').map(Number);
    lines.push(JSON.stringify({ name: prog, xlated, stackDepths }));
  }
  if (lines.length !== FIXUP_PROGRAMS.length)
    throw new Error(`${lines.length} answers to ${FIXUP_PROGRAMS.length} programs`);
  writeFileSync(paths[1], gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
} else {
  process.stderr.write('usage: record-fixups programs OUT.prog | fixture LAB.jsonl OUT.jsonl.gz\n');
  process.exit(2);
}
