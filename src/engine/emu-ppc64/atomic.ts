import type { Core } from './core.ts';
import { type Fetch, fetch8, fetch16, fetch32, fetch64 } from './load.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';
import { type Put, put8, put16, put32, put64 } from './store.ts';

/** Address of RA + RB, which must be aligned; -1 when the access faulted and control went to its fixup. */
function alignedAddr(m: Core, o: Op, sizeBytes: number): number {
  const lo = (m.r[o.ra] + m.r[o.rb]) | 0;
  if ((lo & (sizeBytes - 1)) !== 0) {
    throw m.fault(
      o,
      'misaligned',
      `${sizeBytes} bytes reserved or stored conditionally off their alignment`,
      undefined,
      sizeBytes,
    );
  }
  return m.addrX(o, sizeBytes, 'write');
}

function loadReserve(sizeBytes: number, fetch: Fetch): Exec {
  return (m, o) => {
    const addr = alignedAddr(m, o, sizeBytes);
    if (addr < 0) return;
    m.resvAddr = addr;
    m.resvBytes = sizeBytes;
    fetch(m, o.rt, addr);
  };
}

/** Stores if the reservation is still there, and says so in CR0; the reservation is gone either way. */
function storeConditional(sizeBytes: number, put: Put): Exec {
  return (m, o) => {
    const addr = alignedAddr(m, o, sizeBytes);
    if (addr < 0) return;
    const held = m.resvBytes === sizeBytes && m.resvAddr === addr;
    const done = held && m.losesReservation?.() !== true;
    m.resvBytes = 0;
    if (done) put(m, o.rt, addr);
    m.cr = (m.cr & 0x0fffffff) | (((done ? 2 : 0) | m.so) << 28);
  };
}

/** Loads that reserve and stores that depend on it. */
export function atomicRows(): Row[] {
  return [
    row('lbarx', '31 rt ra0 rb 52:10 eh', loadReserve(1, fetch8), { sizeBytes: 1 }),
    row('lharx', '31 rt ra0 rb 116:10 eh', loadReserve(2, fetch16), { sizeBytes: 2 }),
    row('lwarx', '31 rt ra0 rb 20:10 eh', loadReserve(4, fetch32), { sizeBytes: 4 }),
    row('ldarx', '31 rt ra0 rb 84:10 eh', loadReserve(8, fetch64), { sizeBytes: 8 }),
    row('stbcx.', '31 rs ra0 rb 694:10 1:1', storeConditional(1, put8), { sizeBytes: 1 }),
    row('sthcx.', '31 rs ra0 rb 726:10 1:1', storeConditional(2, put16), { sizeBytes: 2 }),
    row('stwcx.', '31 rs ra0 rb 150:10 1:1', storeConditional(4, put32), { sizeBytes: 4 }),
    row('stdcx.', '31 rs ra0 rb 214:10 1:1', storeConditional(8, put64), { sizeBytes: 8 }),
  ];
}
