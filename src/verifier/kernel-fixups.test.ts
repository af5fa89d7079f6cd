import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FIXUP_PROGRAMS } from '../../test/support/fixup-programs.ts';
import { kernelLines } from '../../test/support/xlated-text.ts';
import { assemble } from '../asm/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { fromHex } from '../util/index.ts';
import { xlatedFromKernel } from './from-kernel.ts';
import { xlateUnverified } from './xlate.ts';

interface Answer {
  readonly name: string;
  readonly xlated: string;
  readonly stackDepths: readonly number[];
}

function answers(kernel: string): Map<string, Answer> {
  const path = new URL(`../../testdata/kernel/fixups-${kernel}.jsonl.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trim().split('\n');
  return new Map(lines.map(line => JSON.parse(line) as Answer).map(answer => [answer.name, answer]));
}

describe.each([
  { name: '6.12-ppc64el', zext: true },
  { name: '6.12-amd64', zext: false },
])('$name rewrites as the door does', ({ name: kernelName, zext }) => {
  const kernel = kernelImage(kernelName);
  const recorded = answers(kernelName);

  it('every program, to the instruction, and counts as much stack', () => {
    expect([...recorded.keys()]).toEqual(FIXUP_PROGRAMS.map(program => program.name));
    for (const { name, type, text } of FIXUP_PROGRAMS) {
      const { xlated, stackDepths } = recorded.get(name)!;
      const theirs = xlatedFromKernel({ name, type, insns: fromHex(xlated), kernel, stackDepths });
      const insns = assemble(text, { dialect: 'kernel' });
      const ours = xlateUnverified({ name, type, insns }, { kernel, zext, zextPatched: true });
      expect(kernelLines(ours.insns), name).toEqual(kernelLines(theirs.insns));
      expect(ours.insns, name).toEqual(theirs.insns);
      expect(
        ours.subprogs.map(subprog => subprog.stackDepthBytes),
        name,
      ).toEqual(stackDepths);
      expect(ours.helpers, name).toEqual(theirs.helpers);
    }
  });

  if (!zext) return;
  it('and needs no more zero extensions than it puts in', () => {
    let fewer = 0;
    for (const { name, type, text } of FIXUP_PROGRAMS) {
      const insns = assemble(text, { dialect: 'kernel' });
      const ours = xlateUnverified({ name, type, insns }, { kernel, zext });
      const theirs = recorded.get(name)!.xlated.length / 16;
      expect(ours.insns.length, name).toBeLessThanOrEqual(theirs);
      if (ours.insns.length < theirs) fewer++;
    }
    expect(fewer).toBeGreaterThan(0);
  });
});
