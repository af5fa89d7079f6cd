import type { Disassembler } from '../../machine/index.ts';

/** Names of registers as capstone prints them. */
const REGISTERS =
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');

/** What of a word is the instruction, its value there, and the operands behind rd and rs1. */
interface Form {
  readonly mask: number;
  readonly value: number;
  readonly mnemonic: string;
  readonly last: 'rs2' | 'shift' | 'none';
}

const REGISTER_MASK = 0xfe00707f | 0;
const SHIFT_MASK = 0xfc00707f | 0;
const UNARY_MASK = 0xfff0707f | 0;
const three = (mnemonic: string, value: number): Form => ({ mask: REGISTER_MASK, value, mnemonic, last: 'rs2' });
const shift = (mnemonic: string, value: number): Form => ({ mask: SHIFT_MASK, value, mnemonic, last: 'shift' });
const unary = (mnemonic: string, value: number): Form => ({ mask: UNARY_MASK, value, mnemonic, last: 'none' });

/** The instructions of Zba and Zbb that compiled programs have, which capstone does not know. */
const FORMS: readonly Form[] = [
  three('sh1add', 0x20002033),
  three('sh2add', 0x20004033),
  three('sh3add', 0x20006033),
  three('add.uw', 0x0800003b),
  shift('slli.uw', 0x0800101b),
  shift('rori', 0x60005013),
  unary('rev8', 0x6b805013),
  unary('sext.b', 0x60401013),
  unary('sext.h', 0x60501013),
  unary('zext.h', 0x0800403b),
];

/** Decodes Zba and Zbb; undefined for everything else. */
export const riscvBitsDisassembler: Disassembler = (code, offBytes) => {
  if (offBytes + 4 > code.length) return undefined;
  const word = new DataView(code.buffer, code.byteOffset + offBytes).getInt32(0, true);
  const form = FORMS.find(({ mask, value }) => (word & mask) === value);
  if (form === undefined) return undefined;
  const [rd, rs1, rs2] = [7, 15, 20].map(at => REGISTERS[(word >> at) & 31]);
  const last = { rs2: `, ${rs2}`, shift: `, ${(word >> 20) & 63}`, none: '' }[form.last];
  return { sizeBytes: 4, mnemonic: form.mnemonic, operands: `${rd}, ${rs1}${last}` };
};
