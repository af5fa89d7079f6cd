import type { DisasmInsn } from '../../machine/index.ts';

/** Instructions of z14 and z15 that own mode uses and capstone does not know, by their first two bytes. */
const MNEMONICS: ReadonlyMap<number, string> = new Map([
  [0xb966, 'nogrk'],
  [0xb9ed, 'msgrkc'],
]);

/** `op | r3 | 0 | r1 | r2`, shown as capstone shows others of this form; undefined for everything else. */
export function z15Disassembler(code: Uint8Array, offBytes: number): DisasmInsn | undefined {
  if (offBytes + 4 > code.length) return undefined;
  const mnemonic = MNEMONICS.get((code[offBytes] << 8) | code[offBytes + 1]);
  if (mnemonic === undefined) return undefined;
  const [r3, r1, r2] = [code[offBytes + 2] >> 4, code[offBytes + 3] >> 4, code[offBytes + 3] & 15];
  return { sizeBytes: 4, mnemonic, operands: `%r${r1}, %r${r2}, %r${r3}` };
}
