import type { Insn } from '../../../isa/index.ts';
import { bswap, mov, movzx16, rr, W } from '../encode.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS } from './registers.ts';

const TO_LE = 0xd4;
const TO_BE = 0xdc;
const SWAP = 0xd7;

function swap({ c }: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  if (insn.imm === 16) {
    // ror by 8
    rr(c, 0, 0x660000c1, 1, reg);
    c.u8(8);
    movzx16(c, reg, reg);
  } else if (insn.imm === 32) bswap(c, 0, reg);
  else if (insn.imm === 64) bswap(c, W, reg);
}

/** The order is the machine's already: only what is above the width goes. */
function clear({ c }: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  if (insn.imm === 16) movzx16(c, reg, reg);
  else if (insn.imm === 32) mov(c, 0, reg, reg);
}

export const BYTE_SWAP_ROWS: readonly LoweringRow[] = [
  [TO_LE, clear],
  [TO_BE, swap],
  [SWAP, swap],
];
