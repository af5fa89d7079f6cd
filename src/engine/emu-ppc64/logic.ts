import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';

/** RS op RB into RA. */
function put(m: Core, o: Op, hi: number, lo: number): void {
  m.r[o.ra] = lo;
  m.r[o.ra + 1] = hi;
  if (o.rec !== 0) m.record(o.ra);
}

const ori: Exec = (m, o) => put(m, o, m.r[o.rt + 1], m.r[o.rt] | o.imm);
const xori: Exec = (m, o) => put(m, o, m.r[o.rt + 1], m.r[o.rt] ^ o.imm);
const andi: Exec = (m, o) => {
  put(m, o, 0, m.r[o.rt] & o.imm);
  m.record(o.ra);
};

const and: Exec = (m, o) => put(m, o, m.r[o.rt + 1] & m.r[o.rb + 1], m.r[o.rt] & m.r[o.rb]);
const andc: Exec = (m, o) => put(m, o, m.r[o.rt + 1] & ~m.r[o.rb + 1], m.r[o.rt] & ~m.r[o.rb]);
const or: Exec = (m, o) => put(m, o, m.r[o.rt + 1] | m.r[o.rb + 1], m.r[o.rt] | m.r[o.rb]);
const orc: Exec = (m, o) => put(m, o, m.r[o.rt + 1] | ~m.r[o.rb + 1], m.r[o.rt] | ~m.r[o.rb]);
const xor: Exec = (m, o) => put(m, o, m.r[o.rt + 1] ^ m.r[o.rb + 1], m.r[o.rt] ^ m.r[o.rb]);
const nand: Exec = (m, o) => put(m, o, ~(m.r[o.rt + 1] & m.r[o.rb + 1]), ~(m.r[o.rt] & m.r[o.rb]));
const nor: Exec = (m, o) => put(m, o, ~(m.r[o.rt + 1] | m.r[o.rb + 1]), ~(m.r[o.rt] | m.r[o.rb]));
const eqv: Exec = (m, o) => put(m, o, ~(m.r[o.rt + 1] ^ m.r[o.rb + 1]), ~(m.r[o.rt] ^ m.r[o.rb]));

function extend(bits: number): Exec {
  const by = 32 - bits;
  return (m, o) => {
    const lo = (m.r[o.rt] << by) >> by;
    put(m, o, lo >> 31, lo);
  };
}

/** Boolean operations and sign extensions. */
export function logicRows(): Row[] {
  return [
    row('ori', '24 rs ra ui', ori),
    row('oris', '25 rs ra is', ori),
    row('xori', '26 rs ra ui', xori),
    row('xoris', '27 rs ra is', xori),
    row('andi.', '28 rs ra ui', andi),
    row('andis.', '29 rs ra is', andi),
    row('and', '31 rs ra rb 28:10 Rc', and),
    row('andc', '31 rs ra rb 60:10 Rc', andc),
    row('or', '31 rs ra rb 444:10 Rc', or),
    row('orc', '31 rs ra rb 412:10 Rc', orc),
    row('xor', '31 rs ra rb 316:10 Rc', xor),
    row('nand', '31 rs ra rb 476:10 Rc', nand),
    row('nor', '31 rs ra rb 124:10 Rc', nor),
    row('eqv', '31 rs ra rb 284:10 Rc', eqv),
    row('extsb', '31 rs ra /:5 954:10 Rc', extend(8)),
    row('extsh', '31 rs ra /:5 922:10 Rc', extend(16)),
    row('extsw', '31 rs ra /:5 986:10 Rc', extend(32)),
  ];
}
