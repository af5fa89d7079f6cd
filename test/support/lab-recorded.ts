import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { KernelSpace } from '../../src/kernels/index.ts';
import type { JitAnswer, JitSubject, Kfunc } from './lab-jit.ts';
import { type LabTarget, labSpace, labTarget } from './lab-targets.ts';

interface Line extends JitAnswer {
  /** By what calls have in `imm`. */
  readonly kfuncs?: Readonly<
    Record<string, { readonly addr: string; readonly name?: string; readonly args: Kfunc['args'] }>
  >;
}

/** A fixture of `test/tools/record-jit.ts`: what one machine of the lab said of programs of our own. */
export interface Recorded {
  readonly lab: LabTarget;
  readonly answers: readonly JitAnswer[];
  /** A space of its own, with the kernel where it lay. */
  newSpace(): KernelSpace;
  subject(answer: JitAnswer, space: KernelSpace): JitSubject;
}

/** @param arch as `ask` has it: `amd64` */
export function recorded(arch: string): Recorded {
  const file = new URL(`../../testdata/kernel/jit-6.12-${arch}.jsonl.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line & { readonly textBase?: string });
  const { textBase } = lines[0];
  const answers = lines.filter(line => line.textBase === undefined);
  const lab = labTarget(arch);
  return {
    lab,
    answers,
    newSpace: () => labSpace(lab, textBase === undefined ? undefined : BigInt(`0x${textBase}`)),
    subject: (answer, space) => ({
      space,
      lab,
      kfunc(imm) {
        const known = (answer as Line).kfuncs?.[imm];
        return known && { ...known, addr: BigInt(`0x${known.addr}`) };
      },
    }),
  };
}
