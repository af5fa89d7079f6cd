import { ir } from '../../rows/index.ts';
import {
  and,
  andiDot,
  andisDot,
  clrldi,
  cmpd,
  cmpdi,
  cmpld,
  cmpldi,
  cmplw,
  cmplwi,
  cmpw,
  cmpwi,
  rc,
  xoris,
} from '../encode.ts';
import { SCRATCH0 as T0, SCRATCH1 as T1, SCRATCH2 as T2 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { maskTemplate, maskWord } from './mask.ts';
import { isS16 } from './numbers.ts';

const LT = 0;
const GT = 1;
const EQ = 2;
const SET = 12;
const CLEAR = 4;

/** How a condition branches after its comparison: `bo` and the bit of CR0. JSET compares with 0. */
const CONDITIONS: Readonly<Record<number, readonly [number, number]>> = {
  [ir.JEQ]: [SET, EQ],
  [ir.JNE]: [CLEAR, EQ],
  [ir.JSET]: [CLEAR, EQ],
  [ir.JGT]: [SET, GT],
  [ir.JSGT]: [SET, GT],
  [ir.JGE]: [CLEAR, LT],
  [ir.JSGE]: [CLEAR, LT],
  [ir.JLT]: [SET, LT],
  [ir.JSLT]: [SET, LT],
  [ir.JLE]: [CLEAR, GT],
  [ir.JSLE]: [CLEAR, GT],
};

/** Comparisons as {@link Emission.compares} remembers them; those below 4 are with a number. */
const CMPDI = 0;
const CMPLDI = 1;
const CMPWI = 2;
const CMPLWI = 3;
const REGISTERS = 4;

type Compare = (bf: number, ra: number, operand: number) => number;
const COMPARE: readonly Compare[] = [cmpdi, cmpldi, cmpwi, cmplwi, cmpd, cmpld, cmpw, cmplw];

function compare(e: Emission, kind: number, a: number, operand: number): void {
  if (!e.compares(kind, a, operand)) e.w(COMPARE[kind](0, a, operand));
}

const isSigned = (condition: number): boolean => condition === 6 || condition === 7 || condition >= ir.JSLT;
const isEquality = (condition: number): boolean => condition === ir.JEQ || condition === ir.JNE;

/** A row's target: straight to the shared end where the row jumped to is a return that has nothing to do. */
export function targetLabel(e: Emission, target: number): number {
  const { kind, a } = e.rows;
  return kind[target] === ir.LEAVE && a[target] === 3 && e.unit.lastLeave !== target && e.unit.lastLeave >= 0
    ? e.leaveLabel
    : target;
}

/** Whether nothing stands between row `i` and `target`, so that going on gets there. */
function fallsTo(e: Emission, i: number, target: number): boolean {
  if (target <= i) return false;
  for (let at = i + 1; at < target; at++) if (e.rows.kind[at] !== ir.NOP) return false;
  return true;
}

export function emitJump(e: Emission, i: number): void {
  const target = e.rows.aux[i];
  if (!fallsTo(e, i, target)) e.branch(targetLabel(e, target));
}

export function emitJumpX(e: Emission, i: number): void {
  const { a, b, sub, aux, flags } = e.rows;
  const target = aux[i];
  if (fallsTo(e, i, target)) return;
  const word = (flags[i] & ir.W) !== 0;
  const x = e.operand(a[i], T1);
  const y = e.operand(b[i], T2);
  const condition = sub[i];
  if (condition === ir.JSET) {
    if (word) {
      e.w(and(e.t0, x, y));
      e.w(rc(clrldi(T0, T0, 32)));
    } else e.w(rc(and(e.t0, x, y)));
    e.changedCr();
  } else {
    const unsigned = !isSigned(condition) && !isEquality(condition);
    compare(e, REGISTERS + (word ? 2 : 0) + (unsigned ? 1 : 0), x, y);
  }
  const [bo, bi] = CONDITIONS[condition];
  e.branchIf(bo, bi, targetLabel(e, target));
}

export function emitJumpK(e: Emission, i: number): void {
  const { a, sub, aux, flags, imm } = e.rows;
  const target = aux[i];
  if (fallsTo(e, i, target)) return;
  const word = (flags[i] & ir.W) !== 0;
  const x = e.operand(a[i], T1);
  const condition = sub[i];
  let value = imm[i];
  let then = condition;
  if (value === 0) {
    // Unsigned, a number is more than 0 or it is 0.
    if (condition === ir.JGT) then = ir.JNE;
    else if (condition === ir.JLE) then = ir.JEQ;
  }
  const signedOrEqual = isEquality(then) || (isSigned(then) && !word);
  if (value === 0 && signedOrEqual && e.record(x, word)) {
    e.branchIf(...CONDITIONS[then], targetLabel(e, target));
    return;
  }
  if (condition === ir.JSET) testBits(e, x, value, word);
  else if (isEquality(then)) compareEqual(e, x, value, word);
  else if (isSigned(condition)) {
    // x >= n is x > n − 1, where that is the shorter number.
    if (!isS16(value) && isS16(value - 1)) {
      if (condition === ir.JSGE) [then, value] = [ir.JSGT, value - 1];
      else if (condition === ir.JSLT) [then, value] = [ir.JSLE, value - 1];
    }
    if (isS16(value)) compare(e, word ? CMPWI : CMPDI, x, value);
    else compare(e, word ? REGISTERS + 2 : REGISTERS, x, e.constant(value >> 31, value, T2));
  } else {
    if (value === 0x10000) {
      if (condition === ir.JGE) [then, value] = [ir.JGT, 0xffff];
      else if (condition === ir.JLT) [then, value] = [ir.JLE, 0xffff];
    }
    if (value >>> 16 === 0) compare(e, word ? CMPLWI : CMPLDI, x, value);
    else then = compareUnsigned(e, x, value, word, condition);
  }
  e.branchIf(...CONDITIONS[then], targetLabel(e, target));
}

/** Unsigned, with more than 16 bits: against a power of two the bits above say it all. */
function compareUnsigned(e: Emission, x: number, value: number, word: boolean, condition: number): number {
  const bound = condition === ir.JGT || condition === ir.JLE ? value + 1 : value;
  const above = condition === ir.JGT || condition === ir.JGE;
  if (bound > 0 && bound <= 0x40000000 && (bound & (bound - 1)) === 0) {
    const mask = maskTemplate(0, word ? 0 : -1, -bound);
    if (mask !== 0) {
      e.w(rc(maskWord(mask, e.t0, x)));
      e.changedCr();
      return above ? ir.JNE : ir.JEQ;
    }
  }
  compare(e, REGISTERS + 1 + (word ? 2 : 0), x, e.constant(value >> 31, value, T2));
  return condition;
}

function compareEqual(e: Emission, x: number, value: number, word: boolean): void {
  const signed = isS16(value);
  const unsigned = value >>> 16 === 0;
  const signedKind = word ? CMPWI : CMPDI;
  const unsignedKind = word ? CMPLWI : CMPLDI;
  // Either comparison says whether they are equal: take what is there.
  if (signed && (!unsigned || !e.isCompared(unsignedKind, x, value))) compare(e, signedKind, x, value);
  else if (unsigned) compare(e, unsignedKind, x, value);
  else if ((word || value >= 0) && !e.holds(value >> 31, value)) {
    e.w(xoris(e.t0, x, value >>> 16));
    e.w(word ? cmplwi(0, T0, value & 0xffff) : cmpldi(0, T0, value & 0xffff));
    e.changedCr();
  } else compare(e, word ? REGISTERS + 2 : REGISTERS, x, e.constant(value >> 31, value, T2));
}

function testBits(e: Emission, x: number, value: number, word: boolean): void {
  const hi = word ? 0 : value >> 31;
  const mask = maskTemplate(0, hi, value);
  e.changedCr();
  if (value >>> 16 === 0) e.w(andiDot(e.t0, x, value));
  else if (mask !== 0) e.w(rc(maskWord(mask, e.t0, x)));
  else if ((value & 0xffff) === 0 && hi === 0) e.w(andisDot(e.t0, x, value >>> 16));
  else {
    // Zero-extended: nothing above the word counts.
    const y = e.constant(hi, value, T2);
    e.w(rc(and(e.t0, x, y)));
  }
}
