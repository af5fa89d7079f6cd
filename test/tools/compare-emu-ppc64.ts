/**
 * Runs random cases of every PowerPC instruction on the emulated CPU and under qemu-user, and prints what differs.
 *   npx tsx test/tools/compare-emu-ppc64.ts [--each N] [--seed N] [--rounds N]
 *   npx tsx test/tools/compare-emu-ppc64.ts --record      writes testdata/emu/ from qemu's answers
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printAnswer } from '../support/ppc64/answers.ts';
import { makeCases } from '../support/ppc64/cases.ts';
import { differences, QEMU, RECORDED, withoutTraps } from '../support/ppc64/harness.ts';
import { runEmulated } from '../support/ppc64/run-emulated.ts';
import { runQemu } from '../support/ppc64/run-qemu.ts';

const { values } = parseArgs({
  options: {
    each: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '1' },
    record: { type: 'boolean', default: false },
  },
});

if (values.record) {
  const dir = join(import.meta.dirname, '../../testdata/emu');
  mkdirSync(dir, { recursive: true });
  for (const { file, level, order, each, seed } of RECORDED) {
    const all = makeCases(level, each, seed);
    const cases = withoutTraps(all, runEmulated(all, order, level));
    const theirs = runQemu(QEMU[order], `power${level}`, cases, order);
    writeFileSync(join(dir, file), cases.map((one, i) => `${printAnswer(one, theirs[i])}\n`).join(''));
    console.log(`${file}: ${cases.length} cases`);
  }
} else {
  let total = 0;
  let differing = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const level of [8, 9, 10] as const) {
      for (const order of ['little', 'big'] as const) {
        const seed = Number(values.seed) + 1000 * round + level;
        const result = differences(QEMU[order], order, level, Number(values.each), seed);
        total += result.cases;
        differing += result.differences.length;
        for (const text of result.differences.slice(0, 20)) console.log(`POWER${level} ${order}: ${text}`);
      }
    }
  }
  console.log(`${total} cases, ${differing} differ`);
  process.exitCode = differing === 0 ? 0 : 1;
}
