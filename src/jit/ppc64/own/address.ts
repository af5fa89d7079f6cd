import { addi, addpcis, nop, pla } from '../encode.ts';
import type { Emission } from './emission.ts';
import { isHaLo, isS16 } from './numbers.ts';

/** Words of the longest way to an address: a 64-bit constant. */
export const LONGEST = 5;

/**
 * Ways to put an address into a register, shortest first where they tie:
 *
 * - `toc`: r2 plus up to 32 bits, one or two words;
 * - `pcrel`: POWER9's `addpcis` and `addi`, ±2 GB around the code, one or two words;
 * - `pla`: POWER10, ±8 GB around the code, two words and a nop where 64 bytes would be crossed;
 * - `imm64`: the constant from nothing, up to five words;
 * - `placeholder`: five words, the address is not known.
 */
export type WayForm = 'toc' | 'pcrel' | 'pla' | 'imm64' | 'placeholder';

export interface Way {
  readonly form: WayForm;
  readonly words: number;
}

/** The shortest way to an address from the next instruction on. `toc` undefined: what this emission has. */
export function wayTo(e: Emission, hi: number, lo: number, toc = e.toc): Way {
  const { unit } = e;
  let form: WayForm = 'imm64';
  let words = 0;
  if (hi === lo >> 31) words = isS16(lo) || (lo & 0xffff) === 0 ? 1 : 2;
  else words = e.plan(hi, lo).length;
  const pick = (other: WayForm, count: number): void => {
    if (count < words) {
      form = other;
      words = count;
    }
  };
  if (words > 1 && toc && unit.hasToc) {
    const deltaLo = (lo - unit.tocLo) | 0;
    const deltaHi = (hi - unit.tocHi - (lo >>> 0 < unit.tocLo >>> 0 ? 1 : 0)) | 0;
    if (isHaLo(deltaHi, deltaLo)) {
      // The kernel's own way wins a tie with a constant of two words: it is what people expect to see.
      pick('toc', isS16(deltaLo) || (deltaLo & 0xffff) === 0 ? 1 : 2);
    }
  }
  if (words > 1 && e.located && unit.power9) {
    const off = e.buffer.length;
    const near = e.distanceLo(lo, off + 4);
    if (isHaLo(e.distanceHi(hi, lo, off + 4), near)) pick('pcrel', (near & 0xffff) === 0 ? 1 : 2);
    else if (unit.prefixed) {
      const pad = e.lineOffset === 60 ? 1 : 0;
      const high = e.distanceHi(hi, lo, off + 4 * pad);
      if (high >= -2 && high <= 1) pick('pla', 2 + pad);
    }
  }
  return { form, words };
}

/** Writes that way. */
export function putWay(e: Emission, way: Way, rt: number, hi: number, lo: number): void {
  const { unit } = e;
  switch (way.form) {
    case 'placeholder':
      for (let k = 0; k < LONGEST; k++) e.w(nop());
      break;
    case 'toc':
      e.addConstant(rt, 2, (lo - unit.tocLo) | 0);
      break;
    case 'pcrel': {
      const near = e.distanceLo(lo, e.buffer.length + 4);
      e.w(addpcis(rt, (near + 0x8000) >> 16));
      if ((near & 0xffff) !== 0) e.w(addi(rt, rt, near));
      break;
    }
    case 'pla': {
      if (way.words === 3) e.w(nop());
      const off = e.buffer.length;
      for (const word of pla(rt, e.distanceHi(hi, lo, off) * 0x100000000 + (e.distanceLo(lo, off) >>> 0))) e.w(word);
      break;
    }
    default:
      e.putPlan(rt, e.plan(hi, lo));
  }
}

/** Fills slot `i`'s code up to what it took in an earlier emission. */
export function fillUp(e: Emission, i: number, start: number): void {
  const least = e.forms.words[i];
  while (e.buffer.length - start < 4 * least) e.w(nop());
  e.lengths[i] = (e.buffer.length - start) >> 2;
}
