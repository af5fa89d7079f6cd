import type { Insn } from '../../../isa/index.ts';
import { rev, rev16, ubfm, W, X } from '../encode.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS } from './registers.ts';

const TO_LE = 0xd4;
const TO_BE = 0xdc;
const SWAP = 0xd7;

/** `sf` is that of the class, so a 16-bit `bswap` works on 64 bits. */
function swap(sf: number) {
  return (e: Emission, insn: Insn): void => {
    const reg = REGISTERS[insn.dst];
    if (insn.imm === 16) {
      e.emit(sf | rev16(reg, reg));
      e.emit(ubfm(sf, reg, reg, 0, 15));
    } else if (insn.imm === 32) e.emit(rev(W, reg, reg));
    else if (insn.imm === 64) e.emit(rev(X, reg, reg));
  };
}

/** The order is the machine's already: only what is above the width goes. */
function clear(e: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  if (insn.imm < 64) e.emit(ubfm(W, reg, reg, 0, insn.imm - 1));
}

export const BYTE_SWAP_ROWS: readonly LoweringRow[] = [
  [TO_LE, clear],
  [TO_BE, swap(W)],
  [SWAP, swap(X)],
];
