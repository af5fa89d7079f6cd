import { hi32, lo32 } from '../../../util/index.ts';
import {
  add,
  addi,
  amoadd,
  amoand,
  amoor,
  amoswap,
  amoxor,
  EQ,
  fence,
  GE,
  GEU,
  lb,
  lbu,
  ld,
  lh,
  lhu,
  loadReserved,
  lui,
  lw,
  lwu,
  NE,
  READ,
  SP,
  sb,
  sd,
  sh,
  srli,
  storeConditional,
  sw,
  WRITE,
  ZERO,
} from '../encode.ts';
import { FRAME } from './allocate.ts';
import { arenaAddress } from './alu-rows.ts';
import { type Emission, high20, isS12, low12, SX, ZX } from './emission.ts';
import * as ir from './ir.ts';

type Access = (register: number, off: number, base: number) => number;

/** By log2 of the size, signed ones 4 later. */
const LOADS: readonly Access[] = [lbu, lhu, lwu, ld, lb, lh, lw];
const LOADED: readonly number[] = [SX | ZX, SX | ZX, ZX, 0, SX, SX, SX];
const STORES: readonly Access[] = [sb, sh, sw, sd];
/** lw in place of lwu. */
const SIGNED_WORD = ir.SIGNED | 2;

const ACQUIRE_RELEASE = 3;
const RELEASE = 1;

/** One access; returns the offset of the instruction that does it. */
function access(e: Emission, form: Access, register: number, base: number, off: number): number {
  let at = e.here;
  if (isS12(off)) e.w(form(register, off, base));
  else {
    const { t2 } = e.unit.allocation;
    e.w(lui(t2, high20(off)));
    e.w(add(t2, t2, base));
    at = e.here;
    e.w(form(register, low12(off), t2));
  }
  return at;
}

/** Register to add the offset to. */
function baseOf(e: Emission, i: number): number {
  const { a, flags } = e.rows;
  if ((flags[i] & ir.ARENA) !== 0) return arenaAddress(e, a[i]);
  return a[i] === FRAME ? SP : a[i];
}
function offsetOf(e: Emission, i: number): number {
  const { a, flags, off } = e.rows;
  return off[i] + (a[i] === FRAME && (flags[i] & ir.ARENA) === 0 ? e.unit.frame.fpOff : 0);
}

/** Which load: lw where nobody reads the high half, since it is the one with a short form. */
function loadForm(e: Emission, i: number): number {
  const { sub, flags } = e.rows;
  return sub[i] === 2 && (flags[i] & ir.HIGH) === 0 ? SIGNED_WORD : sub[i];
}

export function emitLoad(e: Emission, i: number): void {
  const { d, flags } = e.rows;
  const form = loadForm(e, i);
  if ((flags[i] & ir.PROBE) !== 0) emitProbe(e, i, form);
  else access(e, LOADS[form], d[i], baseOf(e, i), offsetOf(e, i));
  e.result(d[i], LOADED[form]);
}

/**
 * A load that gives 0 where it may not go or faults: the result is 0 before it, so a fault goes on behind it.
 *
 * ```
 *   li    d,0
 *   bgez  a,behind      kernel addresses are negative
 *   lw    d,off(a)      fault → behind
 * ```
 */
function emitProbe(e: Emission, i: number, form: number): void {
  const { a, d, flags } = e.rows;
  const { t1, t2 } = e.unit.allocation;
  const to = d[i];
  let base = baseOf(e, i);
  let off = offsetOf(e, i);
  const tested = (flags[i] & ir.ARENA) === 0 && a[i] !== FRAME;
  const exact = tested && !e.unit.signTest;
  if (exact && off !== 0) {
    e.addConstant(t1, base, off);
    base = t1;
    off = 0;
  } else if (base === to) {
    e.move(t1, base);
    base = t1;
  }
  let skip = -1;
  if (!tested) e.w(addi(to, ZERO, 0));
  else if (!exact) {
    e.w(addi(to, ZERO, 0));
    skip = e.skipIf(GE, base, ZERO);
  } else {
    // The address itself against the limit: its bits above it, where the limit is all ones.
    const userHi = hi32(e.unit.env.userLimit);
    const userLo = lo32(e.unit.env.userLimit);
    const bits = userHi !== 0 ? 64 - Math.clz32(userHi) : 32 - Math.clz32(userLo);
    const ones = bits < 32 ? userLo === 2 ** bits - 1 : userLo === -1 && userHi >>> 0 === 2 ** (bits - 32) - 1;
    if (ones && bits < 64) e.w(srli(t2, base, bits));
    else e.load(t2, userHi, userLo);
    e.w(addi(to, ZERO, 0));
    skip = ones && bits < 64 ? e.skipIf(EQ, t2, ZERO) : e.skipIf(GEU, t2, base);
  }
  const fault = access(e, LOADS[form], to, base, off);
  if (skip >= 0) e.land(skip);
  e.extable.push({ insnOff: fault, fixupOff: e.here });
}

/** What is stored: R10 has to be made. */
function storedIn(e: Emission, register: number): number {
  return e.operand(register, e.unit.allocation.t3);
}

export function emitStore(e: Emission, i: number): void {
  const { sub, flags, b } = e.rows;
  const value = storedIn(e, b[i]);
  noteFault(e, flags[i], access(e, STORES[sub[i]], value, baseOf(e, i), offsetOf(e, i)));
}

export function emitStoreConstant(e: Emission, i: number): void {
  const { sub, flags, imm } = e.rows;
  const size = sub[i];
  // Only the low bits of narrow stores count.
  const value = size === 0 ? (imm[i] << 24) >> 24 : size === 1 ? (imm[i] << 16) >> 16 : imm[i];
  const { t1, t3 } = e.unit.allocation;
  const base = baseOf(e, i);
  const register = e.constant(value, base === t1 ? t3 : t1);
  noteFault(e, flags[i], access(e, STORES[size], register, base, offsetOf(e, i)));
}

/** The access at `at` may fault: control goes on behind what has been written. */
function noteFault(e: Emission, flags: number, at: number): void {
  if ((flags & ir.PROBE) !== 0) e.extable.push({ insnOff: at, fixupOff: e.here });
}

export function emitLoadAcquire(e: Emission, i: number): void {
  emitLoad(e, i);
  e.w(fence(READ, READ | WRITE));
}

export function emitStoreRelease(e: Emission, i: number): void {
  e.w(fence(READ | WRITE, WRITE));
  emitStore(e, i);
}

/** The register that holds the address of an atomic access, another one than `not`. */
function addressOf(e: Emission, i: number, not: number): number {
  const base = baseOf(e, i);
  const off = offsetOf(e, i);
  if (off === 0 && base !== not) return base;
  const { t1 } = e.unit.allocation;
  e.addConstant(t1, base, off);
  return t1;
}

const AMO: Readonly<Record<number, typeof amoadd>> = {
  [ir.ADD]: amoadd,
  [ir.OR]: amoor,
  [ir.AND]: amoand,
  [ir.XOR]: amoxor,
  [ir.XCHG]: amoswap,
};

/** The old value of 32 bits is zero-extended; a fault before that left the register as it was. */
function finishAtomic(e: Emission, i: number, to: number, word: boolean): void {
  e.result(to, word ? SX : 0);
  if (!word || (e.rows.flags[i] & ir.HIGH) === 0) return;
  e.result(to, 0);
  e.zeroExtend(to, to);
  e.result(to, ZX);
}

export function emitAtomic(e: Emission, i: number): void {
  const { d, b, imm, flags } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  const fetch = (flags[i] & ir.FETCH) !== 0;
  const address = addressOf(e, i, ZERO);
  const value = storedIn(e, b[i]);
  const at = e.here;
  e.w(AMO[imm[i]](word, fetch ? ACQUIRE_RELEASE : 0, fetch ? d[i] : ZERO, value, address));
  if (fetch) finishAtomic(e, i, d[i], word);
  noteFault(e, flags[i], at);
  // Behind a fault the register is what it was.
  if (fetch && (flags[i] & ir.PROBE) !== 0) e.result(d[i], 0);
}

/**
 * ```
 *   mv    t2,R0            word: sign-extended, as lr.w does
 * 1 lr.d  R0,(a)
 *   bne   R0,t2,2f
 *   sc.d.rl t3,b,(a)
 *   bnez  t3,1b
 * 2 fence rw,rw
 * ```
 */
export function emitCompareExchange(e: Emission, i: number): void {
  const { d, b, flags } = e.rows;
  const { t2, t3, t4 } = e.unit.allocation;
  const word = (flags[i] & ir.W) !== 0;
  const r0 = d[i];
  const address = addressOf(e, i, r0);
  let value = e.operand(b[i], t4);
  if (word) e.signExtend(t2, r0);
  else e.move(t2, r0);
  if (value === r0) value = t2;
  const loop = e.here;
  e.w(loadReserved(word, 0, r0, address));
  const done = e.skipIf(NE, r0, t2);
  const store = e.here;
  e.w(storeConditional(word, RELEASE, t3, value, address));
  e.backIf(NE, t3, ZERO, loop);
  e.land(done);
  e.w(fence(READ | WRITE, READ | WRITE));
  finishAtomic(e, i, r0, word);
  noteFault(e, flags[i], loop);
  noteFault(e, flags[i], store);
  if ((flags[i] & ir.PROBE) !== 0) e.result(r0, 0);
}
