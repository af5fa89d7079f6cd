import { bitLength, rotlHi, rotlLo, setMask } from '../rows/index.ts';
import {
  ALU_K,
  ALU_X,
  ARSH,
  BSWAP,
  CONST,
  FP,
  type Ir,
  LOAD,
  LOAD_ACQ,
  MASK,
  MOV,
  NOP,
  SEXT,
  SIGNED,
  W,
  ZX,
} from '../rows/ir.ts';
import type { Window } from './window.ts';

/** How many low bits a row's result may have, by the row alone; 64 when it does not say. */
export function resultBits({ kind, sub, aux, imm, flags }: Ir, from: number): number {
  switch (kind[from]) {
    case CONST:
    case MASK:
      return bitLength(aux[from], imm[from]);
    case LOAD:
      return sub[from] < SIGNED ? 8 << sub[from] : 64;
    case LOAD_ACQ:
      return 8 << sub[from];
    case BSWAP:
      return sub[from];
    default:
      return (flags[from] & ZX) !== 0 && kind[from] >= SEXT && kind[from] <= ALU_X ? 32 : 64;
  }
}

/** A mask that clears nothing which may be set is a copy. */
function dropMask(w: Window, i: number): boolean {
  const { kind, a, d, sub, aux, imm } = w.rows;
  if (sub[i] !== 0 || a[i] === FP) return false;
  const from = w.defined[a[i]];
  const bits = from < 0 || d[from] !== a[i] ? 64 : resultBits(w.rows, from);
  const lo = bits >= 32 ? -1 : (1 << bits) - 1;
  const hi = bits >= 64 ? -1 : bits <= 32 ? 0 : (1 << (bits - 32)) - 1;
  if ((~aux[i] & hi) !== 0 || (~imm[i] & lo) !== 0) return false;
  kind[i] = a[i] === d[i] ? NOP : MOV;
  return true;
}

/** `r <<= 32; r s>>= 32`: a sign extension, of 8, 16 or 32 bits. */
function foldExtension(w: Window, i: number): void {
  const { kind, a, sub, aux, imm, flags } = w.rows;
  if (sub[i] !== ARSH) return;
  const by = imm[i];
  const wide = (flags[i] & W) === 0;
  const bits = (wide ? 64 : 32) - by;
  if (bits !== 8 && bits !== 16 && !(wide && bits === 32)) return;
  let from = w.source(a[i], MASK);
  const inPlace = from < 0;
  if (inPlace) from = w.inPlace(i, a[i]);
  if (from < 0 || kind[from] !== MASK || sub[from] !== by) return;
  const shifted = wide ? aux[from] === -1 << (by - 32) && imm[from] === 0 : imm[from] === -1 << by && aux[from] === 0;
  if (!shifted) return;
  kind[i] = SEXT;
  sub[i] = bits;
  a[i] = w.rows.a[from];
  if (inPlace) w.drop(from);
}

/**
 * Shifts and masks of shifts and masks, which rows have as one turn and one mask; zero extensions of what has no more bits.
 *
 * ```
 *   r1 <<= 32
 *   r1 >>= 29      →   r1 = (u64)(u32)r1 << 3
 * ```
 */
export function foldMasks(w: Window, i: number): void {
  const { rows } = w;
  const { kind, a, sub, aux, imm } = rows;
  if (kind[i] === ALU_K) {
    foldExtension(w, i);
    return;
  }
  if (kind[i] !== MASK || dropMask(w, i)) return;
  let from = w.source(a[i], MASK);
  const inPlace = from < 0;
  if (inPlace) from = w.inPlace(i, a[i]);
  if (from < 0 || kind[from] !== MASK) return;
  const by = sub[i];
  const hi = rotlHi(aux[from], imm[from], by) & aux[i];
  const lo = rotlLo(aux[from], imm[from], by) & imm[i];
  a[i] = rows.a[from];
  setMask(rows, i, (sub[from] + by) & 63, hi, lo);
  if (inPlace) w.drop(from);
}
