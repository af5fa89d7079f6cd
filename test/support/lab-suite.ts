import { describe, expect, it } from 'vitest';
import { compareWithKernel, lineAddresses } from './lab-jit.ts';
import { recorded } from './lab-recorded.ts';

/**
 * Tests of a compatible mode against what a kernel compiled.
 *
 * @param step hex digits between those changed to see that a change is found
 */
export function describeCompat(arch: string, step: number): void {
  const { answers, newSpace, subject } = recorded(arch);
  const space = newSpace();

  describe(`images of Debian 6.12.107 ${arch}`, () => {
    it.each(answers.map(answer => [answer.name, answer] as const))('%s: the same bytes', (_name, answer) => {
      expect(compareWithKernel(answer, subject(answer, space))).toEqual([]);
    });

    const lined = answers.filter(answer => answer.lineAddrs !== undefined);
    it(`line records of ${lined.length} programs name the same addresses`, () => {
      expect(lined.length).toBeGreaterThan(10);
      for (const answer of lined) expect(lineAddresses(answer, subject(answer, space))).toEqual(answer.lineAddrs);
    });

    it('any other byte is found', () => {
      const answer = answers.find(({ name }) => name === 'functions-12')!;
      for (let at = 0; at < answer.jited.length; at += step) {
        const digit = (Number.parseInt(answer.jited[at], 16) ^ 1).toString(16);
        const jited = answer.jited.slice(0, at) + digit + answer.jited.slice(at + 1);
        expect(compareWithKernel({ ...answer, jited }, subject(answer, space))).not.toEqual([]);
      }
    });

    it('calls, probes, callbacks, tail calls and atomics are among them', () => {
      const names = new Set(answers.map(({ name }) => name));
      expect(names.size).toBeGreaterThanOrEqual(arch === 'ppc64el' ? 40 : 45);
      for (const name of [
        'functions-12',
        'probes_askew',
        'every_element',
        'tail-call-in-frame',
        'atomics',
        'far-backward',
      ]) {
        expect(names).toContain(name);
      }
    });
  });
}
