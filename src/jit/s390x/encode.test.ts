import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as encode from './encode.ts';

const golden = readFileSync(new URL('../../../testdata/jit/s390x-encodings.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => {
    const [call, text, hex] = line.split(' : ');
    const [name, ...operands] = call.split(' ');
    return { text, name, operands: operands.map(Number), hex };
  });

const { lengthOf, ...encoders } = encode;

describe('instructions', () => {
  it('are what an assembler makes of them, and as long', () => {
    for (const { text, name, operands, hex } of golden) {
      const encoder = encoders[name as keyof typeof encoders] as ((...args: number[]) => number) | undefined;
      expect(encoder?.length, text).toBe(operands.length);
      const insn = encoder!(...operands);
      expect(insn.toString(16).padStart(2 * lengthOf(insn), '0'), text).toBe(hex);
    }
  });

  it('each has an example', () => {
    const seen = new Set(golden.map(line => line.name));
    expect(Object.keys(encoders).filter(name => !seen.has(name))).toEqual([]);
  });
});
