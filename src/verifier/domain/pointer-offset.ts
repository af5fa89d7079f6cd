import { ltS64, ltU64 } from '../../util/index.ts';
import { add64, sub64 } from './alu.ts';
import { syncBounds } from './bounds.ts';
import { draftOf, isConst, mark32Unbounded, type Scalar, type ScalarDraft } from './scalar.ts';
import { tnumAddInto, tnumSubInto } from './tnum.ts';

/**
 * Whether a number that is to be added to a pointer contradicts itself, as on a branch that is dead after all. The result
 * is then an unknown number, no pointer. Source: `adjust_ptr_min_max_vals`.
 */
export function isOffsetTainted(off: Scalar): boolean {
  const unequal =
    off.sminHi !== off.smaxHi || off.sminLo !== off.smaxLo || off.uminHi !== off.umaxHi || off.uminLo !== off.umaxLo;
  return (
    (isConst(off) && unequal) ||
    ltS64(off.smaxHi, off.smaxLo, off.sminHi, off.sminLo) ||
    ltU64(off.umaxHi, off.umaxLo, off.uminHi, off.uminLo)
  );
}

/**
 * The variable part of `pointer + off` or `pointer - off` before its parts teach each other: what Linux judges to be in
 * bounds or not. `syncBounds` makes it what `pointerOffsetMoved` gives.
 */
export function pointerOffsetUnsynced(op: 'add' | 'sub', variable: Scalar, off: Scalar): ScalarDraft {
  const r = draftOf(variable);
  mark32Unbounded(r);
  if (op === 'add') {
    add64(r, off);
    tnumAddInto(r, r, off);
  } else {
    sub64(r, off);
    tnumSubInto(r, r, off);
  }
  return r;
}

/**
 * The variable part of `pointer + off` or `pointer - off`. Only 64-bit bounds are followed; those of 32 bits come from them
 * afterwards. With a constant whose sum with the fixed part fits 32 bits, the fixed part takes it and the variable part is
 * `pointerOffsetKept`.
 *
 * @param variable the variable part of the pointer before
 */
export function pointerOffsetMoved(op: 'add' | 'sub', variable: Scalar, off: Scalar): Scalar {
  const r = pointerOffsetUnsynced(op, variable, off);
  syncBounds(r);
  return r;
}

/** The variable part after the fixed part has changed. */
export function pointerOffsetKept(variable: Scalar): Scalar {
  const r = draftOf(variable);
  mark32Unbounded(r);
  syncBounds(r);
  return r;
}
