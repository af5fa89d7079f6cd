import { addHi, subHi } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';

const TWO32 = 4294967296;

/**
 * RT = a + b + carry, the general way: with `carries`, CA and CA32; with OE, OV, OV32 and SO; with Rc, CR0. Subtraction is
 * the addition of a complement.
 */
function sum(m: Core, o: Op, ah: number, al: number, bh: number, bl: number, carry: number, carries: boolean): void {
  const low = (al >>> 0) + (bl >>> 0) + carry;
  const carry32 = low >= TWO32 ? 1 : 0;
  const high = (ah >>> 0) + (bh >>> 0) + carry32;
  const lo = low | 0;
  const hi = high | 0;
  m.r[o.rt] = lo;
  m.r[o.rt + 1] = hi;
  if (carries) {
    m.ca = high >= TWO32 ? 1 : 0;
    m.ca32 = carry32;
  }
  if (o.oe !== 0) m.overflow(((ah ^ hi) & (bh ^ hi)) < 0 ? 1 : 0, ((al ^ lo) & (bl ^ lo)) < 0 ? 1 : 0);
  if (o.rec !== 0) m.record(o.rt);
}

const addi: Exec = (m, o) => {
  const { r } = m;
  const lo = r[o.ra];
  const hi = r[o.ra + 1];
  r[o.rt] = lo + o.imm;
  r[o.rt + 1] = addHi(hi, lo, o.imm >> 31, o.imm);
};

const add: Exec = (m, o) => {
  const { r } = m;
  const al = r[o.ra];
  const bl = r[o.rb];
  const hi = addHi(r[o.ra + 1], al, r[o.rb + 1], bl);
  r[o.rt] = al + bl;
  r[o.rt + 1] = hi;
  if (o.rec !== 0) m.record(o.rt);
};
/** With OE. */
const addo: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], 0, false);

const subf: Exec = (m, o) => {
  const { r } = m;
  const al = r[o.ra];
  const bl = r[o.rb];
  const hi = subHi(r[o.rb + 1], bl, r[o.ra + 1], al);
  r[o.rt] = bl - al;
  r[o.rt + 1] = hi;
  if (o.rec !== 0) m.record(o.rt);
};
const subfo: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], 1, false);

const neg: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], 0, 0, 1, false);

const addic: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], o.imm >> 31, o.imm, 0, true);
const subfic: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], o.imm >> 31, o.imm, 1, true);
const addc: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], 0, true);
const subfc: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], 1, true);
const adde: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], m.ca, true);
const subfe: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], m.ca, true);
const addme: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], -1, -1, m.ca, true);
const subfme: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], -1, -1, m.ca, true);
const addze: Exec = (m, o) => sum(m, o, m.r[o.ra + 1], m.r[o.ra], 0, 0, m.ca, true);
const subfze: Exec = (m, o) => sum(m, o, ~m.r[o.ra + 1], ~m.r[o.ra], 0, 0, m.ca, true);

/** Uses OV as its carry. */
const addex: Exec = (m, o) => {
  const { ca, ca32 } = m;
  sum(m, o, m.r[o.ra + 1], m.r[o.ra], m.r[o.rb + 1], m.r[o.rb], m.ov, true);
  m.ov = m.ca;
  m.ov32 = m.ca32;
  m.ca = ca;
  m.ca32 = ca32;
};

/** RT = address of the next instruction + immediate. */
const addpcis: Exec = (m, o) => {
  m.putAddr(o.rt, o.at + 1);
  const lo = m.r[o.rt];
  m.r[o.rt + 1] = addHi(m.r[o.rt + 1], lo, o.imm >> 31, o.imm);
  m.r[o.rt] = lo + o.imm;
};

const always = (o: Op): boolean => {
  o.rec = 1;
  return true;
};

/** Addition, subtraction, negation, with and without carry. */
export function addRows(): Row[] {
  const withOverflow = (exec: Exec) => (o: Op) => {
    if (o.oe !== 0) o.exec = exec;
    return true;
  };
  return [
    row('addi', '14 rt ra0 si', addi),
    row('addis', '15 rt ra0 is', addi),
    row('addic', '12 rt ra si', addic),
    row('addic.', '13 rt ra si', addic, { prep: always }),
    row('subfic', '8 rt ra si', subfic),
    row('add', '31 rt ra rb oe 266:9 Rc', add, { prep: withOverflow(addo) }),
    row('subf', '31 rt ra rb oe 40:9 Rc', subf, { prep: withOverflow(subfo) }),
    row('neg', '31 rt ra /:5 oe 104:9 Rc', neg),
    row('addc', '31 rt ra rb oe 10:9 Rc', addc),
    row('subfc', '31 rt ra rb oe 8:9 Rc', subfc),
    row('adde', '31 rt ra rb oe 138:9 Rc', adde),
    row('subfe', '31 rt ra rb oe 136:9 Rc', subfe),
    row('addme', '31 rt ra /:5 oe 234:9 Rc', addme),
    row('subfme', '31 rt ra /:5 oe 232:9 Rc', subfme),
    row('addze', '31 rt ra /:5 oe 202:9 Rc', addze),
    row('subfze', '31 rt ra /:5 oe 200:9 Rc', subfze),
    row('addex', '31 rt ra rb 0:2 170:8 /:1', addex, { since: 9 }),
    row('addpcis', '19 rt d1 d0 2:5 d2', addpcis, { since: 9 }),
  ];
}
