import { bswap16, bswap32 } from '../../util/index.ts';
import type { Core } from './core.ts';
import { updateD, updateX } from './load.ts';
import type { Exec, Op } from './op.ts';
import { R1 } from './regs.ts';
import { type Row, row } from './row.ts';

/** Stores a register at an address of the linear memory. */
export type Put = (m: Core, reg: number, addr: number) => void;

export const put8: Put = (m, reg, addr) => m.view.setInt8(addr, m.r[reg]);
export const put16: Put = (m, reg, addr) => m.view.setInt16(addr, m.r[reg], m.little);
export const put32: Put = (m, reg, addr) => m.view.setInt32(addr, m.r[reg], m.little);
export const put64: Put = (m, reg, addr) => {
  const { little, view } = m;
  view.setInt32(little ? addr : addr + 4, m.r[reg], little);
  view.setInt32(little ? addr + 4 : addr, m.r[reg + 1], little);
};

const stb: Exec = (m, o) => {
  const addr = m.addrD(o, 1, 'write');
  if (addr >= 0) put8(m, o.rt, addr);
};
const sth: Exec = (m, o) => {
  const addr = m.addrD(o, 2, 'write');
  if (addr >= 0) put16(m, o.rt, addr);
};
const stw: Exec = (m, o) => {
  const addr = m.addrD(o, 4, 'write');
  if (addr >= 0) put32(m, o.rt, addr);
};
const std: Exec = (m, o) => {
  const addr = m.addrD(o, 8, 'write');
  if (addr >= 0) put64(m, o.rt, addr);
};
const stbx: Exec = (m, o) => {
  const addr = m.addrX(o, 1, 'write');
  if (addr >= 0) put8(m, o.rt, addr);
};
const sthx: Exec = (m, o) => {
  const addr = m.addrX(o, 2, 'write');
  if (addr >= 0) put16(m, o.rt, addr);
};
const stwx: Exec = (m, o) => {
  const addr = m.addrX(o, 4, 'write');
  if (addr >= 0) put32(m, o.rt, addr);
};
const stdx: Exec = (m, o) => {
  const addr = m.addrX(o, 8, 'write');
  if (addr >= 0) put64(m, o.rt, addr);
};
const sthbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 2, 'write');
  if (addr >= 0) m.view.setInt16(addr, bswap16(m.r[o.rt]), m.little);
};
const stwbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 4, 'write');
  if (addr >= 0) m.view.setInt32(addr, bswap32(m.r[o.rt]), m.little);
};
const stdbrx: Exec = (m, o) => {
  const addr = m.addrX(o, 8, 'write');
  if (addr < 0) return;
  const { little, view } = m;
  view.setInt32(little ? addr : addr + 4, bswap32(m.r[o.rt + 1]), little);
  view.setInt32(little ? addr + 4 : addr, bswap32(m.r[o.rt]), little);
};

function storeUpdate(sizeBytes: number, put: Put): Exec {
  return (m, o) => {
    const addr = m.addrD(o, sizeBytes, 'write');
    if (addr < 0) return;
    put(m, o.rt, addr);
    updateD(m, o);
  };
}
function storeUpdateX(sizeBytes: number, put: Put): Exec {
  return (m, o) => {
    const addr = m.addrX(o, sizeBytes, 'write');
    if (addr < 0) return;
    put(m, o.rt, addr);
    updateX(m, o);
  };
}

/** `stdu r1,-n(r1)`: the store below the stack pointer and the new stack pointer are one step. */
const openFrame: Exec = (m, o) => openFrameAt(m, o, o.imm >> 31, o.imm);
const openFrameX: Exec = (m, o) => openFrameAt(m, o, m.r[o.rb + 1], m.r[o.rb]);

function openFrameAt(m: Core, o: Op, byHi: number, byLo: number): void {
  const addr = m.newFrame(o, byHi, byLo);
  put64(m, R1, addr);
  m.r[R1] = addr;
  m.r[R1 + 1] = 0;
}

const updates = (o: Op): boolean => o.ra !== 0;
const mayOpenFrame =
  (exec: Exec) =>
  (o: Op): boolean => {
    if (o.ra === R1 && o.rt === R1) o.exec = exec;
    return updates(o);
  };

/** Stores: by displacement, by index, with update, byte-reversed. */
export function storeRows(): Row[] {
  const size1 = { sizeBytes: 1 };
  const size2 = { sizeBytes: 2 };
  const size4 = { sizeBytes: 4 };
  const size8 = { sizeBytes: 8 };
  return [
    row('stb', '38 rs ra0 si', stb, size1),
    row('sth', '44 rs ra0 si', sth, size2),
    row('stw', '36 rs ra0 si', stw, size4),
    row('std', '62 rs ra0 ds 0:2', std, size8),
    row('stbu', '39 rs ra si', storeUpdate(1, put8), { ...size1, prep: updates }),
    row('sthu', '45 rs ra si', storeUpdate(2, put16), { ...size2, prep: updates }),
    row('stwu', '37 rs ra si', storeUpdate(4, put32), { ...size4, prep: updates }),
    row('stdu', '62 rs ra ds 1:2', storeUpdate(8, put64), { ...size8, prep: mayOpenFrame(openFrame) }),
    row('stbx', '31 rs ra0 rb 215:10 /:1', stbx, size1),
    row('sthx', '31 rs ra0 rb 407:10 /:1', sthx, size2),
    row('stwx', '31 rs ra0 rb 151:10 /:1', stwx, size4),
    row('stdx', '31 rs ra0 rb 149:10 /:1', stdx, size8),
    row('stbux', '31 rs ra rb 247:10 /:1', storeUpdateX(1, put8), { ...size1, prep: updates }),
    row('sthux', '31 rs ra rb 439:10 /:1', storeUpdateX(2, put16), { ...size2, prep: updates }),
    row('stwux', '31 rs ra rb 183:10 /:1', storeUpdateX(4, put32), { ...size4, prep: updates }),
    row('stdux', '31 rs ra rb 181:10 /:1', storeUpdateX(8, put64), { ...size8, prep: mayOpenFrame(openFrameX) }),
    row('sthbrx', '31 rs ra0 rb 918:10 /:1', sthbrx, size2),
    row('stwbrx', '31 rs ra0 rb 662:10 /:1', stwbrx, size4),
    row('stdbrx', '31 rs ra0 rb 660:10 /:1', stdbrx, size8),
  ];
}
