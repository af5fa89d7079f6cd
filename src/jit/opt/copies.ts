import {
  ALU_K,
  ALU_X,
  ARENA,
  ATOMIC,
  BSWAP,
  CMPXCHG,
  FP,
  type Ir,
  JCC_K,
  JCC_X,
  LEAVE,
  LOAD,
  MASK,
  MOV,
  NONE,
  NOP,
  SEXT,
  STORE,
  STORE_REL,
  W,
} from '../rows/ir.ts';
import type { Window } from './window.ts';

/** Whether the row reads only low halves of its operands. */
function readsLow({ kind, flags, sub }: Ir, i: number): boolean {
  switch (kind[i]) {
    case SEXT:
      return true;
    case BSWAP:
      return sub[i] < 64;
    case ALU_K:
    case ALU_X:
    case JCC_K:
    case JCC_X:
      return (flags[i] & W) !== 0;
    default:
      return false;
  }
}

const isZeroExtension = ({ sub, aux, imm }: Ir, from: number): boolean =>
  sub[from] === 0 && aux[from] === 0 && imm[from] === -1;

function original(w: Window, register: number, low: boolean): number {
  if (register === NONE || register === FP) return register;
  const copy = w.source(register, MOV);
  if (copy >= 0) return w.rows.a[copy];
  if (!low) return register;
  const extended = w.source(register, MASK);
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
  if (k === LEAVE || k === CMPXCHG || k === NOP) return;
  const low = readsLow(w.rows, i);
  const memory = k >= LOAD && k <= STORE_REL;
  const base = memory && w.rows.narrowAddresses && (flags[i] & ARENA) === 0;
  a[i] = original(w, a[i], low || base);
  // An atomic operation leaves the old value in the register of its operand.
  if (b[i] !== NONE && k !== ATOMIC) b[i] = original(w, b[i], low || (k === STORE && w.rows.sub[i] < 3));
  if (k === MOV && a[i] === d[i]) kind[i] = NOP;
}
