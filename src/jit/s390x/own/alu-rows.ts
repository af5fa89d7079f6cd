import { ir } from '../../rows/index.ts';
import {
  afi,
  ag,
  agfi,
  aghi,
  aghik,
  agrk,
  ahi,
  ahik,
  algfi,
  ar,
  ark,
  cgij,
  dlgr,
  dlr,
  dsgfr,
  dsgr,
  iihf,
  la,
  lay,
  lbr,
  lcgr,
  lcr,
  lgbr,
  lgfr,
  lghi,
  lghr,
  lgr,
  lhi,
  lhr,
  llgcr,
  llgfr,
  llghr,
  llgtr,
  llilf,
  llilh,
  llill,
  lr,
  lrvgr,
  lrvr,
  mghi,
  mhi,
  msfi,
  msgfi,
  msgr,
  msgrkc,
  msr,
  ngrk,
  nilf,
  nilh,
  nill,
  nogrk,
  nr,
  nrk,
  ogrk,
  oilf,
  oilh,
  oill,
  or,
  ork,
  risbgnz,
  sgrk,
  sll,
  sllg,
  sr,
  sra,
  srag,
  srak,
  srk,
  srl,
  srlg,
  xgrk,
  xilf,
  xr,
  xrk,
} from '../encode.ts';
import { FRAME, SP, T0, T1 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { maskRun } from './mask.ts';

/** This CPU's offset in the lowcore, which is at address 0 (`struct lowcore`: percpu_offset). */
const LOWCORE_PERCPU_OFFSET = 0x3b8;
const isS16 = (value: number): boolean => value === (value << 16) >> 16;
const isS20 = (value: number): boolean => value === (value << 12) >> 12;

/** Whether the high half of the row's result is read. */
const high = (e: Emission, i: number): boolean => (e.rows.flags[i] & ir.HIGH) !== 0;
/** Whether the row has to make the high half 0, where its own instruction leaves that alone. */
const extends32 = (e: Emission, i: number): boolean => (e.rows.flags[i] & (ir.HIGH | ir.ZX)) === (ir.HIGH | ir.ZX);

export function emitMove(e: Emission, i: number): void {
  const { d, a } = e.rows;
  if (a[i] === FRAME) e.stackAddress(d[i], e.frame.fpOff);
  else if (d[i] === a[i]) return;
  else if (high(e, i)) e.move(d[i], a[i]);
  else e.w(lr(d[i], a[i]));
}

export function emitConstant(e: Emission, i: number): void {
  const { d, imm, aux } = e.rows;
  const to = d[i];
  const lo = imm[i];
  const needed = high(e, i);
  if (lo === 0 && (!needed || (aux[i] === 0 && e.isZero(to)))) e.w(xr(to, to));
  else if (needed) e.load(to, aux[i], lo);
  else if (isS16(lo)) e.w(lhi(to, lo));
  else {
    e.w(lo >>> 16 === 0 ? llill(to, lo) : (lo & 0xffff) === 0 ? llilh(to, lo >>> 16) : llilf(to, lo));
    e.set(to, true);
  }
}

export function emitPerCpu(e: Emission, i: number): void {
  const { d, a } = e.rows;
  const to = d[i];
  if (a[i] === FRAME) e.stackAddress(to, e.frame.fpOff);
  else e.move(to, a[i]);
  e.w(ag(to, LOWCORE_PERCPU_OFFSET, 0, 0));
  e.set(to, false);
}

/** The low half under the high half of the arena's user address; 0 stays 0. */
export function emitCastUser(e: Emission, i: number): void {
  const { d, a } = e.rows;
  const { arena } = e.unit.func;
  const hi = arena === undefined ? 0 : Number(BigInt.asIntN(32, arena.userVmStart >> 32n));
  const to = d[i];
  e.w(llgfr(to, e.operand(a[i], T1)));
  e.set(to, true);
  if (hi === 0) return;
  // Over itself and the six bytes behind it.
  e.w(cgij(to, 0, 8, 6));
  e.w(iihf(to, hi));
  e.set(to, false);
}

/** d = rotate-left(a, sub) & mask */
export function emitMask(e: Emission, i: number): void {
  const { d, a, sub, aux, imm } = e.rows;
  const to = d[i];
  const from = e.operand(a[i], T1);
  const rot = sub[i];
  const hi = aux[i];
  const lo = imm[i];
  // Instructions on the low half leave the high half: right if nobody reads it, or it is 0 and shall be.
  const low = to === from && (!high(e, i) || (hi === 0 && e.isZero(to)));
  if (rot === 0) {
    if ((hi === -1 || low) && to === from) {
      if (lo >>> 16 === 0xffff) {
        if ((lo & 0xffff) !== 0xffff) e.w(nill(to, lo));
        return;
      }
      if ((lo & 0xffff) === 0xffff) {
        e.w(nilh(to, lo >>> 16));
        return;
      }
    }
    if (hi === 0 && lo === -1 && e.isZero(from)) {
      e.move(to, from);
      return;
    }
    const extend = hi !== 0 ? undefined : lo === -1 ? llgfr : lo === 0xffff ? llghr : lo === 0xff ? llgcr : undefined;
    const insn = extend ?? (hi === 0 && lo === 0x7fffffff ? llgtr : undefined);
    if (insn !== undefined) {
      if (lo === -1 && !high(e, i)) {
        if (to !== from) e.w(lr(to, from));
        return;
      }
      e.w(insn(to, from));
      e.set(to, true);
      return;
    }
  } else if (low && rot < 32 && lo === -1 << rot) {
    e.w(sll(to, rot, 0));
    return;
  } else if (low && rot > 32 && hi === 0 && lo === -1 >>> (64 - rot)) {
    e.w(srl(to, 64 - rot, 0));
    return;
  }
  const run = maskRun(hi, lo);
  e.w(risbgnz(to, from, run >> 8, run & 0xff, rot));
  e.set(to, hi === 0);
}

export function emitSignExtend(e: Emission, i: number): void {
  const { d, a, sub, flags } = e.rows;
  const to = d[i];
  const from = e.operand(a[i], T1);
  const wide = (flags[i] & ir.W) === 0;
  if (wide && high(e, i)) {
    e.w(sub[i] === 8 ? lgbr(to, from) : sub[i] === 16 ? lghr(to, from) : lgfr(to, from));
    e.set(to, false);
    return;
  }
  if (sub[i] === 32) {
    if (to !== from) e.w(lr(to, from));
  } else e.w(sub[i] === 8 ? lbr(to, from) : lhr(to, from));
  e.extend(to, extends32(e, i));
}

export function emitByteSwap(e: Emission, i: number): void {
  const { d, a, sub } = e.rows;
  const to = d[i];
  const from = e.operand(a[i], T1);
  if (sub[i] === 64) {
    e.w(lrvgr(to, from));
    e.set(to, false);
    return;
  }
  e.w(lrvr(to, from));
  if (sub[i] === 32) e.extend(to, high(e, i));
  else if (!high(e, i) || e.isZero(to)) e.w(srl(to, 16, 0));
  else {
    e.w(risbgnz(to, to, 48, 63, 48));
    e.set(to, true);
  }
}

// ---- operations

type Rr = (r1: number, r2: number) => number;
type Rrr = (r1: number, r2: number, r3: number) => number;
/** Of 32 bits with two and three operands, and of 64 bits with three. */
const SIMPLE: Readonly<Record<number, readonly [Rr, Rrr, Rrr]>> = {
  [ir.ADD]: [ar, ark, agrk],
  [ir.SUB]: [sr, srk, sgrk],
  [ir.AND]: [nr, nrk, ngrk],
  [ir.OR]: [or, ork, ogrk],
  [ir.XOR]: [xr, xrk, xgrk],
};

export function emitAluX(e: Emission, i: number): void {
  const { d, a, b, sub, flags } = e.rows;
  const narrow = (flags[i] & ir.W) !== 0;
  const to = d[i];
  const op = sub[i];
  if (op === ir.LSH || op === ir.RSH || op === ir.ARSH) {
    emitShift(e, i, narrow);
    return;
  }
  const x = e.operand(a[i], T0);
  if (op === ir.DIV || op === ir.MOD || op === ir.SDIV || op === ir.SMOD) {
    divide(e, i, x, narrow);
    return;
  }
  const y = e.operand(b[i], T1);
  const simple = SIMPLE[op];
  if (simple === undefined) {
    multiply(e, to, x, y, narrow);
    e.extend(to, narrow && extends32(e, i));
    return;
  }
  const [two, three, wide] = simple;
  if (!narrow) {
    e.w(wide(to, x, y));
    e.set(to, op === ir.AND ? e.isZero(x) || e.isZero(y) : false);
    return;
  }
  const needed = extends32(e, i);
  const zeroX = e.isZero(x);
  const zeroY = e.isZero(y);
  const inPlace = to === x || (to === y && op !== ir.SUB);
  // Where operands have no high halves, the wide operation makes none.
  const makesNone = op === ir.AND ? zeroX || zeroY : (op === ir.OR || op === ir.XOR) && zeroX && zeroY;
  if (needed && makesNone && !(inPlace && e.isZero(to))) {
    e.w(wide(to, x, y));
    e.set(to, true);
    return;
  }
  if (to === x) e.w(two(to, y));
  else if (inPlace) e.w(two(to, x));
  else e.w(three(to, x, y));
  e.extend(to, needed);
}

function multiply(e: Emission, to: number, x: number, y: number, narrow: boolean): void {
  const times = narrow ? msr : msgr;
  if (to === x) e.w(times(to, y));
  else if (to === y) e.w(times(to, x));
  else if (!narrow && e.unit.z15) e.w(msgrkc(to, x, y));
  else {
    e.move(to, x);
    e.w(times(to, y));
  }
  if (!narrow) e.set(to, false);
}

/** Counts are taken modulo 64; 32-bit shifts need them modulo 32. */
function emitShift(e: Emission, i: number, narrow: boolean): void {
  const { d, a, b, sub } = e.rows;
  const to = d[i];
  const op = sub[i];
  const x = e.operand(a[i], T0);
  const count = e.operand(b[i], T1);
  if (!narrow) {
    e.w(op === ir.LSH ? sllg(to, x, 0, count) : op === ir.RSH ? srlg(to, x, 0, count) : srag(to, x, 0, count));
    e.set(to, op === ir.RSH && e.isZero(x));
    return;
  }
  e.w(risbgnz(T1, count, 59, 63, 0));
  e.set(T1, true);
  if (to !== x) e.move(to, x);
  e.w(op === ir.LSH ? sll(to, 0, T1) : op === ir.RSH ? srl(to, 0, T1) : sra(to, 0, T1));
  e.extend(to, extends32(e, i));
}

/**
 * Dividend, then remainder and quotient, are in r0 and r1; where the divisor has to be made, it is made in d, whose old
 * value has been copied by then.
 */
function divide(e: Emission, i: number, x: number, narrow: boolean): void {
  const { d, b, sub, kind, imm } = e.rows;
  const to = d[i];
  const op = sub[i];
  const signed = op === ir.SDIV || op === ir.SMOD;
  if (signed) e.w(narrow ? lgfr(T1, x) : lgr(T1, x));
  else e.w(narrow ? lr(T1, x) : lgr(T1, x));
  if (!signed) e.w(narrow ? xr(T0, T0) : lghi(T0, 0));
  const known = kind[i] === ir.ALU_K;
  if (known) e.load(to, imm[i] >> 31, imm[i]);
  const y = known ? to : e.operand(b[i], to);
  if (signed) e.w(narrow ? dsgfr(T0, y) : dsgr(T0, y));
  else e.w(narrow ? dlr(T0, y) : dlgr(T0, y));
  e.set(T0, false);
  e.set(T1, false);
  const result = op === ir.DIV || op === ir.SDIV ? T1 : T0;
  if (narrow && extends32(e, i)) {
    e.w(llgfr(to, result));
    e.set(to, true);
  } else if (narrow) e.w(lr(to, result));
  else {
    e.w(lgr(to, result));
    e.set(to, false);
  }
}

export function emitAluK(e: Emission, i: number): void {
  const { d, a, sub, imm, flags } = e.rows;
  const narrow = (flags[i] & ir.W) !== 0;
  const to = d[i];
  const value = imm[i];
  const op = sub[i];
  if (op === ir.ADD || op === ir.SUB) {
    emitSum(e, i, op === ir.ADD ? value : -value, narrow);
    return;
  }
  const x = e.operand(a[i], T1);
  switch (op) {
    case ir.NEG:
      negate(e, to, x, narrow);
      break;
    case ir.ARSH:
      if (value === 0) e.move(to, x);
      else if (!narrow) {
        e.w(srag(to, x, value, 0));
        e.set(to, false);
      } else e.w(to === x ? sra(to, value, 0) : srak(to, x, value, 0));
      break;
    case ir.MUL:
      if (value === -1) {
        negate(e, to, x, narrow);
        break;
      }
      e.move(to, x);
      if (isS16(value)) e.w(narrow ? mhi(to, value) : mghi(to, value));
      else e.w(narrow ? msfi(to, value) : msgfi(to, value));
      if (!narrow) e.set(to, false);
      break;
    case ir.AND:
    case ir.OR:
    case ir.XOR:
      emitLogic(e, i, x, value, narrow);
      return;
    default:
      divide(e, i, x, narrow);
      return;
  }
  e.extend(to, narrow && extends32(e, i));
}

function negate(e: Emission, to: number, x: number, narrow: boolean): void {
  e.w(narrow ? lcr(to, x) : lcgr(to, x));
  if (!narrow) e.set(to, false);
}

/** d = a + sum, of 33 bits. */
function emitSum(e: Emission, i: number, sum: number, narrow: boolean): void {
  const { d, a } = e.rows;
  const to = d[i];
  const from = a[i];
  const total = from === FRAME ? sum + e.frame.fpOff : narrow ? sum | 0 : sum;
  if (from === FRAME) {
    if (isS20(total)) e.w(total >= 0 && total < 4096 ? la(to, total, 0, SP) : lay(to, total, 0, SP));
    else {
      e.load(T1, Math.floor(total / 0x100000000) | 0, total | 0);
      e.w(agrk(to, SP, T1));
    }
    e.set(to, false);
    summed(e, i, to, narrow);
    return;
  }
  if (to !== from) {
    if (narrow && isS16(total) && (!extends32(e, i) || e.isZero(to))) {
      e.w(ahik(to, from, total));
      summed(e, i, to, narrow);
      return;
    }
    if (isS20(total)) {
      e.w(
        total >= 0 && total < 4096
          ? la(to, total, 0, from)
          : isS16(total)
            ? aghik(to, from, total)
            : lay(to, total, 0, from),
      );
      e.set(to, false);
      summed(e, i, to, narrow);
      return;
    }
    e.move(to, from);
  }
  if (isS16(total)) e.w(narrow ? ahi(to, total) : aghi(to, total));
  else if (total === 0x80000000) e.w(algfi(to, total));
  else e.w(narrow ? afi(to, total) : agfi(to, total));
  summed(e, i, to, narrow);
}

/** The sum is in its register. */
function summed(e: Emission, i: number, to: number, narrow: boolean): void {
  if (!narrow) e.set(to, false);
  e.extend(to, narrow && extends32(e, i));
}

function emitLogic(e: Emission, i: number, x: number, value: number, narrow: boolean): void {
  const { d, sub } = e.rows;
  const to = d[i];
  const op = sub[i];
  const needed = high(e, i);
  const zeroes = narrow && extends32(e, i);
  if (op === ir.AND) {
    const keepsHigh = !needed || (!narrow && value < 0) || (to === x && e.isZero(to)) || (narrow && !zeroes);
    if (!keepsHigh) {
      // Zero-extended, the constant takes the high half away.
      e.load(T1, 0, value);
      e.w(ngrk(to, x, T1));
      e.set(to, true);
      return;
    }
    e.move(to, x);
    if (value >>> 16 === 0xffff) e.w(nill(to, value));
    else if ((value & 0xffff) === 0xffff) e.w(nilh(to, value >>> 16));
    else e.w(nilf(to, value));
    return;
  }
  if (!narrow && needed && value < 0) {
    if (op === ir.XOR && value === -1 && e.unit.z15) e.w(nogrk(to, x, x));
    else {
      e.load(T1, -1, value);
      e.w(op === ir.OR ? ogrk(to, x, T1) : xgrk(to, x, T1));
    }
    e.set(to, false);
    return;
  }
  e.move(to, x);
  if (op === ir.XOR) e.w(xilf(to, value));
  else if (value >>> 16 === 0) e.w(oill(to, value));
  else e.w((value & 0xffff) === 0 ? oilh(to, value >>> 16) : oilf(to, value));
  e.extend(to, zeroes);
}
