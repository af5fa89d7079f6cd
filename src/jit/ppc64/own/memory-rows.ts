import { ir } from '../../rows/index.ts';
import {
  add,
  and,
  bc,
  clrldi,
  cmpd,
  cmpdi,
  cmpld,
  cmpw,
  extsb,
  lbz,
  lbzx,
  ld,
  ldarx,
  ldbrx,
  ldx,
  lha,
  lhax,
  lhbrx,
  lhz,
  lhzx,
  li,
  lwa,
  lwarx,
  lwax,
  lwbrx,
  lwsync,
  lwz,
  lwzx,
  mr,
  or,
  rc,
  rldicl,
  stb,
  stbx,
  std,
  stdcxDot,
  stdx,
  sth,
  sthx,
  stw,
  stwcxDot,
  stwx,
  sync,
  xor,
} from '../encode.ts';
import { FRAME, NO_REG, SCRATCH0 as T0, SCRATCH1 as T1, SCRATCH2 as T2 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { isS16 } from './numbers.ts';

type Displaced = (rt: number, off: number, ra: number) => number;
type Indexed = (rt: number, ra: number, rb: number) => number;

/** By log2 of the size, signed ones 8 later. The mask is what a displacement may not have. */
const LOADS: readonly (readonly [Displaced, Indexed, number])[] = (() => {
  const none = [lbz, lbzx, 0] as const;
  const rows: (readonly [Displaced, Indexed, number])[] = new Array(12).fill(none);
  rows[1] = [lhz, lhzx, 0];
  rows[2] = [lwz, lwzx, 0];
  rows[3] = [ld, ldx, 3];
  rows[ir.SIGNED] = none;
  rows[ir.SIGNED | 1] = [lha, lhax, 0];
  rows[ir.SIGNED | 2] = [lwa, lwax, 3];
  return rows;
})();
const STORES: readonly (readonly [Displaced, Indexed, number])[] = [
  [stb, stbx, 0],
  [sth, sthx, 0],
  [stw, stwx, 0],
  [std, stdx, 3],
];

/** One access: displaced where the offset fits the form, else indexed by it in r0. */
function access(e: Emission, form: readonly [Displaced, Indexed, number], rt: number, base: number, off: number): void {
  if (isS16(off) && (off & form[2]) === 0) e.w(form[0](rt, off, base));
  else if (rt === T0) {
    // The value is in r0 itself; r12 is free, r11 may be the base.
    e.load(e.t2, off >> 31, off);
    e.w(form[1](rt, base, T2));
  } else {
    const index = e.constant(off >> 31, off, T0);
    e.w(form[1](rt, base, index));
  }
}

/** The address an arena access goes to, without its offset: base plus the low half of the register. In r11. */
function arenaBase(e: Emission, register: number): number {
  const from = e.operand(register, T1);
  e.w(clrldi(e.t1, from, 32));
  e.w(add(T1, T1, e.unit.allocation.base));
  return T1;
}

/** Register to add `off` to, and what becomes of the offset. */
function baseOf(e: Emission, i: number): number {
  const { a, flags } = e.rows;
  if ((flags[i] & ir.ARENA) !== 0) return arenaBase(e, a[i]);
  return a[i] === FRAME ? 1 : e.operand(a[i], T1);
}
function offsetOf(e: Emission, i: number): number {
  const { a, flags, off } = e.rows;
  if ((flags[i] & ir.ARENA) !== 0) return off[i];
  return off[i] + (a[i] === FRAME ? e.frame.fpOff : e.displacementOf(a[i]));
}

function finishLoad(e: Emission, i: number): void {
  const { d, sub } = e.rows;
  if (sub[i] === ir.SIGNED) e.w(extsb(d[i], d[i]));
}

export function emitLoad(e: Emission, i: number): void {
  const { d, sub, flags } = e.rows;
  if ((flags[i] & ir.PROBE) !== 0) {
    emitProbe(e, i);
    return;
  }
  const base = baseOf(e, i);
  access(e, LOADS[sub[i]], d[i], base, offsetOf(e, i));
  if (d[i] === T0) void e.t0;
  finishLoad(e, i);
}

/**
 * A load that gives 0 where it may not go or faults: the result is 0 before it, so a fault goes on behind it.
 *
 * ```
 *   cmpdi  a,0          kernel addresses are negative
 *   li     d,0
 *   bge    behind
 *   lwz    d,off(a)     fault → behind
 * ```
 */
function emitProbe(e: Emission, i: number): void {
  const { a, d, sub, flags } = e.rows;
  const to = d[i];
  let base = baseOf(e, i);
  let off = offsetOf(e, i);
  const tested = (flags[i] & ir.ARENA) === 0 && a[i] !== FRAME;
  let skip = -1;
  let bo = 4;
  let bi = 0;
  if (tested && e.unit.signTest) {
    if (base === to) {
      e.w(rc(or(e.t1, base, base)));
      e.changedCr();
      base = T1;
    } else if (!e.compares(0, base, 0)) e.w(cmpdi(0, base, 0));
  } else if (tested) {
    // The address itself against the limit.
    if (off !== 0 || base === to) {
      e.addConstant(e.t1, base, off);
      base = T1;
      off = 0;
    }
    const { userHi, userLo } = e.unit;
    const bits = 64 - (userHi !== 0 ? Math.clz32(userHi) : 32 + Math.clz32(userLo));
    e.changedCr();
    if (bits < 64 && isOnes(userHi, userLo, bits)) {
      e.w(rc(rldicl(e.t0, base, 64 - bits, bits)));
      bo = 12;
      bi = 2;
    } else {
      e.w(cmpld(0, base, e.constant(userHi, userLo, T2)));
      bi = 1;
    }
  } else if (base === to) {
    e.w(mr(e.t1, base));
    base = T1;
  }
  e.w(li(to, 0));
  if (tested) {
    skip = e.buffer.length;
    e.w(0);
  }
  const start = e.buffer.length;
  const form = LOADS[sub[i]];
  if (isS16(off) && (off & form[2]) === 0) e.w(form[0](to, off, base));
  else {
    e.load(T0, off >> 31, off);
    e.w(form[1](to, base, T0));
  }
  const fault = e.buffer.length - 4;
  finishLoad(e, i);
  const behind = e.buffer.length;
  if (tested) {
    // The constant may have been loaded on one way only.
    if (fault !== start) void e.t0;
    e.buffer.patchU32(skip, bc(bo, bi, behind - skip));
  }
  e.extable.push({ insnOff: fault, fixupOff: behind });
}

const isOnes = (hi: number, lo: number, bits: number): boolean =>
  bits <= 32 ? hi === 0 && lo >>> 0 === 2 ** bits - 1 : lo === -1 && hi >>> 0 === 2 ** (bits - 32) - 1;

export function emitLoadReversed(e: Emission, i: number): void {
  const { d, sub } = e.rows;
  const base = baseOf(e, i);
  const off = offsetOf(e, i);
  const form = sub[i] === 1 ? lhbrx : sub[i] === 2 ? lwbrx : ldbrx;
  if (d[i] === T0) void e.t0;
  if (off === 0) e.w(form(d[i], 0, base));
  else e.w(form(d[i], base, e.constant(off >> 31, off, T0)));
}

export function emitStore(e: Emission, i: number): void {
  const { sub, flags } = e.rows;
  const base = baseOf(e, i);
  const value = e.operand(e.rows.b[i], T0);
  access(e, STORES[sub[i]], value, base, offsetOf(e, i));
  noteFault(e, flags[i]);
}

// `addi r0,r1,…` is fine, r0 is only no base.
function frameInR0(e: Emission): number {
  e.addConstant(e.t0, 1, e.frame.fpOff);
  return T0;
}

export function emitStoreConstant(e: Emission, i: number): void {
  const { sub, flags, imm } = e.rows;
  const base = baseOf(e, i);
  // Only the low bits of narrow stores count.
  const size = sub[i];
  const lo = size === 0 ? (imm[i] << 24) >> 24 : size === 1 ? (imm[i] << 16) >> 16 : imm[i];
  const value = e.constant(lo >> 31, lo, T0);
  access(e, STORES[size], value, base, offsetOf(e, i));
  noteFault(e, flags[i]);
}

/** The access just written may fault: control goes on behind it. */
function noteFault(e: Emission, flags: number): void {
  if ((flags & ir.PROBE) !== 0) e.extable.push({ insnOff: e.buffer.length - 4, fixupOff: e.buffer.length });
}

export function emitLoadAcquire(e: Emission, i: number): void {
  const { d, sub, flags } = e.rows;
  const arena = (flags[i] & ir.PROBE) !== 0;
  let base = baseOf(e, i);
  if (arena) {
    if (base === d[i]) {
      e.w(mr(e.t1, base));
      base = T1;
    }
    e.w(li(d[i], 0));
  }
  access(e, LOADS[sub[i]], d[i], base, offsetOf(e, i));
  if (d[i] === T0) void e.t0;
  noteFault(e, flags[i]);
  e.w(lwsync());
}

export function emitStoreRelease(e: Emission, i: number): void {
  e.w(lwsync());
  emitStore(e, i);
}

/** Registers of a reservation: ra (0 for none) and rb. The address is in one of them, r11 where it has to be made. */
function reservation(e: Emission, i: number): readonly [number, number] {
  const base = baseOf(e, i);
  const off = offsetOf(e, i);
  if (off === 0) return [0, base];
  if (base === 1 || base === T1) {
    e.addConstant(e.t1, base, off);
    return [0, T1];
  }
  e.load(T1, off >> 31, off);
  return [T1, base];
}

export function emitAtomic(e: Emission, i: number): void {
  const { b, d, flags, imm } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  const fetch = (flags[i] & ir.FETCH) !== 0;
  const [ra, rb] = reservation(e, i);
  const old = e.t2;
  const value = b[i] === FRAME ? frameInR0(e) : b[i];
  const op = imm[i];
  // A fault leaves the register as it was.
  if (fetch && (flags[i] & ir.PROBE) !== 0) e.w(mr(old, value));
  if (fetch) e.w(sync());
  const loop = e.buffer.length;
  e.w(word ? lwarx(old, ra, rb) : ldarx(old, ra, rb));
  let result = value;
  if (op !== ir.XCHG) {
    // The old value is wanted afterwards only by FETCH.
    result = fetch ? e.t0 : old;
    if (op === ir.ADD) e.w(add(result, old, value));
    else if (op === ir.OR) e.w(or(result, old, value));
    else if (op === ir.AND) e.w(and(result, old, value));
    else e.w(xor(result, old, value));
  }
  finishReservation(e, i, word, result, ra, rb, loop);
  if (!fetch) return;
  e.w(sync());
  if (d[i] !== NO_REG) e.move(d[i], old);
}

function finishReservation(
  e: Emission,
  i: number,
  word: boolean,
  value: number,
  ra: number,
  rb: number,
  loop: number,
): void {
  e.w(word ? stwcxDot(value, ra, rb) : stdcxDot(value, ra, rb));
  e.w(bc(4, 2, loop - e.buffer.length));
  e.changedCr();
  if ((e.rows.flags[i] & ir.PROBE) !== 0) e.extable.push({ insnOff: loop, fixupOff: e.buffer.length });
}

export function emitCompareExchange(e: Emission, i: number): void {
  const { b, d, flags, aux } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  const expected = aux[i];
  const [ra, rb] = reservation(e, i);
  const old = e.t2;
  const value = b[i] === FRAME ? frameInR0(e) : b[i];
  // A fault leaves R0 as it was.
  if ((flags[i] & ir.PROBE) !== 0) e.w(mr(old, expected));
  e.w(sync());
  const loop = e.buffer.length;
  e.w(word ? lwarx(old, ra, rb) : ldarx(old, ra, rb));
  e.w(word ? cmpw(0, expected, old) : cmpd(0, expected, old));
  e.w(bc(4, 2, 12));
  finishReservation(e, i, word, value, ra, rb, loop);
  e.w(sync());
  if (d[i] !== NO_REG) e.move(d[i], old);
}
