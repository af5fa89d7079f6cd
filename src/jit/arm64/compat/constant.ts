import { movk, movn, movz, W, X } from '../encode.ts';
import type { Emission } from './emission.ts';

const ONES = 0xffff;

/** A 32-bit number, sign-extended to the width (`emit_a64_mov_i`): one or two instructions. */
export function constant32(e: Emission, sf: number, reg: number, value: number): void {
  const high = value >>> 16;
  const low = value & ONES;
  if ((high & 0x8000) === 0) {
    e.emit(movz(sf, reg, low));
    if (high !== 0) e.emit(movk(sf, reg, high, 1));
  } else if (high === ONES) {
    e.emit(movn(sf, reg, ~low));
  } else {
    e.emit(movn(sf, reg, ~high, 1));
    if (low !== ONES) e.emit(movk(sf, reg, low));
  }
}

/** A 64-bit number as halves (`emit_a64_mov_i64`): from its highest quarter that says something, down. */
export function constant64(e: Emission, reg: number, hi: number, lo: number): void {
  if (hi === 0) {
    constant32(e, W, reg, lo);
    return;
  }
  const quarters = [lo & ONES, lo >>> 16, hi & ONES, hi >>> 16];
  const count = (of: number): number => quarters.filter(quarter => quarter !== of).length;
  const inverse = count(ONES) < count(0);
  const filler = inverse ? ONES : 0;
  let hw = 3;
  while (hw > 0 && quarters[hw] === filler) hw--;
  e.emit(inverse ? movn(X, reg, ~quarters[hw], hw) : movz(X, reg, quarters[hw], hw));
  while (--hw >= 0) if (quarters[hw] !== filler) e.emit(movk(X, reg, quarters[hw], hw));
}

/** An address with ones above its 48 bits: always three instructions (`emit_addr_mov_i64`). */
export function address(e: Emission, reg: number, value: bigint): void {
  const low = Number(BigInt.asIntN(32, value));
  e.emit(movn(X, reg, ~low));
  e.emit(movk(X, reg, low >>> 16, 1));
  e.emit(movk(X, reg, Number((value >> 32n) & 0xffffn), 2));
}

/** Whether an immediate of `add` holds a number: 12 bits, or 12 bits times 4096 (`is_addsub_imm`). */
export const isSumImm = (value: number): boolean => (value & ~0xfff) === 0 || (value & ~0xfff000) === 0;

/** Bits of the immediate and whether it is shifted, of a number {@link isSumImm} takes. */
export const sumImm = (value: number): readonly [imm12: number, shifted: number] =>
  (value & ~0xfff) === 0 ? [value, 0] : [value >>> 12, 1];
