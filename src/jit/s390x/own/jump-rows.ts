import { ir } from '../../rows/index.ts';
import {
  cfi,
  cgfi,
  cghi,
  cgij,
  cgr,
  cgrj,
  chi,
  cij,
  clfi,
  clgfi,
  clgij,
  clgr,
  clgrj,
  clij,
  clr,
  clrj,
  cr,
  crj,
  lr,
  ngrk,
  nilf,
  nrk,
  tmlh,
  tmll,
} from '../encode.ts';
import { RETURN, T0, T1 } from './allocate.ts';
import type { Emission } from './emission.ts';

/** Condition codes after a comparison, as masks: equal 8, low 4, high 2. JSET: any bit set. */
const MASKS: Readonly<Record<number, number>> = {
  [ir.JEQ]: 8,
  [ir.JNE]: 6,
  [ir.JGT]: 2,
  [ir.JSGT]: 2,
  [ir.JGE]: 10,
  [ir.JSGE]: 10,
  [ir.JLT]: 4,
  [ir.JSLT]: 4,
  [ir.JLE]: 12,
  [ir.JSLE]: 12,
  [ir.JSET]: 7,
};
const ALWAYS = 15;

const isSigned = (condition: number): boolean => condition === 6 || condition === 7 || condition >= ir.JSLT;
const isEquality = (condition: number): boolean => condition === ir.JEQ || condition === ir.JNE;
const isS16 = (value: number): boolean => value === (value << 16) >> 16;
const isS8 = (value: number): boolean => value === (value << 24) >> 24;

/** A row's target: straight to the shared end where the row jumped to only goes there. */
function targetLabel(e: Emission, target: number): number {
  const { lastLeave } = e.unit;
  const { kind, a } = e.rows;
  const leaves = kind[target] === ir.LEAVE && a[target] === RETURN;
  return leaves && lastLeave !== target && e.sharesLeave ? e.leaveLabel : target;
}

/** Whether nothing stands between row `i` and `target`, so that going on gets there. */
function fallsTo(e: Emission, i: number, target: number): boolean {
  if (target <= i) return false;
  for (let at = i + 1; at < target; at++) if (e.rows.kind[at] !== ir.NOP) return false;
  return true;
}

export function emitJump(e: Emission, i: number): void {
  const target = e.rows.aux[i];
  if (!fallsTo(e, i, target)) e.branch(ALWAYS, targetLabel(e, target));
}

/** 32 and 64 bits; with a branch of its own, and without. */
const COMPARE = { signed: [cr, cgr], unsigned: [clr, clgr] } as const;
const COMPARE_JUMP = { signed: [crj, cgrj], unsigned: [clrj, clgrj] } as const;

function compareRegisters(
  e: Emission,
  x: number,
  y: number,
  word: boolean,
  unsigned: boolean,
  mask: number,
  label: number,
): void {
  const sign = unsigned ? 'unsigned' : 'signed';
  const size = word ? 0 : 1;
  if (e.forms.far[e.slot] === 0) e.near(COMPARE_JUMP[sign][size](x, y, mask, 0), label);
  else {
    e.w(COMPARE[sign][size](x, y));
    e.branch(mask, label);
  }
}

export function emitJumpX(e: Emission, i: number): void {
  const { a, b, sub, aux, flags } = e.rows;
  if (fallsTo(e, i, aux[i])) return;
  const word = (flags[i] & ir.W) !== 0;
  const x = e.operand(a[i], T0);
  const y = e.operand(b[i], T1);
  const condition = sub[i];
  const label = targetLabel(e, aux[i]);
  const mask = MASKS[condition];
  if (condition === ir.JSET) {
    e.w(word ? nrk(T0, x, y) : ngrk(T0, x, y));
    e.branch(mask, label);
  } else compareRegisters(e, x, y, word, !isSigned(condition) && !isEquality(condition), mask, label);
}

export function emitJumpK(e: Emission, i: number): void {
  const { a, sub, aux, flags, imm } = e.rows;
  if (fallsTo(e, i, aux[i])) return;
  const word = (flags[i] & ir.W) !== 0;
  const x = e.operand(a[i], T0);
  const value = imm[i];
  const condition = sub[i];
  const label = targetLabel(e, aux[i]);
  const mask = MASKS[condition];
  if (condition === ir.JSET) {
    testBits(e, x, value, word);
    e.branch(mask, label);
    return;
  }
  const near = e.forms.far[e.slot] === 0;
  const equality = isEquality(condition);
  const signed = isSigned(condition);
  if (near && (signed || equality) && isS8(value)) {
    e.near((word ? cij : cgij)(x, value, mask, 0), label);
    return;
  }
  if (near && !signed && value >>> 8 === 0) {
    e.near((word ? clij : clgij)(x, value, mask, 0), label);
    return;
  }
  if (signed || equality) {
    if (isS16(value)) e.w(word ? chi(x, value) : cghi(x, value));
    else e.w(word ? cfi(x, value) : cgfi(x, value));
  } else if (word || value >= 0) e.w(word ? clfi(x, value) : clgfi(x, value));
  else {
    e.load(T1, -1, value);
    compareRegisters(e, x, T1, false, true, mask, label);
    return;
  }
  e.branch(mask, label);
}

/** Condition code 0 where none of the bits is set. */
function testBits(e: Emission, x: number, value: number, word: boolean): void {
  if (value >>> 16 === 0) e.w(tmll(x, value));
  else if ((value & 0xffff) === 0 && (word || value > 0)) e.w(tmlh(x, value >>> 16));
  else if (word || value > 0) {
    if (x !== T0) e.w(lr(T0, x));
    e.w(nilf(T0, value));
  } else {
    e.load(T1, -1, value);
    e.w(ngrk(T0, x, T1));
  }
}
