import { addHi, mulHi, subHi } from '../../util/index.ts';
import { rotlHi, rotlLo, setMask, setOperation } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  AND,
  ARSH,
  CONST,
  type Ir,
  LEADER,
  LSH,
  MASK,
  MOV,
  MUL,
  NEG,
  NONE,
  OR,
  RSH,
  SEXT,
  STORE,
  STORE_K,
  SUB,
  TARGET,
  W,
  XOR,
  ZX,
} from '../rows/ir.ts';
import type { Window } from './window.ts';

const anyMask = (): boolean => true;

function setConstant(rows: Ir, i: number, hi: number, lo: number): void {
  rows.kind[i] = CONST;
  rows.a[i] = NONE;
  rows.b[i] = NONE;
  rows.aux[i] = hi | 0;
  rows.imm[i] = lo | 0;
  rows.flags[i] &= LEADER | TARGET;
}

/** What `x sub y` is, or false where that is left to run time. 32-bit operations compute with low halves. */
function compute(rows: Ir, i: number, xh: number, xl: number, yh: number, yl: number): boolean {
  const narrow = (rows.flags[i] & W) !== 0;
  let hi = 0;
  let lo = 0;
  switch (rows.sub[i]) {
    case ADD:
      lo = xl + yl;
      hi = addHi(xh, xl, yh, yl);
      break;
    case SUB:
      lo = xl - yl;
      hi = subHi(xh, xl, yh, yl);
      break;
    case MUL:
      lo = Math.imul(xl, yl);
      hi = mulHi(xh, xl, yh, yl);
      break;
    case OR:
      lo = xl | yl;
      hi = xh | yh;
      break;
    case AND:
      lo = xl & yl;
      hi = xh & yh;
      break;
    case XOR:
      lo = xl ^ yl;
      hi = xh ^ yh;
      break;
    case NEG:
      lo = -xl;
      hi = subHi(0, 0, xh, xl);
      break;
    default:
      return false;
  }
  if (narrow && (rows.flags[i] & ZX) === 0) return false;
  setConstant(rows, i, narrow ? 0 : hi, lo);
  return true;
}

const COMMUTES: ReadonlySet<number> = new Set([ADD, MUL, OR, AND, XOR]);

function foldOperation(w: Window, i: number): void {
  const { rows } = w;
  const { kind, a, b, sub, imm, aux, flags } = rows;
  if (kind[i] === ALU_X) {
    let second = w.constant(b[i]);
    if (second < 0 && COMMUTES.has(sub[i]) && w.constant(a[i]) >= 0) {
      second = w.constant(a[i]);
      a[i] = b[i];
      b[i] = rows.d[second];
    }
    if (second < 0) return;
    // Sums may have a number of their own already.
    const lo = imm[second] + (sub[i] === ADD ? imm[i] : 0);
    if (lo !== (lo | 0)) return;
    const narrow = (flags[i] & W) !== 0;
    const first = w.constant(a[i]);
    if (first >= 0 && lo === imm[second] && compute(rows, i, aux[first], imm[first], aux[second], lo)) return;
    // Shifts count modulo the width whatever the high half; others need a constant that extends to it.
    const shift = sub[i] === LSH || sub[i] === RSH || sub[i] === ARSH;
    if (sub[i] === AND && aux[second] === 0) {
      b[i] = NONE;
      setMask(rows, i, 0, 0, imm[second]);
      return;
    }
    if (!narrow && !shift && aux[second] !== imm[second] >> 31) return;
    b[i] = NONE;
    imm[i] = lo;
    setOperation(rows, i, !narrow, anyMask);
    return;
  }
  const first = w.constant(a[i]);
  if (first >= 0) compute(rows, i, aux[first], imm[first], imm[i] >> 31, imm[i]);
}

/** Sums of sums: `(x + 3) + 4` is `x + 7`. */
function foldSums(w: Window, i: number): void {
  const { kind, a, sub, imm, flags } = w.rows;
  if (kind[i] !== ALU_K || sub[i] !== ADD || (flags[i] & W) !== 0) return;
  let from = w.source(a[i], ALU_K);
  const inPlace = from < 0;
  if (inPlace) from = w.inPlace(i, a[i]);
  if (from < 0 || kind[from] !== ALU_K || sub[from] !== ADD || (flags[from] & W) !== 0) return;
  const sum = imm[i] + imm[from];
  if (sum !== (sum | 0)) return;
  imm[i] = sum;
  a[i] = w.rows.a[from];
  if (inPlace) w.drop(from);
}

/**
 * What is known before the program runs. Constants that fit become the instruction's own.
 *
 * ```
 *   r1 = 8             r1 = 8
 *   r2 += r1       →   r2 += 8
 * ```
 */
export function foldConstants(w: Window, i: number): void {
  const { rows } = w;
  const { kind, a, b, sub, imm, aux } = rows;
  switch (kind[i]) {
    case ALU_X:
    case ALU_K:
      foldOperation(w, i);
      foldSums(w, i);
      return;
    case MOV: {
      const from = w.constant(a[i]);
      if (from >= 0) setConstant(rows, i, aux[from], imm[from]);
      return;
    }
    case MASK: {
      const from = w.constant(a[i]);
      if (from < 0) return;
      const hi = rotlHi(aux[from], imm[from], sub[i]) & aux[i];
      setConstant(rows, i, hi, rotlLo(aux[from], imm[from], sub[i]) & imm[i]);
      return;
    }
    case SEXT: {
      const from = w.constant(a[i]);
      if (from < 0) return;
      const lo = (imm[from] << (32 - sub[i])) >> (32 - sub[i]);
      setConstant(rows, i, (rows.flags[i] & W) !== 0 ? 0 : lo >> 31, lo);
      return;
    }
    case STORE: {
      if (a[i] === NONE) return;
      const from = w.constant(b[i]);
      // A constant stored as eight bytes is its low half, extended.
      if (from < 0 || (sub[i] === 3 && aux[from] !== imm[from] >> 31)) return;
      kind[i] = STORE_K;
      b[i] = NONE;
      imm[i] = imm[from];
    }
  }
}
