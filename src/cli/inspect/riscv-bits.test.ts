import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findTarget } from '../../jit/index.ts';
import { capstoneDisassembler } from './disassembler.ts';

const golden = readFileSync(new URL('../../../testdata/jit/riscv64-encodings.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .flatMap(line => {
    const [, forms, text] = line.split(' | ');
    return forms.split(' ').map(hex => ({ text, bytes: Uint8Array.from(Buffer.from(hex, 'hex').reverse()) }));
  });

describe('riscv64', () => {
  it('knows every instruction compiled programs consist of', async () => {
    const disassemble = (await capstoneDisassembler(findTarget('riscv64')))!;
    const unknown = golden.filter(({ bytes }) => disassemble(bytes, 0, 0x1000n)?.sizeBytes !== bytes.length);
    expect(unknown.map(({ text }) => text)).toEqual([]);
  });

  it.each([
    [0x2096a4b3, 'sh1add s1, a3, s1'],
    [0x2096e4b3, 'sh3add s1, a3, s1'],
    [0x08f888bb, 'add.uw a7, a7, a5'],
    [0x0aa6179b, 'slli.uw a5, a2, 42'],
    [0x6054df13, 'rori t5, s1, 5'],
    [0x6b8bd513, 'rev8 a0, s7'],
    [0x080742bb, 'zext.h t0, a4'],
    [0x0000a001, undefined],
  ])('%s is %s', async (word, text) => {
    const disassemble = (await capstoneDisassembler(findTarget('riscv64')))!;
    const bytes = Uint8Array.of(0, word, word >>> 8, word >>> 16, word >>> 24);
    const insn = disassemble(bytes.subarray(1), 0, 0n);
    if (text === undefined) expect(insn?.mnemonic).toBe('c.j');
    else expect(`${insn?.mnemonic} ${insn?.operands}`).toBe(text);
  });
});
