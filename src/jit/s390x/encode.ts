/**
 * z/Architecture instructions as numbers: one pure function each, operands in the order an assembler takes them, storage
 * operands as `disp, index, base` or `disp, base`. An instruction has 2, 4 or 6 bytes, so its number is below 2^16, 2^32
 * or 2^48, and which of them its first two bits say. Operands are not checked: a field keeps its low bits. Register 0 as
 * an index or base means none. Branches take distances in halfwords.
 *
 * ```
 *        0        8    12   16   20   24   28   32       40       47      bit 0 is the most significant
 *  RR   |   op   | r1 | r2 |
 *  RRE  |        op        | 00     | r1 | r2 |
 *  RRF  |        op        | r3 | m | r1 | r2 |
 *  RI   |   op   | r1 | op |        i         |
 *  RX   |   op   | r1 | x2 | b2 |     d       |
 *  RS   |   op   | r1 | r3 | b2 |     d       |
 *  SI   |   op   |    i    | b1 |     d       |
 *  RIL  |   op   | r1 | op |                i                  |
 *  RXY  |   op   | r1 | x2 | b2 |   d low     | d high |   op   |
 *  RSY  |   op   | r1 | r3 | b2 |   d low     | d high |   op   |
 *  SIY  |   op   |    i    | b1 |   d low     | d high |   op   |
 *  SIL  |        op        | b1 |   d         |        i        |
 *  RIEb |   op   | r1 | r2 |     distance     | m  | 0  |   op   |
 *  RIEc |   op   | r1 | m  |     distance     |   i    |   op   |
 *  RIEd |   op   | r1 | r3 |        i         |   00   |   op   |
 *  RIEf |   op   | r1 | r2 | first  |  last   | rotate |   op   |
 * ```
 *
 * Source: z/Architecture Principles of Operation, SA22-7832. All are there since z13 but those that say otherwise.
 */

const HIGH = 0x100000000;
const rr = (op: number, r1: number, r2: number) => (op << 8) | (r1 << 4) | r2;
const rre = (op: number, r1: number, r2: number) => ((op << 16) | (r1 << 4) | r2) >>> 0;
const rrf = (op: number, r1: number, r2: number, r3: number) => ((op << 16) | (r3 << 12) | (r1 << 4) | r2) >>> 0;
const ri = (op: number, r1: number, low: number, i: number) =>
  ((op << 24) | (r1 << 20) | (low << 16) | (i & 0xffff)) >>> 0;
const rx = (op: number, r1: number, d: number, x2: number, b2: number) =>
  ((op << 24) | (r1 << 20) | (x2 << 16) | (b2 << 12) | (d & 0xfff)) >>> 0;
const si = (op: number, d: number, b1: number, i: number) =>
  ((op << 24) | ((i & 0xff) << 16) | (b1 << 12) | (d & 0xfff)) >>> 0;
const ril = (op: number, r1: number, low: number, i: number) => ((op << 8) | (r1 << 4) | low) * HIGH + (i >>> 0);
const rxy = (op: number, low: number, r1: number, d: number, x2: number, b2: number) =>
  ((op << 8) | (r1 << 4) | x2) * HIGH + (((b2 << 28) | ((d & 0xfff) << 16) | (((d >> 12) & 0xff) << 8) | low) >>> 0);
const rie = (r1: number, r2: number, middle: number, i: number, low: number) =>
  (0xec00 | (r1 << 4) | r2) * HIGH + ((((middle & 0xffff) << 16) | ((i & 0xff) << 8) | low) >>> 0);
const sil = (op: number, d: number, b1: number, i: number) =>
  op * HIGH + (((b1 << 28) | ((d & 0xfff) << 16) | (i & 0xffff)) >>> 0);

/** Bytes of an instruction. */
export const lengthOf = (insn: number): number => (insn < 0x10000 ? 2 : insn < HIGH ? 4 : 6);

type Rr = (r1: number, r2: number) => number;
type Rrr = (r1: number, r2: number, r3: number) => number;
type Ri = (r1: number, i: number) => number;
type Rx = (r1: number, d: number, x2: number, b2: number) => number;
type Rs = (r1: number, r3: number, d: number, b2: number) => number;
type Si = (d: number, b1: number, i: number) => number;

// ---- between registers

/** 32 bits: the high half of r1 stays. */
export const lr: Rr = (r1, r2) => rr(0x18, r1, r2);
export const ltr: Rr = (r1, r2) => rr(0x12, r1, r2);
export const ar: Rr = (r1, r2) => rr(0x1a, r1, r2);
export const sr: Rr = (r1, r2) => rr(0x1b, r1, r2);
export const nr: Rr = (r1, r2) => rr(0x14, r1, r2);
export const or: Rr = (r1, r2) => rr(0x16, r1, r2);
export const xr: Rr = (r1, r2) => rr(0x17, r1, r2);
export const lcr: Rr = (r1, r2) => rr(0x13, r1, r2);
export const cr: Rr = (r1, r2) => rr(0x19, r1, r2);
export const clr: Rr = (r1, r2) => rr(0x15, r1, r2);
export const msr: Rr = (r1, r2) => rre(0xb252, r1, r2);
export const lbr: Rr = (r1, r2) => rre(0xb926, r1, r2);
export const lhr: Rr = (r1, r2) => rre(0xb927, r1, r2);
export const lrvr: Rr = (r1, r2) => rre(0xb91f, r1, r2);
export const ark: Rrr = (r1, r2, r3) => rrf(0xb9f8, r1, r2, r3);
export const srk: Rrr = (r1, r2, r3) => rrf(0xb9f9, r1, r2, r3);
export const nrk: Rrr = (r1, r2, r3) => rrf(0xb9f4, r1, r2, r3);
export const ork: Rrr = (r1, r2, r3) => rrf(0xb9f6, r1, r2, r3);
export const xrk: Rrr = (r1, r2, r3) => rrf(0xb9f7, r1, r2, r3);

/** 64 bits. */
export const lgr: Rr = (r1, r2) => rre(0xb904, r1, r2);
export const ltgr: Rr = (r1, r2) => rre(0xb902, r1, r2);
export const agr: Rr = (r1, r2) => rre(0xb908, r1, r2);
export const ogr: Rr = (r1, r2) => rre(0xb981, r1, r2);
export const xgr: Rr = (r1, r2) => rre(0xb982, r1, r2);
export const msgr: Rr = (r1, r2) => rre(0xb90c, r1, r2);
export const lcgr: Rr = (r1, r2) => rre(0xb903, r1, r2);
export const cgr: Rr = (r1, r2) => rre(0xb920, r1, r2);
export const clgr: Rr = (r1, r2) => rre(0xb921, r1, r2);
export const lrvgr: Rr = (r1, r2) => rre(0xb90f, r1, r2);
export const agrk: Rrr = (r1, r2, r3) => rrf(0xb9e8, r1, r2, r3);
export const sgrk: Rrr = (r1, r2, r3) => rrf(0xb9e9, r1, r2, r3);
export const ngrk: Rrr = (r1, r2, r3) => rrf(0xb9e4, r1, r2, r3);
export const ogrk: Rrr = (r1, r2, r3) => rrf(0xb9e6, r1, r2, r3);
export const xgrk: Rrr = (r1, r2, r3) => rrf(0xb9e7, r1, r2, r3);
/** z14. */
export const msgrkc: Rrr = (r1, r2, r3) => rrf(0xb9ed, r1, r2, r3);
/** z15: not (r2 | r3). */
export const nogrk: Rrr = (r1, r2, r3) => rrf(0xb966, r1, r2, r3);

/** Zero and sign extensions to 64 bits. */
export const llgfr: Rr = (r1, r2) => rre(0xb916, r1, r2);
export const llghr: Rr = (r1, r2) => rre(0xb985, r1, r2);
export const llgcr: Rr = (r1, r2) => rre(0xb984, r1, r2);
export const llgtr: Rr = (r1, r2) => rre(0xb917, r1, r2);
export const lgfr: Rr = (r1, r2) => rre(0xb914, r1, r2);
export const lghr: Rr = (r1, r2) => rre(0xb907, r1, r2);
export const lgbr: Rr = (r1, r2) => rre(0xb906, r1, r2);

/** Quotient in r1 + 1, remainder in r1; the dividend of the unsigned ones is in both. */
export const dlr: Rr = (r1, r2) => rre(0xb997, r1, r2);
export const dlgr: Rr = (r1, r2) => rre(0xb987, r1, r2);
export const dsgr: Rr = (r1, r2) => rre(0xb90d, r1, r2);
export const dsgfr: Rr = (r1, r2) => rre(0xb91d, r1, r2);

// ---- constants

export const lhi: Ri = (r1, i) => ri(0xa7, r1, 8, i);
export const lghi: Ri = (r1, i) => ri(0xa7, r1, 9, i);
export const ahi: Ri = (r1, i) => ri(0xa7, r1, 10, i);
export const aghi: Ri = (r1, i) => ri(0xa7, r1, 11, i);
export const mhi: Ri = (r1, i) => ri(0xa7, r1, 12, i);
export const mghi: Ri = (r1, i) => ri(0xa7, r1, 13, i);
export const chi: Ri = (r1, i) => ri(0xa7, r1, 14, i);
export const cghi: Ri = (r1, i) => ri(0xa7, r1, 15, i);
export const tmlh: Ri = (r1, i) => ri(0xa7, r1, 0, i);
export const tmll: Ri = (r1, i) => ri(0xa7, r1, 1, i);
export const iihh: Ri = (r1, i) => ri(0xa5, r1, 0, i);
export const iihl: Ri = (r1, i) => ri(0xa5, r1, 1, i);
export const iilh: Ri = (r1, i) => ri(0xa5, r1, 2, i);
export const iill: Ri = (r1, i) => ri(0xa5, r1, 3, i);
export const nilh: Ri = (r1, i) => ri(0xa5, r1, 6, i);
export const nill: Ri = (r1, i) => ri(0xa5, r1, 7, i);
export const oilh: Ri = (r1, i) => ri(0xa5, r1, 10, i);
export const oill: Ri = (r1, i) => ri(0xa5, r1, 11, i);
export const llihh: Ri = (r1, i) => ri(0xa5, r1, 12, i);
export const llihl: Ri = (r1, i) => ri(0xa5, r1, 13, i);
export const llilh: Ri = (r1, i) => ri(0xa5, r1, 14, i);
export const llill: Ri = (r1, i) => ri(0xa5, r1, 15, i);

export const lgfi: Ri = (r1, i) => ril(0xc0, r1, 1, i);
export const xihf: Ri = (r1, i) => ril(0xc0, r1, 6, i);
export const xilf: Ri = (r1, i) => ril(0xc0, r1, 7, i);
export const iihf: Ri = (r1, i) => ril(0xc0, r1, 8, i);
export const iilf: Ri = (r1, i) => ril(0xc0, r1, 9, i);
export const nilf: Ri = (r1, i) => ril(0xc0, r1, 11, i);
export const oilf: Ri = (r1, i) => ril(0xc0, r1, 13, i);
export const llihf: Ri = (r1, i) => ril(0xc0, r1, 14, i);
export const llilf: Ri = (r1, i) => ril(0xc0, r1, 15, i);
export const msgfi: Ri = (r1, i) => ril(0xc2, r1, 0, i);
export const msfi: Ri = (r1, i) => ril(0xc2, r1, 1, i);
export const agfi: Ri = (r1, i) => ril(0xc2, r1, 8, i);
export const afi: Ri = (r1, i) => ril(0xc2, r1, 9, i);
/** Unsigned. */
export const algfi: Ri = (r1, i) => ril(0xc2, r1, 10, i);
export const cgfi: Ri = (r1, i) => ril(0xc2, r1, 12, i);
export const cfi: Ri = (r1, i) => ril(0xc2, r1, 13, i);
export const clgfi: Ri = (r1, i) => ril(0xc2, r1, 14, i);
export const clfi: Ri = (r1, i) => ril(0xc2, r1, 15, i);
export const ahik: Rrr = (r1, r3, i) => rie(r1, r3, i, 0, 0xd8);
export const aghik: Rrr = (r1, r3, i) => rie(r1, r3, i, 0, 0xd9);

// ---- shifts, and runs of bits

export const sll = (r1: number, d: number, b2: number) => rx(0x89, r1, d, 0, b2);
export const srl = (r1: number, d: number, b2: number) => rx(0x88, r1, d, 0, b2);
export const sra = (r1: number, d: number, b2: number) => rx(0x8a, r1, d, 0, b2);
export const sllg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x0d, r1, d, r3, b2);
export const srlg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x0c, r1, d, r3, b2);
export const srag: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x0a, r1, d, r3, b2);
export const srak: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xdc, r1, d, r3, b2);
/** Bits `first` to `last` of r2 turned left; the rest of r1 becomes 0. The condition code stays. */
export const risbgnz = (r1: number, r2: number, first: number, last: number, rotate: number) =>
  rie(r1, r2, (first << 8) | last | 0x80, rotate, 0x59);

// ---- storage

/** Displacements of 0 to 4095. */
export const la: Rx = (r1, d, x2, b2) => rx(0x41, r1, d, x2, b2);
export const l: Rx = (r1, d, x2, b2) => rx(0x58, r1, d, x2, b2);
export const lh: Rx = (r1, d, x2, b2) => rx(0x48, r1, d, x2, b2);
export const st: Rx = (r1, d, x2, b2) => rx(0x50, r1, d, x2, b2);
export const sth: Rx = (r1, d, x2, b2) => rx(0x40, r1, d, x2, b2);
export const stc: Rx = (r1, d, x2, b2) => rx(0x42, r1, d, x2, b2);
export const cl: Rx = (r1, d, x2, b2) => rx(0x55, r1, d, x2, b2);
/** Displacements of ±512 KiB. */
export const lay: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x71, r1, d, x2, b2);
export const lg: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x04, r1, d, x2, b2);
export const ltg: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x02, r1, d, x2, b2);
export const ag: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x08, r1, d, x2, b2);
export const lgf: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x14, r1, d, x2, b2);
export const lgh: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x15, r1, d, x2, b2);
export const lgb: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x77, r1, d, x2, b2);
export const llgf: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x16, r1, d, x2, b2);
export const llgh: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x91, r1, d, x2, b2);
export const llgc: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x90, r1, d, x2, b2);
export const ly: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x58, r1, d, x2, b2);
export const cly: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x55, r1, d, x2, b2);
export const stg: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x24, r1, d, x2, b2);
export const sty: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x50, r1, d, x2, b2);
export const sthy: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x70, r1, d, x2, b2);
export const stcy: Rx = (r1, d, x2, b2) => rxy(0xe3, 0x72, r1, d, x2, b2);
export const mvi: Si = (d, b1, i) => si(0x92, d, b1, i);
export const mviy: Si = (d, b1, i) => rxy(0xeb, 0x52, (i >> 4) & 15, d, i & 15, b1);
export const mvhhi: Si = (d, b1, i) => sil(0xe544, d, b1, i);
export const mvhi: Si = (d, b1, i) => sil(0xe54c, d, b1, i);
export const mvghi: Si = (d, b1, i) => sil(0xe548, d, b1, i);
export const agsi: Si = (d, b1, i) => rxy(0xeb, 0x7a, (i >> 4) & 15, d, i & 15, b1);
export const lmg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x04, r1, d, r3, b2);
export const stmg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x24, r1, d, r3, b2);
/** Storage compared with r1, r3 stored; r1 is what storage held. */
export const csy: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x14, r1, d, r3, b2);
export const csg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0x30, r1, d, r3, b2);
/** r1 = what storage held; storage op= r3. */
export const laa: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xf8, r1, d, r3, b2);
export const lan: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xf4, r1, d, r3, b2);
export const lao: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xf6, r1, d, r3, b2);
export const lax: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xf7, r1, d, r3, b2);
export const laag: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xe8, r1, d, r3, b2);
export const lang: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xe4, r1, d, r3, b2);
export const laog: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xe6, r1, d, r3, b2);
export const laxg: Rs = (r1, r3, d, b2) => rxy(0xeb, 0xe7, r1, d, r3, b2);

// ---- branches

export const bcr = (mask: number, r2: number) => rr(0x07, mask, r2);
export const bc = (mask: number, d: number, x2: number, b2: number) => rx(0x47, mask, d, x2, b2);
export const basr: Rr = (r1, r2) => rr(0x0d, r1, r2);
export const brc = (mask: number, distance: number) => ri(0xa7, mask, 4, distance);
export const brcl = (mask: number, distance: number) => ril(0xc0, mask, 4, distance);
export const brasl: Ri = (r1, distance) => ril(0xc0, r1, 5, distance);
export const larl: Ri = (r1, distance) => ril(0xc0, r1, 0, distance);
type Crj = (r1: number, r2: number, mask: number, distance: number) => number;
export const crj: Crj = (r1, r2, mask, distance) => rie(r1, r2, distance, mask << 4, 0x76);
export const clrj: Crj = (r1, r2, mask, distance) => rie(r1, r2, distance, mask << 4, 0x77);
export const cgrj: Crj = (r1, r2, mask, distance) => rie(r1, r2, distance, mask << 4, 0x64);
export const clgrj: Crj = (r1, r2, mask, distance) => rie(r1, r2, distance, mask << 4, 0x65);
type Cij = (r1: number, i: number, mask: number, distance: number) => number;
export const cij: Cij = (r1, i, mask, distance) => rie(r1, mask, distance, i, 0x7e);
export const clij: Cij = (r1, i, mask, distance) => rie(r1, mask, distance, i, 0x7f);
export const cgij: Cij = (r1, i, mask, distance) => rie(r1, mask, distance, i, 0x7c);
export const clgij: Cij = (r1, i, mask, distance) => rie(r1, mask, distance, i, 0x7d);

/** System call. */
export const svc = (number: number) => 0x0a00 | number;
