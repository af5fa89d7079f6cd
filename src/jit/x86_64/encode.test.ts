import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodings } from '../../../test/support/x86_64/encodings.ts';

const GOLDEN = new URL('../../../testdata/jit/x86_64-encodings.txt', import.meta.url);
const made = encodings(1, 12);

/** Bytes that llvm-mc makes of each line. */
function assembled(): string[] {
  const input = made.map(({ text }) => text).join('\n');
  const args = ['-triple=x86_64', '-mattr=+bmi2,+movbe', '-show-encoding'];
  const out = execFileSync('llvm-mc', args, { input, encoding: 'utf8', maxBuffer: 1 << 26 });
  return out
    .split('\n')
    .flatMap(line => /encoding: \[(.*)\]/.exec(line)?.[1] ?? [])
    .map(bytes => bytes.replaceAll('0x', '').replaceAll(',', ''));
}

if (process.env.BLESS === '1') {
  const lines = assembled().map((hex, n) => `${made[n].call} : ${made[n].text} : ${hex}`);
  if (lines.length !== made.length) throw new Error(`llvm-mc took ${lines.length} of ${made.length} lines`);
  writeFileSync(
    GOLDEN,
    ['# encoder and operands, instruction, and its bytes as llvm-mc encodes it', ...lines, ''].join('\n'),
  );
}

describe('bytes', () => {
  it('are what an assembler makes of them', () => {
    const golden = readFileSync(GOLDEN, 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'));
    expect(golden.map(line => line.split(' : ')[0])).toEqual(made.map(({ call }) => call));
    expect(made.map(({ call, text, hex }) => `${call} : ${text} : ${hex}`)).toEqual(golden);
  });
});
