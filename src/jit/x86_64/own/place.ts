import { isS8, mov, NONE, rm } from '../encode.ts';
import { RBP, RSP } from '../registers.ts';
import type { Emission } from './emission.ts';
import { ARENA, SCRATCH } from './registers.ts';

/** Memory an instruction reaches. */
export interface Place {
  readonly base: number;
  readonly index: number;
  readonly disp: number;
}

/**
 * Where an arena access goes: the arena's base and the low half of a register, zero-extended in r11 where it may not be yet,
 * or where `keep` names a register that changes first.
 */
export function arenaPlace(e: Emission, register: number, off: number, keep: number): Place {
  const { arenaInRegister, arenaLo } = e.unit;
  let from = register;
  if (!e.isZeroExtended(register) || register === keep) {
    mov(e.c, 0, SCRATCH, register);
    from = SCRATCH;
  }
  return arenaInRegister ? { base: ARENA, index: from, disp: off } : { base: from, index: NONE, disp: off + arenaLo };
}

/** Where `base` + `disp` is: low in a large frame nearer to rsp, which code between instructions of BPF leaves alone. */
export function placeAt(e: Emission, base: number, disp: number): Place {
  const { rspOff } = e.unit.frame;
  if (base === RBP && !isS8(disp) && isS8(disp - rspOff)) return { base: RSP, index: NONE, disp: disp - rspOff };
  return { base, index: NONE, disp };
}

/** Where an access goes: in an arena, or at a register. */
export function placeOf(e: Emission, register: number, off: number, arena: boolean): Place {
  return arena ? arenaPlace(e, register, off, NONE) : placeAt(e, register, off);
}

/** `op` with a register and a place. */
export function access(e: Emission, flags: number, op: number, reg: number, at: Place): void {
  rm(e.c, flags, op, reg, at.base, at.disp, at.index);
}

/** The access that begins at `from` may fault: control goes on behind it. */
export function mayFault(e: Emission, from: number): void {
  e.extable.push({ insnOff: from, fixupOff: e.c.length });
}
