import type { Room } from '../room.ts';
import { rotlHi } from './bits.ts';
import type { Blocks } from './blocks.ts';
import * as ir from './ir.ts';

/*
 * A set of live halves: bit r for the low half of register r, bit 16 + r for its high half. FP is never in it.
 */
export const LOW = 1;
export const BOTH = 0x10001;
const ARGS = BOTH * 0b111110;
const CLOBBERED = BOTH * 0b111111;
const REAL = ~(BOTH << ir.FP) & ~(BOTH << ir.NONE) & ~(BOTH << 14);

/** Whether a row is there for nothing but its result. */
const PURE = (kind: number): boolean =>
  (kind >= ir.MOV && kind <= ir.ALU_X) || kind === ir.PERCPU || kind === ir.CAST_USER;

/** Halves of an operation's operands that halves of its result come from. */
function operands(rows: ir.Ir, i: number, result: number): number {
  const a = rows.a[i];
  const b = rows.b[i];
  const imm = rows.imm[i];
  const high = result >> 16 !== 0;
  switch (rows.kind[i]) {
    case ir.MOV:
      return result << a;
    case ir.MASK: {
      // Bits of the operand that end up in live halves: the mask turned back.
      const back = -rows.sub[i] & 63;
      const hi = high ? rows.aux[i] : 0;
      const lo = (result & LOW) !== 0 ? imm : 0;
      return (rotlHi(hi, lo, back) !== 0 ? BOTH : LOW) << a;
    }
    case ir.SEXT:
      return LOW << a;
    case ir.BSWAP:
      return (rows.sub[i] === 64 ? BOTH : LOW) << a;
    case ir.PERCPU:
      return BOTH << a;
    case ir.CAST_USER:
      return LOW << a;
    case ir.ALU_K:
    case ir.ALU_X: {
      const sub = rows.sub[i];
      const x = rows.kind[i] === ir.ALU_X ? 1 : 0;
      if ((rows.flags[i] & ir.W) !== 0) return (LOW << a) | (x << b);
      switch (sub) {
        case ir.ADD:
        case ir.SUB:
        case ir.MUL:
        case ir.OR:
        case ir.XOR:
        case ir.NEG:
          return high ? (BOTH << a) | ((BOTH * x) << b) : (LOW << a) | (x << b);
        case ir.AND:
          if (x === 0 && imm >= 0) return LOW << a;
          return high ? (BOTH << a) | ((BOTH * x) << b) : (LOW << a) | (x << b);
        case ir.LSH:
          return ((high ? BOTH : LOW) << a) | (x << b);
        case ir.RSH:
        case ir.ARSH:
          return (BOTH << a) | (x << b);
        default:
          return (BOTH << a) | ((BOTH * x) << b);
      }
    }
    default:
      return 0;
  }
}

/** Halves of a plain base: where addresses have 32 bits nobody reads the other one. */
const baseHalves = (rows: ir.Ir): number => (rows.narrowAddresses ? LOW : BOTH);

/** The second base of a load or store. */
const indexHalves = (rows: ir.Ir, i: number): number =>
  rows.narrowAddresses && rows.aux[i] > 0 && rows.kind[i] <= ir.STORE_K ? LOW << (rows.aux[i] - 1) : 0;

/**
 * What is live before a row, from what is live behind it. Rows without effect on anything live are not asked: they count
 * as nothing, and {@link isDead} says so.
 */
export function liveBefore(rows: ir.Ir, i: number, live: number): number {
  const kind = rows.kind[i];
  const d = rows.d[i];
  if (kind >= ir.MOV && kind <= ir.ALU_X) {
    const result = (live >>> d) & BOTH;
    return result === 0 ? live : (live & ~(BOTH << d)) | (operands(rows, i, result) & REAL);
  }
  const a = rows.a[i];
  const b = rows.b[i];
  const arena = (rows.flags[i] & ir.ARENA) !== 0;
  const base = (arena ? (LOW << a) | (BOTH << ir.BASE) : baseHalves(rows) << a) | indexHalves(rows, i);
  switch (kind) {
    case ir.LOAD:
    case ir.LOAD_REV:
    case ir.LOAD_ACQ:
      return (live & ~(BOTH << d)) | (base & REAL);
    case ir.STORE:
    case ir.STORE_REL:
      return live | ((base | ((rows.sub[i] === 3 ? BOTH : LOW) << b)) & REAL);
    case ir.STORE_K:
      return live | (base & REAL);
    case ir.ATOMIC:
    case ir.CMPXCHG: {
      const value = (rows.flags[i] & ir.W) !== 0 ? LOW : BOTH;
      const after = d === ir.NONE ? live : live & ~(BOTH << d);
      return after | ((base | (value << b)) & REAL) | (kind === ir.CMPXCHG ? value : 0);
    }
    case ir.JCC_K: {
      const low = (rows.flags[i] & ir.W) !== 0 || (rows.sub[i] === ir.JSET && rows.imm[i] >= 0);
      return live | (((low ? LOW : BOTH) << a) & REAL);
    }
    case ir.JCC_X: {
      const half = (rows.flags[i] & ir.W) !== 0 ? LOW : BOTH;
      return live | (((half << a) | (half << b)) & REAL);
    }
    case ir.CALL_HELPER:
    case ir.CALL_KFUNC:
    case ir.CALL_SUB:
    case ir.TAIL:
      return (live & ~CLOBBERED) | ((rows.flags[i] & ir.ARGS_KNOWN) !== 0 ? rows.off[i] : ARGS);
    case ir.PACKET:
      return (live & ~CLOBBERED) | ((LOW << b) & REAL);
    case ir.LEAVE:
      return BOTH << a;
    case ir.PERCPU:
    case ir.CAST_USER: {
      const result = (live >>> d) & BOTH;
      return result === 0 ? live : (live & ~(BOTH << d)) | (operands(rows, i, result) & REAL);
    }
    default:
      return live;
  }
}

/** Whether nothing reads what the row makes, and it does nothing else. */
export function isDead(rows: ir.Ir, i: number, live: number): boolean {
  const kind = rows.kind[i];
  const pure = PURE(kind) || (kind === ir.LOAD && rows.a[i] === ir.NONE);
  return pure && ((live >>> rows.d[i]) & BOTH) === 0;
}

/**
 * Halves live where each block begins. Worklist over blocks, last first: a block is looked at again only when one it
 * leads to grew, and each can grow 26 times at most. The answer lives in `room`.
 */
export function liveIn(rows: ir.Ir, blocks: Blocks, room: Room): Int32Array {
  const { count, start, taken, next } = blocks;
  const live = room.ints(count);
  const done = room.bytes(count);
  // Predecessors, as lists: at most two edges a block.
  const head = room.ints(count, -1);
  const link = room.ints(2 * count);
  for (let at = 0; at < count; at++) {
    for (let side = 0; side < 2; side++) {
      const to = side === 0 ? next[at] : taken[at];
      if (to < 0) continue;
      link[2 * at + side] = head[to];
      head[to] = 2 * at + side;
    }
  }
  const stack = room.ints(count);
  let depth = 0;
  const queued = room.bytes(count).fill(1);
  for (let at = 0; at < count; at++) stack[depth++] = at;
  while (depth > 0) {
    const at = stack[--depth];
    queued[at] = 0;
    let set = liveOut(blocks, live, at);
    for (let i = start[at + 1] - 1; i >= start[at]; i--) set = liveBefore(rows, i, set);
    if (set === live[at] && done[at] === 1) continue;
    done[at] = 1;
    if (set === live[at]) continue;
    live[at] = set;
    for (let edge = head[at]; edge >= 0; edge = link[edge]) {
      const from = edge >> 1;
      if (queued[from] === 0) {
        queued[from] = 1;
        stack[depth++] = from;
      }
    }
  }
  return live;
}

export function liveOut(blocks: Blocks, live: Int32Array, at: number): number {
  const { taken, next } = blocks;
  return (next[at] >= 0 ? live[next[at]] : 0) | (taken[at] >= 0 ? live[taken[at]] : 0);
}
