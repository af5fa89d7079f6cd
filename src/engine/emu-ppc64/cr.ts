import type { Exec, Op } from './op.ts';
import { UNDEFINED } from './regs.ts';
import { type Row, row } from './row.ts';

type Combine = (a: number, b: number) => number;

function logical(combine: Combine): Exec {
  return (m, o) => {
    const bit = combine(m.cr >>> o.ba, m.cr >>> o.bb) & 1;
    m.cr = (m.cr & ~(1 << o.bt)) | (bit << o.bt);
  };
}

const mcrf: Exec = (m, o) => {
  m.cr = (m.cr & ~(15 << o.bf)) | (((m.cr >>> o.bfa) & 15) << o.bf);
};
/** OV, OV32, CA, CA32 into a CR field. */
const mcrxrx: Exec = (m, o) => {
  m.cr = (m.cr & ~(15 << o.bf)) | (((m.ov << 3) | (m.ov32 << 2) | (m.ca << 1) | m.ca32) << o.bf);
};

const mfcr: Exec = (m, o) => {
  m.r[o.rt] = m.cr;
  m.r[o.rt + 1] = 0;
};
/** One field; the rest of RT is undefined. */
const mfocrf: Exec = (m, o) => {
  const mask = fieldMask(o);
  m.r[o.rt] = (m.cr & mask) | (UNDEFINED & ~mask);
  m.r[o.rt + 1] = UNDEFINED;
};
const mtcrf: Exec = (m, o) => {
  const mask = fieldMask(o);
  m.cr = (m.r[o.rt] & mask) | (m.cr & ~mask);
};

/** Four bits for each bit of FXM, its highest bit standing for CR0. */
function fieldMask(o: Op): number {
  let mask = 0;
  for (let field = 0; field < 8; field++) if ((o.fxm >> field) & 1) mask |= 15 << (4 * field);
  return mask;
}
const oneField = (o: Op): boolean => o.fxm !== 0 && (o.fxm & (o.fxm - 1)) === 0;

const LOGICAL: readonly (readonly [string, number, Combine])[] = [
  ['crand', 257, (a, b) => a & b],
  ['crandc', 129, (a, b) => a & ~b],
  ['creqv', 289, (a, b) => ~(a ^ b)],
  ['crnand', 225, (a, b) => ~(a & b)],
  ['crnor', 33, (a, b) => ~(a | b)],
  ['cror', 449, (a, b) => a | b],
  ['crorc', 417, (a, b) => a | ~b],
  ['crxor', 193, (a, b) => a ^ b],
];

/** The condition register as a whole and bit by bit. */
export function crRows(): Row[] {
  return [
    ...LOGICAL.map(([name, xo, combine]) => row(name, `19 bt ba bb ${xo}:10 /:1`, logical(combine))),
    row('mcrf', '19 bf /:2 bfa /:2 /:5 0:10 /:1', mcrf),
    row('mcrxrx', '31 bf /:2 /:5 /:5 576:10 /:1', mcrxrx, { since: 9 }),
    row('mfcr', '31 rt 0:1 /:9 19:10 /:1', mfcr),
    row('mfocrf', '31 rt 1:1 fxm /:1 19:10 /:1', mfocrf, { prep: oneField }),
    row('mtcrf', '31 rs 0:1 fxm /:1 144:10 /:1', mtcrf),
    row('mtocrf', '31 rs 1:1 fxm /:1 144:10 /:1', mtcrf, { prep: oneField }),
  ];
}
