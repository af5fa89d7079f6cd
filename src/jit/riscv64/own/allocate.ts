import type { Room } from '../../room.ts';
import type { FuncInput } from '../../types.ts';
import * as ir from './ir.ts';

/** Stands for R10 in operand columns after allocation. */
export const FRAME = 64;
export const NO_REG = 255;

const A0 = 10;
/** Where callers find results. */
export const RESULT = A0;
const A5 = 15;
/** Where R6 to R9 are kept over calls: s0 … s3, of which the first two have short forms. */
const KEPT = [8, 9, 18, 19];
/** s4: the arena's base. */
const ARENA_BASE = 20;
/** a6, a7, t4 and t5: for functions that call nobody. */
const VOLATILE = [16, 17, 29, 30];
const AX = 5;

/** Which registers a function's values are in. */
export interface Allocation {
  /** Temporary registers; the first has short forms where one of x8 to x15 is free. */
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
  readonly t4: number;
  readonly r0: number;
  /** Register of the arena's base, or NO_REG. */
  readonly base: number;
  /** Callee-saved registers that are written, as a bit set. */
  readonly saved: number;
  readonly calls: boolean;
}

/** Names registers in place of BPF's. `together`: R0 and R1 need a register each. */
export function allocate(rows: ir.Ir, func: FuncInput, together: boolean, room: Room): Allocation {
  const { n, kind, d, a, b, flags } = rows;
  let mentioned = 0;
  let written = 0;
  let calls = false;
  let tails = false;
  let arena = false;
  for (let i = 0; i < n; i++) {
    const k = kind[i];
    if (k === ir.NOP) continue;
    if (k >= ir.CALL_HELPER && k <= ir.CALL_SUB) calls = true;
    if (k === ir.TAIL) tails = true;
    if ((flags[i] & ir.ARENA) !== 0) arena = true;
    mentioned |= (1 << d[i]) | (1 << a[i]) | (1 << b[i]);
    written |= 1 << d[i];
  }
  const leaf = !calls && !tails && !func.exceptionBoundary && !func.exceptionCallback;
  const r0 = together ? A5 : A0;
  // Of x8 to x15, those nothing is in: a5 unless R0 is there, and arguments nobody passes on.
  const free: number[] = together ? [] : [A5];
  for (let r = 5; r >= 2; r--) {
    const passes = calls && func.index !== 0;
    if ((mentioned & (1 << r)) === 0 && !passes && !tails) free.push(A0 + r - 1);
  }
  const map = room.bytes(256, NO_REG);
  map[0] = r0;
  for (let r = 1; r <= 5; r++) map[r] = A0 + r - 1;
  map[ir.FP] = FRAME;
  map[11] = AX;
  let saved = 0;
  const volatile = [...VOLATILE];
  for (let r = 6; r <= 9; r++) {
    if ((mentioned & (1 << r)) === 0) continue;
    map[r] = leaf ? (free.shift() ?? volatile.shift()!) : KEPT[r - 6];
    if (!leaf && (written & (1 << r)) !== 0) saved |= 1 << map[r];
  }
  let base = NO_REG;
  if (arena) {
    base = (leaf ? volatile.shift() : undefined) ?? ARENA_BASE;
    if (base === ARENA_BASE) saved |= 1 << base;
  }
  for (let i = 0; i < n; i++) {
    d[i] = map[d[i]];
    a[i] = map[a[i]];
    b[i] = map[b[i]];
  }
  if (r0 !== RESULT) setResults(rows, r0);
  const [t1 = 6, t2 = 7] = free;
  return { t1, t2, t3: 28, t4: 31, r0, base, saved, calls };
}

/** Rows right before the end that set R0 set a0 instead. */
function setResults({ n, kind, flags, d, a }: ir.Ir, r0: number): void {
  let before = -1;
  for (let i = 0; i < n; i++) {
    if ((flags[i] & ir.LEADER) !== 0) before = -1;
    const k = kind[i];
    if (k === ir.NOP) continue;
    if (k === ir.LEAVE && before >= 0 && d[before] === r0) {
      const other = kind[before];
      // What compares R0 with memory, or keeps it after a fault, has it in one place.
      if (other !== ir.CMPXCHG && (other !== ir.ATOMIC || (flags[before] & ir.PROBE) === 0)) {
        d[before] = RESULT;
        a[i] = RESULT;
      }
    }
    before = k === ir.JA || k === ir.LEAVE ? -1 : i;
  }
}
