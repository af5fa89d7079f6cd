/**
 * Writes generated programs as `.prog` files for a kernel lab.
 *   npx tsx test/tools/generate-progs.ts OUT_DIR COUNT [FIRST_SEED [KERNEL [FUNCTIONS]]]
 * KERNEL is the newest release whose instructions may appear, default 6.12; FUNCTIONS how many local functions, default 3.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeInsns, LD_IMM64 } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';
import { generateProgram } from '../support/program-generator.ts';

const [dir, countText, firstText, kernel, functions] = process.argv.slice(2);
if (dir === undefined || countText === undefined) {
  process.stderr.write('usage: generate-progs OUT_DIR COUNT [FIRST_SEED [KERNEL [FUNCTIONS]]]\n');
  process.exit(2);
}
const PER_FILE = 500;
const first = Number(firstText ?? 1);
mkdirSync(dir, { recursive: true });
for (let seed = first; seed < first + Number(countText); seed += PER_FILE) {
  const lines: string[] = [];
  for (let s = seed; s < Math.min(seed + PER_FILE, first + Number(countText)); s++) {
    const { type, insns, packet, maps } = generateProgram(s, {
      kernel,
      functions: functions === undefined ? undefined : Number(functions),
    });
    const code = toHex(encodeInsns(insns)).match(/.{16}/g) ?? [];
    lines.push(`name ${s}`, `type ${type}`, 'log 1', `insn ${code.join(' ')}`);
    for (const map of maps)
      lines.push(`map ${map.type} ${map.keySizeBytes} ${map.valueSizeBytes} ${map.maxEntries} ${map.flags}`);
    for (const [idx, insn] of insns.entries()) {
      if (insn.code === LD_IMM64 && insn.src !== 0)
        lines.push(`ldmap ${idx} ${insn.imm} ${insn.src} ${insns[idx + 1].imm}`);
    }
    lines.push(`data ${toHex(packet)}`, 'end');
  }
  writeFileSync(join(dir, `gen-${String(seed).padStart(7, '0')}.prog`), `${lines.join('\n')}\n`);
}
