import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../support/ppc64/answers.ts';
import { makeCases, subjects } from '../support/ppc64/cases.ts';
import { compare } from '../support/ppc64/compare.ts';
import { differences, QEMU, RECORDED, withoutTraps } from '../support/ppc64/harness.ts';
import { runEmulated } from '../support/ppc64/run-emulated.ts';
import { requireTool } from '../support/tools.ts';

describe('the emulated PowerPC answers as qemu did when asked', () => {
  it.each(RECORDED)('$file', ({ file, level, order, each, seed }) => {
    const lines = readFileSync(join(import.meta.dirname, '../../testdata/emu', file), 'utf8')
      .trimEnd()
      .split('\n');
    const all = makeCases(level, each, seed);
    const cases = withoutTraps(all, runEmulated(all, order, level));
    expect(lines.length).toBe(cases.length);
    const wrong: string[] = [];
    runEmulated(cases, order, level).forEach((ours, i) => {
      const theirs = parseAnswer(lines[i], cases[i]);
      const diff = theirs === undefined ? `is not the case of: ${lines[i]}` : compare(cases[i], ours, theirs);
      if (diff !== '') wrong.push(diff);
    });
    expect(wrong).toEqual([]);
  });

  it('knows when an answer is wrong', () => {
    const [one] = makeCases(8, 1, 1);
    const [ours] = runEmulated([one], 'little', 8);
    const theirs = { ...ours, regs: ours.regs.map((value, n) => (n === 7 ? value ^ 1n : value)) };
    expect(compare(one, ours, theirs)).toMatch(/^addi \(.*\): r7 is /);
  });
});

describe('the emulated PowerPC under qemu-user', () => {
  const tools = { little: requireTool(QEMU.little, 'qemu-user'), big: requireTool(QEMU.big, 'qemu-user') };
  // The tool of the same name in test/tools runs as many cases as one likes.
  for (const order of ['little', 'big'] as const) {
    const qemu = tools[order];
    if (qemu === undefined) continue;
    it.each([8, 9, 10] as const)(`POWER%i, ${order}-endian: every instruction`, level => {
      const result = differences(qemu, order, level, 6, 77 + level);
      expect(result.cases).toBe(6 * subjects().filter(subject => subject.since <= level).length);
      expect(result.differences).toEqual([]);
    });
  }
});
