import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compress, compressedBranch, compressedJump } from './compress.ts';
import * as encode from './encode.ts';

interface Line {
  readonly name: string;
  readonly operands: readonly number[];
  /** The word, and its short form if it has one. */
  readonly bytes: readonly string[];
  readonly text: string;
}

const lines: readonly Line[] = readFileSync(
  new URL('../../../testdata/jit/riscv64-encodings.txt', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => {
    const [form, bytes, text] = line.split(' | ');
    const [name, ...operands] = form.split(' ');
    return { name, operands: operands.map(Number), bytes: bytes.split(' '), text };
  });

/** Flags for 32 bits are 1 and 0 in the file. */
const ATOMICS = ['amoadd', 'amoswap', 'amoxor', 'amoor', 'amoand', 'storeConditional', 'loadReserved'];
const encoders = { ...encode, compressedBranch, compressedJump } as unknown as Readonly<
  Record<string, (...operands: unknown[]) => number>
>;
const hex = (word: number, digits: number): string => (word >>> 0).toString(16).padStart(digits, '0');

describe('words', () => {
  it('are what an assembler makes of them, and as short', () => {
    for (const { name, operands, bytes, text } of lines) {
      const given = ATOMICS.includes(name) ? [operands[0] === 1, ...operands.slice(1)] : operands;
      const word = encoders[name](...given);
      expect(hex(word, bytes[0].length), text).toBe(bytes[0]);
      // Distances decide over branches and jumps.
      if (bytes[0].length === 4 || ['branch', 'jal'].includes(name)) continue;
      const short = compress(word);
      expect(short === 0 ? undefined : hex(short, 4), text).toBe(bytes[1]);
    }
  });

  it('every encoder has an example', () => {
    const seen = new Set(lines.map(line => line.name));
    const functions = Object.entries(encoders).filter(([, value]) => typeof value === 'function');
    expect(functions.map(([name]) => name).filter(name => !seen.has(name))).toEqual([]);
  });
});
