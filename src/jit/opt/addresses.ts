import { readsRegister } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  ARENA,
  AX,
  CALL_HELPER,
  EXACT,
  FP,
  type Ir,
  LEADER,
  LOAD,
  NONE,
  NOP,
  PROBE,
  STORE_K,
  STORE_REL,
  W,
} from '../rows/ir.ts';
import { resultBits } from './masks.ts';
import type { Window } from './window.ts';

/** `(x + 8) + r` is `x + r + 8`: sums keep what is known of their first operand in `imm`. */
function foldIntoSum(w: Window, i: number): void {
  const { kind, a, b, sub, imm, flags } = w.rows;
  if (sub[i] !== ADD || (flags[i] & W) !== 0) return;
  const from = w.source(a[i], ALU_K);
  const fits = (at: number): boolean =>
    sub[at] === ADD && (flags[at] & W) === 0 && ((imm[i] + imm[at]) | 0) === imm[i] + imm[at];
  if (from >= 0) {
    if (!fits(from) || b[i] === a[i]) return;
    imm[i] += imm[from];
    a[i] = w.rows.a[from];
    return;
  }
  const taken = w.inPlace(i, a[i]);
  if (taken < 0 || kind[taken] !== ALU_K || b[i] === a[i] || !fits(taken)) return;
  imm[i] += imm[taken];
  w.drop(taken);
}

/** Distances a base may have beside it: what WebAssembly adds, or 16 bits. */
const inReach = (rows: Ir, off: number): boolean =>
  rows.narrowAddresses ? off === (off | 0) : off === (off << 16) >> 16;

/** As many rows are looked through for another one that reads a sum. */
const MOST_ROWS = 8;

/** Whether a row soon behind row `i` reads what row `i` does. */
function readAgain(rows: Ir, i: number, register: number): boolean {
  const { n, kind, d, flags } = rows;
  if (d[i] === register) return false;
  const end = Math.min(n, i + 1 + MOST_ROWS);
  for (let at = i + 1; at < end && (flags[at] & LEADER) === 0; at++) {
    if (kind[at] === NOP) continue;
    if (readsRegister(rows, at, register)) return true;
    if (d[at] === register || kind[at] >= CALL_HELPER) return false;
  }
  return false;
}

/** Takes a sum into the distance of the access. Returns whether there may be more. */
function takeSum(w: Window, i: number): boolean {
  const { kind, a, b, sub, imm, aux, off, flags } = w.rows;
  const from = w.defined[a[i]];
  if (from < 0 || sub[from] !== ADD || (kind[from] !== ALU_K && kind[from] !== ALU_X)) return false;
  const narrow = w.rows.narrowAddresses;
  if (((flags[from] & W) !== 0 && !narrow) || !w.keepsA(from) || !inReach(w.rows, off[i] + imm[from])) return false;
  if (kind[from] === ALU_X) {
    // A sum that is read again is better made once, and AX always is.
    if (a[i] === AX || !narrow || kind[i] > STORE_K || aux[i] !== 0 || !w.keepsB(from) || !w.unread(from)) return false;
    if (readAgain(w.rows, i, a[i])) return false;
    w.used[a[i]] = i;
    const swapped = b[from] === FP;
    aux[i] = 1 + (swapped ? a[from] : b[from]);
    a[i] = swapped ? FP : a[from];
    const index = w.defined[aux[i] - 1];
    const counts = (flags[from] & W) === 0 && index >= 0 && resultBits(w.rows, index) < 64;
    flags[i] = counts ? flags[i] | EXACT : flags[i] & ~EXACT;
  } else {
    // What several rounds of a loop begin from lies below all of them.
    if (a[i] === AX && imm[from] < 0) return false;
    a[i] = a[from];
    const made = w.defined[a[from]];
    const sum = narrow && kind[i] <= STORE_K && (flags[from] & W) === 0;
    if (sum && made >= 0 && resultBits(w.rows, made) <= 32) flags[i] |= EXACT;
    else flags[i] &= ~EXACT;
  }
  off[i] += imm[from];
  return true;
}

/**
 * Sums in front of an access: a constant becomes part of its distance; where addresses are 32 bits wide, another register
 * becomes its second base.
 *
 * ```
 *   r2 = r10
 *   r2 += -16
 *   r1 = *(u64 *)(r2 + 8)   →   r1 = *(u64 *)(r10 - 8)
 * ```
 */
export function foldAddresses(w: Window, i: number): void {
  const { kind, a, flags } = w.rows;
  const k = kind[i];
  if (k === ALU_X) foldIntoSum(w, i);
  else if (k >= LOAD && k <= STORE_REL && (flags[i] & (ARENA | PROBE)) === 0) {
    while (a[i] !== FP && a[i] !== NONE && takeSum(w, i));
  }
}
