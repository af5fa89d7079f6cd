import type { JitTarget } from '../../jit/index.ts';
import type { DisasmInsn, Disassembler } from '../../machine/index.ts';

/** Opcode 31 by its extended opcode, and which fields are its operands. */
const X_FORMS: Readonly<Record<number, readonly [mnemonic: string, operands: (word: number) => string]>> = (() => {
  const rt = (word: number): number => (word >>> 21) & 31;
  const ra = (word: number): number => (word >>> 16) & 31;
  const swap = (word: number): string => `r${ra(word)}, r${rt(word)}`;
  const set = (word: number): string => `r${rt(word)}, ${ra(word)}`;
  return {
    155: ['brw', swap],
    187: ['brd', swap],
    219: ['brh', swap],
    384: ['setbc', set],
    416: ['setbcr', set],
    448: ['setnbc', set],
    480: ['setnbcr', set],
  } as const;
})();

/** Prefixed loads and stores by type of prefix and opcode of the suffix: 2 is MLS, 0 is 8LS. */
const PREFIXED: Readonly<Record<string, string>> = {
  '2 32': 'plwz',
  '2 34': 'plbz',
  '2 36': 'pstw',
  '2 38': 'pstb',
  '2 40': 'plhz',
  '2 42': 'plha',
  '2 44': 'psth',
  '0 41': 'plwa',
  '0 57': 'pld',
  '0 61': 'pstd',
};

const number = (value: number): string => `${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}`;

/**
 * A prefixed instruction of POWER10 (Power ISA 3.1, MLS:D and 8LS:D forms):
 *
 * ```
 *  | 1 | type:2 | 0 | R | 0 0 | d0:18 |   then   | opcode:6 | RT:5 | RA:5 | d1:16 |
 * ```
 */
function prefixed(prefix: number, suffix: number): DisasmInsn | undefined {
  const type = (prefix >>> 24) & 3;
  const relative = (prefix >>> 20) & 1;
  const opcode = suffix >>> 26;
  const rt = (suffix >>> 21) & 31;
  const ra = (suffix >>> 16) & 31;
  const high = ((prefix & 0x3ffff) << 14) >> 14;
  const value = high * 0x10000 + (suffix & 0xffff);
  const insn = (mnemonic: string, operands: string): DisasmInsn => ({ sizeBytes: 8, mnemonic, operands });
  if (type === 2 && opcode === 14) {
    if (ra !== 0) return insn('paddi', `r${rt}, r${ra}, ${number(value)}, ${relative}`);
    return insn(relative === 1 ? 'pla' : 'pli', `r${rt}, ${number(value)}`);
  }
  const mnemonic = PREFIXED[`${type} ${opcode}`];
  const base = ra === 0 ? '0' : `r${ra}`;
  return mnemonic === undefined ? undefined : insn(mnemonic, `r${rt}, ${number(value)}(${base}), ${relative}`);
}

/** Knows the instructions of POWER10 that compiled programs use and capstone 5 does not know. */
export function power10Disassembler({ order }: Pick<JitTarget, 'order'>): Disassembler {
  return (code, offBytes) => {
    const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
    const wordAt = (at: number): number => (at + 4 <= code.length ? view.getUint32(at, order === 'little') : 0);
    const word = wordAt(offBytes);
    if (word >>> 26 === 1) return prefixed(word, wordAt(offBytes + 4));
    const row = word >>> 26 === 31 ? X_FORMS[(word >>> 1) & 0x3ff] : undefined;
    return row === undefined ? undefined : { sizeBytes: 4, mnemonic: row[0], operands: row[1](word) };
  };
}
