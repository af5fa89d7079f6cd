import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { insnForms } from './forms.ts';

const golden = readFileSync(new URL('../../../testdata/jit/ppc64-encodings.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => {
    const [text, words] = line.split(' : ');
    const [name, ...operands] = text.split(' ');
    return { text, name, operands: operands.map(Number), words };
  });

const hex = (words: number | [number, number]): string =>
  [words]
    .flat()
    .map(word => (word >>> 0).toString(16).padStart(8, '0'))
    .join(' ');

describe('words', () => {
  const forms = new Map(insnForms().map(form => [form.mnemonic, form]));

  it('are what an assembler makes of them', () => {
    for (const { text, name, operands, words } of golden) {
      const form = forms.get(name);
      expect(form?.operands.length, text).toBe(operands.length);
      expect(hex(form!.encode(...operands)), text).toBe(words);
    }
  });

  it('every form has an example', () => {
    const seen = new Set(golden.map(line => line.name));
    expect([...forms.keys()].filter(name => !seen.has(name))).toEqual(['ori 31,31,0']);
  });
});
