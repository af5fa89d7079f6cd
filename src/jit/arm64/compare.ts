import { JEQ, JGE, JGT, JLE, JLT, JNE, JSET, JSGE, JSGT, JSLE, JSLT } from '../rows/ir.ts';
import { bitmask } from './constant.ts';
import { cb, cmnImm, cmp, cmpImm, EQ, GE, GT, HI, HS, LE, LO, LS, LT, NE, tb, tst, tstImm, W, X } from './encode.ts';
import { T1, type WordSink } from './words.ts';

/** Conditions under which BPF's conditional jumps are taken, by operation. */
export const CONDITIONS: Readonly<Record<number, number>> = {
  [JEQ]: EQ,
  [JNE]: NE,
  [JGT]: HI,
  [JGE]: HS,
  [JLT]: LO,
  [JLE]: LS,
  [JSGT]: GT,
  [JSGE]: GE,
  [JSLT]: LT,
  [JSLE]: LE,
  [JSET]: NE,
};

/** Comparisons with 0, 1 and −1 that are one of equality or of the sign: operation → for which number, and which. */
const SIGN_TESTS: readonly (readonly [op: number, imm: number, negative: number])[] = [
  [JSLT, 0, 1],
  [JSLE, -1, 1],
  [JSGE, 0, 0],
  [JSGT, -1, 0],
];
const ZERO_TESTS: readonly (readonly [op: number, imm: number, nonzero: number])[] = [
  [JEQ, 0, 0],
  [JNE, 0, 1],
  [JGT, 0, 1],
  [JLE, 0, 0],
  [JLT, 1, 0],
  [JGE, 1, 1],
];

/** A branch that needs no flags, without its distance; undefined where there is none. */
export function directBranch(sf: number, op: number, rn: number, imm: number): number | undefined {
  if (op === JSET) {
    const one = imm !== 0 && (imm & (imm - 1)) === 0 && (imm > 0 || sf === W);
    return one ? tb(1, rn, 31 - Math.clz32(imm), 0) : undefined;
  }
  for (const [which, value, nonzero] of ZERO_TESTS) if (op === which && imm === value) return cb(sf, nonzero, rn, 0);
  for (const [which, value, negative] of SIGN_TESTS) {
    if (op === which && imm === value) return tb(negative, rn, sf === X ? 63 : 31, 0);
  }
  return undefined;
}

/** Flags of a comparison of two registers, or of the bits both have. */
export const compareWords = (sf: number, bits: boolean, rn: number, rm: number): number =>
  (bits ? tst : cmp)(sf, rn, rm);

/** Flags of a comparison with a constant, or of the bits both have. May use T1. */
export function compareWithConstant(e: WordSink, sf: number, bits: boolean, rn: number, imm: number): void {
  if (bits) {
    const field = bitmask(sf, imm >> 31, imm);
    if (field >= 0) {
      e.w(tstImm(sf, rn, field));
      return;
    }
    e.number(sf, T1, imm);
    e.w(tst(sf, rn, T1));
    return;
  }
  const size = Math.abs(imm);
  const op = imm < 0 ? cmnImm : cmpImm;
  if (size < 0x1000) e.w(op(sf, rn, size));
  else if ((size & 0xfff) === 0 && size < 0x1000000) e.w(op(sf, rn, size >> 12, 1));
  else {
    e.number(sf, T1, imm);
    e.w(cmp(sf, rn, T1));
  }
}

/** How far a branch reaches, by the bits of its distance in words. */
export const FIX_26 = 0;
export const FIX_19 = 1;
export const FIX_14 = 2;

/** The kind of a conditional branch's distance. */
export const branchKind = (word: number): number => ((word & 0x7e000000) === 0x36000000 ? FIX_14 : FIX_19);
/** b.cond keeps its condition in the low bits, cbz and tbz theirs in bit 24. */
export const oppositeBranch = (word: number): number =>
  (word & 0x7e000000) === 0x54000000 ? word ^ 1 : word ^ 0x01000000;

/** A conditional branch of which the distance is 0. */
export const withoutDistance = (word: number): number =>
  word & ~(branchKind(word) === FIX_14 ? 0x3fff << 5 : 0x7ffff << 5);

/** A branch with its distance in bytes, or undefined where that is too far. */
export function withDistance(word: number, kind: number, distance: number): number | undefined {
  const words = distance >> 2;
  const bits = kind === FIX_26 ? 26 : kind === FIX_19 ? 19 : 14;
  const half = 1 << (bits - 1);
  if (words < -half || words >= half) return undefined;
  return word | (kind === FIX_26 ? words & 0x3ffffff : (words & ((1 << bits) - 1)) << 5);
}
