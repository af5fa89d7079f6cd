import { shlHi, shlLo } from '../../util/index.ts';
import { syncBounds } from './bounds.ts';
import {
  draftOf,
  isConst,
  mark32Unbounded,
  markKnown,
  S32_MAX,
  S32_MIN,
  type Scalar,
  ScalarDraft,
  setTnum,
} from './scalar.ts';
import { smearU32, tnumCast } from './tnum.ts';

/** Makes the 64-bit part that of the zero-extended low half. Does not sync. Source: `zext_32_to_64`. */
export function zext32(r: ScalarDraft): void {
  r.valueHi = r.maskHi = 0;
  r.uminHi = r.umaxHi = 0;
  r.uminLo = r.u32Min;
  r.umaxLo = r.u32Max;
  r.sminHi = r.smaxHi = 0;
  if (r.s32Min >= 0 && r.s32Max >= 0) {
    r.sminLo = r.s32Min;
    r.smaxLo = r.s32Max;
  } else {
    r.sminLo = 0;
    r.smaxLo = -1;
  }
}

/** `w1 = w2`. */
export function scalarZext32(src: Scalar): Scalar {
  const r = draftOf(src);
  zext32(r);
  syncBounds(r);
  return r;
}

/**
 * The low `sizeBytes` bytes (1, 2 or 4) of a number, zeros above: what a narrow load or an argument of that size is.
 * Source: `coerce_reg_to_size`.
 */
export function scalarTruncate(src: Scalar, sizeBytes: 1 | 2 | 4): Scalar {
  const r = draftOf(src);
  setTnum(r, tnumCast(src, sizeBytes));
  const keep = sizeBytes === 4 ? -1 : (1 << (sizeBytes * 8)) - 1;
  if (r.uminHi === r.umaxHi && (r.uminLo & ~keep) === (r.umaxLo & ~keep)) {
    r.uminLo &= keep;
    r.umaxLo &= keep;
  } else {
    r.uminLo = 0;
    r.umaxLo = keep;
  }
  r.uminHi = r.umaxHi = r.sminHi = r.smaxHi = 0;
  r.sminLo = r.uminLo;
  r.smaxLo = r.umaxLo;
  if (sizeBytes < 4) mark32Unbounded(r);
  syncBounds(r);
  return r;
}

const signExtend = (lo: number, sizeBytes: number): number => (lo << (32 - sizeBytes * 8)) >> (32 - sizeBytes * 8);
const leastOf = (sizeBytes: number): number => S32_MIN >> (32 - sizeBytes * 8);
const mostOf = (sizeBytes: number): number => S32_MAX >> (32 - sizeBytes * 8);

/**
 * The low `sizeBytes` bytes as a signed 64-bit number: `r1 = (s8)r2` and sign-extending loads. What is known of single
 * bits is lost unless all are. Source: `coerce_reg_to_size_sx`.
 */
export function scalarSext64(src: Scalar, sizeBytes: 1 | 2 | 4): Scalar {
  const r = new ScalarDraft();
  if (isConst(src)) {
    const value = signExtend(src.valueLo, sizeBytes);
    markKnown(r, value >> 31, value);
    return r;
  }
  const bits = sizeBytes * 8;
  const sameTop = src.sminHi === src.smaxHi && (bits === 32 || src.sminLo >> bits === src.smaxLo >> bits);
  const a = signExtend(src.sminLo, sizeBytes);
  const b = signExtend(src.smaxLo, sizeBytes);
  if (sameTop && a >= 0 === b >= 0) {
    const least = Math.min(a, b);
    const most = Math.max(a, b);
    r.s32Min = r.u32Min = r.sminLo = r.uminLo = least;
    r.s32Max = r.u32Max = r.smaxLo = r.umaxLo = most;
    r.sminHi = r.uminHi = least >> 31;
    r.smaxHi = r.umaxHi = most >> 31;
    r.maskHi = 0;
    r.maskLo = smearU32(least ^ most);
    r.valueHi = least >> 31;
    r.valueLo = least & ~r.maskLo;
    return r;
  }
  r.s32Min = r.sminLo = leastOf(sizeBytes);
  r.sminHi = -1;
  r.s32Max = r.smaxLo = mostOf(sizeBytes);
  r.smaxHi = 0;
  return r;
}

/**
 * The low `sizeBytes` bytes as a signed 32-bit number, zero-extended: `w1 = (s8)w2`.
 * Source: `coerce_subreg_to_size_sx`, then `zext_32_to_64`.
 */
export function scalarSext32(src: Scalar, sizeBytes: 1 | 2): Scalar {
  const r = draftOf(src);
  const bits = sizeBytes * 8;
  const a = signExtend(src.s32Min, sizeBytes);
  const b = signExtend(src.s32Max, sizeBytes);
  r.valueHi = r.maskHi = 0;
  if (isConst(src)) {
    const value = signExtend(src.valueLo, sizeBytes);
    r.valueLo = r.s32Min = r.s32Max = r.u32Min = r.u32Max = value;
  } else if (src.s32Min >> bits === src.s32Max >> bits && a >= 0 === b >= 0) {
    const least = Math.min(a, b);
    const most = Math.max(a, b);
    r.s32Min = r.u32Min = least;
    r.s32Max = r.u32Max = most;
    r.maskLo = smearU32(least ^ most);
    r.valueLo = least & ~r.maskLo;
  } else {
    r.s32Min = leastOf(sizeBytes);
    r.s32Max = mostOf(sizeBytes);
    r.u32Min = 0;
    r.u32Max = -1;
    r.valueLo = 0;
    r.maskLo = -1;
  }
  zext32(r);
  syncBounds(r);
  return r;
}

/**
 * Whether a sign extension from `bits` leaves every value as it is, so that both registers may be linked.
 * Source: `check_alu_op`: `no_sext`.
 */
export function fitsBelowSign(src: Scalar, bits: number): boolean {
  const limitHi = shlHi(0, 1, bits - 1);
  const limitLo = shlLo(1, bits - 1);
  return src.umaxHi === limitHi ? src.umaxLo >>> 0 < limitLo >>> 0 : src.umaxHi >>> 0 < limitHi >>> 0;
}
