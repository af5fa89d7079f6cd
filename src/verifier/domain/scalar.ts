import { ltS64, ltU64 } from '../../util/index.ts';
import { type TnumBits, tnumIsConst } from './tnum.ts';

export const S32_MIN = -0x80000000;
export const S32_MAX = 0x7fffffff;

/**
 * What the verifier knows of a number: its bits (`var_off`, the fields of a tnum) and its bounds as an unsigned and a
 * signed number of 64 and of 32 bits. 64-bit values are two int32 halves; 32-bit bounds are int32 too, `u32Min` and
 * `u32Max` to be read with `>>> 0`. Every set of numbers that a kernel's `bpf_reg_state` can describe, this can.
 *
 * This class is a scalar being made. Once it leaves the function that made it, it is a `Scalar` and never changes, so
 * states may share it. Identity (`id`, the distance to a linked register) and precision are the register's, not the number's.
 *
 * Source: `include/linux/bpf_verifier.h: struct bpf_reg_state`.
 */
export class ScalarDraft {
  valueHi = 0;
  valueLo = 0;
  maskHi = -1;
  maskLo = -1;
  uminHi = 0;
  uminLo = 0;
  umaxHi = -1;
  umaxLo = -1;
  sminHi = S32_MIN;
  sminLo = 0;
  smaxHi = S32_MAX;
  smaxLo = -1;
  u32Min = 0;
  u32Max = -1;
  s32Min = S32_MIN;
  s32Max = S32_MAX;
}

export type Scalar = Readonly<ScalarDraft>;

/** Any 64-bit number. */
export const SCALAR_UNKNOWN: Scalar = new ScalarDraft();

export function draftOf(from: Scalar): ScalarDraft {
  const to = new ScalarDraft();
  to.valueHi = from.valueHi;
  to.valueLo = from.valueLo;
  to.maskHi = from.maskHi;
  to.maskLo = from.maskLo;
  to.uminHi = from.uminHi;
  to.uminLo = from.uminLo;
  to.umaxHi = from.umaxHi;
  to.umaxLo = from.umaxLo;
  to.sminHi = from.sminHi;
  to.sminLo = from.sminLo;
  to.smaxHi = from.smaxHi;
  to.smaxLo = from.smaxLo;
  to.u32Min = from.u32Min;
  to.u32Max = from.u32Max;
  to.s32Min = from.s32Min;
  to.s32Max = from.s32Max;
  return to;
}

const SMALL_FROM = -16;
const SMALL_COUNT = 256;
/** Most constants, made as they turn up. */
const small: (Scalar | undefined)[] = new Array(SMALL_COUNT);

/** The constant `(hi:lo)`. Source: `___mark_reg_known`. */
export function scalarKnown(hi: number, lo: number): Scalar {
  const place = (lo | 0) - SMALL_FROM;
  const isSmall = place >= 0 && place < SMALL_COUNT && (hi | 0) === lo >> 31;
  if (isSmall && small[place] !== undefined) return small[place];
  const r = new ScalarDraft();
  markKnown(r, hi, lo);
  if (isSmall) small[place] = r;
  return r;
}

/** A 32-bit number, sign-extended: what an immediate is to a 64-bit instruction. */
export const scalarOfInt32 = (value: number): Scalar => scalarKnown(value >> 31, value);

export const isConst: (s: Scalar) => boolean = tnumIsConst;
/** Whether the scalar is a constant, or its low half is. Source: `is_reg_const`. */
export const isConstFor = (s: Scalar, jmp32: boolean): boolean => (jmp32 ? s.maskLo : s.maskHi | s.maskLo) === 0;

/** Whether the scalar is a constant with bounds to match, as every one is whose bounds were not dropped. Without branches. */
export function isExactConst(s: Scalar): boolean {
  const { valueHi: hi, valueLo: lo } = s;
  const differing =
    s.maskHi |
    s.maskLo |
    (s.uminHi ^ hi) |
    (s.uminLo ^ lo) |
    (s.umaxHi ^ hi) |
    (s.umaxLo ^ lo) |
    (s.sminHi ^ hi) |
    (s.sminLo ^ lo) |
    (s.smaxHi ^ hi) |
    (s.smaxLo ^ lo) |
    (s.u32Min ^ lo) |
    (s.u32Max ^ lo) |
    (s.s32Min ^ lo) |
    (s.s32Max ^ lo);
  return differing === 0;
}

export function markKnown(r: ScalarDraft, hi: number, lo: number): void {
  hi |= 0;
  lo |= 0;
  r.valueHi = r.uminHi = r.umaxHi = r.sminHi = r.smaxHi = hi;
  r.valueLo = r.uminLo = r.umaxLo = r.sminLo = r.smaxLo = lo;
  r.maskHi = r.maskLo = 0;
  r.u32Min = r.u32Max = r.s32Min = r.s32Max = lo;
}

/** Source: `__mark_reg32_known`. */
export function mark32Known(r: ScalarDraft, lo: number): void {
  r.valueLo = r.u32Min = r.u32Max = r.s32Min = r.s32Max = lo | 0;
  r.maskLo = 0;
}

export function mark32Unbounded(r: ScalarDraft): void {
  r.s32Min = S32_MIN;
  r.s32Max = S32_MAX;
  r.u32Min = 0;
  r.u32Max = -1;
}

export function mark64SignedUnbounded(r: ScalarDraft): void {
  r.sminHi = S32_MIN;
  r.sminLo = 0;
  r.smaxHi = S32_MAX;
  r.smaxLo = -1;
}

export function mark64Unbounded(r: ScalarDraft): void {
  mark64SignedUnbounded(r);
  r.uminHi = r.uminLo = 0;
  r.umaxHi = r.umaxLo = -1;
}

export function setTnum(r: ScalarDraft, t: TnumBits): void {
  r.valueHi = t.valueHi;
  r.valueLo = t.valueLo;
  r.maskHi = t.maskHi;
  r.maskLo = t.maskLo;
}

/** The same bits without bounds: what Linux makes of a scalar whose bounds contradict each other. */
export function scalarUnbounded(s: Scalar): Scalar {
  const r = new ScalarDraft();
  setTnum(r, s);
  return r;
}

export function scalarEqual(a: Scalar, b: Scalar): boolean {
  return (
    a === b ||
    (a.valueHi === b.valueHi &&
      a.valueLo === b.valueLo &&
      a.maskHi === b.maskHi &&
      a.maskLo === b.maskLo &&
      a.uminHi === b.uminHi &&
      a.uminLo === b.uminLo &&
      a.umaxHi === b.umaxHi &&
      a.umaxLo === b.umaxLo &&
      a.sminHi === b.sminHi &&
      a.sminLo === b.sminLo &&
      a.smaxHi === b.smaxHi &&
      a.smaxLo === b.smaxLo &&
      a.u32Min === b.u32Min &&
      a.u32Max === b.u32Max &&
      a.s32Min === b.s32Min &&
      a.s32Max === b.s32Max)
  );
}

/** Whether the number `(hi:lo)` is one the scalar may have. */
export function scalarHas(s: Scalar, hi: number, lo: number): boolean {
  return (
    ((hi ^ s.valueHi) & ~s.maskHi) === 0 &&
    ((lo ^ s.valueLo) & ~s.maskLo) === 0 &&
    !ltU64(hi, lo, s.uminHi, s.uminLo) &&
    !ltU64(s.umaxHi, s.umaxLo, hi, lo) &&
    !ltS64(hi, lo, s.sminHi, s.sminLo) &&
    !ltS64(s.smaxHi, s.smaxLo, hi, lo) &&
    lo >>> 0 >= s.u32Min >>> 0 &&
    lo >>> 0 <= s.u32Max >>> 0 &&
    lo >= s.s32Min &&
    lo <= s.s32Max
  );
}

/** Whether every number of `b` is one of `a`, bound by bound. Source: `range_within`, `tnum_in`. */
export function scalarWithin(a: Scalar, b: Scalar): boolean {
  return (
    !ltU64(b.uminHi, b.uminLo, a.uminHi, a.uminLo) &&
    !ltU64(a.umaxHi, a.umaxLo, b.umaxHi, b.umaxLo) &&
    !ltS64(b.sminHi, b.sminLo, a.sminHi, a.sminLo) &&
    !ltS64(a.smaxHi, a.smaxLo, b.smaxHi, b.smaxLo) &&
    a.u32Min >>> 0 <= b.u32Min >>> 0 &&
    a.u32Max >>> 0 >= b.u32Max >>> 0 &&
    a.s32Min <= b.s32Min &&
    a.s32Max >= b.s32Max
  );
}

/** How many low bits the largest value takes, 0 to 64. Source: `get_reg_width`. */
export const scalarWidth = (s: Scalar): number =>
  s.umaxHi === 0 ? 32 - Math.clz32(s.umaxLo) : 64 - Math.clz32(s.umaxHi);

/** What `boundsViolation` finds; the words are Linux's. */
export type BoundsViolation =
  | 'range bounds violation'
  | 'const tnum out of sync with range bounds'
  | 'const subreg tnum out of sync with range bounds';

/**
 * How the parts of a scalar contradict each other, if they do. Happens on branches that cannot be taken but that the
 * verifier cannot see to be dead; it then forgets the bounds (`scalarUnbounded`) and goes on.
 * Source: `reg_bounds_sanity_check`.
 */
export function boundsViolation(s: Scalar): BoundsViolation | undefined {
  if (
    ltU64(s.umaxHi, s.umaxLo, s.uminHi, s.uminLo) ||
    ltS64(s.smaxHi, s.smaxLo, s.sminHi, s.sminLo) ||
    s.u32Min >>> 0 > s.u32Max >>> 0 ||
    s.s32Min > s.s32Max
  )
    return 'range bounds violation';
  const { valueHi: hi, valueLo: lo } = s;
  if (s.maskLo !== 0) return undefined;
  if (
    s.maskHi === 0 &&
    (s.uminHi !== hi ||
      s.uminLo !== lo ||
      s.umaxHi !== hi ||
      s.umaxLo !== lo ||
      s.sminHi !== hi ||
      s.sminLo !== lo ||
      s.smaxHi !== hi ||
      s.smaxLo !== lo)
  )
    return 'const tnum out of sync with range bounds';
  if (s.u32Min !== lo || s.u32Max !== lo || s.s32Min !== lo || s.s32Max !== lo)
    return 'const subreg tnum out of sync with range bounds';
  return undefined;
}
