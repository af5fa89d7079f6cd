import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { CTR, LR, TAR } from './regs.ts';
import { type Row, row } from './row.ts';

/**
 * BO, from its highest bit: 16 the condition does not matter, 8 the value it must have, 4 CTR is left alone, 2 CTR must
 * have become 0; the last bit is a hint.
 */
function taken(m: Core, o: Op): boolean {
  const { bo } = o;
  let ctrOk = true;
  if ((bo & 4) === 0) {
    const lo = (m.r[CTR] - 1) | 0;
    if (m.r[CTR] === 0) m.r[CTR + 1]--;
    m.r[CTR] = lo;
    ctrOk = ((lo | m.r[CTR + 1]) === 0) === ((bo & 2) !== 0);
  }
  return ctrOk && ((bo & 16) !== 0 || ((m.cr >>> o.bi) & 1) === ((bo >> 3) & 1));
}

const jump: Exec = (m, o) => m.branchToWord(o, o.at + (o.imm >> 2));
const jumpLink: Exec = (m, o) => {
  m.putAddr(LR, o.at + 1);
  m.branchToWord(o, o.at + (o.imm >> 2));
};
/** AA: the displacement is the address, sign-extended. */
const jumpAbsolute: Exec = (m, o) => {
  if (o.lk !== 0) m.putAddr(LR, o.at + 1);
  m.branchTo(o, o.imm >> 31, o.imm);
};
const b = (o: Op): boolean => {
  if (o.aa !== 0) o.exec = jumpAbsolute;
  else if (o.lk !== 0) o.exec = jumpLink;
  return true;
};

const bc: Exec = (m, o) => {
  const go = taken(m, o);
  if (o.lk !== 0) m.putAddr(LR, o.at + 1);
  if (!go) return;
  if (o.aa !== 0) m.branchTo(o, o.imm >> 31, o.imm);
  else m.branchToWord(o, o.at + (o.imm >> 2));
};
const ifSet: Exec = (m, o) => {
  if ((m.cr >>> o.bi) & 1) m.branchToWord(o, o.at + (o.imm >> 2));
};
const ifClear: Exec = (m, o) => {
  if (((m.cr >>> o.bi) & 1) === 0) m.branchToWord(o, o.at + (o.imm >> 2));
};
/** The common ones, which test one bit and no more, have functions of their own. */
const conditional = (o: Op): boolean => {
  if (o.aa === 0 && o.lk === 0 && (o.bo & 0b10100) === 0b00100) o.exec = o.bo & 8 ? ifSet : ifClear;
  return true;
};

function toRegister(reg: number): Exec {
  return (m, o) => {
    // The target is what the register held before LR changes.
    const lo = m.r[reg];
    const hi = m.r[reg + 1];
    const go = taken(m, o);
    if (o.lk !== 0) m.putAddr(LR, o.at + 1);
    if (go) m.branchTo(o, hi, lo);
  };
}
/** Counting down the register that holds the target is no instruction. */
const keepsCtr = (o: Op): boolean => (o.bo & 4) !== 0;

/** Branches. */
export function branchRows(): Row[] {
  return [
    row('b', '18 li aa lk', jump, { prep: b }),
    row('bc', '16 bo bi bd aa lk', bc, { prep: conditional }),
    row('bclr', '19 bo bi /:3 bh 16:10 lk', toRegister(LR)),
    row('bcctr', '19 bo bi /:3 bh 528:10 lk', toRegister(CTR), { prep: keepsCtr }),
    row('bctar', '19 bo bi /:3 bh 560:10 lk', toRegister(TAR)),
  ];
}
