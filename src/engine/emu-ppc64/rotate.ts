import { sarHi, sarLo, shlHi, shlLo, shrHi, shrLo } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';

/** Ones from bit `mb` to bit `me` of a word, bit 0 the highest, around the end when mb > me. */
function mask32(mb: number, me: number): number {
  const from = -1 >>> mb;
  const to = -1 << (31 - me);
  return mb <= me ? from & to : from | to;
}

function mask64(o: Op, mb: number, me: number): true {
  const fromHi = mb < 32 ? -1 >>> mb : 0;
  const fromLo = mb < 32 ? -1 : -1 >>> (mb - 32);
  const toHi = me < 32 ? -1 << (31 - me) : -1;
  const toLo = me < 32 ? 0 : -1 << (63 - me);
  const wraps = mb > me;
  o.maskHi = wraps ? fromHi | toHi : fromHi & toHi;
  o.maskLo = wraps ? fromLo | toLo : fromLo & toLo;
  return true;
}

function put(m: Core, o: Op, hi: number, lo: number): void {
  m.r[o.ra] = lo;
  m.r[o.ra + 1] = hi;
  if (o.rec !== 0) m.record(o.ra);
}

const rotateWord = (word: number, by: number): number => (word << by) | ((word >>> (32 - by)) & (by === 0 ? 0 : -1));

/** Both halves hold the rotated word; the mask covers the high half only when it wraps. */
const rlwinm: Exec = (m, o) => {
  const word = rotateWord(m.r[o.rt], o.sh);
  put(m, o, word & o.maskHi, word & o.maskLo);
};
const rlwnm: Exec = (m, o) => {
  const word = rotateWord(m.r[o.rt], m.r[o.rb] & 31);
  put(m, o, word & o.maskHi, word & o.maskLo);
};
const rlwimi: Exec = (m, o) => {
  const word = rotateWord(m.r[o.rt], o.sh);
  put(m, o, (word & o.maskHi) | (m.r[o.ra + 1] & ~o.maskHi), (word & o.maskLo) | (m.r[o.ra] & ~o.maskLo));
};

/** High half of a doubleword rotated left by 0..63; the low half is the same with halves exchanged. */
function rotateHi(hi: number, lo: number, by: number): number {
  const a = by < 32 ? hi : lo;
  const b = by < 32 ? lo : hi;
  const n = by & 31;
  return n === 0 ? a : (a << n) | (b >>> (32 - n));
}

function rotateAnd(m: Core, o: Op, by: number): void {
  const hi = m.r[o.rt + 1];
  const lo = m.r[o.rt];
  put(m, o, rotateHi(hi, lo, by) & o.maskHi, rotateHi(lo, hi, by) & o.maskLo);
}
const rotate: Exec = (m, o) => rotateAnd(m, o, o.sh);
const rotateBy: Exec = (m, o) => rotateAnd(m, o, m.r[o.rb] & 63);
const rldimi: Exec = (m, o) => {
  const hi = m.r[o.rt + 1];
  const lo = m.r[o.rt];
  const newHi = (rotateHi(hi, lo, o.sh) & o.maskHi) | (m.r[o.ra + 1] & ~o.maskHi);
  put(m, o, newHi, (rotateHi(lo, hi, o.sh) & o.maskLo) | (m.r[o.ra] & ~o.maskLo));
};

const slw: Exec = (m, o) => {
  const by = m.r[o.rb] & 63;
  put(m, o, 0, by > 31 ? 0 : m.r[o.rt] << by);
};
const srw: Exec = (m, o) => {
  const by = m.r[o.rb] & 63;
  put(m, o, 0, by > 31 ? 0 : m.r[o.rt] >>> by);
};
function shiftRightWord(m: Core, o: Op, by: number): void {
  const word = m.r[o.rt];
  const lost = by > 31 ? word : word & ~(-1 << by);
  m.ca = m.ca32 = word < 0 && lost !== 0 ? 1 : 0;
  put(m, o, word >> 31, by > 31 ? word >> 31 : word >> by);
}
const sraw: Exec = (m, o) => shiftRightWord(m, o, m.r[o.rb] & 63);
const srawi: Exec = (m, o) => shiftRightWord(m, o, o.sh);

const sld: Exec = (m, o) => {
  const by = m.r[o.rb] & 127;
  const hi = m.r[o.rt + 1];
  const lo = m.r[o.rt];
  if (by > 63) put(m, o, 0, 0);
  else put(m, o, shlHi(hi, lo, by), shlLo(lo, by));
};
const srd: Exec = (m, o) => {
  const by = m.r[o.rb] & 127;
  const hi = m.r[o.rt + 1];
  const lo = m.r[o.rt];
  if (by > 63) put(m, o, 0, 0);
  else put(m, o, shrHi(hi, by), shrLo(hi, lo, by));
};
function shiftRight(m: Core, o: Op, by: number): void {
  const hi = m.r[o.rt + 1];
  const lo = m.r[o.rt];
  let lost: boolean;
  if (by > 31) lost = lo !== 0 || (by > 63 ? hi !== 0 : (hi & ~(-1 << (by - 32))) !== 0);
  else lost = (lo & ~(-1 << by)) !== 0;
  m.ca = m.ca32 = hi < 0 && lost ? 1 : 0;
  if (by > 63) put(m, o, hi >> 31, hi >> 31);
  else put(m, o, sarHi(hi, by), sarLo(hi, lo, by));
}
const srad: Exec = (m, o) => shiftRight(m, o, m.r[o.rb] & 127);
const sradi: Exec = (m, o) => shiftRight(m, o, o.sh);
const extswsli: Exec = (m, o) => {
  const lo = m.r[o.rt];
  put(m, o, shlHi(lo >> 31, lo, o.sh), shlLo(lo, o.sh));
};

const wordMask = (o: Op): boolean => {
  o.maskLo = mask32(o.mb, o.me);
  o.maskHi = o.mb > o.me ? -1 : 0;
  return true;
};
const left = (o: Op): boolean => mask64(o, o.mb, 63);
const right = (o: Op): boolean => mask64(o, 0, o.mb);
const clear = (o: Op): boolean => mask64(o, o.mb, 63 - o.sh);

/** Rotates and shifts. */
export function rotateRows(): Row[] {
  return [
    row('rlwimi', '20 rs ra sh mb me Rc', rlwimi, { prep: wordMask }),
    row('rlwinm', '21 rs ra sh mb me Rc', rlwinm, { prep: wordMask }),
    row('rlwnm', '23 rs ra rb mb me Rc', rlwnm, { prep: wordMask }),
    row('rldicl', '30 rs ra sh mb6 0:3 sh5 Rc', rotate, { prep: left }),
    row('rldicr', '30 rs ra sh mb6 1:3 sh5 Rc', rotate, { prep: right }),
    row('rldic', '30 rs ra sh mb6 2:3 sh5 Rc', rotate, { prep: clear }),
    row('rldimi', '30 rs ra sh mb6 3:3 sh5 Rc', rldimi, { prep: clear }),
    row('rldcl', '30 rs ra rb mb6 8:4 Rc', rotateBy, { prep: left }),
    row('rldcr', '30 rs ra rb mb6 9:4 Rc', rotateBy, { prep: right }),
    row('slw', '31 rs ra rb 24:10 Rc', slw),
    row('srw', '31 rs ra rb 536:10 Rc', srw),
    row('sraw', '31 rs ra rb 792:10 Rc', sraw),
    row('srawi', '31 rs ra sh 824:10 Rc', srawi),
    row('sld', '31 rs ra rb 27:10 Rc', sld),
    row('srd', '31 rs ra rb 539:10 Rc', srd),
    row('srad', '31 rs ra rb 794:10 Rc', srad),
    row('sradi', '31 rs ra sh 413:9 sh5 Rc', sradi),
    row('extswsli', '31 rs ra sh 445:9 sh5 Rc', extswsli, { since: 9 }),
  ];
}
