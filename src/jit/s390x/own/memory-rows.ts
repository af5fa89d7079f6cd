import { hi32, lo32 } from '../../../util/index.ts';
import { ir } from '../../rows/index.ts';
import {
  agr,
  bcr,
  brc,
  clgfi,
  clgr,
  csg,
  csy,
  l,
  la,
  laa,
  laag,
  lan,
  lang,
  lao,
  laog,
  lax,
  laxg,
  lay,
  lg,
  lgb,
  lgf,
  lgh,
  lghi,
  lgr,
  lh,
  llgc,
  llgf,
  llgfr,
  llgh,
  lr,
  ly,
  mvghi,
  mvhhi,
  mvhi,
  mvi,
  mviy,
  st,
  stc,
  stcy,
  stg,
  sth,
  sthy,
  sty,
} from '../encode.ts';
import { FRAME, NO_REG, SP, T0, T1 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { NOP2 } from './frame.ts';

type Access = (r: number, d: number, x: number, b: number) => number;

/** Loads by log2 of the size, signed ones 8 later. */
const LOADS: Readonly<Record<number, Access>> = {
  0: llgc,
  1: llgh,
  2: llgf,
  3: lg,
  [ir.SIGNED]: lgb,
  [ir.SIGNED | 1]: lgh,
  [ir.SIGNED | 2]: lgf,
};
/** Stores with displacements of 12 bits, and of 20. */
const STORES: readonly (readonly [Access, Access])[] = [
  [stc, stcy],
  [sth, sthy],
  [st, sty],
  [stg, stg],
];
const MOVES = [mvi, mvhhi, mvhi, mvghi] as const;

const isU12 = (off: number): boolean => off >= 0 && off < 4096;

/** Where an access goes: a displacement, an index (0 for none) and a base. */
class Place {
  off = 0;
  index = 0;
  base = 0;
}
const PLACE = new Place();

/** The row's place; arena addresses are in r1 and the base's register. */
function placeOf(e: Emission, i: number): Place {
  const { a, off, flags } = e.rows;
  const place = PLACE;
  place.off = off[i];
  place.index = 0;
  if ((flags[i] & ir.ARENA) !== 0) {
    e.w(llgfr(T1, e.operand(a[i], T1)));
    e.set(T1, true);
    place.base = T1;
    if (!e.unit.flatArena) place.index = e.unit.allocation.base;
  } else if (a[i] === FRAME) {
    place.base = SP;
    place.off += e.frame.fpOff;
  } else place.base = a[i];
  return place;
}

/** As {@link placeOf}, for instructions without an index. */
function basedPlaceOf(e: Emission, i: number): Place {
  const place = placeOf(e, i);
  if (place.index !== 0) {
    e.w(agr(T1, place.index));
    e.set(T1, false);
    place.index = 0;
  }
  return place;
}

/** The instruction at byte `start` may fault; control goes on here. The machine may say it was past it: hence the nop. */
function mayFault(e: Emission, start: number): void {
  const behind = e.buffer.length;
  e.w(NOP2);
  const fixupOff = e.buffer.length;
  e.extable.push({ insnOff: start, fixupOff }, { insnOff: behind, fixupOff });
}

const probes = (e: Emission, i: number): boolean => (e.rows.flags[i] & ir.PROBE) !== 0;

export function emitLoad(e: Emission, i: number): void {
  const { d, sub, flags } = e.rows;
  if (probes(e, i)) {
    emitProbe(e, i);
    return;
  }
  const { off, index, base } = placeOf(e, i);
  const to = d[i];
  const size = sub[i];
  const high = (flags[i] & ir.HIGH) !== 0;
  if (!high && (size & 3) === 2) {
    e.w(isU12(off) ? l(to, off, index, base) : ly(to, off, index, base));
    return;
  }
  if (!high && size === (ir.SIGNED | 1) && isU12(off)) {
    e.w(lh(to, off, index, base));
    return;
  }
  e.w(LOADS[size](to, off, index, base));
  e.set(to, size < 3);
}

/**
 * A load that gives 0 where it may not go or faults: the result is 0 before it.
 *
 * ```
 *   la     r1,off(a)
 *   lghi   d,0
 *   clgfi  r1,limit       user space is below
 *   jle    behind
 *   lg     d,0(r1)        fault → behind
 *   nopr
 * ```
 */
function emitProbe(e: Emission, i: number): void {
  const { a, d, sub, flags } = e.rows;
  const to = d[i];
  const load = LOADS[sub[i]];
  let skip = -1;
  if ((flags[i] & ir.ARENA) !== 0 || a[i] === FRAME) {
    const { off, index, base } = placeOf(e, i);
    e.w(lghi(to, 0));
    const start = e.buffer.length;
    e.w(load(to, off, index, base));
    mayFault(e, start);
  } else {
    const off = e.rows.off[i];
    let base = a[i];
    if (off !== 0) {
      e.w(isU12(off) ? la(T1, off, 0, base) : lay(T1, off, 0, base));
      base = T1;
    } else if (base === to) {
      e.w(lgr(T1, base));
      base = T1;
    }
    const userHi = hi32(e.unit.env.userLimit);
    const userLo = lo32(e.unit.env.userLimit);
    if (userHi !== 0) e.load(T0, userHi, userLo);
    e.w(userHi !== 0 ? clgr(base, T0) : clgfi(base, userLo));
    e.w(lghi(to, 0));
    skip = e.buffer.length;
    e.w(brc(12, 0));
    const start = e.buffer.length;
    e.w(load(to, 0, 0, base));
    mayFault(e, start);
    e.buffer.patchU32(skip, brc(12, (e.buffer.length - skip) >> 1));
    e.set(T1, false);
  }
  e.set(to, sub[i] < 3);
}

function store(e: Emission, size: number, value: number, place: Place): void {
  const { off, index, base } = place;
  e.w(STORES[size][isU12(off) ? 0 : 1](value, off, index, base));
}

export function emitStore(e: Emission, i: number): void {
  const { b, sub } = e.rows;
  const value = e.operand(b[i], T0);
  const place = placeOf(e, i);
  const start = e.buffer.length;
  store(e, sub[i], value, place);
  if (probes(e, i)) mayFault(e, start);
}

export function emitStoreConstant(e: Emission, i: number): void {
  const { sub, imm } = e.rows;
  const size = sub[i];
  // Only the low bits of narrow stores count.
  const value = size === 0 ? imm[i] & 0xff : size === 1 ? (imm[i] << 16) >> 16 : imm[i];
  const short = size === 0 || value === (value << 16) >> 16;
  const { off } = e.rows;
  const fits = short && (size === 0 || isU12(off[i] + (isFrame(e, i) ? e.frame.fpOff : 0)));
  if (!fits) e.load(T0, value >> 31, value);
  const place = fits ? basedPlaceOf(e, i) : placeOf(e, i);
  const start = e.buffer.length;
  if (!fits) store(e, size, T0, place);
  else if (size === 0 && !isU12(place.off)) e.w(mviy(place.off, place.base, value));
  else e.w(MOVES[size](place.off, place.base, value));
  if (probes(e, i)) mayFault(e, start);
}

const isFrame = (e: Emission, i: number): boolean => e.rows.a[i] === FRAME && (e.rows.flags[i] & ir.ARENA) === 0;

/** Loads and stores are never seen out of order but for a load before an earlier store: acquire and release are plain. */
export function emitLoadAcquire(e: Emission, i: number): void {
  if (!probes(e, i)) {
    emitLoad(e, i);
    return;
  }
  emitProbe(e, i);
}

export { emitStore as emitStoreRelease };

type Interlocked = (r1: number, r3: number, d: number, b: number) => number;
const INTERLOCKED: Readonly<Record<number, readonly [Interlocked, Interlocked]>> = {
  [ir.ADD]: [laa, laag],
  [ir.AND]: [lan, lang],
  [ir.OR]: [lao, laog],
  [ir.XOR]: [lax, laxg],
};
/** Waits for every earlier access: operations that give the old value are full barriers. */
const SERIALIZE = bcr(14, 0);

/** What an operation on storage left in a register that is read as 64 bits. */
function finish(e: Emission, i: number, register: number): void {
  const { flags } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  if (!word) e.set(register, false);
  else if ((flags[i] & ir.HIGH) !== 0) e.extend(register, true);
}

export function emitAtomic(e: Emission, i: number): void {
  const { b, d, flags, imm } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  const fetch = (flags[i] & ir.FETCH) !== 0;
  const to = fetch && d[i] !== NO_REG ? d[i] : T0;
  const value = e.operand(b[i], T0);
  const { off, base } = basedPlaceOf(e, i);
  const start = e.buffer.length;
  if (imm[i] !== ir.XCHG) {
    e.w(INTERLOCKED[imm[i]][word ? 0 : 1](to, value, off, base));
    if (probes(e, i)) mayFault(e, start);
    if (fetch) e.w(SERIALIZE);
    if (fetch && to !== T0) finish(e, i, to);
    return;
  }
  // The frame pointer is in r0 where it is the value: what storage held has to be somewhere else.
  const old = value === T0 ? to : T0;
  if (probes(e, i)) e.w(lgr(old, value));
  const from = e.buffer.length;
  e.w(word ? (isU12(off) ? l(old, off, 0, base) : ly(old, off, 0, base)) : lg(old, off, 0, base));
  const loop = e.buffer.length;
  e.w(word ? csy(old, value, off, base) : csg(old, value, off, base));
  e.w(brc(4, (loop - e.buffer.length) >> 1));
  if (probes(e, i)) {
    // Read-only pages fault at the second of them.
    const behind = e.buffer.length;
    e.extable.push({ insnOff: from, fixupOff: behind }, { insnOff: loop, fixupOff: behind });
  }
  if (to === T0 || to === old) return;
  if (word && (flags[i] & ir.HIGH) !== 0) {
    e.w(llgfr(to, old));
    e.set(to, true);
  } else if (word) e.w(lr(to, old));
  else {
    e.w(lgr(to, old));
    e.set(to, false);
  }
}

export function emitCompareExchange(e: Emission, i: number): void {
  const { b, flags } = e.rows;
  const word = (flags[i] & ir.W) !== 0;
  const expected = e.unit.allocation.r0;
  const value = e.operand(b[i], T0);
  const { off, base } = basedPlaceOf(e, i);
  const start = e.buffer.length;
  e.w(word ? csy(expected, value, off, base) : csg(expected, value, off, base));
  if (probes(e, i)) mayFault(e, start);
  finish(e, i, expected);
}
