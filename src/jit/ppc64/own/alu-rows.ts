import { ir } from '../../rows/index.ts';
import {
  add,
  and,
  andiDot,
  andisDot,
  bc,
  brd,
  brh,
  brw,
  clrldi,
  divd,
  divdu,
  divw,
  divwu,
  extsb,
  extsh,
  extsw,
  ld,
  ldbrx,
  li,
  modsd,
  modsw,
  modud,
  moduw,
  mulld,
  mulli,
  mullw,
  neg,
  not,
  or,
  ori,
  oris,
  rc,
  rldimi,
  rlwimi,
  rlwinm,
  sld,
  slw,
  srad,
  sradi,
  sraw,
  srawi,
  srd,
  srw,
  std,
  sub,
  xor,
  xori,
  xoris,
} from '../encode.ts';
import { fillUp } from './address.ts';
import { FRAME, isInFrame, SCRATCH0 as T0, SCRATCH1 as T1, SCRATCH2 as T2 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { PACA_DATA_OFFSET } from './frame.ts';
import { maskTemplate, maskWord } from './mask.ts';
import { isS16 } from './numbers.ts';

const zeroExtend = (e: Emission, i: number): void => {
  const flags = e.rows.flags[i];
  if ((flags & ir.ZX) !== 0 && (flags & ir.HIGH) !== 0) e.w(clrldi(e.rows.d[i], e.rows.d[i], 32));
};

export function emitMove(e: Emission, i: number): void {
  const { d, a } = e.rows;
  if (a[i] === d[i]) return;
  if (isInFrame(d[i])) e.w(std(e.operand(a[i], T0), e.placeOf(d[i]), 1));
  else if (isInFrame(a[i])) e.w(ld(d[i], e.placeOf(a[i]), 1));
  else if (a[i] === FRAME) e.addConstant(d[i], 1, e.frame.fpOff);
  else e.move(d[i], a[i]);
}

export function emitConstant(e: Emission, i: number): void {
  const { d, imm, aux, flags } = e.rows;
  const lo = imm[i];
  const hi = (flags[i] & ir.HIGH) !== 0 ? aux[i] : lo >> 31;
  if (isInFrame(d[i])) {
    const start = e.buffer.length;
    e.w(std(e.constant(hi, lo, T0), e.placeOf(d[i]), 1));
    fillUp(e, i, start);
    return;
  }
  const start = e.buffer.length;
  if ((flags[i] & ir.BASE_ONLY) !== 0) e.loadBase(d[i], hi, lo);
  else e.load(d[i], hi, lo);
  fillUp(e, i, start);
}

/** d = a + this CPU's offset, which the paca holds. */
export function emitPerCpu(e: Emission, i: number): void {
  const { d, a } = e.rows;
  const from = e.operand(a[i], T2);
  e.w(ld(e.t1, PACA_DATA_OFFSET, 13));
  e.w(add(d[i], from, T1));
}

/**
 * The low half under the high half of the arena's user address; 0 stays 0.
 *
 * ```
 *         li      r12,hi
 *         rldicl. d,a,0,32
 *         beq     done
 *         rldimi  d,r12,32,0
 *   done:
 * ```
 */
export function emitCastUser(e: Emission, i: number): void {
  const { d, a } = e.rows;
  const { arena } = e.unit.func;
  const hi = arena === undefined ? 0 : Number(BigInt.asIntN(32, arena.userVmStart >> 32n));
  const from = e.operand(a[i], T1);
  if (hi === 0) {
    e.w(clrldi(d[i], from, 32));
    return;
  }
  // The constant first: it must not hang on the branch.
  const high = e.constant(hi >> 31, hi, T2);
  const into = d[i] === high ? e.t1 : d[i];
  e.w(rc(clrldi(into, from, 32)));
  e.changedCr();
  e.w(bc(12, 2, 8));
  e.w(rldimi(into, high, 32, 0));
  e.move(d[i], into);
}

export function emitMask(e: Emission, i: number): void {
  const { d, a, sub, aux, imm } = e.rows;
  const from = e.operand(a[i], d[i]);
  e.w(maskWord(maskTemplate(sub[i], aux[i], imm[i]), d[i], from));
}

export function emitSignExtend(e: Emission, i: number): void {
  const { d, a, sub } = e.rows;
  const from = e.operand(a[i], d[i]);
  e.w(sub[i] === 8 ? extsb(d[i], from) : sub[i] === 16 ? extsh(d[i], from) : extsw(d[i], from));
  zeroExtend(e, i);
}

export function emitByteSwap(e: Emission, i: number): void {
  const { d, a, sub } = e.rows;
  const to = d[i];
  const from = e.operand(a[i], T1);
  const bits = sub[i];
  if (e.unit.prefixed) {
    if (bits === 64) e.w(brd(to, from));
    else if (bits === 32) {
      e.w(brw(to, from));
      if ((e.rows.flags[i] & ir.HIGH) !== 0) e.w(clrldi(to, to, 32));
    } else {
      e.w(brh(to, from));
      e.w(clrldi(to, to, 48));
    }
    return;
  }
  if (bits === 16) {
    if (to === from) {
      // ..AB → ABAB → turned right by 8: BABA, of which the low half stays.
      e.w(rlwimi(to, to, 16, 0, 15));
      e.w(rlwinm(to, to, 24, 16, 31));
    } else {
      e.w(rlwinm(to, from, 24, 24, 31));
      e.w(rlwimi(to, from, 8, 16, 23));
    }
  } else if (bits === 32) {
    // ABCD turned left by 8 is BCDA: A and C are where they belong; turned by 24 DABC has D and B.
    const into = to === from ? e.t1 : to;
    e.w(rlwinm(into, from, 8, 0, 31));
    e.w(rlwimi(into, from, 24, 0, 7));
    e.w(rlwimi(into, from, 24, 16, 23));
    e.move(to, into);
  } else {
    const below = e.frame.spareOff;
    e.w(std(from, below, 1));
    e.w(li(e.t0, below));
    e.w(ldbrx(to, 1, T0));
  }
}

/** `b` of a shift, cut to what BPF takes of it. */
function shiftCount(e: Emission, i: number): number {
  const { b, flags } = e.rows;
  const count = e.operand(b[i], T2);
  if ((flags[i] & ir.SMALL) !== 0) return count;
  e.w(rlwinm(e.t0, count, 0, (flags[i] & ir.W) !== 0 ? 27 : 26, 31));
  return T0;
}

export function emitAluX(e: Emission, i: number): void {
  const { d, a, b, sub: op, flags } = e.rows;
  const narrow = (flags[i] & ir.W) !== 0;
  const to = d[i];
  const sub_ = op[i];
  if (sub_ === ir.LSH || sub_ === ir.RSH || sub_ === ir.ARSH) {
    const x = e.operand(a[i], T1);
    const count = shiftCount(e, i);
    if (sub_ === ir.LSH) e.w(narrow ? slw(to, x, count) : sld(to, x, count));
    else if (sub_ === ir.RSH) e.w(narrow ? srw(to, x, count) : srd(to, x, count));
    else {
      e.w(narrow ? sraw(to, x, count) : srad(to, x, count));
      zeroExtend(e, i);
    }
    return;
  }
  const x = e.operand(a[i], T1);
  const y = e.operand(b[i], T2);
  emitBinary(e, i, sub_, to, x, y, narrow);
}

/** d = x op y, for what is the same with a register and with a constant in one. x and y stay until d is written. */
function emitBinary(e: Emission, i: number, op: number, to: number, x: number, y: number, narrow: boolean): void {
  switch (op) {
    case ir.ADD:
      e.w(add(to, x, y));
      break;
    case ir.SUB:
      e.w(sub(to, x, y));
      break;
    case ir.MUL:
      e.w(narrow ? mullw(to, x, y) : mulld(to, x, y));
      break;
    case ir.AND:
      e.w(and(to, x, y));
      break;
    case ir.OR:
      e.w(or(to, x, y));
      break;
    case ir.XOR:
      e.w(xor(to, x, y));
      break;
    case ir.DIV:
      e.w(narrow ? divwu(to, x, y) : divdu(to, x, y));
      break;
    case ir.SDIV:
      e.w(narrow ? divw(to, x, y) : divd(to, x, y));
      break;
    default: {
      const signed = op === ir.SMOD;
      if (e.unit.power9) {
        if (narrow) e.w(signed ? modsw(to, x, y) : moduw(to, x, y));
        else e.w(signed ? modsd(to, x, y) : modud(to, x, y));
      } else {
        // The divisor may be a constant that r0 happens to hold.
        const q = y === T0 ? e.t2 : e.t0;
        if (narrow) e.w(signed ? divw(q, x, y) : divwu(q, x, y));
        else e.w(signed ? divd(q, x, y) : divdu(q, x, y));
        e.w(narrow ? mullw(q, q, y) : mulld(q, q, y));
        e.w(sub(to, x, q));
      }
    }
  }
  zeroExtend(e, i);
}

export function emitAluK(e: Emission, i: number): void {
  const { d, a, sub: op, imm, flags } = e.rows;
  const narrow = (flags[i] & ir.W) !== 0;
  const to = d[i];
  const value = imm[i];
  switch (op[i]) {
    case ir.ADD:
      emitSum(e, i, value, value);
      return;
    case ir.SUB:
      emitSum(e, i, -value, value);
      return;
    case ir.NEG:
      e.w(neg(to, e.operand(a[i], T1)));
      zeroExtend(e, i);
      return;
    case ir.ARSH: {
      const x = e.operand(a[i], T1);
      if (value === 0) e.move(to, x);
      else e.w(narrow ? srawi(to, x, value) : sradi(to, x, value));
      zeroExtend(e, i);
      return;
    }
    case ir.MUL:
      if (isS16(value)) {
        const x = e.operand(a[i], T1);
        e.w(value === -1 ? neg(to, x) : mulli(to, x, value));
        zeroExtend(e, i);
        return;
      }
      break;
    case ir.AND:
      if (emitAnd(e, i, value, narrow)) return;
      break;
    case ir.OR:
    case ir.XOR:
      if (emitOrXor(e, i, value, narrow, op[i] === ir.XOR)) return;
      break;
  }
  const x = e.operand(a[i], T1);
  const hi = narrow && (op[i] === ir.DIV || op[i] === ir.MOD) ? value >> 31 : value >> 31;
  const y = e.constant(hi, value, T2);
  emitBinary(e, i, op[i], to, x, y, narrow);
}

/** d = a + sum; −2^31 subtracted does not fit and takes the long way. */
function emitSum(e: Emission, i: number, sum: number, value: number): void {
  const { d, a } = e.rows;
  const frame = a[i] === FRAME;
  const from = frame ? 1 : e.operand(a[i], T1);
  const total = sum + (frame ? e.frame.fpOff : 0);
  if (total > 0x7fffffff || total < -0x80000000 || !e.addConstant(d[i], from, total)) {
    const x = e.operand(a[i], T1);
    const y = e.constant(value >> 31, value, T2);
    e.w(e.rows.sub[i] === ir.ADD ? add(d[i], x, y) : sub(d[i], x, y));
  }
  zeroExtend(e, i);
}

function emitAnd(e: Emission, i: number, value: number, narrow: boolean): boolean {
  const { d, a, flags } = e.rows;
  const lowOnly = (flags[i] & ir.HIGH) === 0;
  const to = d[i];
  // With no care for the high half, a run of ones may also go around the ends of the word.
  if (narrow || lowOnly) {
    const inverse = ~value;
    const low = inverse & -inverse;
    if (inverse !== 0 && ((inverse + low) & inverse) === 0 && (!narrow || (flags[i] & ir.ZX) === 0 || lowOnly)) {
      const first = 31 - Math.clz32(low);
      const last = 31 - Math.clz32(inverse);
      if (first > 0 && last < 31) {
        e.w(rlwinm(to, e.operand(a[i], T1), 0, 32 - first, 30 - last));
        return true;
      }
    }
  }
  if (value >>> 16 === 0) e.w(andiDot(to, e.operand(a[i], T1), value));
  else if ((value & 0xffff) === 0 && (value >= 0 || narrow || lowOnly))
    e.w(andisDot(to, e.operand(a[i], T1), value >>> 16));
  else return false;
  e.changedCr();
  return true;
}

function emitOrXor(e: Emission, i: number, value: number, narrow: boolean, exclusive: boolean): boolean {
  const { d, a, flags } = e.rows;
  const to = d[i];
  const lowOnly = (flags[i] & ir.HIGH) === 0;
  if (value === -1) {
    const x = e.operand(a[i], T1);
    if (exclusive) e.w(not(to, x));
    else e.w(li(to, -1));
    zeroExtend(e, i);
    return true;
  }
  if (value < 0 && !narrow && !lowOnly) return false;
  const x = e.operand(a[i], T1);
  const high = value >>> 16;
  const low = value & 0xffff;
  if (high !== 0) e.w(exclusive ? xoris(to, x, high) : oris(to, x, high));
  const from = high !== 0 ? to : x;
  if (low !== 0) e.w(exclusive ? xori(to, from, low) : ori(to, from, low));
  else if (high === 0) e.move(to, x);
  zeroExtend(e, i);
  return true;
}
