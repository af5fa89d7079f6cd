import { addHi, divmodU64, hi32, i64Of, lo32, mulHi, mulhuU32, u64Of } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { UNDEFINED } from './regs.ts';
import { type Row, row } from './row.ts';

const TWO32 = 4294967296;

function put(m: Core, o: Op, hi: number, lo: number): void {
  m.r[o.rt] = lo;
  m.r[o.rt + 1] = hi;
  if (o.rec !== 0) m.record(o.rt);
}
/** A result of 32 bits; the upper half is undefined. */
const putWord = (m: Core, o: Op, lo: number): void => put(m, o, UNDEFINED, lo);
/** Division by zero and overflow: an undefined result, and OV. */
function putUndefined(m: Core, o: Op): void {
  if (o.oe !== 0) m.overflow(1, 1);
  put(m, o, UNDEFINED, UNDEFINED);
}
function inRange(m: Core, o: Op): void {
  if (o.oe !== 0) m.overflow(0, 0);
}

/** High 64 bits of the unsigned product, in `m.out[0..1]`. */
function mulhuU64(m: Core, ah: number, al: number, bh: number, bl: number): void {
  const cross1 = Math.imul(ah, bl);
  const cross2 = Math.imul(al, bh);
  const middle = (mulhuU32(al, bl) >>> 0) + (cross1 >>> 0) + (cross2 >>> 0);
  const low =
    (Math.imul(ah, bh) >>> 0) + (mulhuU32(ah, bl) >>> 0) + (mulhuU32(al, bh) >>> 0) + Math.floor(middle / TWO32);
  m.out[1] = low;
  m.out[0] = mulhuU32(ah, bh) + Math.floor(low / TWO32);
}
/** High 64 bits of the signed product, in `m.out[0..1]`. */
function mulhS64(m: Core, ah: number, al: number, bh: number, bl: number): void {
  mulhuU64(m, ah, al, bh, bl);
  const { out } = m;
  if (ah < 0) subtract(out, bh, bl);
  if (bh < 0) subtract(out, ah, al);
}
function subtract(out: Int32Array, hi: number, lo: number): void {
  const borrow = out[1] >>> 0 < lo >>> 0 ? 1 : 0;
  out[1] -= lo;
  out[0] = out[0] - hi - borrow;
}

const mulli: Exec = (m, o) => {
  const { r } = m;
  const hi = mulHi(r[o.ra + 1], r[o.ra], o.imm >> 31, o.imm);
  put(m, o, hi, Math.imul(r[o.ra], o.imm));
};
const mulld: Exec = (m, o) => {
  const { r } = m;
  const ah = r[o.ra + 1];
  const al = r[o.ra];
  const bh = r[o.rb + 1];
  const bl = r[o.rb];
  const hi = mulHi(ah, al, bh, bl);
  if (o.oe !== 0) {
    mulhS64(m, ah, al, bh, bl);
    const over = m.out[0] !== hi >> 31 || m.out[1] !== hi >> 31 ? 1 : 0;
    m.overflow(over, over);
  }
  put(m, o, hi, Math.imul(al, bl));
};
/** High half of the signed product of two words. */
function mulhS32(a: number, b: number): number {
  return (mulhuU32(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}
const mullw: Exec = (m, o) => {
  const a = m.r[o.ra];
  const b = m.r[o.rb];
  const hi = mulhS32(a, b);
  const lo = Math.imul(a, b);
  if (o.oe !== 0) {
    const over = hi !== lo >> 31 ? 1 : 0;
    m.overflow(over, over);
  }
  put(m, o, hi, lo);
};
const mulhw: Exec = (m, o) => putWord(m, o, mulhS32(m.r[o.ra], m.r[o.rb]));
const mulhwu: Exec = (m, o) => putWord(m, o, mulhuU32(m.r[o.ra], m.r[o.rb]));
const mulhd: Exec = (m, o) => {
  const { r } = m;
  mulhS64(m, r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
  put(m, o, m.out[0], m.out[1]);
};
const mulhdu: Exec = (m, o) => {
  const { r } = m;
  mulhuU64(m, r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
  put(m, o, m.out[0], m.out[1]);
};

/** RA * RB + RC, of which the low half is kept. */
const maddld: Exec = (m, o) => {
  const { r } = m;
  const hi = mulHi(r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
  const lo = Math.imul(r[o.ra], r[o.rb]);
  put(m, o, addHi(hi, lo, r[o.rc + 1], r[o.rc]), (lo + r[o.rc]) | 0);
};
/** RA * RB + RC, of which the high half is kept. */
function multiplyAddHigh(m: Core, o: Op, mulh: typeof mulhS64, extension: number): void {
  const { r } = m;
  mulh(m, r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
  const lowHi = mulHi(r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
  const low = (Math.imul(r[o.ra], r[o.rb]) >>> 0) + (r[o.rc] >>> 0);
  const high = (lowHi >>> 0) + (r[o.rc + 1] >>> 0) + (low >= TWO32 ? 1 : 0);
  const carry = high >= TWO32 ? 1 : 0;
  const lo = (m.out[1] >>> 0) + (extension >>> 0) + carry;
  put(m, o, (m.out[0] + extension + (lo >= TWO32 ? 1 : 0)) | 0, lo | 0);
}
const maddhd: Exec = (m, o) => multiplyAddHigh(m, o, mulhS64, m.r[o.rc + 1] >> 31);
const maddhdu: Exec = (m, o) => multiplyAddHigh(m, o, mulhuU64, 0);

const divw: Exec = (m, o) => {
  const a = m.r[o.ra];
  const b = m.r[o.rb];
  if (b === 0 || (a === -2147483648 && b === -1)) {
    putUndefined(m, o);
    return;
  }
  inRange(m, o);
  putWord(m, o, (a / b) | 0);
};
const divwu: Exec = (m, o) => {
  const b = m.r[o.rb] >>> 0;
  if (b === 0) {
    putUndefined(m, o);
    return;
  }
  inRange(m, o);
  putWord(m, o, ((m.r[o.ra] >>> 0) / b) | 0);
};
const modsw: Exec = (m, o) => {
  const a = m.r[o.ra];
  const b = m.r[o.rb];
  if (b === 0 || (a === -2147483648 && b === -1)) putUndefined(m, o);
  else putWord(m, o, (a % b) | 0);
};
const moduw: Exec = (m, o) => {
  const b = m.r[o.rb] >>> 0;
  if (b === 0) putUndefined(m, o);
  else putWord(m, o, ((m.r[o.ra] >>> 0) % b) | 0);
};

/** Quotient (out[0], out[1]) and remainder (out[2], out[3]) of |RA| by |RB|, unsigned. */
function divideUnsigned(m: Core, o: Op): boolean {
  const { r } = m;
  if ((r[o.rb] | r[o.rb + 1]) === 0) return false;
  divmodU64(r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb], m.out);
  return true;
}
/** As {@link divideUnsigned} with signs; the remainder has that of the dividend. */
function divideSigned(m: Core, o: Op): boolean {
  const { r, out } = m;
  let ah = r[o.ra + 1];
  let al = r[o.ra];
  let bh = r[o.rb + 1];
  let bl = r[o.rb];
  if ((bl | bh) === 0 || ((bl & bh) === -1 && al === 0 && ah === -2147483648)) return false;
  const negativeRest = ah < 0;
  const negative = ah < 0 !== bh < 0;
  if (ah < 0) {
    ah = ~ah + (al === 0 ? 1 : 0);
    al = -al | 0;
  }
  if (bh < 0) {
    bh = ~bh + (bl === 0 ? 1 : 0);
    bl = -bl | 0;
  }
  divmodU64(ah, al, bh, bl, out);
  if (negative) negate(out, 0);
  if (negativeRest) negate(out, 2);
  return true;
}
function negate(out: Int32Array, at: number): void {
  out[at] = ~out[at] + (out[at + 1] === 0 ? 1 : 0);
  out[at + 1] = -out[at + 1];
}

function divide(divideBy: typeof divideSigned, at: number): Exec {
  return (m, o) => {
    if (!divideBy(m, o)) {
      putUndefined(m, o);
      return;
    }
    inRange(m, o);
    put(m, o, m.out[at], m.out[at + 1]);
  };
}

/** Extended division: RA followed by zeros, by RB; rare enough for BigInt. */
function divideExtended(bits: 32 | 64, isSigned: boolean): Exec {
  const value = isSigned ? i64Of : u64Of;
  const of = (hi: number, lo: number): bigint =>
    bits === 64 ? value(hi, lo) : isSigned ? BigInt(lo) : BigInt(lo >>> 0);
  const wrap = isSigned ? BigInt.asIntN : BigInt.asUintN;
  return (m, o) => {
    const { r } = m;
    const divisor = of(r[o.rb + 1], r[o.rb]);
    const quotient = divisor === 0n ? 0n : (of(r[o.ra + 1], r[o.ra]) << BigInt(bits)) / divisor;
    if (divisor === 0n || wrap(bits, quotient) !== quotient) {
      putUndefined(m, o);
      return;
    }
    inRange(m, o);
    if (bits === 32) putWord(m, o, lo32(quotient));
    else put(m, o, hi32(quotient), lo32(quotient));
  };
}

/** Multiplication, division and remainders. */
export function mulDivRows(): Row[] {
  return [
    row('mulli', '7 rt ra si', mulli),
    row('mullw', '31 rt ra rb oe 235:9 Rc', mullw),
    row('mulld', '31 rt ra rb oe 233:9 Rc', mulld),
    row('mulhw', '31 rt ra rb /:1 75:9 Rc', mulhw),
    row('mulhwu', '31 rt ra rb /:1 11:9 Rc', mulhwu),
    row('mulhd', '31 rt ra rb /:1 73:9 Rc', mulhd),
    row('mulhdu', '31 rt ra rb /:1 9:9 Rc', mulhdu),
    row('maddhd', '4 rt ra rb rc 48:6', maddhd, { since: 9 }),
    row('maddhdu', '4 rt ra rb rc 49:6', maddhdu, { since: 9 }),
    row('maddld', '4 rt ra rb rc 51:6', maddld, { since: 9 }),
    row('divw', '31 rt ra rb oe 491:9 Rc', divw),
    row('divwu', '31 rt ra rb oe 459:9 Rc', divwu),
    row('divd', '31 rt ra rb oe 489:9 Rc', divide(divideSigned, 0)),
    row('divdu', '31 rt ra rb oe 457:9 Rc', divide(divideUnsigned, 0)),
    row('divwe', '31 rt ra rb oe 427:9 Rc', divideExtended(32, true)),
    row('divweu', '31 rt ra rb oe 395:9 Rc', divideExtended(32, false)),
    row('divde', '31 rt ra rb oe 425:9 Rc', divideExtended(64, true)),
    row('divdeu', '31 rt ra rb oe 393:9 Rc', divideExtended(64, false)),
    row('modsw', '31 rt ra rb 779:10 /:1', modsw, { since: 9 }),
    row('moduw', '31 rt ra rb 267:10 /:1', moduw, { since: 9 }),
    row('modsd', '31 rt ra rb 777:10 /:1', divide(divideSigned, 2), { since: 9 }),
    row('modud', '31 rt ra rb 265:10 /:1', divide(divideUnsigned, 2), { since: 9 }),
  ];
}
