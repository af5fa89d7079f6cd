import { describe, expect, it } from 'vitest';
import { encodeInsns } from '../../src/isa/index.ts';
import { findTarget, type JitedProgram, type JitMode, jitProgram, loadedProgInfo } from '../../src/jit/index.ts';
import type { Placement } from '../../src/kernels/index.ts';
import { toHex } from '../../src/util/index.ts';
import type { JitAnswer } from '../support/lab-jit.ts';
import { type Recorded, recorded } from '../support/lab-recorded.ts';
import { LAB_TARGETS } from '../support/lab-targets.ts';
import { xlatedOfAnswer } from '../support/lab-xlated.ts';

/** Compiles what a kernel compiled, where it lay there. */
function compile({ lab, newSpace, subject }: Recorded, answer: JitAnswer, cpu: string, mode: JitMode): JitedProgram {
  const space = newSpace();
  const result = jitProgram(xlatedOfAnswer(answer, subject(answer, space)), {
    target: findTarget(lab.target),
    space,
    cpu,
    mode,
    // Own code may be longer than what lies there; then it goes on behind all of it.
    placement: index => placeOf(answer, index, mode),
  });
  if (!result.ok || !result.prog.jited) throw new Error('not compiled');
  return result.prog;
}

/** Nobody is told where hidden functions lie. */
function placeOf(answer: JitAnswer, index: number, mode: JitMode): Placement | undefined {
  if (mode === 'own') return { at: apart(answer, index) };
  const at = answer.ksyms[index];
  return at === undefined ? undefined : { at: BigInt(`0x${at}`) };
}

const ROOM = 0x4000n;
const apart = (answer: JitAnswer, index: number): bigint =>
  (BigInt(`0x${answer.ksyms[0]}`) & ~3n) + ROOM * BigInt(index);

describe.each(LAB_TARGETS.map(lab => lab.arch))('from a dump of Linux 6.12 for %s to images and program info', arch => {
  const from = recorded(arch);
  it.each(from.answers.map(answer => [answer.name, answer] as const))('%s', (_name, answer) => {
    const info = loadedProgInfo(compile(from, answer, from.lab.cpu, 'compat'), {
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

const OWN = LAB_TARGETS.flatMap(({ arch, target }) => findTarget(target).cpus.map(cpu => [arch, cpu] as const));
/** Of CPUs without instructions the kernel's own had, programs made of what those do. */
const LONGER: Readonly<Record<string, readonly string[]>> = {
  'x86-64-v1': ['shifts-everywhere'],
  'armv8-a': ['atomics', 'atomics-everywhere'],
  rv64gc: ['swaps-in-red-zone', 'swaps-in-frame'],
};

describe.each(OWN)('own code for %s, %s', (arch, cpu) => {
  it('is never longer than the kernel’s, and 0.85 of it altogether at most', () => {
    const from = recorded(arch);
    let ours = 0;
    let theirs = 0;
    for (const answer of from.answers) {
      const bytes = compile(from, answer, cpu, 'own').funcs.reduce((sum, func) => sum + func.bytes.length, 0);
      if (!LONGER[cpu]?.includes(answer.name)) {
        expect([answer.name, bytes <= answer.jited.length / 2]).toEqual([answer.name, true]);
      }
      ours += bytes;
      theirs += answer.jited.length / 2;
    }
    expect(ours / theirs).toBeLessThan(0.85);
  });
});
