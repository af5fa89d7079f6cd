import type { Insn } from '../../../isa/index.ts';
import { addi, ldbrx, li, lwbrx, mr, or, rldicl, rlwimi, rlwinm, sldi, std } from '../encode.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { scratchOff } from './frame.ts';
import { REGISTERS, SP, T1, T2 } from './registers.ts';

const TO_LE = 0xd4;
const TO_BE = 0xdc;
const SWAP = 0xd7;

/** CPUs before ISA 2.06, which have no `ldbrx`. */
const BEFORE_206: ReadonlySet<string> = new Set([
  'ppc64',
  '970',
  'ppc970',
  'power4',
  'power5',
  'power5+',
  'power6',
  'cell',
]);

function swap16(e: Emission, reg: number): void {
  e.emit(rlwinm(T1, reg, 8, 16, 23));
  e.emit(rlwimi(T1, reg, 24, 24, 31));
  e.emit(mr(reg, T1));
}

function swap32(e: Emission, reg: number): void {
  // Rotated by 8, bytes 2 and 4 are in place; the other two come from the word rotated by 24.
  e.emit(rlwinm(T1, reg, 8, 0, 31));
  e.emit(rlwimi(T1, reg, 24, 0, 7));
  e.emit(rlwimi(T1, reg, 24, 16, 23));
  e.emit(mr(reg, T1));
}

function swap64(e: Emission, reg: number): void {
  const off = scratchOff(e);
  const little = e.unit.abi.order === 'little';
  e.emit(std(reg, off, SP));
  e.emit(addi(T1, SP, off));
  if (!BEFORE_206.has(e.unit.env.cpu)) {
    e.emit(ldbrx(reg, 0, T1));
    return;
  }
  e.emit(lwbrx(reg, 0, T1));
  if (little) e.emit(sldi(reg, reg, 32));
  e.emit(li(T2, 4));
  e.emit(lwbrx(T2, T2, T1));
  if (!little) e.emit(sldi(T2, T2, 32));
  e.emit(or(reg, reg, T2));
}

const SWAPS: ReadonlyMap<number, (e: Emission, reg: number) => void> = new Map([
  [16, swap16],
  [32, swap32],
  [64, swap64],
]);

/** The order is the machine's already: only what is above the width goes. */
function clear(e: Emission, reg: number, bits: number): void {
  if (bits === 16) {
    e.emit(rldicl(reg, reg, 0, 48));
    e.absorbZext();
  } else if (bits === 32 && !e.unit.zeroExtended) {
    e.emit(rldicl(reg, reg, 0, 32));
  }
}

function lowerEnd(e: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  const ownOrder = e.unit.abi.order === 'little' ? TO_LE : TO_BE;
  if (insn.code === ownOrder) clear(e, reg, insn.imm);
  else SWAPS.get(insn.imm)?.(e, reg);
}

export const BYTE_SWAP_ROWS: readonly LoweringRow[] = [
  [TO_LE, lowerEnd],
  [TO_BE, lowerEnd],
  [SWAP, lowerEnd],
];
