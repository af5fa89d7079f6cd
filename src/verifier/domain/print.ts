import type { Scalar } from './scalar.ts';
import { S32_MAX, S32_MIN } from './scalar.ts';
import { type TnumBits, tnumIsConst, tnumIsUnknown } from './tnum.ts';

const U16_MAX = 0xffff;
const S16_MIN = -0x8000;
const S16_MAX = 0x7fff;

/** `0x1f` of two halves, unsigned. */
export function hexText(hi: number, lo: number): string {
  const low = (lo >>> 0).toString(16);
  return hi === 0 ? `0x${low}` : `0x${(hi >>> 0).toString(16)}${low.padStart(8, '0')}`;
}

/** An unsigned number in the verifier's log: decimal up to 65535, hex above. Source: `kernel/bpf/log.c: verbose_unum`. */
export const unsignedText = (hi: number, lo: number): string =>
  hi === 0 && lo >>> 0 <= U16_MAX ? String(lo) : hexText(hi, lo);

/** A signed number in the verifier's log: decimal within 16 bits, hex otherwise. Source: `verbose_snum`. */
export const signedText = (hi: number, lo: number): string =>
  hi === lo >> 31 && lo >= S16_MIN && lo <= S16_MAX ? String(lo) : hexText(hi, lo);

/** `5`, or `(0x0; 0xff)`: value and mask. Source: `tnum_strn`. */
export function tnumText(a: TnumBits): string {
  if (tnumIsConst(a)) return unsignedText(a.valueHi, a.valueLo);
  return `(${hexText(a.valueHi, a.valueLo)}; ${hexText(a.maskHi, a.maskLo)})`;
}

/** 64 digits of 0, 1 and x, the highest bit first. Source: `tnum_sbin`. */
export function tnumBinary(a: TnumBits): string {
  let text = '';
  for (const [value, mask] of [
    [a.valueHi, a.maskHi],
    [a.valueLo, a.maskLo],
  ])
    for (let n = 31; n >= 0; n--) text += ((mask >>> n) & 1) === 1 ? 'x' : (value >>> n) & 1;
  return text;
}

const NAMES = ['smin', 'smax', 'umin', 'umax', 'smin32', 'smax32', 'umin32', 'umax32'] as const;
/** A signed 32-bit bound is sign-extended only where it will be printed in decimal. */
const extended = (bound: number): number => (bound >= S16_MIN && bound < 0 ? -1 : 0);

/**
 * The bounds that say something, minima with equal minima and maxima with equal maxima as `smin=umin=1`, in the order
 * and with the joins of Linux's log. Empty if there are none.
 * Source: `print_scalar_ranges`.
 */
export function rangeTexts(s: Scalar): string[] {
  const his = [s.sminHi, s.smaxHi, s.uminHi, s.umaxHi, extended(s.s32Min), extended(s.s32Max), 0, 0];
  const los = [s.sminLo, s.smaxLo, s.uminLo, s.umaxLo, s.s32Min, s.s32Max, s.u32Min, s.u32Max];
  const omit = [
    s.sminHi === S32_MIN && s.sminLo === 0,
    s.smaxHi === S32_MAX && s.smaxLo === -1,
    (s.uminHi | s.uminLo) === 0,
    (s.umaxHi & s.umaxLo) === -1,
    s.s32Min === S32_MIN,
    s.s32Max === S32_MAX,
    s.u32Min === 0,
    s.u32Max === -1,
  ];
  const signed = (i: number): boolean => (i & 2) === 0;
  const negative = (i: number): boolean => signed(i) && his[i] < 0;
  const texts: string[] = [];
  for (let i = 0; i < 8; i++) {
    if (omit[i]) continue;
    let text = `${NAMES[i]}=`;
    for (let k = i + 2; k < 8; k += 2) {
      if (omit[k] || his[k] !== his[i] || los[k] !== los[i] || negative(k) !== negative(i)) continue;
      omit[k] = true;
      text += `${NAMES[k]}=`;
    }
    texts.push(text + (signed(i) ? signedText(his[i], los[i]) : unsignedText(his[i], los[i])));
  }
  return texts;
}

/** `id=3`, or `id=3+8` for a register a constant away from those it is linked to. */
export function idText(id: number, delta?: number): string {
  return delta === undefined ? `id=${id}` : `id=${id}${delta < 0 ? '' : '+'}${delta}`;
}

/**
 * A scalar in the verifier's log: a constant alone, or `scalar(id=1,smin=…,var_off=(0x0; 0xff))`. The mark `P` of a
 * precise one is the caller's.
 * Source: `print_reg_state`.
 *
 * @param id 0 for none
 * @param delta distance to the linked registers, if they are a constant apart
 */
export function scalarText(s: Scalar, id = 0, delta?: number): string {
  if (tnumIsConst(s)) return signedText(s.valueHi, s.valueLo);
  const parts = rangeTexts(s);
  if (id !== 0) parts.unshift(idText(id, delta));
  if (!tnumIsUnknown(s)) parts.push(`var_off=${tnumText(s)}`);
  return `scalar(${parts.join(',')})`;
}

/** The line of a contradiction; `where` is `alu`, or a branch's side. Source: `reg_bounds_sanity_check`. */
export function violationText(where: string, violation: string, s: Scalar): string {
  return (
    `REG INVARIANTS VIOLATION (${where}): ${violation} ` +
    `u64=[${hexText(s.uminHi, s.uminLo)}, ${hexText(s.umaxHi, s.umaxLo)}] ` +
    `s64=[${hexText(s.sminHi, s.sminLo)}, ${hexText(s.smaxHi, s.smaxLo)}] ` +
    `u32=[${hexText(0, s.u32Min)}, ${hexText(0, s.u32Max)}] ` +
    `s32=[${hexText(0, s.s32Min)}, ${hexText(0, s.s32Max)}] ` +
    `var_off=(${hexText(s.valueHi, s.valueLo)}, ${hexText(s.maskHi, s.maskLo)})`
  );
}
