import { ltS64, ltU64 } from '../../util/index.ts';
import { isExactConst, type ScalarDraft } from './scalar.ts';
import { smearU32 } from './tnum.ts';

const maxU32 = (a: number, b: number): number => (a >>> 0 < b >>> 0 ? b : a);
const minU32 = (a: number, b: number): number => (b >>> 0 < a >>> 0 ? b : a);
const maxS32 = (a: number, b: number): number => (a < b ? b : a);
const minS32 = (a: number, b: number): number => (b < a ? b : a);
const leU32 = (a: number, b: number): boolean => a >>> 0 <= b >>> 0;

/**
 * Lets bits and bounds of all four kinds learn from each other, in Linux's order and as often. The result depends on
 * both: later kernels, which deduce more, come to narrower bounds.
 * Source: `reg_bounds_sync`.
 */
export function syncBounds(r: ScalarDraft): void {
  if (isExactConst(r)) return;
  updateBounds(r);
  let changed = false;
  if (!isPlainRange(r)) {
    changed = deduceBounds(r);
    // A round that changes nothing would be repeated to no effect.
    if (changed && deduceBounds(r)) deduceBounds(r);
  }
  if (boundOffset(r) || changed) updateBounds(r);
}

/**
 * Whether all four kinds of bounds are one range of numbers from 0 to 2^31 - 1, of which nothing more can be deduced. Most
 * numbers in programs are such, so this is asked first, and without branches.
 */
function isPlainRange(r: ScalarDraft): boolean {
  const { uminLo: min, umaxLo: max } = r;
  const differing =
    r.uminHi |
    r.umaxHi |
    r.sminHi |
    r.smaxHi |
    (r.sminLo ^ min) |
    (r.u32Min ^ min) |
    (r.s32Min ^ min) |
    (r.smaxLo ^ max) |
    (r.u32Max ^ max) |
    (r.s32Max ^ max) |
    ((min | max) & -0x80000000);
  return differing === 0 && min <= max;
}

/** Bounds from bits: the least is all unknown bits 0, the most all of them 1; a sign bit counts the other way. */
export function updateBounds(r: ScalarDraft): void {
  updateBounds32(r);
  const { valueHi, valueLo, maskHi, maskLo } = r;
  const leastHi = valueHi | (maskHi & -0x80000000);
  if (ltS64(r.sminHi, r.sminLo, leastHi, valueLo)) {
    r.sminHi = leastHi;
    r.sminLo = valueLo;
  }
  const allLo = valueLo | maskLo;
  const mostHi = valueHi | (maskHi & 0x7fffffff);
  if (ltS64(mostHi, allLo, r.smaxHi, r.smaxLo)) {
    r.smaxHi = mostHi;
    r.smaxLo = allLo;
  }
  if (ltU64(r.uminHi, r.uminLo, valueHi, valueLo)) {
    r.uminHi = valueHi;
    r.uminLo = valueLo;
  }
  const allHi = valueHi | maskHi;
  if (ltU64(allHi, allLo, r.umaxHi, r.umaxLo)) {
    r.umaxHi = allHi;
    r.umaxLo = allLo;
  }
}

export function updateBounds32(r: ScalarDraft): void {
  const { valueLo, maskLo } = r;
  r.s32Min = maxS32(r.s32Min, valueLo | (maskLo & -0x80000000));
  r.s32Max = minS32(r.s32Max, valueLo | (maskLo & 0x7fffffff));
  r.u32Min = maxU32(r.u32Min, valueLo);
  r.u32Max = minU32(r.u32Max, valueLo | maskLo);
}

/**
 * One round of deductions between the kinds of bounds; true if it changed something.
 * Source: `__reg32_deduce_bounds`, `__reg64_deduce_bounds`, `__reg_deduce_mixed_bounds`.
 */
function deduceBounds(r: ScalarDraft): boolean {
  let { uminHi, uminLo, umaxHi, umaxLo, sminHi, sminLo, smaxHi, smaxLo, u32Min, u32Max, s32Min, s32Max } = r;

  // 32 from 64: with one high half throughout, the low halves are a range.
  if (uminHi === umaxHi) {
    u32Min = maxU32(u32Min, uminLo);
    u32Max = minU32(u32Max, umaxLo);
    if (uminLo <= umaxLo) {
      s32Min = maxS32(s32Min, uminLo);
      s32Max = minS32(s32Max, umaxLo);
    }
  }
  if (sminHi === smaxHi) {
    if (leU32(sminLo, smaxLo)) {
      u32Min = maxU32(u32Min, sminLo);
      u32Max = minU32(u32Max, smaxLo);
    }
    if (sminLo <= smaxLo) {
      s32Min = maxS32(s32Min, sminLo);
      s32Max = minS32(s32Max, smaxLo);
    }
  }
  // Two neighbouring high halves, and low halves that go up through 0: -16..16 in any such pair.
  if (((uminHi + 1) | 0) === umaxHi && uminLo < 0 && umaxLo >= 0) {
    s32Min = maxS32(s32Min, uminLo);
    s32Max = minS32(s32Max, umaxLo);
  }
  if (((sminHi + 1) | 0) === smaxHi && sminLo < 0 && smaxLo >= 0) {
    s32Min = maxS32(s32Min, sminLo);
    s32Max = minS32(s32Max, smaxLo);
  }
  // Between u32 and s32: a range on one side of the sign is the same range in both.
  if (u32Min <= u32Max) {
    s32Min = maxS32(s32Min, u32Min);
    s32Max = minS32(s32Max, u32Max);
  }
  if (leU32(s32Min, s32Max)) {
    u32Min = maxU32(s32Min, u32Min);
    u32Max = minU32(s32Max, u32Max);
  } else if (u32Max >>> 0 < s32Min >>> 0) {
    // The signed range is the two ends of the unsigned line, and only the lower end meets the unsigned range.
    s32Min = u32Min;
    u32Max = minU32(u32Max, s32Max);
  } else if (s32Max >>> 0 < u32Min >>> 0) {
    s32Max = u32Max;
    u32Min = maxU32(u32Min, s32Min);
  }

  // The same between u64 and s64.
  if (!ltS64(umaxHi, umaxLo, uminHi, uminLo)) {
    if (ltS64(sminHi, sminLo, uminHi, uminLo)) {
      sminHi = uminHi;
      sminLo = uminLo;
    }
    if (ltS64(umaxHi, umaxLo, smaxHi, smaxLo)) {
      smaxHi = umaxHi;
      smaxLo = umaxLo;
    }
  }
  const straight = !ltU64(smaxHi, smaxLo, sminHi, sminLo);
  const lowEnd = !straight && ltU64(umaxHi, umaxLo, sminHi, sminLo);
  const highEnd = !straight && !lowEnd && ltU64(smaxHi, smaxLo, uminHi, uminLo);
  if (lowEnd) {
    sminHi = uminHi;
    sminLo = uminLo;
  }
  if (highEnd) {
    smaxHi = umaxHi;
    smaxLo = umaxLo;
  }
  if ((straight || highEnd) && ltU64(uminHi, uminLo, sminHi, sminLo)) {
    uminHi = sminHi;
    uminLo = sminLo;
  }
  if ((straight || lowEnd) && ltU64(smaxHi, smaxLo, umaxHi, umaxLo)) {
    umaxHi = smaxHi;
    umaxLo = smaxLo;
  }

  // 64 from 32: the low half of each 64-bit bound can be no less and no more than the 32-bit bounds.
  uminLo = maxU32(uminLo, u32Min);
  umaxLo = minU32(umaxLo, u32Max);
  sminLo = maxU32(sminLo, u32Min);
  smaxLo = minU32(smaxLo, u32Max);
  if (leU32(s32Min, s32Max)) {
    uminLo = maxU32(uminLo, s32Min);
    umaxLo = minU32(umaxLo, s32Max);
    sminLo = maxU32(sminLo, s32Min);
    smaxLo = minU32(smaxLo, s32Max);
  }
  // A sign-extended 32-bit number whose low half is not negative is not negative.
  let changed = false;
  if (s32Min >= 0 && (sminHi >= 0 || (sminHi === -1 && sminLo < 0)) && (smaxHi < 0 || (smaxHi === 0 && smaxLo >= 0))) {
    sminHi = uminHi = s32Min >> 31;
    sminLo = uminLo = s32Min;
    smaxHi = umaxHi = s32Max >> 31;
    smaxLo = umaxLo = s32Max;
    changed = intersectWithRange(r, sminHi, sminLo, smaxHi, smaxLo);
  }

  changed ||=
    uminHi !== r.uminHi ||
    uminLo !== r.uminLo ||
    umaxHi !== r.umaxHi ||
    umaxLo !== r.umaxLo ||
    sminHi !== r.sminHi ||
    sminLo !== r.sminLo ||
    smaxHi !== r.smaxHi ||
    smaxLo !== r.smaxLo ||
    u32Min !== r.u32Min ||
    u32Max !== r.u32Max ||
    s32Min !== r.s32Min ||
    s32Max !== r.s32Max;
  if (!changed) return false;
  r.uminHi = uminHi;
  r.uminLo = uminLo;
  r.umaxHi = umaxHi;
  r.umaxLo = umaxLo;
  r.sminHi = sminHi;
  r.sminLo = sminLo;
  r.smaxHi = smaxHi;
  r.smaxLo = smaxLo;
  r.u32Min = u32Min;
  r.u32Max = u32Max;
  r.s32Min = s32Min;
  r.s32Max = s32Max;
  return true;
}

/** Bits from bounds: `var_off` ∩ [min, max]. True if that changed it. */
function intersectWithRange(r: ScalarDraft, minHi: number, minLo: number, maxHi: number, maxLo: number): boolean {
  const rangeHi = smearU32(minHi ^ maxHi);
  const rangeLo = rangeHi === 0 ? smearU32(minLo ^ maxLo) : -1;
  const maskHi = r.maskHi & rangeHi;
  const maskLo = r.maskLo & rangeLo;
  const valueHi = (r.valueHi | (minHi & ~rangeHi)) & ~maskHi;
  const valueLo = (r.valueLo | (minLo & ~rangeLo)) & ~maskLo;
  if (r.maskHi === maskHi && r.maskLo === maskLo && r.valueHi === valueHi && r.valueLo === valueLo) return false;
  r.valueHi = valueHi;
  r.valueLo = valueLo;
  r.maskHi = maskHi;
  r.maskLo = maskLo;
  return true;
}

/** True if bits became known. Source: `__reg_bound_offset`. */
function boundOffset(r: ScalarDraft): boolean {
  const changed = intersectWithRange(r, r.uminHi, r.uminLo, r.umaxHi, r.umaxLo);
  const rangeLo = smearU32(r.u32Min ^ r.u32Max);
  const maskLo = r.maskLo & rangeLo;
  const valueLo = (r.valueLo | (r.u32Min & ~rangeLo)) & ~maskLo;
  if (maskLo === r.maskLo && valueLo === r.valueLo) return changed;
  r.valueLo = valueLo;
  r.maskLo = maskLo;
  return true;
}
