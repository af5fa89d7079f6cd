import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  compareWithKernel,
  type JitAnswer,
  type JitSubject,
  type Kfunc,
  lineAddresses,
} from '../../../../test/support/lab-jit.ts';
import { createKernelSpace, findLayout, kernelImage } from '../../../kernels/index.ts';

interface Recorded extends JitAnswer {
  readonly kfuncs?: Readonly<Record<string, { readonly addr: string; readonly args: Kfunc['args'] }>>;
}

const file = new URL('../../../../testdata/kernel/jit-6.12-ppc64el.jsonl.gz', import.meta.url);
const recorded = gunzipSync(readFileSync(file))
  .toString()
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded);
const space = createKernelSpace(findLayout('ppc64-radix'), kernelImage('6.12-ppc64el'), { keepOut: [] });

const subject = (answer: Recorded): JitSubject => ({
  space,
  kfunc(btfId) {
    const known = answer.kfuncs?.[btfId];
    return known && { addr: BigInt(`0x${known.addr}`), args: known.args };
  },
});
const compare = (answer: Recorded) => compareWithKernel(answer, subject(answer));

describe('images of Debian 6.12.107 ppc64el', () => {
  it.each(recorded.map(answer => [answer.name, answer] as const))('%s: the same bytes', (_name, answer) => {
    expect(compare(answer)).toEqual([]);
  });

  const lined = recorded.filter(answer => answer.lineAddrs !== undefined);
  it(`line records of ${lined.length} programs name the same addresses`, () => {
    expect(lined.length).toBeGreaterThan(10);
    for (const answer of lined) expect(lineAddresses(answer, subject(answer))).toEqual(answer.lineAddrs);
  });

  it('any other byte is found', () => {
    const answer = recorded.find(({ name }) => name === 'functions-12')!;
    for (let at = 0; at < answer.jited.length; at += 94) {
      const digit = (Number.parseInt(answer.jited[at], 16) ^ 1).toString(16);
      const jited = answer.jited.slice(0, at) + digit + answer.jited.slice(at + 1);
      expect(compare({ ...answer, jited })).not.toEqual([]);
    }
  });

  it('calls, probes, callbacks, tail calls and atomics are among them', () => {
    const names = new Set(recorded.map(({ name }) => name));
    expect(names.size).toBe(40);
    for (const name of [
      'functions-12',
      'probes_askew',
      'every_element',
      'tail-call-in-frame',
      'atomics',
      'cpumasks',
      'far-backward',
    ]) {
      expect(names).toContain(name);
    }
  });
});
