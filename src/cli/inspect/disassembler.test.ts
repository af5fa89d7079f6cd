import { describe, expect, it } from 'vitest';
import { findTarget } from '../../jit/index.ts';
import { insnForms } from '../../jit/ppc64/forms.ts';
import { capstoneDisassembler } from './disassembler.ts';

/** A value for each kind of operand that leaves no field 0. */
const SAMPLES: Readonly<Record<string, number>> = {
  r: 5,
  s16: -8,
  u16: 9,
  ds: 16,
  s34: -0x123456,
  li: 64,
  bd: 32,
  bo: 12,
  u1: 0,
  u3: 2,
  u5: 3,
  u6: 4,
  u8: 5,
};

describe.each(['ppc64le', 'ppc64'])('%s', name => {
  const target = findTarget(name);
  const bytesOf = (words: readonly number[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(words.length * 4));
    for (const [i, word] of words.entries()) view.setUint32(i * 4, word, target.order === 'little');
    return new Uint8Array(view.buffer);
  };

  it('knows every instruction compiled programs consist of', async () => {
    const disassemble = (await capstoneDisassembler(target))!;
    const unknown = insnForms().filter(form => {
      const words = [form.encode(...form.operands.map(kind => SAMPLES[kind]))].flat();
      return disassemble(bytesOf(words), 0, 0x1000n)?.sizeBytes !== words.length * 4;
    });
    expect(unknown.map(form => form.mnemonic)).toEqual([]);
  });

  it.each([
    [[0x0610_0001, 0x3980_8000], 'pla r12, 0x18000'],
    [[0x0603_ffff, 0x3985_fff8], 'paddi r12, r5, -0x8, 0'],
    [[0x0600_0001, 0x3980_0004], 'pli r12, 0x10004'],
    [[0x0400_0000, 0xe4a6_0010], 'pld r5, 0x10(r6), 0'],
    [[0x0410_0000, 0xe4a0_0010], 'pld r5, 0x10(0), 1'],
    [[0x7ca6_0176], 'brd r6, r5'],
    [[0x7ca3_0300], 'setbc r5, 3'],
  ])('%j is %s', async (words, text) => {
    const disassemble = (await capstoneDisassembler(target))!;
    const insn = disassemble(bytesOf(words), 0, 0n);
    expect(`${insn?.mnemonic} ${insn?.operands}`).toBe(text);
  });

  it('says nothing of what is none, and goes on behind it', async () => {
    const disassemble = (await capstoneDisassembler(target))!;
    const code = bytesOf([0, 0x6000_0000, 0x0400_0000]);
    expect([0, 4, 8].map(at => disassemble(code, at, BigInt(at))?.mnemonic)).toEqual([undefined, 'nop', undefined]);
  });
});
