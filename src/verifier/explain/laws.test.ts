import { describe, expect, it } from 'vitest';
import { typedProgram } from '../../../test/support/typed-programs.ts';
import { verifyInputOf } from '../../../test/support/verify-input.ts';
import { kernelImage } from '../../kernels/index.ts';
import type { VerifyOptions } from '../input.ts';
import { verify } from '../verify.ts';
import { explain } from './explain.ts';
import { renderExplanation } from './render.ts';

const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: undefined, image };
const NONE = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };
const PROGRAMS = 400;

/** Explanations of generated programs that are refused. */
function* explanations(options: VerifyOptions) {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const input = verifyInputOf(typedProgram(seed));
    const verdict = verify(input, { ...options, logLevel: 0 });
    if (verdict.ok) {
      expect(explain(input, options, verdict)).toBeUndefined();
      continue;
    }
    const explanation = explain(input, options, verdict);
    if (explanation === undefined) throw new Error(`seed ${seed} is refused and not explained`);
    yield { seed, verdict, explanation };
  }
}

describe.each([
  ['root', { kernel }],
  ['a user without capabilities', { kernel, caps: NONE }],
] as [string, VerifyOptions][])('explanations of any program of %s', (_, options) => {
  it('say something of every refusal, in an order that can be drawn', () => {
    let count = 0;
    for (const { seed, verdict, explanation } of explanations(options)) {
      const { chain, path, place } = explanation;
      const label = `seed ${seed}: ${verdict.message}`;
      count++;
      expect(explanation.messageId, label).toBe(verdict.messageId);
      expect(explanation.title, label).not.toBe('');
      expect(explanation.message.split('\n').at(-1), label).toBe(verdict.message.split('\n').at(-1));
      const text = renderExplanation(explanation);
      expect(text, label).not.toMatch(/undefined|NaN|\[object/);
      for (const line of text.split('\n')) if (line.length > 140) expect(line, label).toContain(verdict.message);
      for (let i = 1; i < chain.length; i++) expect(chain[i].step, label).toBeGreaterThanOrEqual(chain[i - 1].step);
      // The path leads to the place, and every event lies on it.
      if (path.length === 0 || place === undefined) continue;
      const last = path[path.length - 1];
      for (const { step, insnIdx } of chain) {
        const segment = path.findLast(row => row.step <= step);
        expect(segment !== undefined && segment.from <= insnIdx && insnIdx <= segment.to, label).toBe(true);
      }
      // A loop is found before its first instruction is looked at again.
      if (verdict.stage === 'do_check' && verdict.messageId !== 'infiniteLoop')
        expect(last.to, label).toBe(place.insnIdx);
      expect(JSON.parse(JSON.stringify(explanation)).title, label).toBe(explanation.title);
    }
    expect(count).toBeGreaterThan(10);
  });
});
