import type { Room } from '../room.ts';
import { rotlHi } from './bits.ts';
import type { Blocks } from './blocks.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  AND,
  ARENA,
  ARGS_KNOWN,
  ARSH,
  ATOMIC,
  BASE,
  BSWAP,
  CALL_HELPER,
  CALL_KFUNC,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  FP,
  type Ir,
  JCC_K,
  JCC_X,
  JSET,
  LEAVE,
  LOAD,
  LOAD_ACQ,
  LOAD_REV,
  LSH,
  MASK,
  MOV,
  MUL,
  NEG,
  NONE,
  NOP,
  OR,
  PACKET,
  PERCPU,
  RSH,
  SEXT,
  STORE,
  STORE_K,
  STORE_REL,
  SUB,
  TAIL,
  W,
  XOR,
} from './ir.ts';

/*
 * A set of live halves: bit r for the low half of register r, bit 16 + r for its high half. FP is never in it.
 */
export const LOW = 1;
export const BOTH = 0x10001;
const ARGS = BOTH * 0b111110;
const CLOBBERED = BOTH * 0b111111;
const REAL = ~(BOTH << FP) & ~(BOTH << NONE) & ~(BOTH << 14);

/** Whether a row is there for nothing but its result. */
const isPure = (kind: number): boolean => (kind >= MOV && kind <= ALU_X) || kind === PERCPU || kind === CAST_USER;

/** What low halves of operands the low half of an operation's result comes from, and its high half. */
const OWN_HALVES = 0;
const AND_HALVES = 1;
const LEFT_HALVES = 2;
const RIGHT_HALVES = 3;
const ALL_HALVES = 4;
const HALVES = new Uint8Array(16).fill(ALL_HALVES);
for (const sub of [ADD, SUB, MUL, OR, XOR, NEG]) HALVES[sub] = OWN_HALVES;
HALVES[AND] = AND_HALVES;
HALVES[LSH] = LEFT_HALVES;
HALVES[RSH] = RIGHT_HALVES;
HALVES[ARSH] = RIGHT_HALVES;

/** Halves an operation reads. @param high the high half of its result is read, otherwise only the low one */
function operationReads({ kind, a, b, sub, imm, flags }: Ir, i: number, high: boolean): number {
  const x = LOW << a[i];
  const y = kind[i] === ALU_X ? LOW << b[i] : 0;
  const low = x | y;
  if ((flags[i] & W) !== 0) return low;
  const both = low | (low << 16);
  switch (HALVES[sub[i]]) {
    case OWN_HALVES:
      return high ? both : low;
    case AND_HALVES:
      return high && (y !== 0 || imm[i] < 0) ? both : low;
    case LEFT_HALVES:
      return high ? low | (x << 16) : low;
    case RIGHT_HALVES:
      return low | (x << 16);
    default:
      return both;
  }
}

/** Halves that any other row reads for its result's sake. */
function sourceReads({ kind, a, sub, imm, aux }: Ir, i: number, high: boolean): number {
  const x = LOW << a[i];
  switch (kind[i]) {
    case MOV:
      return high ? x | (x << 16) : x;
    case MASK: {
      // Bits of the operand that end up in live halves: the mask turned back.
      const back = -sub[i] & 63;
      return rotlHi(high ? aux[i] : 0, imm[i], back) !== 0 ? x | (x << 16) : x;
    }
    case SEXT:
    case CAST_USER:
      return x;
    case BSWAP:
      return sub[i] === 64 ? x | (x << 16) : x;
    case PERCPU:
      return x | (x << 16);
    default:
      return 0;
  }
}

/** Halves that the base of an access stands for, and its second base. */
function addressReads(rows: Ir, i: number): number {
  const base = LOW << rows.a[i];
  if ((rows.flags[i] & ARENA) !== 0) return base | (BOTH << BASE);
  if (!rows.narrowAddresses) return base | (base << 16);
  return rows.aux[i] > 0 && rows.kind[i] <= STORE_K ? base | (LOW << (rows.aux[i] - 1)) : base;
}

function effectReads(rows: Ir, i: number): number {
  const { kind, a, b, sub, imm, flags } = rows;
  const x = LOW << a[i];
  const y = LOW << b[i];
  switch (kind[i]) {
    case LOAD:
    case LOAD_REV:
    case LOAD_ACQ:
    case STORE_K:
      return addressReads(rows, i);
    case STORE:
    case STORE_REL:
      return addressReads(rows, i) | (sub[i] === 3 ? y | (y << 16) : y);
    case JCC_K: {
      const low = (flags[i] & W) !== 0 || (sub[i] === JSET && imm[i] >= 0);
      return low ? x : x | (x << 16);
    }
    case JCC_X:
      return (flags[i] & W) !== 0 ? x | y : x | y | ((x | y) << 16);
    case CALL_HELPER:
    case CALL_KFUNC:
    case CALL_SUB:
    case TAIL:
      return (flags[i] & ARGS_KNOWN) !== 0 ? rows.off[i] : ARGS;
    case PACKET:
      return y;
    case ATOMIC:
    case CMPXCHG: {
      const value = (flags[i] & W) !== 0 ? LOW : BOTH;
      return addressReads(rows, i) | (value << b[i]) | (kind[i] === CMPXCHG ? value : 0);
    }
    case LEAVE:
      return x | (x << 16);
    default:
      return 0;
  }
}

/** Halves of registers a row reads. @param high the high half of its result is read; otherwise the low one alone */
function reads(rows: Ir, i: number, high: boolean): number {
  const kind = rows.kind[i];
  if (kind === ALU_K || kind === ALU_X) return operationReads(rows, i, high) & REAL;
  return (isPure(kind) ? sourceReads(rows, i, high) : effectReads(rows, i)) & REAL;
}

/** Halves whose values end at a row: those of its result, of registers that a call clobbers, of everything at the end. */
function ends(kind: number, d: number): number {
  if (kind < CALL_HELPER) return kind === NOP ? 0 : BOTH << d;
  if (kind === LEAVE) return -1;
  return kind <= TAIL || kind === PACKET ? CLOBBERED : kind === PERCPU || kind === CAST_USER ? BOTH << d : 0;
}

/**
 * What is live before a row, from what is live behind it. Rows without effect on anything live are not asked: they count
 * as nothing, and {@link isDead} says so.
 */
export function liveBefore(rows: Ir, i: number, live: number): number {
  const kind = rows.kind[i];
  if (kind === NOP) return live;
  const d = rows.d[i];
  const result = (live >>> d) & BOTH;
  if (result === 0 && isPure(kind)) return live;
  return (live & ~ends(kind, d)) | reads(rows, i, result > LOW);
}

/** Whether a row names a register as what it reads; calls read more. */
export function readsRegister({ kind, a, b, aux }: Ir, i: number, register: number): boolean {
  if (a[i] === register || b[i] === register) return true;
  return kind[i] >= LOAD && kind[i] <= STORE_K && aux[i] === register + 1;
}

/** Whether nothing reads what the row makes, and it does nothing else. */
export function isDead(rows: Ir, i: number, live: number): boolean {
  const kind = rows.kind[i];
  const pure = isPure(kind) || (kind === LOAD && rows.a[i] === NONE);
  return pure && ((live >>> rows.d[i]) & BOTH) === 0;
}

/** Halves live where each block begins. The answer lives in `room`. */
export function liveIn(rows: Ir, blocks: Blocks, room: Room): Int32Array {
  const live = room.ints(blocks.count);
  if (blocks.count > 0) liveThrough(rows, blocks, live, 0, blocks.count - 1, room);
  return live;
}

/** Whether a block of `low` to `high` leads to itself or to one of them in front of it. */
function goesBack({ taken, next }: Blocks, low: number, high: number): boolean {
  for (let at = low; at <= high; at++) {
    if ((taken[at] >= low && taken[at] <= at) || (next[at] >= low && next[at] <= at)) return true;
  }
  return false;
}

/**
 * Halves live where blocks `low` to `high` begin, to be added to `live`, which holds those of all blocks they lead to besides.
 * Worklist over blocks, last first: a block is looked at again only when one it leads to grew, and each can grow 26 times
 * at most.
 */
export function liveThrough(rows: Ir, blocks: Blocks, live: Int32Array, low: number, high: number, room: Room): void {
  const { start, taken, next } = blocks;
  if (!goesBack(blocks, low, high)) {
    for (let at = high; at >= low; at--) {
      let set = liveOut(blocks, live, at);
      for (let i = start[at + 1] - 1; i >= start[at]; i--) set = liveBefore(rows, i, set);
      live[at] = set;
    }
    return;
  }
  const count = high + 1 - low;
  const mark = room.mark();
  const done = room.bytes(count);
  // Predecessors, as lists: at most two edges a block.
  const head = room.ints(count, -1);
  const link = room.ints(2 * count);
  for (let n = 0; n < count; n++) {
    for (let side = 0; side < 2; side++) {
      const to = (side === 0 ? next[low + n] : taken[low + n]) - low;
      if (to < 0 || to >= count) continue;
      link[2 * n + side] = head[to];
      head[to] = 2 * n + side;
    }
  }
  const stack = room.ints(count);
  let depth = 0;
  const queued = room.bytes(count, 1);
  for (let n = 0; n < count; n++) stack[depth++] = n;
  while (depth > 0) {
    const n = stack[--depth];
    const at = low + n;
    queued[n] = 0;
    let set = liveOut(blocks, live, at);
    for (let i = start[at + 1] - 1; i >= start[at]; i--) set = liveBefore(rows, i, set);
    if (set === live[at] && done[n] === 1) continue;
    done[n] = 1;
    if (set === live[at]) continue;
    live[at] = set;
    for (let edge = head[n]; edge >= 0; edge = link[edge]) {
      const from = edge >> 1;
      if (queued[from] === 0) {
        queued[from] = 1;
        stack[depth++] = from;
      }
    }
  }
  room.release(mark);
}

export function liveOut(blocks: Blocks, live: Int32Array, at: number): number {
  const { taken, next } = blocks;
  return (next[at] >= 0 ? live[next[at]] : 0) | (taken[at] >= 0 ? live[taken[at]] : 0);
}
