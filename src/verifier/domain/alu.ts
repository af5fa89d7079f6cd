import type { AluOp } from '../../isa/index.ts';
import { addHi, ltU64, mulHi, mulhuU32, sarHi, sarLo, shlHi, shlLo, shrHi, shrLo, subHi } from '../../util/index.ts';
import { syncBounds, updateBounds, updateBounds32 } from './bounds.ts';
import { zext32 } from './cast.ts';
import {
  draftOf,
  isConst,
  isExactConst,
  mark32Known,
  mark32Unbounded,
  mark64SignedUnbounded,
  mark64Unbounded,
  markKnown,
  S32_MAX,
  S32_MIN,
  SCALAR_UNKNOWN,
  type Scalar,
  type ScalarDraft,
  scalarKnown,
} from './scalar.ts';
import {
  tnumAddInto,
  tnumAndInto,
  tnumArshiftInto,
  tnumLshiftInto,
  tnumMulInto,
  tnumOrInto,
  tnumRshiftInto,
  tnumSubInto,
  tnumXorInto,
} from './tnum.ts';

/**
 * Whether Linux follows the operation at all; of every other the result is unknown, in all 64 bits even after a 32-bit
 * operation. Shifts are followed by a constant below the width.
 * Source: `is_safe_to_compute_dst_reg_range`.
 */
export function isComputable(op: AluOp, bits: 32 | 64, src: Scalar): boolean {
  switch (op) {
    case 'add':
    case 'sub':
    case 'and':
    case 'xor':
    case 'or':
    case 'mul':
      return true;
    case 'lsh':
    case 'rsh':
    case 'arsh': {
      const known =
        bits === 32
          ? src.maskLo === 0 && src.s32Min === src.s32Max && src.u32Min === src.u32Max
          : isConst(src) &&
            src.sminLo === src.smaxLo &&
            src.sminHi === src.smaxHi &&
            src.uminLo === src.umaxLo &&
            src.uminHi === src.umaxHi;
      return known && src.umaxHi === 0 && src.umaxLo >>> 0 < bits;
    }
    default:
      return false;
  }
}

/**
 * `dst op src` on two numbers. `mov` gives `src`, zero-extended with 32 bits; division, remainder and shifts by unknown
 * amounts give an unknown number. Negation and byte swaps are always unknown in 6.12 and need no function.
 *
 * `and` and `or` with a constant: ask `forkWidth` first.
 * Source: `adjust_scalar_min_max_vals`.
 */
export function scalarAlu(op: AluOp, bits: 32 | 64, dst: Scalar, src: Scalar): Scalar {
  if (op === 'mov') {
    if (bits === 64) return src;
    const copy = draftOf(src);
    zext32(copy);
    syncBounds(copy);
    return copy;
  }
  if (!isComputable(op, bits, src)) return SCALAR_UNKNOWN;
  if (isExactConst(src) && isExactConst(dst)) return foldConstants(op, bits, dst, src);
  const r = draftOf(dst);
  switch (op) {
    case 'add':
      addBounds(r, src);
      break;
    case 'sub':
      sub32(r, src);
      sub64(r, src);
      tnumSubInto(r, r, src);
      break;
    case 'mul':
      tnumMulInto(r, r, src);
      mul32(r, src);
      mul64(r, src);
      break;
    case 'and':
      tnumAndInto(r, r, src);
      and32(r, src);
      and64(r, src);
      break;
    case 'or':
      tnumOrInto(r, r, src);
      or32(r, src);
      or64(r, src);
      break;
    case 'xor':
      tnumXorInto(r, r, src);
      xor32(r, src);
      xor64(r, src);
      break;
    case 'lsh':
      if (bits === 32) lsh32(r, src.u32Min);
      else lsh64(r, src.uminLo);
      break;
    case 'rsh':
      if (bits === 32) rsh32(r, src.u32Min);
      else rsh64(r, src.uminLo);
      break;
    default:
      if (bits === 32) arsh32(r, src.u32Min);
      else arsh64(r, src.uminLo);
  }
  if (bits === 32) zext32(r);
  syncBounds(r);
  return r;
}

/** What the way below comes to for two constants, at once. */
function foldConstants(op: AluOp, bits: 32 | 64, dst: Scalar, src: Scalar): Scalar {
  const { valueHi: ah, valueLo: al } = dst;
  const { valueHi: bh, valueLo: bl } = src;
  const wide = bits === 64;
  switch (op) {
    case 'add':
      return scalarKnown(wide ? addHi(ah, al, bh, bl) : 0, al + bl);
    case 'sub':
      return scalarKnown(wide ? subHi(ah, al, bh, bl) : 0, al - bl);
    case 'mul':
      return scalarKnown(wide ? mulHi(ah, al, bh, bl) : 0, Math.imul(al, bl));
    case 'and':
      return scalarKnown(wide ? ah & bh : 0, al & bl);
    case 'or':
      return scalarKnown(wide ? ah | bh : 0, al | bl);
    case 'xor':
      return scalarKnown(wide ? ah ^ bh : 0, al ^ bl);
    case 'lsh':
      return wide ? scalarKnown(shlHi(ah, al, bl), shlLo(al, bl)) : scalarKnown(0, al << bl);
    case 'rsh':
      return wide ? scalarKnown(shrHi(ah, bl), shrLo(ah, al, bl)) : scalarKnown(0, al >>> bl);
    default:
      return wide ? scalarKnown(sarHi(ah, bl), sarLo(ah, al, bl)) : scalarKnown(0, al >> bl);
  }
}

/**
 * `known + delta` as a register linked to another by a distance takes it over after a branch: an addition whose bounds are
 * not synced. Source: `sync_linked_regs`.
 *
 * @param delta 32 bits, signed
 */
export function scalarOffset(known: Scalar, delta: number): Scalar {
  const r = draftOf(known);
  addBounds(r, scalarKnown(delta >> 31, delta));
  return r;
}

/**
 * How many bits of `dst` are known to be all ones or all zeros, if the operation is one before which Linux follows both
 * cases apart: `and` and `or` with a constant, of a register that is -1 or 0. The caller then queues a state in which the
 * instruction runs again on `forkCase(dst, width, 0)`, and goes on itself with `forkCase(dst, width, -1)`.
 * Source: `maybe_fork_scalars`.
 */
export function forkWidth(op: AluOp, dst: Scalar, src: Scalar): 0 | 32 | 64 {
  if ((op !== 'and' && op !== 'or') || !isConst(src)) return 0;
  if (dst.sminHi === -1 && dst.sminLo === -1 && dst.smaxHi === 0 && dst.smaxLo === 0) return 64;
  return dst.s32Min === -1 && dst.s32Max === 0 ? 32 : 0;
}
export function forkCase(dst: Scalar, width: 32 | 64, value: 0 | -1): Scalar {
  if (width === 64) return scalarKnown(value, value);
  const r = draftOf(dst);
  mark32Known(r, value);
  return r;
}

function unbound32Signed(r: ScalarDraft): void {
  r.s32Min = S32_MIN;
  r.s32Max = S32_MAX;
}
function unbound32Unsigned(r: ScalarDraft): void {
  r.u32Min = 0;
  r.u32Max = -1;
}
function unbound64Unsigned(r: ScalarDraft): void {
  r.uminHi = r.uminLo = 0;
  r.umaxHi = r.umaxLo = -1;
}

/** Signed bounds from unsigned ones that lie on one side of the sign, or none. */
function signed32FromUnsigned(r: ScalarDraft): void {
  if (r.u32Min <= r.u32Max) {
    r.s32Min = r.u32Min;
    r.s32Max = r.u32Max;
  } else unbound32Signed(r);
}
function signed64FromUnsigned(r: ScalarDraft): void {
  if (r.uminHi === r.umaxHi ? r.uminLo >>> 0 <= r.umaxLo >>> 0 : r.uminHi < r.umaxHi) {
    r.sminHi = r.uminHi;
    r.sminLo = r.uminLo;
    r.smaxHi = r.umaxHi;
    r.smaxLo = r.umaxLo;
  } else mark64SignedUnbounded(r);
}

/** Addition overflows signed when both operands differ in sign from the sum, and unsigned when the sum is the smaller. */
function addBounds(r: ScalarDraft, src: Scalar): void {
  add32(r, src);
  add64(r, src);
  tnumAddInto(r, r, src);
}

function add32(r: ScalarDraft, src: Scalar): void {
  const s32Min = (r.s32Min + src.s32Min) | 0;
  const s32Max = (r.s32Max + src.s32Max) | 0;
  if ((((s32Min ^ r.s32Min) & (s32Min ^ src.s32Min)) | ((s32Max ^ r.s32Max) & (s32Max ^ src.s32Max))) < 0)
    unbound32Signed(r);
  else {
    r.s32Min = s32Min;
    r.s32Max = s32Max;
  }
  const u32Min = (r.u32Min + src.u32Min) | 0;
  const u32Max = (r.u32Max + src.u32Max) | 0;
  if (u32Min >>> 0 < r.u32Min >>> 0 || u32Max >>> 0 < r.u32Max >>> 0) unbound32Unsigned(r);
  else {
    r.u32Min = u32Min;
    r.u32Max = u32Max;
  }
}

export function add64(r: ScalarDraft, src: Scalar): void {
  const sminHi = addHi(r.sminHi, r.sminLo, src.sminHi, src.sminLo);
  const smaxHi = addHi(r.smaxHi, r.smaxLo, src.smaxHi, src.smaxLo);
  if ((((sminHi ^ r.sminHi) & (sminHi ^ src.sminHi)) | ((smaxHi ^ r.smaxHi) & (smaxHi ^ src.smaxHi))) < 0)
    mark64SignedUnbounded(r);
  else {
    r.sminHi = sminHi;
    r.sminLo = (r.sminLo + src.sminLo) | 0;
    r.smaxHi = smaxHi;
    r.smaxLo = (r.smaxLo + src.smaxLo) | 0;
  }
  const uminHi = addHi(r.uminHi, r.uminLo, src.uminHi, src.uminLo);
  const uminLo = (r.uminLo + src.uminLo) | 0;
  const umaxHi = addHi(r.umaxHi, r.umaxLo, src.umaxHi, src.umaxLo);
  const umaxLo = (r.umaxLo + src.umaxLo) | 0;
  if (ltU64(uminHi, uminLo, r.uminHi, r.uminLo) || ltU64(umaxHi, umaxLo, r.umaxHi, r.umaxLo)) unbound64Unsigned(r);
  else {
    r.uminHi = uminHi;
    r.uminLo = uminLo;
    r.umaxHi = umaxHi;
    r.umaxLo = umaxLo;
  }
}

function sub32(r: ScalarDraft, src: Scalar): void {
  const least = (r.s32Min - src.s32Max) | 0;
  const most = (r.s32Max - src.s32Min) | 0;
  if ((((r.s32Min ^ src.s32Max) & (r.s32Min ^ least)) | ((r.s32Max ^ src.s32Min) & (r.s32Max ^ most))) < 0)
    unbound32Signed(r);
  else {
    r.s32Min = least;
    r.s32Max = most;
  }
  if (r.u32Min >>> 0 < src.u32Max >>> 0) unbound32Unsigned(r);
  else {
    r.u32Min = (r.u32Min - src.u32Max) | 0;
    r.u32Max = (r.u32Max - src.u32Min) | 0;
  }
}

export function sub64(r: ScalarDraft, src: Scalar): void {
  const leastHi = subHi(r.sminHi, r.sminLo, src.smaxHi, src.smaxLo);
  const mostHi = subHi(r.smaxHi, r.smaxLo, src.sminHi, src.sminLo);
  if ((((r.sminHi ^ src.smaxHi) & (r.sminHi ^ leastHi)) | ((r.smaxHi ^ src.sminHi) & (r.smaxHi ^ mostHi))) < 0)
    mark64SignedUnbounded(r);
  else {
    r.sminHi = leastHi;
    r.smaxHi = mostHi;
    // Both are read before either is written: src may hold the same number as dst, but never is this draft.
    r.sminLo = (r.sminLo - src.smaxLo) | 0;
    r.smaxLo = (r.smaxLo - src.sminLo) | 0;
  }
  if (ltU64(r.uminHi, r.uminLo, src.umaxHi, src.umaxLo)) unbound64Unsigned(r);
  else {
    r.uminHi = subHi(r.uminHi, r.uminLo, src.umaxHi, src.umaxLo);
    r.uminLo = (r.uminLo - src.umaxLo) | 0;
    r.umaxHi = subHi(r.umaxHi, r.umaxLo, src.uminHi, src.uminLo);
    r.umaxLo = (r.umaxLo - src.uminLo) | 0;
  }
}

/** Only products of numbers below 2^16 that are not negative. */
function mul32(r: ScalarDraft, src: Scalar): void {
  if (src.s32Min < 0 || r.s32Min < 0 || src.u32Max >>> 0 > 0xffff || r.u32Max >>> 0 > 0xffff) {
    mark32Unbounded(r);
    return;
  }
  r.u32Min = Math.imul(r.u32Min, src.u32Min);
  r.u32Max = Math.imul(r.u32Max, src.u32Max);
  if (r.u32Max < 0) unbound32Signed(r);
  else {
    r.s32Min = r.u32Min;
    r.s32Max = r.u32Max;
  }
}

/** Only products of numbers below 2^32 that are not negative. */
function mul64(r: ScalarDraft, src: Scalar): void {
  if (src.sminHi < 0 || r.sminHi < 0 || src.umaxHi !== 0 || r.umaxHi !== 0) {
    mark64Unbounded(r);
    return;
  }
  r.uminHi = mulhuU32(r.uminLo, src.uminLo);
  r.uminLo = Math.imul(r.uminLo, src.uminLo);
  r.umaxHi = mulhuU32(r.umaxLo, src.umaxLo);
  r.umaxLo = Math.imul(r.umaxLo, src.umaxLo);
  if (r.umaxHi < 0) mark64SignedUnbounded(r);
  else {
    r.sminHi = r.uminHi;
    r.sminLo = r.uminLo;
    r.smaxHi = r.umaxHi;
    r.smaxLo = r.umaxLo;
  }
}

// Bitwise operations: `r` has the result's var_off already and the operand's bounds still.

function and32(r: ScalarDraft, src: Scalar): void {
  if ((src.maskLo | r.maskLo) === 0) {
    mark32Known(r, r.valueLo);
    return;
  }
  r.u32Min = r.valueLo;
  if (src.u32Max >>> 0 < r.u32Max >>> 0) r.u32Max = src.u32Max;
  signed32FromUnsigned(r);
}

function and64(r: ScalarDraft, src: Scalar): void {
  if (isConst(src) && isConst(r)) {
    markKnown(r, r.valueHi, r.valueLo);
    return;
  }
  r.uminHi = r.valueHi;
  r.uminLo = r.valueLo;
  if (ltU64(src.umaxHi, src.umaxLo, r.umaxHi, r.umaxLo)) {
    r.umaxHi = src.umaxHi;
    r.umaxLo = src.umaxLo;
  }
  signed64FromUnsigned(r);
  updateBounds(r);
}

function or32(r: ScalarDraft, src: Scalar): void {
  if ((src.maskLo | r.maskLo) === 0) {
    mark32Known(r, r.valueLo);
    return;
  }
  if (r.u32Min >>> 0 < src.u32Min >>> 0) r.u32Min = src.u32Min;
  r.u32Max = r.valueLo | r.maskLo;
  signed32FromUnsigned(r);
}

function or64(r: ScalarDraft, src: Scalar): void {
  if (isConst(src) && isConst(r)) {
    markKnown(r, r.valueHi, r.valueLo);
    return;
  }
  if (ltU64(r.uminHi, r.uminLo, src.uminHi, src.uminLo)) {
    r.uminHi = src.uminHi;
    r.uminLo = src.uminLo;
  }
  r.umaxHi = r.valueHi | r.maskHi;
  r.umaxLo = r.valueLo | r.maskLo;
  signed64FromUnsigned(r);
  updateBounds(r);
}

function xor32(r: ScalarDraft, src: Scalar): void {
  if ((src.maskLo | r.maskLo) === 0) {
    mark32Known(r, r.valueLo);
    return;
  }
  r.u32Min = r.valueLo;
  r.u32Max = r.valueLo | r.maskLo;
  signed32FromUnsigned(r);
}

function xor64(r: ScalarDraft, src: Scalar): void {
  if (isConst(src) && isConst(r)) {
    markKnown(r, r.valueHi, r.valueLo);
    return;
  }
  r.uminHi = r.valueHi;
  r.uminLo = r.valueLo;
  r.umaxHi = r.valueHi | r.maskHi;
  r.umaxLo = r.valueLo | r.maskLo;
  signed64FromUnsigned(r);
  updateBounds(r);
}

// Shifts by a constant `n` below the width.

/** 32-bit bounds of `r << n`: lost if the top bit might be shifted out. */
function lshBounds32(r: ScalarDraft, n: number): void {
  unbound32Signed(r);
  if (n > 31 || r.u32Max >>> 0 > (1 << (31 - n)) >>> 0) unbound32Unsigned(r);
  else {
    r.u32Min <<= n;
    r.u32Max <<= n;
  }
}

function lsh32(r: ScalarDraft, n: number): void {
  lshBounds32(r, n);
  r.valueHi = r.maskHi = 0;
  r.valueLo <<= n;
  r.maskLo <<= n;
  mark64Unbounded(r);
  updateBounds32(r);
}

function lsh64(r: ScalarDraft, n: number): void {
  if (n === 32) {
    // With an arithmetic shift back, this is how compilers extend a sign.
    r.sminHi = r.s32Min;
    r.smaxHi = r.s32Max;
    r.sminLo = r.smaxLo = 0;
  } else mark64SignedUnbounded(r);
  if (ltU64(shlHi(0, 1, 63 - n), shlLo(1, 63 - n), r.umaxHi, r.umaxLo)) unbound64Unsigned(r);
  else {
    r.uminHi = shlHi(r.uminHi, r.uminLo, n);
    r.uminLo = shlLo(r.uminLo, n);
    r.umaxHi = shlHi(r.umaxHi, r.umaxLo, n);
    r.umaxLo = shlLo(r.umaxLo, n);
  }
  lshBounds32(r, n);
  tnumLshiftInto(r, r, n);
  updateBounds(r);
}

function rsh32(r: ScalarDraft, n: number): void {
  unbound32Signed(r);
  r.valueHi = r.maskHi = 0;
  r.valueLo = (r.valueLo >>> n) | 0;
  r.maskLo = (r.maskLo >>> n) | 0;
  r.u32Min = (r.u32Min >>> n) | 0;
  r.u32Max = (r.u32Max >>> n) | 0;
  mark64Unbounded(r);
  updateBounds32(r);
}

function rsh64(r: ScalarDraft, n: number): void {
  mark64SignedUnbounded(r);
  tnumRshiftInto(r, r, n);
  r.uminLo = shrLo(r.uminHi, r.uminLo, n);
  r.uminHi = shrHi(r.uminHi, n);
  r.umaxLo = shrLo(r.umaxHi, r.umaxLo, n);
  r.umaxHi = shrHi(r.umaxHi, n);
  mark32Unbounded(r);
  updateBounds(r);
}

function arsh32(r: ScalarDraft, n: number): void {
  r.s32Min >>= n;
  r.s32Max >>= n;
  tnumArshiftInto(r, r, n, 32);
  unbound32Unsigned(r);
  mark64Unbounded(r);
  updateBounds32(r);
}

function arsh64(r: ScalarDraft, n: number): void {
  r.sminLo = sarLo(r.sminHi, r.sminLo, n);
  r.sminHi = sarHi(r.sminHi, n);
  r.smaxLo = sarLo(r.smaxHi, r.smaxLo, n);
  r.smaxHi = sarHi(r.smaxHi, n);
  tnumArshiftInto(r, r, n, 64);
  unbound64Unsigned(r);
  mark32Unbounded(r);
  updateBounds(r);
}
