import { ltS64, ltU64 } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { CTR, LR, TAR } from './regs.ts';
import { type Row, row } from './row.ts';

/** Special purpose registers the project's kernels let code use, by number. */
const SPR_XER = 1;
const SPR_REGS: Readonly<Record<number, number>> = { 8: LR, 9: CTR, 815: TAR };
const SPR_TB = 268;
/** Bytes `dcbz` clears. */
const CACHE_LINE_BYTES = 128;

const moveFrom: Exec = (m, o) => {
  const from = SPR_REGS[o.spr];
  m.r[o.rt] = m.r[from];
  m.r[o.rt + 1] = m.r[from + 1];
};
const moveTo: Exec = (m, o) => {
  const to = SPR_REGS[o.spr];
  m.r[to] = m.r[o.rt];
  m.r[to + 1] = m.r[o.rt + 1];
};
const mfxer: Exec = (m, o) => {
  m.r[o.rt] = (m.so << 31) | (m.ov << 30) | (m.ca << 29) | (m.ov32 << 19) | (m.ca32 << 18) | m.xerCount;
  m.r[o.rt + 1] = 0;
  if (m.level < 9) m.r[o.rt] &= ~(3 << 18);
};
const mtxer: Exec = (m, o) => {
  const value = m.r[o.rt];
  m.so = (value >>> 31) & 1;
  m.ov = (value >>> 30) & 1;
  m.ca = (value >>> 29) & 1;
  m.ov32 = (value >>> 19) & 1;
  m.ca32 = (value >>> 18) & 1;
  m.xerCount = value & 127;
};
/** Time passes by one tick an instruction. */
const mftb: Exec = (m, o) => {
  const ticks = m.executed();
  m.r[o.rt] = ticks;
  m.r[o.rt + 1] = Math.floor(ticks / 4294967296);
};

const mfspr = (o: Op): boolean => {
  if (o.spr === SPR_XER) o.exec = mfxer;
  else if (o.spr === SPR_TB) o.exec = mftb;
  else return o.spr in SPR_REGS;
  return true;
};
const mtspr = (o: Op): boolean => {
  if (o.spr === SPR_XER) o.exec = mtxer;
  else return o.spr in SPR_REGS;
  return true;
};

/** TO, from its highest bit: signed less, signed greater, equal, unsigned less, unsigned greater. */
function trap(m: Core, o: Op, ah: number, al: number, bh: number, bl: number): void {
  const equal = ah === bh && al === bl;
  const conditions = (ltS64(ah, al, bh, bl) ? 16 : equal ? 4 : 8) | (ltU64(ah, al, bh, bl) ? 2 : equal ? 0 : 1);
  if ((o.to & conditions) !== 0) throw m.fault(o, 'trap', o.to === 31 ? 'trap' : `trap: its condition holds`);
}
const twi: Exec = (m, o) => trap(m, o, m.r[o.ra] >> 31, m.r[o.ra], o.imm >> 31, o.imm);
const tdi: Exec = (m, o) => trap(m, o, m.r[o.ra + 1], m.r[o.ra], o.imm >> 31, o.imm);
const tw: Exec = (m, o) => trap(m, o, m.r[o.ra] >> 31, m.r[o.ra], m.r[o.rb] >> 31, m.r[o.rb]);
const td: Exec = (m, o) => trap(m, o, m.r[o.ra + 1], m.r[o.ra], m.r[o.rb + 1], m.r[o.rb]);

/** Barriers and hints: one thread runs, in order. */
const nothing: Exec = () => {};

/** A cache line written back or dropped: nothing to see, but the address must be good. */
const touch: Exec = (m, o) => {
  m.addrX(o, 1, 'read');
};

const dcbz: Exec = (m, o) => {
  const { r } = m;
  const lo = (r[o.ra] + r[o.rb]) & -CACHE_LINE_BYTES;
  const carry = (r[o.ra] >>> 0) + (r[o.rb] >>> 0) > 0xffffffff ? 1 : 0;
  const addr = m.addrAt(o, (r[o.ra + 1] + r[o.rb + 1] + carry) | 0, lo, CACHE_LINE_BYTES, 'write');
  if (addr >= 0) m.mem.u8.fill(0, addr, addr + CACHE_LINE_BYTES);
};

/** Special registers, traps, barriers and cache hints. */
export function systemRows(): Row[] {
  return [
    row('mfspr', '31 rt spr 339:10 /:1', moveFrom, { prep: mfspr }),
    row('mtspr', '31 rs spr 467:10 /:1', moveTo, { prep: mtspr }),
    row('mftb', '31 rt spr 371:10 /:1', mftb, { prep: o => o.spr === SPR_TB }),
    row('twi', '3 to ra si', twi),
    row('tdi', '2 to ra si', tdi),
    row('tw', '31 to ra rb 4:10 /:1', tw),
    row('td', '31 to ra rb 68:10 /:1', td),
    row('sync', '31 /:2 sy /:3 sc /:5 598:10 /:1', nothing),
    row('eieio', '31 /:15 854:10 /:1', nothing),
    row('isync', '19 /:15 150:10 /:1', nothing),
    row('dcbt', '31 th ra0 rb 278:10 /:1', nothing),
    row('dcbtst', '31 th ra0 rb 246:10 /:1', nothing),
    row('dcbf', '31 th ra0 rb 86:10 /:1', touch, { sizeBytes: 1 }),
    row('dcbst', '31 /:5 ra0 rb 54:10 /:1', touch, { sizeBytes: 1 }),
    row('icbi', '31 /:5 ra0 rb 982:10 /:1', touch, { sizeBytes: 1 }),
    row('dcbz', '31 /:5 ra0 rb 1014:10 /:1', dcbz, { sizeBytes: CACHE_LINE_BYTES }),
  ];
}
