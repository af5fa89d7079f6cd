import type { Room } from '../room.ts';
import { type Blocks, rotlHi } from '../rows/index.ts';
import {
  ALU_K,
  ALU_X,
  AND,
  ATOMIC,
  BSWAP,
  CALL_HELPER,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  DIV,
  FP,
  FUNC,
  HIGH,
  type Ir,
  LOAD,
  LOAD_ACQ,
  MASK,
  MOD,
  MOV,
  MUL,
  NEG,
  NONE,
  NOP,
  OR,
  PACKET,
  RSH,
  SEXT,
  SIGNED,
  TAIL,
  W,
  XOR,
} from '../rows/ir.ts';

/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

export const isWide = ({ flags }: Ir, i: number): boolean => (flags[i] & HIGH) !== 0;

/**
 * What is known of registers: bit r where the upper half of Rr is 0, bit 16 + r where all of it is what BPF has there, and nothing
 * of it made up as nobody reads it.
 */
const EXACT_SHIFT = 16;

export const isExact = (known: number, register: number): boolean => (known & (1 << (EXACT_SHIFT + register))) !== 0;

/** Whether a register's upper half is known to be 0. */
export const isZero = (known: number, register: number): boolean => register === FP || (known & (1 << register)) !== 0;

const lowFromLow = (sub: number): boolean => sub <= MUL || sub === OR || sub === AND || sub === XOR || sub === NEG;

/** Whether 32 bits are enough for an operation: by what is asked for, or because all operands are numbers of 32 bits. */
export function isNarrow(rows: Ir, i: number, known: number): boolean {
  const { flags, sub, kind, a, b, imm } = rows;
  const s = sub[i];
  if ((flags[i] & W) !== 0 || (!isWide(rows, i) && lowFromLow(s))) return true;
  const x = isZero(known, a[i]);
  const y = kind[i] === ALU_X ? isZero(known, b[i]) : imm[i] >= 0;
  switch (s) {
    case AND:
      return x && y;
    case OR:
    case XOR:
    case DIV:
    case MOD:
      return x && y;
    case RSH:
      return x && kind[i] === ALU_K && (imm[i] & 63) < 32;
    default:
      return false;
  }
}

/** How a MASK row is done. */
export interface MaskPlan {
  /** In 32 bits, shifted one way: a word of a word. */
  readonly word: boolean;
  readonly turn: 'none' | 'left' | 'right' | 'rotate';
  readonly by: number;
  /** Bits that are left without a mask. */
  readonly allHi: number;
  readonly allLo: number;
  readonly hi: number;
  readonly lo: number;
}

export function planMask(rows: Ir, i: number): MaskPlan {
  const wide = isWide(rows, i);
  const rot = rows.sub[i];
  const hi = wide ? rows.aux[i] : 0;
  const lo = rows.imm[i];
  const left = rot < 32;
  const short = left ? rot : 64 - rot;
  if (hi === 0 && short < 32 && rotlHi(hi, lo, -rot & 63) === 0) {
    const turn = short === 0 ? 'none' : left ? 'left' : 'right';
    return { word: true, turn, by: short, allHi: 0, allLo: left ? -1 << short : -1 >>> short, hi, lo };
  }
  // What is shifted out at one end must not come in at the other.
  const leftOnly = left ? (lo & ~(-1 << rot)) === 0 : lo === 0 && (hi & ~(-1 << (rot - 32))) === 0;
  const rightOnly = left ? hi === 0 && (lo & (-1 << rot)) === 0 : (hi & (-1 << (rot - 32))) === 0;
  if (rot === 0) return { word: false, turn: 'none', by: 0, allHi: -1, allLo: -1, hi, lo };
  if (leftOnly) {
    const allHi = left ? -1 : -1 << (rot - 32);
    return { word: false, turn: 'left', by: rot, allHi, allLo: left ? -1 << rot : 0, hi, lo };
  }
  if (rightOnly) {
    const by = 64 - rot;
    const allHi = rot > 32 ? -1 >>> by : 0;
    return { word: false, turn: 'right', by, allHi, allLo: rot >= 32 ? -1 : -1 >>> (32 - rot), hi, lo };
  }
  return { word: false, turn: 'rotate', by: rot, allHi: -1, allLo: -1, hi, lo };
}

/** Whether what is written for a MASK row leaves a number of 32 bits. */
function maskIsZero(rows: Ir, i: number): boolean {
  if (isWide(rows, i)) return rows.aux[i] === 0;
  if (rows.sub[i] === 0) return true;
  const { word, lo, allLo } = planMask(rows, i);
  return word || lo !== (allLo | 0);
}

/** Whether a row leaves its result with an upper half of 0. @param known the registers that had one before */
function resultIsZero(rows: Ir, i: number, known: number, returnsZero: (func: number) => boolean): boolean {
  const { kind, sub, a, d, aux, imm, flags, b } = rows;
  const wide = isWide(rows, i);
  switch (kind[i]) {
    case MOV:
      return (!wide && d[i] !== a[i]) || isZero(known, a[i]);
    case CAST_USER:
    case FUNC:
      return true;
    case CONST:
      return !wide || aux[i] === 0;
    case MASK:
      return maskIsZero(rows, i);
    case SEXT:
      return (flags[i] & W) !== 0 || !wide;
    case BSWAP:
      return sub[i] < 64;
    case ALU_K:
    case ALU_X: {
      if (isNarrow(rows, i, known)) return true;
      if (sub[i] === RSH) return kind[i] === ALU_K && (imm[i] & 63) >= 32;
      if (sub[i] === AND)
        return kind[i] === ALU_K ? imm[i] >= 0 || isZero(known, a[i]) : isZero(known, a[i]) || isZero(known, b[i]);
      return false;
    }
    case LOAD:
    case LOAD_ACQ: {
      const size = sub[i] & 3;
      return !wide || (size < 3 && (sub[i] & SIGNED) === 0);
    }
    case ATOMIC:
    case CMPXCHG:
      return (sub[i] & 3) === 2;
    case PACKET:
      return true;
    case CALL_SUB:
      return returnsZero(aux[i]);
    default:
      return false;
  }
}

/** What is known behind a row. */
function knownBehind(rows: Ir, i: number, known: number, returnsZero: (func: number) => boolean): number {
  const k = rows.kind[i];
  const d = rows.d[i];
  let kept = known;
  if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) {
    // A tail call that goes nowhere leaves R0 alone.
    const clobbered = k === TAIL ? 0b111110 : 0b111111;
    kept &= ~(clobbered | (clobbered << EXACT_SHIFT));
  }
  if (d === NONE) return kept;
  const zero = resultIsZero(rows, i, known, returnsZero) ? 1 << d : 0;
  const exact = isWide(rows, i) ? 1 << (EXACT_SHIFT + d) : 0;
  return (kept & ~((1 << d) | (1 << (EXACT_SHIFT + d)))) | zero | exact;
}

/**
 * What is known in front of each row.
 *
 * @param atEntry what is known when the function begins
 */
export function knownBefore(
  rows: Ir,
  { count, start, taken, next }: Blocks,
  atEntry: number,
  returnsZero: (func: number) => boolean,
  room: Room,
): Int32Array {
  const { n, kind } = rows;
  const known = room.ints(n);
  // By block: what is known wherever control comes from, and whether that is news.
  const before = room.ints(count, -1);
  const fresh = room.bytes(count, 1);
  before[0] = atEntry;
  // As long as a block has something new to tell one before it.
  for (let rounds = 0, changed = true; changed; rounds++) {
    // Loops nested deeper than that do not matter.
    const givesUp = rounds === MOST_ROUNDS;
    changed = false;
    for (let at = 0; at < count; at++) {
      if (givesUp) before[at] = 0;
      else if (fresh[at] === 0) continue;
      fresh[at] = 0;
      let now = before[at];
      for (let i = start[at], end = start[at + 1]; i < end; i++) {
        known[i] = now;
        // A row that was taken out leaves everything as it was, whatever it would have set.
        if (kind[i] !== NOP) now = knownBehind(rows, i, now, returnsZero);
      }
      if (givesUp) continue;
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? taken[at] : next[at];
        if (to < 0 || (before[to] & now) === before[to]) continue;
        before[to] &= now;
        fresh[to] = 1;
        if (to <= at) changed = true;
      }
    }
  }
  return known;
}
