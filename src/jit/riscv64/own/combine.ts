import * as ir from './ir.ts';

const EXTENDS: Readonly<Record<number, number>> = { 32: 32, 48: 16, 56: 8 };

/** Rows that read `a` and set `d`, and whose `a` may be any register. */
const isFree = (kind: number): boolean =>
  kind === ir.ALU_K || kind === ir.ALU_X || kind === ir.ZEXT || kind === ir.SEXT || kind === ir.BSWAP;
/** Rows behind which the next row is not reached in order, or registers change. */
const ends = (kind: number): boolean => kind === ir.JA || (kind >= ir.CALL_HELPER && kind <= ir.LEAVE);

/**
 * Folds a row into the one behind it: moves into operations, since those have three operands here, and pairs of shifts
 * into extensions.
 */
export function combine(rows: ir.Ir): void {
  const { n, kind, flags, d, a } = rows;
  let before = -1;
  for (let i = 0; i < n; i++) {
    if ((flags[i] & ir.LEADER) !== 0) before = -1;
    const k = kind[i];
    if (k === ir.NOP) continue;
    if (before >= 0 && d[i] === d[before] && a[i] === d[i]) {
      if (kind[before] === ir.ALU_K) foldShifts(rows, before, i);
      else foldMove(rows, before, i);
    }
    if (kind[i] === ir.MOV && d[i] === a[i]) {
      kind[i] = ir.NOP;
      continue;
    }
    before = ends(k) ? -1 : i;
  }
}

/** d = a << k; d = d >> k */
function foldShifts({ kind, sub, imm, flags, a }: ir.Ir, first: number, i: number): void {
  if (kind[i] !== ir.ALU_K || sub[first] !== ir.LSH || imm[first] !== imm[i]) return;
  if (sub[i] !== ir.RSH && sub[i] !== ir.ARSH) return;
  const bits = EXTENDS[imm[i]];
  if (bits === undefined || ((flags[first] | flags[i]) & ir.W) !== 0) return;
  kind[i] = sub[i] === ir.RSH ? ir.ZEXT : ir.SEXT;
  sub[i] = bits;
  a[i] = a[first];
  kind[first] = ir.NOP;
}

/** d = a; d = d op b */
function foldMove({ kind, sub, flags, d, a, b }: ir.Ir, first: number, i: number): void {
  if (!isFree(kind[i])) return;
  const narrow = (flags[i] & ir.W) !== 0 || ((kind[i] === ir.ZEXT || kind[i] === ir.SEXT) && sub[i] <= 32);
  const moves = kind[first] === ir.MOV || (narrow && kind[first] === ir.ZEXT && sub[first] === 32);
  if (!moves) return;
  const from = a[first];
  if (from === ir.FP && (kind[i] !== ir.ALU_K || sub[i] !== ir.ADD || narrow)) return;
  if (b[i] === d[first]) b[i] = from;
  a[i] = from;
  kind[first] = ir.NOP;
}
