import { ltS64, ltU64 } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';

const LT = 8;
const GT = 4;
const EQ = 2;

/** Sets a CR field: four bits and SO. */
function set(m: Core, o: Op, bits: number): void {
  m.cr = (m.cr & ~(15 << o.bf)) | ((bits | m.so) << o.bf);
}
const word = (m: Core, o: Op, a: number, b: number): void => set(m, o, a === b ? EQ : a < b ? LT : GT);

const cmpi32: Exec = (m, o) => word(m, o, m.r[o.ra], o.imm);
const cmpli32: Exec = (m, o) => word(m, o, m.r[o.ra] >>> 0, o.imm);
const cmp32: Exec = (m, o) => word(m, o, m.r[o.ra], m.r[o.rb]);
const cmpl32: Exec = (m, o) => word(m, o, m.r[o.ra] >>> 0, m.r[o.rb] >>> 0);
const cmpi64: Exec = (m, o) => {
  const hi = m.r[o.ra + 1];
  const lo = m.r[o.ra];
  const { imm } = o;
  set(m, o, hi === imm >> 31 && lo === imm ? EQ : ltS64(hi, lo, imm >> 31, imm) ? LT : GT);
};
const cmpli64: Exec = (m, o) => {
  const hi = m.r[o.ra + 1];
  if (hi !== 0) set(m, o, GT);
  else word(m, o, m.r[o.ra] >>> 0, o.imm);
};
const cmp64: Exec = (m, o) => {
  const { r } = m;
  const ah = r[o.ra + 1];
  const al = r[o.ra];
  const bh = r[o.rb + 1];
  const bl = r[o.rb];
  set(m, o, ah === bh && al === bl ? EQ : ltS64(ah, al, bh, bl) ? LT : GT);
};
const cmpl64: Exec = (m, o) => {
  const { r } = m;
  const ah = r[o.ra + 1];
  const al = r[o.ra];
  const bh = r[o.rb + 1];
  const bl = r[o.rb];
  set(m, o, ah === bh && al === bl ? EQ : ltU64(ah, al, bh, bl) ? LT : GT);
};

const inByteRange = (byte: number, range: number): boolean =>
  byte >= ((range >>> 0) & 255) && byte <= ((range >>> 8) & 255);
/** Whether a byte lies in one of one or two ranges; the answer goes to GT. */
const cmprb: Exec = (m, o) => {
  const byte = m.r[o.ra] & 255;
  const ranges = m.r[o.rb];
  const hit = inByteRange(byte, ranges) || (o.l !== 0 && inByteRange(byte, ranges >>> 16));
  m.cr = (m.cr & ~(15 << o.bf)) | ((hit ? GT : 0) << o.bf);
};
/** Whether a byte equals one of eight; the answer goes to GT. */
const cmpeqb: Exec = (m, o) => {
  const byte = m.r[o.ra] & 255;
  let hit = false;
  for (let i = 0; i < 32; i += 8) {
    if (((m.r[o.rb] >>> i) & 255) === byte || ((m.r[o.rb + 1] >>> i) & 255) === byte) hit = true;
  }
  m.cr = (m.cr & ~(15 << o.bf)) | ((hit ? GT : 0) << o.bf);
};

const isel: Exec = (m, o) => {
  const { r } = m;
  const from = (m.cr >>> o.bi) & 1 ? o.ra : o.rb;
  const hi = r[from + 1];
  r[o.rt] = r[from];
  r[o.rt + 1] = hi;
};

const putNumber = (m: Core, o: Op, value: number): void => {
  m.r[o.rt] = value;
  m.r[o.rt + 1] = value >> 31;
};
const setb: Exec = (m, o) => {
  const field = m.cr >>> o.bfa;
  putNumber(m, o, field & LT ? -1 : field & GT ? 1 : 0);
};
const setbc: Exec = (m, o) => putNumber(m, o, (m.cr >>> o.bi) & 1);
const setbcr: Exec = (m, o) => putNumber(m, o, ~(m.cr >>> o.bi) & 1);
const setnbc: Exec = (m, o) => putNumber(m, o, -((m.cr >>> o.bi) & 1));
const setnbcr: Exec = (m, o) => putNumber(m, o, -(~(m.cr >>> o.bi) & 1));

const wide = (exec: Exec) => (o: Op) => {
  if (o.l !== 0) o.exec = exec;
  return true;
};

/** Comparisons and what reads their outcome into registers. */
export function compareRows(): Row[] {
  return [
    row('cmpi', '11 bf /:1 l ra si', cmpi32, { prep: wide(cmpi64) }),
    row('cmpli', '10 bf /:1 l ra ui', cmpli32, { prep: wide(cmpli64) }),
    row('cmp', '31 bf /:1 l ra rb 0:10 /:1', cmp32, { prep: wide(cmp64) }),
    row('cmpl', '31 bf /:1 l ra rb 32:10 /:1', cmpl32, { prep: wide(cmpl64) }),
    row('cmprb', '31 bf /:1 l ra rb 192:10 /:1', cmprb, { since: 9 }),
    row('cmpeqb', '31 bf /:2 ra rb 224:10 /:1', cmpeqb, { since: 9 }),
    row('isel', '31 rt ra0 rb bi 15:5 /:1', isel),
    row('setb', '31 rt bfa /:2 /:5 128:10 /:1', setb, { since: 9 }),
    row('setbc', '31 rt bi /:5 384:10 /:1', setbc, { since: 10 }),
    row('setbcr', '31 rt bi /:5 416:10 /:1', setbcr, { since: 10 }),
    row('setnbc', '31 rt bi /:5 448:10 /:1', setnbc, { since: 10 }),
    row('setnbcr', '31 rt bi /:5 480:10 /:1', setnbcr, { since: 10 }),
  ];
}
