import type { JumpOp } from '../../isa/index.ts';
import { ltS64, ltU64 } from '../../util/index.ts';
import { syncBounds } from './bounds.ts';
import {
  type BoundsViolation,
  boundsViolation,
  draftOf,
  isConstFor,
  S32_MAX,
  S32_MIN,
  type Scalar,
  type ScalarDraft,
  scalarUnbounded,
} from './scalar.ts';
import { tnumOverlap } from './tnum.ts';

/** A condition, or what holds where `jset` did not jump. */
export type Condition = JumpOp | 'jnset';

const REVERSED: Readonly<Record<Condition, Condition>> = {
  jeq: 'jne',
  jne: 'jeq',
  jset: 'jnset',
  jnset: 'jset',
  jge: 'jlt',
  jgt: 'jle',
  jle: 'jgt',
  jlt: 'jge',
  jsge: 'jslt',
  jsgt: 'jsle',
  jsle: 'jsgt',
  jslt: 'jsge',
};
const FLIPPED: Readonly<Record<JumpOp, JumpOp>> = {
  jeq: 'jeq',
  jne: 'jne',
  jset: 'jset',
  jge: 'jle',
  jgt: 'jlt',
  jle: 'jge',
  jlt: 'jgt',
  jsge: 'jsle',
  jsgt: 'jslt',
  jsle: 'jsge',
  jslt: 'jsgt',
};

/** What holds where the condition does not. Source: `rev_opcode`. */
export const reverseCondition = (op: Condition): Condition => REVERSED[op];
/** The condition with its operands exchanged. Source: `flip_opcode`. */
export const flipCondition = (op: JumpOp): JumpOp => FLIPPED[op];

/**
 * Whether `if a op b` jumps: 1 always, 0 never, -1 undecided.
 * Source: `is_scalar_branch_taken`.
 */
export function isBranchTaken(op: JumpOp, bits: 32 | 64, a: Scalar, b: Scalar): 1 | 0 | -1 {
  switch (op) {
    case 'jeq':
      return equality(bits, a, b);
    case 'jne': {
      const equal = equality(bits, a, b);
      return equal < 0 ? -1 : equal === 1 ? 0 : 1;
    }
    case 'jset':
      return overlap(bits === 32, a, b);
    default:
      return bits === 32 ? order32(op, a, b) : order64(op, a, b);
  }
}

function equality(bits: 32 | 64, a: Scalar, b: Scalar): 1 | 0 | -1 {
  if (bits === 32) {
    if ((a.maskLo | b.maskLo) === 0) return a.valueLo === b.valueLo ? 1 : 0;
    if (((a.valueLo ^ b.valueLo) & ~a.maskLo & ~b.maskLo) !== 0) return 0;
    return apart32(a, b) ? 0 : -1;
  }
  if ((a.maskHi | a.maskLo | b.maskHi | b.maskLo) === 0)
    return a.valueHi === b.valueHi && a.valueLo === b.valueLo ? 1 : 0;
  if (!tnumOverlap(a, b)) return 0;
  if (
    ltU64(b.umaxHi, b.umaxLo, a.uminHi, a.uminLo) ||
    ltU64(a.umaxHi, a.umaxLo, b.uminHi, b.uminLo) ||
    ltS64(b.smaxHi, b.smaxLo, a.sminHi, a.sminLo) ||
    ltS64(a.smaxHi, a.smaxLo, b.sminHi, b.sminLo)
  )
    return 0;
  return apart32(a, b) ? 0 : -1;
}

const apart32 = (a: Scalar, b: Scalar): boolean =>
  a.u32Min >>> 0 > b.u32Max >>> 0 || a.u32Max >>> 0 < b.u32Min >>> 0 || a.s32Min > b.s32Max || a.s32Max < b.s32Min;

/** `jset` is decided against a constant on either side. */
function overlap(jmp32: boolean, a: Scalar, b: Scalar): 1 | 0 | -1 {
  const constant = isConstFor(b, jmp32) ? b : isConstFor(a, jmp32) ? a : undefined;
  if (constant === undefined) return -1;
  const other = constant === b ? a : b;
  const bitsHi = jmp32 ? 0 : constant.valueHi;
  const bitsLo = constant.valueLo;
  // A contradictory tnum may have both mask and value; such a bit is not surely 1.
  if (((other.valueHi & ~other.maskHi & bitsHi) | (other.valueLo & ~other.maskLo & bitsLo)) !== 0) return 1;
  if ((((other.valueHi | other.maskHi) & bitsHi) | ((other.valueLo | other.maskLo) & bitsLo)) === 0) return 0;
  return -1;
}

type OrderOp = Exclude<JumpOp, 'jeq' | 'jne' | 'jset'>;

function order32(op: OrderOp, a: Scalar, b: Scalar): 1 | 0 | -1 {
  switch (op) {
    case 'jgt':
      return a.u32Min >>> 0 > b.u32Max >>> 0 ? 1 : a.u32Max >>> 0 <= b.u32Min >>> 0 ? 0 : -1;
    case 'jlt':
      return a.u32Max >>> 0 < b.u32Min >>> 0 ? 1 : a.u32Min >>> 0 >= b.u32Max >>> 0 ? 0 : -1;
    case 'jge':
      return a.u32Min >>> 0 >= b.u32Max >>> 0 ? 1 : a.u32Max >>> 0 < b.u32Min >>> 0 ? 0 : -1;
    case 'jle':
      return a.u32Max >>> 0 <= b.u32Min >>> 0 ? 1 : a.u32Min >>> 0 > b.u32Max >>> 0 ? 0 : -1;
    case 'jsgt':
      return a.s32Min > b.s32Max ? 1 : a.s32Max <= b.s32Min ? 0 : -1;
    case 'jslt':
      return a.s32Max < b.s32Min ? 1 : a.s32Min >= b.s32Max ? 0 : -1;
    case 'jsge':
      return a.s32Min >= b.s32Max ? 1 : a.s32Max < b.s32Min ? 0 : -1;
    case 'jsle':
      return a.s32Max <= b.s32Min ? 1 : a.s32Min > b.s32Max ? 0 : -1;
  }
}

// Of two 64-bit numbers: is the least of a above the most of b, and so on.
const uAbove = (a: Scalar, b: Scalar): boolean => ltU64(b.umaxHi, b.umaxLo, a.uminHi, a.uminLo);
const uNotBelow = (a: Scalar, b: Scalar): boolean => !ltU64(a.uminHi, a.uminLo, b.umaxHi, b.umaxLo);
const sAbove = (a: Scalar, b: Scalar): boolean => ltS64(b.smaxHi, b.smaxLo, a.sminHi, a.sminLo);
const sNotBelow = (a: Scalar, b: Scalar): boolean => !ltS64(a.sminHi, a.sminLo, b.smaxHi, b.smaxLo);

function order64(op: OrderOp, a: Scalar, b: Scalar): 1 | 0 | -1 {
  switch (op) {
    case 'jgt':
      return uAbove(a, b) ? 1 : uNotBelow(b, a) ? 0 : -1;
    case 'jlt':
      return uAbove(b, a) ? 1 : uNotBelow(a, b) ? 0 : -1;
    case 'jge':
      return uNotBelow(a, b) ? 1 : uAbove(b, a) ? 0 : -1;
    case 'jle':
      return uNotBelow(b, a) ? 1 : uAbove(a, b) ? 0 : -1;
    case 'jsgt':
      return sAbove(a, b) ? 1 : sNotBelow(b, a) ? 0 : -1;
    case 'jslt':
      return sAbove(b, a) ? 1 : sNotBelow(a, b) ? 0 : -1;
    case 'jsge':
      return sNotBelow(a, b) ? 1 : sAbove(b, a) ? 0 : -1;
    case 'jsle':
      return sNotBelow(b, a) ? 1 : sAbove(a, b) ? 0 : -1;
  }
}

/** Which of the four results a contradiction was found in; the words are Linux's. */
export type BranchSide = 'true_reg1' | 'true_reg2' | 'false_reg1' | 'false_reg2';

export interface BranchViolation {
  readonly side: BranchSide;
  readonly violation: BoundsViolation;
  /** The scalar as it was before its bounds were dropped. */
  readonly scalar: Scalar;
}

/** What both operands are on either way from an undecided branch. */
export interface BranchOutcome {
  readonly trueA: Scalar;
  readonly trueB: Scalar;
  readonly falseA: Scalar;
  readonly falseB: Scalar;
  /** In Linux's order; their scalars above are without bounds already. */
  readonly violations: readonly BranchViolation[];
}

const NO_VIOLATIONS: readonly BranchViolation[] = [];

/**
 * What `if a op b` teaches of `a` and `b` where it jumps and where it does not. Call it when `isBranchTaken` is undecided.
 *
 * @param sameReg both operands are one register: `trueA` is then `trueB` and has learnt twice
 * Source: `reg_set_min_max`.
 */
export function refineBranch(op: JumpOp, bits: 32 | 64, a: Scalar, b: Scalar, sameReg = false): BranchOutcome {
  const falseA = draftOf(a);
  const falseB = sameReg ? falseA : draftOf(b);
  refine(falseA, falseB, REVERSED[op], bits === 32);
  syncBounds(falseA);
  syncBounds(falseB);
  const trueA = draftOf(a);
  const trueB = sameReg ? trueA : draftOf(b);
  refine(trueA, trueB, op, bits === 32);
  syncBounds(trueA);
  syncBounds(trueB);
  const sound =
    boundsViolation(trueA) === undefined &&
    boundsViolation(falseA) === undefined &&
    (sameReg || (boundsViolation(trueB) === undefined && boundsViolation(falseB) === undefined));
  if (sound) return { trueA, trueB, falseA, falseB, violations: NO_VIOLATIONS };
  return withoutContradictions(trueA, trueB, falseA, falseB);
}

function withoutContradictions(trueA: Scalar, trueB: Scalar, falseA: Scalar, falseB: Scalar): BranchOutcome {
  const violations: BranchViolation[] = [];
  const checked = (scalar: Scalar, side: BranchSide): Scalar => {
    const violation = boundsViolation(scalar);
    if (violation === undefined) return scalar;
    violations.push({ side, violation, scalar });
    return scalarUnbounded(scalar);
  };
  // One register in both places is looked at twice, the second time without the bounds it lost.
  const t1 = checked(trueA, 'true_reg1');
  const t2 = checked(trueB === trueA ? t1 : trueB, 'true_reg2');
  const f1 = checked(falseA, 'false_reg1');
  const f2 = checked(falseB === falseA ? f1 : falseB, 'false_reg2');
  return {
    trueA: trueB === trueA ? t2 : t1,
    trueB: t2,
    falseA: falseB === falseA ? f2 : f1,
    falseB: f2,
    violations,
  };
}

/** Narrows both under the condition, unsynced. `a` and `b` may be one draft. Source: `regs_refine_cond_op`. */
function refine(a: ScalarDraft, b: ScalarDraft, op: Condition, jmp32: boolean): void {
  switch (op) {
    case 'jge':
    case 'jgt':
    case 'jsge':
    case 'jsgt':
      refine(b, a, FLIPPED[op], jmp32);
      return;
    case 'jeq':
      if (jmp32) refineEqual32(a, b);
      else refineEqual64(a, b);
      return;
    case 'jne':
    case 'jset':
    case 'jnset': {
      const swapped = !isConstFor(b, jmp32);
      if (swapped && !isConstFor(a, jmp32)) return;
      const constant = swapped ? a : b;
      const narrowed = swapped ? b : a;
      const hi = jmp32 ? 0 : constant.valueHi;
      if (op === 'jnset') refineNoBits(narrowed, hi, constant.valueLo, jmp32);
      else if (op === 'jset') refineBit(narrowed, hi, constant.valueLo);
      else if (jmp32) refineUnequal32(narrowed, constant.valueLo);
      else refineUnequal64(narrowed, hi, constant.valueLo);
      return;
    }
    case 'jle':
    case 'jlt': {
      const strict = op === 'jlt' ? 1 : 0;
      if (jmp32) refineBelowU32(a, b, strict);
      else refineBelowU64(a, b, strict);
      return;
    }
    case 'jsle':
    case 'jslt': {
      const strict = op === 'jslt' ? 1 : 0;
      if (jmp32) refineBelowS32(a, b, strict);
      else refineBelowS64(a, b, strict);
    }
  }
}

function refineEqual32(a: ScalarDraft, b: ScalarDraft): void {
  if (a.u32Min >>> 0 < b.u32Min >>> 0) a.u32Min = b.u32Min;
  if (b.u32Max >>> 0 < a.u32Max >>> 0) a.u32Max = b.u32Max;
  if (a.s32Min < b.s32Min) a.s32Min = b.s32Min;
  if (b.s32Max < a.s32Max) a.s32Max = b.s32Max;
  b.u32Min = a.u32Min;
  b.u32Max = a.u32Max;
  b.s32Min = a.s32Min;
  b.s32Max = a.s32Max;
  const mask = a.maskLo & b.maskLo;
  const value = (a.valueLo | b.valueLo) & ~mask;
  a.maskLo = b.maskLo = mask;
  a.valueLo = b.valueLo = value;
}

function refineEqual64(a: ScalarDraft, b: ScalarDraft): void {
  if (ltU64(a.uminHi, a.uminLo, b.uminHi, b.uminLo)) {
    a.uminHi = b.uminHi;
    a.uminLo = b.uminLo;
  }
  if (ltU64(b.umaxHi, b.umaxLo, a.umaxHi, a.umaxLo)) {
    a.umaxHi = b.umaxHi;
    a.umaxLo = b.umaxLo;
  }
  if (ltS64(a.sminHi, a.sminLo, b.sminHi, b.sminLo)) {
    a.sminHi = b.sminHi;
    a.sminLo = b.sminLo;
  }
  if (ltS64(b.smaxHi, b.smaxLo, a.smaxHi, a.smaxLo)) {
    a.smaxHi = b.smaxHi;
    a.smaxLo = b.smaxLo;
  }
  b.uminHi = a.uminHi;
  b.uminLo = a.uminLo;
  b.umaxHi = a.umaxHi;
  b.umaxLo = a.umaxLo;
  b.sminHi = a.sminHi;
  b.sminLo = a.sminLo;
  b.smaxHi = a.smaxHi;
  b.smaxLo = a.smaxLo;
  const maskHi = a.maskHi & b.maskHi;
  const maskLo = a.maskLo & b.maskLo;
  const valueHi = (a.valueHi | b.valueHi) & ~maskHi;
  const valueLo = (a.valueLo | b.valueLo) & ~maskLo;
  a.maskHi = b.maskHi = maskHi;
  a.maskLo = b.maskLo = maskLo;
  a.valueHi = b.valueHi = valueHi;
  a.valueLo = b.valueLo = valueLo;
}

/** A bound that is the excluded constant moves by one. */
function refineUnequal32(r: ScalarDraft, lo: number): void {
  if (r.u32Min === lo) r.u32Min = (lo + 1) | 0;
  if (r.u32Max === lo) r.u32Max = (lo - 1) | 0;
  if (r.s32Min === lo) r.s32Min = (lo + 1) | 0;
  if (r.s32Max === lo) r.s32Max = (lo - 1) | 0;
}

function refineUnequal64(r: ScalarDraft, hi: number, lo: number): void {
  const nextLo = (lo + 1) | 0;
  const nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
  const previousLo = (lo - 1) | 0;
  const previousHi = lo === 0 ? (hi - 1) | 0 : hi;
  if (r.uminHi === hi && r.uminLo === lo) {
    r.uminHi = nextHi;
    r.uminLo = nextLo;
  }
  if (r.umaxHi === hi && r.umaxLo === lo) {
    r.umaxHi = previousHi;
    r.umaxLo = previousLo;
  }
  if (r.sminHi === hi && r.sminLo === lo) {
    r.sminHi = nextHi;
    r.sminLo = nextLo;
  }
  if (r.smaxHi === hi && r.smaxLo === lo) {
    r.smaxHi = previousHi;
    r.smaxLo = previousLo;
  }
}

const isPowerOfTwo = (bits: number): boolean => bits !== 0 && (bits & (bits - 1)) === 0;

/** One of several bits may be any of them; a single one is set. */
function refineBit(r: ScalarDraft, hi: number, lo: number): void {
  if (!(lo === 0 ? isPowerOfTwo(hi) : hi === 0 && isPowerOfTwo(lo))) return;
  r.valueHi |= hi;
  r.valueLo |= lo;
  r.maskHi &= ~hi;
  r.maskLo &= ~lo;
}

/** None of the bits is set. Bounds go first, so that a branch that is dead after all contradicts nothing. */
function refineNoBits(r: ScalarDraft, hi: number, lo: number, jmp32: boolean): void {
  r.uminHi = r.uminLo = 0;
  r.umaxHi = r.umaxLo = -1;
  r.sminHi = S32_MIN;
  r.sminLo = 0;
  r.smaxHi = S32_MAX;
  r.smaxLo = -1;
  r.u32Min = 0;
  r.u32Max = -1;
  r.s32Min = S32_MIN;
  r.s32Max = S32_MAX;
  r.valueLo &= ~lo;
  r.maskLo &= ~lo;
  if (jmp32) return;
  r.valueHi &= ~hi;
  r.maskHi &= ~hi;
}

// `a < b` (strict 1) or `a <= b` (strict 0). The most of a first, then the least of b, since a and b may be one draft.

function refineBelowU32(a: ScalarDraft, b: ScalarDraft, strict: number): void {
  const most = (b.u32Max - strict) | 0;
  if (most >>> 0 < a.u32Max >>> 0) a.u32Max = most;
  const least = (a.u32Min + strict) | 0;
  if (b.u32Min >>> 0 < least >>> 0) b.u32Min = least;
}

function refineBelowS32(a: ScalarDraft, b: ScalarDraft, strict: number): void {
  const most = (b.s32Max - strict) | 0;
  if (most < a.s32Max) a.s32Max = most;
  const least = (a.s32Min + strict) | 0;
  if (b.s32Min < least) b.s32Min = least;
}

function refineBelowU64(a: ScalarDraft, b: ScalarDraft, strict: number): void {
  const mostLo = (b.umaxLo - strict) | 0;
  const mostHi = strict === 1 && b.umaxLo === 0 ? (b.umaxHi - 1) | 0 : b.umaxHi;
  if (ltU64(mostHi, mostLo, a.umaxHi, a.umaxLo)) {
    a.umaxHi = mostHi;
    a.umaxLo = mostLo;
  }
  const leastLo = (a.uminLo + strict) | 0;
  const leastHi = strict === 1 && leastLo === 0 ? (a.uminHi + 1) | 0 : a.uminHi;
  if (ltU64(b.uminHi, b.uminLo, leastHi, leastLo)) {
    b.uminHi = leastHi;
    b.uminLo = leastLo;
  }
}

function refineBelowS64(a: ScalarDraft, b: ScalarDraft, strict: number): void {
  const mostLo = (b.smaxLo - strict) | 0;
  const mostHi = strict === 1 && b.smaxLo === 0 ? (b.smaxHi - 1) | 0 : b.smaxHi;
  if (ltS64(mostHi, mostLo, a.smaxHi, a.smaxLo)) {
    a.smaxHi = mostHi;
    a.smaxLo = mostLo;
  }
  const leastLo = (a.sminLo + strict) | 0;
  const leastHi = strict === 1 && leastLo === 0 ? (a.sminHi + 1) | 0 : a.sminHi;
  if (ltS64(b.sminHi, b.sminLo, leastHi, leastLo)) {
    b.sminHi = leastHi;
    b.sminLo = leastLo;
  }
}
