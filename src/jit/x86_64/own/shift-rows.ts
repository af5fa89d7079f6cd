import { mov, pop, push, shiftCl, shiftX, W, xchg } from '../encode.ts';
import { RCX } from '../registers.ts';
import type { Emission } from './emission.ts';

/** BPF's register in rcx. */
const R4 = 4;

/** d = d shifted by the low bits of `count`. Without BMI2 the count has to be in cl. */
export function emitShift(e: Emission, i: number, w: number, op: number, d: number, count: number): void {
  const { c } = e;
  if (count === RCX) shiftCl(c, w, op, d);
  else if (e.unit.v3) shiftX(c, w, op, d, d, count);
  else if (d === RCX) {
    // The value and the count change places.
    xchg(c, W, count, RCX);
    shiftCl(c, w, op, count);
    xchg(c, W, count, RCX);
  } else {
    const free = e.isFree(R4, i);
    if (!free) push(c, RCX);
    mov(c, 0, RCX, count);
    shiftCl(c, w, op, d);
    if (free) e.wrote(RCX, true);
    else pop(c, RCX);
  }
}
