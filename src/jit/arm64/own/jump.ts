import { BPF_JMP32 } from '../../../isa/index.ts';
import { bitmask } from '../constant.ts';
import {
  bCond,
  cb,
  cmnImm,
  cmp,
  cmpImm,
  EQ,
  GE,
  GT,
  HI,
  HS,
  LE,
  LO,
  LS,
  LT,
  NE,
  tb,
  tst,
  tstImm,
  W,
  X,
} from '../encode.ts';
import type { Emission } from './emission.ts';
import { T1, T2, T3 } from './registers.ts';
import { NO } from './scan.ts';

const JEQ = 1;
const JGT = 2;
const JGE = 3;
const JSET = 4;
const JNE = 5;
const JSGT = 6;
const JSGE = 7;
const JLT = 10;
const JLE = 11;
const JSLT = 12;
const JSLE = 13;

/** By operation. */
const CONDITIONS = [0, EQ, HI, HS, NE, NE, GT, GE, 0, 0, LO, LS, LT, LE];

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

export function emitJump(e: Emission, i: number): void {
  const to = e.scan.to[i];
  if (to !== i + 1) e.branch(to);
}

export function emitBranch(e: Emission, i: number): void {
  const { insns, a, b, to } = e.scan;
  const { code, imm } = insns[i];
  const op = code >> 4;
  const sf = (code & 7) === BPF_JMP32 ? W : X;
  if (to[i] === i + 1) return;
  const rn = e.operand(a[i], T2);
  if (b[i] !== NO) {
    const rm = e.operand(b[i], T3);
    const kind = (sf === X ? 1 : 0) | (op === JSET ? 2 : 0) | 4;
    if (!e.compares(kind, rn, rm) || rn === T2 || rm === T3) e.w((op === JSET ? tst : cmp)(sf, rn, rm));
    e.branchIf(bCond(CONDITIONS[op], 0), to[i]);
    return;
  }
  const word = direct(sf, op, rn, imm);
  if (word !== undefined) e.branchIf(word, to[i]);
  else {
    compareWith(e, sf, op === JSET, rn, imm);
    e.branchIf(bCond(CONDITIONS[op], 0), to[i]);
  }
}

/** A branch that needs no flags. */
function direct(sf: number, op: number, rn: number, imm: number): number | undefined {
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

/** Flags of a comparison with a constant, or of the bits both have; unless they are there already. */
function compareWith(e: Emission, sf: number, bits: boolean, rn: number, imm: number): void {
  const kind = (sf === X ? 1 : 0) | (bits ? 2 : 0);
  if (e.comparesNumber(kind, rn, imm) && rn !== T2) return;
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
