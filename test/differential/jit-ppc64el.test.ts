import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeInsns } from '../../src/isa/index.ts';
import { findTarget, jitProgram, loadedProgInfo } from '../../src/jit/index.ts';
import { createKernelSpace, findLayout, kernelImage } from '../../src/kernels/index.ts';
import { toHex } from '../../src/util/index.ts';
import type { JitAnswer, Kfunc } from '../support/lab-jit.ts';
import { xlatedOfAnswer } from '../support/lab-xlated.ts';

interface Recorded extends JitAnswer {
  readonly kfuncs?: Readonly<Record<string, { readonly addr: string; readonly args: Kfunc['args'] }>>;
}

const file = new URL('../../testdata/kernel/jit-6.12-ppc64el.jsonl.gz', import.meta.url);
const recorded = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded);

/** The kernel functions a program calls are recorded with it. */
const kfuncsOf =
  (answer: Recorded) =>
  (id: number): Kfunc | undefined => {
    const known = answer.kfuncs?.[id];
    return known && { addr: BigInt(`0x${known.addr}`), args: known.args };
  };

const newSpace = () => createKernelSpace(findLayout('ppc64-radix'), kernelImage('6.12-ppc64el'), { keepOut: [] });

describe('from a kernel dump to images and program info', () => {
  it.each(recorded.map(answer => [answer.name, answer] as const))('%s', (_name, answer) => {
    const space = newSpace();
    const xlated = xlatedOfAnswer(answer, { space, kfunc: kfuncsOf(answer) });
    const result = jitProgram(xlated, {
      target: findTarget('ppc64le'),
      space,
      cpu: 'power9',
      mode: 'compat',
      placement: index => ({ at: BigInt(`0x${answer.ksyms[index]}`) }),
    });
    if (!result.ok || !result.prog.jited) throw new Error('not compiled');
    const info = loadedProgInfo(result.prog, {
      id: 1,
      loadTimeNs: 0n,
      createdByUid: 0,
      btfId: 0,
      verifiedInsns: 0,
      attachBtfObjId: 0,
      attachBtfId: 0,
    });
    expect(toHex(info.jited)).toBe(answer.jited);
    expect(info.jitedFuncLens).toEqual(answer.funcLens);
    expect(info.jitedKsyms.map(addr => addr.toString(16))).toEqual(answer.ksyms);
    expect(toHex(encodeInsns(info.xlated))).toBe(answer.xlated);
    expect(info.jitedLineInfo.map(addr => addr.toString(16))).toEqual(answer.lineAddrs ?? []);
  });
});

describe.each(['power8', 'power9', 'power10'])('own code for %s', cpu => {
  it('is never longer than the kernel’s, and 0.85 of it altogether at most', () => {
    let ours = 0;
    let theirs = 0;
    for (const answer of recorded) {
      const space = newSpace();
      const result = jitProgram(xlatedOfAnswer(answer, { space, kfunc: kfuncsOf(answer) }), {
        target: findTarget('ppc64le'),
        space,
        cpu,
        placement: index => ({ at: BigInt(`0x${answer.ksyms[index]}`) }),
      });
      if (!result.ok || !result.prog.jited) throw new Error('not compiled');
      const bytes = result.prog.funcs.reduce((sum, func) => sum + func.bytes.length, 0);
      expect([answer.name, bytes <= answer.jited.length / 2]).toEqual([answer.name, true]);
      ours += bytes;
      theirs += answer.jited.length / 2;
    }
    expect(ours / theirs).toBeLessThan(0.85);
  });
});
