import type { Room } from '../../room.ts';
import { type Blocks, ir, isDead, liveBefore, liveOut } from '../../rows/index.ts';
import { LOCAL_R0 } from './split-result.ts';

/** Columns after allocation: no register, and R10, which is r15 plus a distance. */
export const NO_REG = 255;
export const FRAME = 15;
/** r0 is never a base or an index; both are scratch. */
export const T0 = 0;
export const T1 = 1;
export const SP = 15;
export const LINK = 14;
/** Where the C ABI has results, and R1. */
export const RETURN = 2;
/** r0 … r5 and r14. */
export const VOLATILE = 0x403f;

/** What allocation leaves for the frame. */
export interface Allocation {
  /** Bit p: non-volatile register p, or r14, is changed. */
  readonly saved: number;
  /** Register of the arena's base, NO_REG where it is not used. */
  readonly base: number;
  readonly r0: number;
  readonly calls: boolean;
}

const isCall = (kind: number): boolean => kind >= ir.CALL_HELPER && kind <= ir.TAIL;
/** Registers of rows: those of rows/, and R0 where it stays in a block. */
const COUNT = LOCAL_R0 + 1;
const KEPT_ORDER = [13, 12, 11, 10, 9, 8, 7, 6] as const;
const CHEAP = [5, 4, 3, 2] as const;
const CHEAP_CALLING = [LINK, ...CHEAP] as const;
/** In which registers are given homes. */
const ORDER = [LOCAL_R0, 0, ir.AX, 6, 7, 8, 9, ir.BASE] as const;

/** Registers of a set of halves. */
const registersOf = (live: number): number => (live | (live >>> 16)) & 0xffff;

/**
 * Gives every BPF register one register of the CPU for the whole function and writes those over the rows' columns:
 * R1 … R5 where the C ABI has them, R0 where results are unless R1 is needed there at the same time, what lives across
 * calls in r13 and below, everything else in whatever is free. Marks rows whose high half is read; drops dead ones.
 */
export function allocate(
  rows: ir.Ir,
  blocks: Blocks,
  live: Int32Array,
  index: number,
  flatArena: boolean,
  room: Room,
): Allocation {
  const defined = definedAfter(rows, blocks, index, room);
  const conflicts = room.ints(16);
  const related = room.ints(16);
  let crossing = 0;
  let calls = false;
  let set = 0;
  const { kind, d, a, flags } = rows;
  for (let at = blocks.count - 1; at >= 0; at--) {
    set = liveOut(blocks, live, at);
    for (let i = blocks.start[at + 1] - 1; i >= blocks.start[at]; i--) {
      const k = kind[i];
      if (k === ir.NOP) continue;
      if (isDead(rows, i, set)) {
        kind[i] = ir.NOP;
        continue;
      }
      const after = registersOf(set) & defined[i];
      if (d[i] !== ir.NONE) {
        if (((set >>> d[i]) & 0x10000) !== 0) flags[i] |= ir.HIGH;
        // What compares R0 changes it, read or not.
        if (k === ir.CMPXCHG) addEdges(conflicts, 0, after);
        else if (((registersOf(set) >>> d[i]) & 1) === 0) d[i] = isCall(k) ? ir.NONE : 14;
        else {
          const move = k === ir.MOV && a[i] !== ir.FP;
          addEdges(conflicts, d[i], move ? after & ~(1 << a[i]) : after);
          if (a[i] < COUNT && k < ir.LOAD) {
            related[d[i]] |= 1 << a[i];
            related[a[i]] |= 1 << d[i];
          }
        }
      }
      if (isCall(k)) {
        calls ||= k !== ir.TAIL;
        crossing |= after & ~(1 | (1 << LOCAL_R0));
      }
      // Dead results have lost their register by now: what they kill is nothing.
      set = d[i] === 14 ? liveBeforeDead(rows, i, set) : liveBefore(rows, i, set);
    }
  }
  // The arena's base is made where the function begins.
  const usesBase = !flatArena && blocks.count > 0 && ((registersOf(set) >>> ir.BASE) & 1) !== 0;
  if (usesBase) addEdges(conflicts, ir.BASE, registersOf(set) & entryDefined(index));

  const home = room.bytes(16, NO_REG);
  for (let r = 1; r <= 5; r++) home[r] = r + 1;
  home[ir.FP] = FRAME;
  home[14] = T0;
  const used = (usedRegisters(rows) & ~(1 << ir.BASE)) | (usesBase ? 1 << ir.BASE : 0);
  let saved = 0;
  for (const r of ORDER) {
    if (((used >>> r) & 1) === 0) continue;
    let taken = 0;
    for (let other = 0; other < COUNT; other++) {
      if (home[other] !== NO_REG && ((conflicts[r] >>> other) & 1) !== 0) taken |= 1 << home[other];
    }
    if (((crossing >>> r) & 1) !== 0) taken |= VOLATILE;
    home[r] = choose(r, taken, related[r], home, saved, calls);
    if (home[r] >= 6) saved |= 1 << home[r];
  }
  apply(rows, home);
  // R5 is where callers keep something of theirs.
  if (writes(rows, 6)) saved |= 1 << 6;
  return { saved, base: usesBase ? home[ir.BASE] : NO_REG, r0: home[0], calls };
}

/** A register and others hold something at the same time. */
function addEdges(conflicts: Int32Array, r: number, others: number): void {
  const rest = others & ~(1 << r);
  conflicts[r] |= rest;
  for (let left = rest; left !== 0; left &= left - 1) conflicts[31 - Math.clz32(left & -left)] |= 1 << r;
}

const isFree = (p: number, taken: number): boolean =>
  p !== NO_REG && p !== FRAME && p !== T0 && ((taken >>> p) & 1) === 0;

function choose(r: number, taken: number, related: number, home: Uint8Array, saved: number, calls: boolean): number {
  if ((r === 0 || r === LOCAL_R0) && isFree(RETURN, taken)) return RETURN;
  for (let other = 0; other < COUNT; other++) {
    const p = home[other];
    if (((related >>> other) & 1) !== 0 && isFree(p, taken) && (p < 6 || ((saved >>> p) & 1) !== 0)) return p;
  }
  // r14 is saved anyway by who calls.
  for (const p of calls ? CHEAP_CALLING : CHEAP) if (isFree(p, taken)) return p;
  for (const p of KEPT_ORDER) if (isFree(p, taken) && ((saved >>> p) & 1) !== 0) return p;
  for (const p of KEPT_ORDER) if (isFree(p, taken)) return p;
  return LINK;
}

/** As {@link liveBefore}, for a row whose result nobody reads. */
function liveBeforeDead(rows: ir.Ir, i: number, set: number): number {
  return liveBefore(rows, i, set & ~(0x10001 << 14)) & ~(0x10001 << 14);
}

/** What callers bring: test runs give main a second argument, too. */
const entryDefined = (index: number): number => (index === 0 ? 0b110 : 0b111110) | (1 << ir.BASE);

/** Behind each row: registers that some way there has set. Others hold nobody's value. */
function definedAfter(rows: ir.Ir, blocks: Blocks, index: number, room: Room): Uint16Array {
  const { count, start, taken, next } = blocks;
  const { kind, d } = rows;
  const out = room.shorts(rows.n);
  const into = room.ints(count);
  if (count > 0) into[0] = entryDefined(index);
  const stack = room.ints(count);
  const queued = room.bytes(count, 1);
  // The first on top: where nothing jumps back each block is walked once.
  let depth = 0;
  while (depth < count) {
    stack[depth] = count - 1 - depth;
    depth++;
  }
  while (depth > 0) {
    const at = stack[--depth];
    queued[at] = 0;
    let now = into[at];
    for (let i = start[at]; i < start[at + 1]; i++) {
      if (isCall(kind[i])) now &= ~0b111111;
      if (d[i] !== ir.NONE && kind[i] !== ir.NOP) now |= 1 << d[i];
      out[i] = now;
    }
    for (let side = 0; side < 2; side++) {
      const to = side === 0 ? taken[at] : next[at];
      if (to < 0 || (into[to] | now) === into[to]) continue;
      into[to] |= now;
      if (queued[to] === 1) continue;
      queued[to] = 1;
      stack[depth++] = to;
    }
  }
  return out;
}

function usedRegisters({ n, kind, d, a, b }: ir.Ir): number {
  let used = 0;
  for (let i = 0; i < n; i++) {
    if (kind[i] === ir.NOP) continue;
    used |= (1 << d[i]) | (1 << a[i]) | (1 << b[i]);
    if (kind[i] === ir.CMPXCHG) used |= 1;
  }
  return used & ((1 << COUNT) - 1);
}

function apply({ n, kind, d, a, b }: ir.Ir, home: Uint8Array): void {
  for (let i = 0; i < n; i++) {
    if (kind[i] === ir.NOP) continue;
    d[i] = home[d[i]];
    a[i] = home[a[i]];
    b[i] = home[b[i]];
  }
}

function writes({ n, kind, d }: ir.Ir, register: number): boolean {
  for (let i = 0; i < n; i++) if (kind[i] !== ir.NOP && d[i] === register) return true;
  return false;
}
