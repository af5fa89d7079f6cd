import type { Insn } from '../../../isa/index.ts';
import { rev8, srli } from '../encode.ts';
import { emitAdd, emitAndi, emitShiftRight, emitSlli, truncate, zextHalf } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1, T2 } from './registers.ts';

const TO_LE = 0xd4;
const TO_BE = 0xdc;
const SWAP = 0xd7;

/** With Zbb in one instruction and a shift, else byte by byte. */
function swap(e: Emission, insn: Insn): void {
  const rd = REGISTERS[insn.dst];
  if (e.unit.zbb) {
    e.word(rev8(rd, rd));
    if (insn.imm < 64) emitShiftRight(e, srli, rd, rd, 64 - insn.imm);
    return;
  }
  e.li(T2, 0);
  for (let bits = 8; bits <= insn.imm; bits += 8) {
    emitAndi(e, T1, rd, 0xff);
    emitAdd(e, T2, T2, T1);
    if (bits === insn.imm) break;
    emitSlli(e, T2, T2, 8);
    emitShiftRight(e, srli, rd, rd, 8);
  }
  e.mv(rd, T2);
}

/** The order is the machine's already: only what is above the width goes. */
function clear(e: Emission, insn: Insn): void {
  const rd = REGISTERS[insn.dst];
  if (insn.imm === 16) zextHalf(e, rd, rd);
  else if (insn.imm === 32) truncate(e, rd);
}

export const BYTE_SWAP_ROWS: readonly LoweringRow[] = [
  [TO_LE, clear],
  [TO_BE, swap],
  [SWAP, swap],
];
