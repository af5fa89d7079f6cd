import { addHi, bswap16, bswap32 } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { ZERO } from './regs.ts';
import { type Row, row } from './row.ts';

/** Puts what is at an address of the linear memory in a register. */
export type Fetch = (m: Core, reg: number, addr: number) => void;

export const fetch8: Fetch = (m, reg, addr) => {
  m.r[reg] = m.view.getUint8(addr);
  m.r[reg + 1] = 0;
};
export const fetch16: Fetch = (m, reg, addr) => {
  m.r[reg] = m.view.getUint16(addr, m.little);
  m.r[reg + 1] = 0;
};
export const fetchS16: Fetch = (m, reg, addr) => {
  const value = m.view.getInt16(addr, m.little);
  m.r[reg] = value;
  m.r[reg + 1] = value >> 31;
};
export const fetch32: Fetch = (m, reg, addr) => {
  m.r[reg] = m.view.getInt32(addr, m.little);
  m.r[reg + 1] = 0;
};
export const fetchS32: Fetch = (m, reg, addr) => {
  const value = m.view.getInt32(addr, m.little);
  m.r[reg] = value;
  m.r[reg + 1] = value >> 31;
};
export const fetch64: Fetch = (m, reg, addr) => {
  const { little, view } = m;
  m.r[reg] = view.getInt32(little ? addr : addr + 4, little);
  m.r[reg + 1] = view.getInt32(little ? addr + 4 : addr, little);
};
const fetch16r: Fetch = (m, reg, addr) => {
  m.r[reg] = bswap16(m.view.getUint16(addr, m.little));
  m.r[reg + 1] = 0;
};
const fetch32r: Fetch = (m, reg, addr) => {
  m.r[reg] = bswap32(m.view.getInt32(addr, m.little));
  m.r[reg + 1] = 0;
};
const fetch64r: Fetch = (m, reg, addr) => {
  fetch64(m, reg, addr);
  const lo = m.r[reg];
  m.r[reg] = bswap32(m.r[reg + 1]);
  m.r[reg + 1] = bswap32(lo);
};

/** RA = RA + immediate. */
export function updateD(m: Core, o: Op): void {
  const lo = m.r[o.ra];
  m.r[o.ra + 1] = addHi(m.r[o.ra + 1], lo, o.imm >> 31, o.imm);
  m.r[o.ra] = lo + o.imm;
}
/** RA = RA + RB. */
export function updateX(m: Core, o: Op): void {
  const lo = m.r[o.ra];
  const by = m.r[o.rb];
  m.r[o.ra + 1] = addHi(m.r[o.ra + 1], lo, m.r[o.rb + 1], by);
  m.r[o.ra] = lo + by;
}

// One function an instruction: engines specialise each by what it meets, and these are the hottest there are.

const lbz: Exec = (m, o) => {
  const addr = m.addrD(o, 1, 'read');
  if (addr >= 0) fetch8(m, o.rt, addr);
};
const lhz: Exec = (m, o) => {
  const addr = m.addrD(o, 2, 'read');
  if (addr >= 0) fetch16(m, o.rt, addr);
};
const lha: Exec = (m, o) => {
  const addr = m.addrD(o, 2, 'read');
  if (addr >= 0) fetchS16(m, o.rt, addr);
};
const lwz: Exec = (m, o) => {
  const addr = m.addrD(o, 4, 'read');
  if (addr >= 0) fetch32(m, o.rt, addr);
};
const lwa: Exec = (m, o) => {
  const addr = m.addrD(o, 4, 'read');
  if (addr >= 0) fetchS32(m, o.rt, addr);
};
const ld: Exec = (m, o) => {
  const addr = m.addrD(o, 8, 'read');
  if (addr >= 0) fetch64(m, o.rt, addr);
};
const lbzx: Exec = (m, o) => {
  const addr = m.addrX(o, 1, 'read');
  if (addr >= 0) fetch8(m, o.rt, addr);
};
const lhzx: Exec = (m, o) => {
  const addr = m.addrX(o, 2, 'read');
  if (addr >= 0) fetch16(m, o.rt, addr);
};
const lhax: Exec = (m, o) => {
  const addr = m.addrX(o, 2, 'read');
  if (addr >= 0) fetchS16(m, o.rt, addr);
};
const lwzx: Exec = (m, o) => {
  const addr = m.addrX(o, 4, 'read');
  if (addr >= 0) fetch32(m, o.rt, addr);
};
const lwax: Exec = (m, o) => {
  const addr = m.addrX(o, 4, 'read');
  if (addr >= 0) fetchS32(m, o.rt, addr);
};
const ldx: Exec = (m, o) => {
  const addr = m.addrX(o, 8, 'read');
  if (addr >= 0) fetch64(m, o.rt, addr);
};
const lhbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 2, 'read');
  if (addr >= 0) fetch16r(m, o.rt, addr);
};
const lwbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 4, 'read');
  if (addr >= 0) fetch32r(m, o.rt, addr);
};
const ldbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 8, 'read');
  if (addr >= 0) fetch64r(m, o.rt, addr);
};

function loadUpdate(sizeBytes: number, fetch: Fetch): Exec {
  return (m, o) => {
    const addr = m.addrD(o, sizeBytes, 'read');
    if (addr < 0) return;
    updateD(m, o);
    fetch(m, o.rt, addr);
  };
}
function loadUpdateX(sizeBytes: number, fetch: Fetch): Exec {
  return (m, o) => {
    const addr = m.addrX(o, sizeBytes, 'read');
    if (addr < 0) return;
    updateX(m, o);
    fetch(m, o.rt, addr);
  };
}
/** RA must be a register, and another one than RT. */
const updates = (o: Op): boolean => o.ra !== 0 && o.ra !== ZERO && o.ra !== o.rt;

/** Loads: by displacement, by index, with update, byte-reversed. */
export function loadRows(): Row[] {
  const size1 = { sizeBytes: 1 };
  const size2 = { sizeBytes: 2 };
  const size4 = { sizeBytes: 4 };
  const size8 = { sizeBytes: 8 };
  return [
    row('lbz', '34 rt ra0 si', lbz, size1),
    row('lhz', '40 rt ra0 si', lhz, size2),
    row('lha', '42 rt ra0 si', lha, size2),
    row('lwz', '32 rt ra0 si', lwz, size4),
    row('lwa', '58 rt ra0 ds 2:2', lwa, size4),
    row('ld', '58 rt ra0 ds 0:2', ld, size8),
    row('lbzu', '35 rt ra si', loadUpdate(1, fetch8), { ...size1, prep: updates }),
    row('lhzu', '41 rt ra si', loadUpdate(2, fetch16), { ...size2, prep: updates }),
    row('lhau', '43 rt ra si', loadUpdate(2, fetchS16), { ...size2, prep: updates }),
    row('lwzu', '33 rt ra si', loadUpdate(4, fetch32), { ...size4, prep: updates }),
    row('ldu', '58 rt ra ds 1:2', loadUpdate(8, fetch64), { ...size8, prep: updates }),
    row('lbzx', '31 rt ra0 rb 87:10 /:1', lbzx, size1),
    row('lhzx', '31 rt ra0 rb 279:10 /:1', lhzx, size2),
    row('lhax', '31 rt ra0 rb 343:10 /:1', lhax, size2),
    row('lwzx', '31 rt ra0 rb 23:10 /:1', lwzx, size4),
    row('lwax', '31 rt ra0 rb 341:10 /:1', lwax, size4),
    row('ldx', '31 rt ra0 rb 21:10 /:1', ldx, size8),
    row('lbzux', '31 rt ra rb 119:10 /:1', loadUpdateX(1, fetch8), { ...size1, prep: updates }),
    row('lhzux', '31 rt ra rb 311:10 /:1', loadUpdateX(2, fetch16), { ...size2, prep: updates }),
    row('lhaux', '31 rt ra rb 375:10 /:1', loadUpdateX(2, fetchS16), { ...size2, prep: updates }),
    row('lwzux', '31 rt ra rb 55:10 /:1', loadUpdateX(4, fetch32), { ...size4, prep: updates }),
    row('lwaux', '31 rt ra rb 373:10 /:1', loadUpdateX(4, fetchS32), { ...size4, prep: updates }),
    row('ldux', '31 rt ra rb 53:10 /:1', loadUpdateX(8, fetch64), { ...size8, prep: updates }),
    row('lhbrx', '31 rt ra0 rb 790:10 /:1', lhbrx, size2),
    row('lwbrx', '31 rt ra0 rb 534:10 /:1', lwbrx, size4),
    row('ldbrx', '31 rt ra0 rb 532:10 /:1', ldbrx, size8),
  ];
}
