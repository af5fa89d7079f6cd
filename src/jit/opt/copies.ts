import { ir } from '../rows/index.ts';
import type { Window } from './window.ts';

/** Whether the row reads only low halves of its operands. */
function readsLow({ kind, flags, sub }: ir.Ir, i: number): boolean {
  switch (kind[i]) {
    case ir.SEXT:
      return true;
    case ir.BSWAP:
      return sub[i] < 64;
    case ir.ALU_K:
    case ir.ALU_X:
    case ir.JCC_K:
    case ir.JCC_X:
      return (flags[i] & ir.W) !== 0;
    default:
      return false;
  }
}

const isZeroExtension = ({ sub, aux, imm }: ir.Ir, from: number): boolean =>
  sub[from] === 0 && aux[from] === 0 && imm[from] === -1;

function original(w: Window, register: number, low: boolean): number {
  if (register === ir.NONE || register === ir.FP) return register;
  const copy = w.source(register, ir.MOV);
  if (copy >= 0) return w.rows.a[copy];
  if (!low) return register;
  const extended = w.source(register, ir.MASK);
  return extended >= 0 && isZeroExtension(w.rows, extended) ? w.rows.a[extended] : register;
}

/**
 * Operands that are copies: the row reads what was copied. Where it reads only the low half, a zero extension is a copy.
 *
 * ```
 *   r2 = r1            r2 = r1
 *   r3 = r2 + r4   →   r3 = r1 + r4
 * ```
 */
export function propagateCopies(w: Window, i: number): void {
  const { kind, a, b, d, flags } = w.rows;
  const k = kind[i];
  if (k === ir.LEAVE || k === ir.CMPXCHG || k === ir.NOP) return;
  const low = readsLow(w.rows, i);
  const memory = k >= ir.LOAD && k <= ir.STORE_REL;
  const base = memory && w.rows.narrowAddresses && (flags[i] & ir.ARENA) === 0;
  a[i] = original(w, a[i], low || base);
  // An atomic operation leaves the old value in the register of its operand.
  if (b[i] !== ir.NONE && k !== ir.ATOMIC) b[i] = original(w, b[i], low || (k === ir.STORE && w.rows.sub[i] < 3));
  if (k === ir.MOV && a[i] === d[i]) kind[i] = ir.NOP;
}
