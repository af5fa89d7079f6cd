import { planMask } from '../../linear/index.ts';
import { bitmask } from '../constant.ts';
import { and, andImm, extr, ubfm, W, X } from '../encode.ts';
import type { Arm64Emission } from './emission.ts';
import { ADDRESS } from './registers.ts';

/** The lowest bit and the length of the one run of ones a mask is; length 0 where it is none. */
function runOf(hi: number, lo: number): readonly [lowest: number, length: number] {
  const zeros = lo !== 0 ? 31 - Math.clz32(lo & -lo) : hi !== 0 ? 63 - Math.clz32(hi & -hi) : 64;
  const top = hi !== 0 ? 64 - Math.clz32(hi) : 32 - Math.clz32(lo);
  const length = top - zeros;
  if (length <= 0) return [0, 0];
  // All of the bits between are ones.
  const onesLo = (top >= 32 ? -1 : (1 << top) - 1) & (zeros >= 32 ? 0 : -1 << zeros);
  const onesHi = top <= 32 ? 0 : (top === 64 ? -1 : (1 << (top - 32)) - 1) & (zeros <= 32 ? -1 : -1 << (zeros - 32));
  return onesLo === (lo | 0) && onesHi === (hi | 0) ? [zeros, length] : [0, 0];
}

/** rd = rn & mask, all of the upper half of it. */
function keep(e: Arm64Emission, rd: number, rn: number, hi: number, lo: number): void {
  if (hi === 0) {
    const field = bitmask(W, 0, lo);
    if (field >= 0) e.w(andImm(W, rd, rn, field));
    else if (lo === -1) e.copy(W, rd, rn);
    else {
      e.constant(ADDRESS, 0, lo);
      e.w(and(W, rd, rn, ADDRESS));
    }
    return;
  }
  const field = bitmask(X, hi, lo);
  if (field >= 0) e.w(andImm(X, rd, rn, field));
  else if (hi === -1 && lo === -1) e.copy(X, rd, rn);
  else {
    e.constant(ADDRESS, hi, lo);
    e.w(and(X, rd, rn, ADDRESS));
  }
}

/** MASK: rd = rn turned left, and the bits it keeps; a field moved where those are next to each other. */
export function emitMask(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const { hi, lo } = planMask(rows, i);
  const rd = e.home(rows.d[i]);
  const rn = e.use(rows.a[i]);
  const turn = rows.sub[i] & 63;
  if (hi === 0 && lo === 0) {
    e.number(X, rd, 0);
    return;
  }
  const [lowest, length] = runOf(hi, lo);
  const from = (lowest - turn) & 63;
  if (turn === 0) {
    if (hi !== 0 || lo !== -1 || rd !== rn || !e.isZero(rows.a[i])) keep(e, rd, rn, hi, lo);
  } else if (length > 0 && from + length <= 64 && lowest === 0) e.w(ubfm(X, rd, rn, from, from + length - 1));
  else if (length > 0 && from === 0) e.w(ubfm(X, rd, rn, -lowest & 63, length - 1));
  else {
    e.w(extr(X, rd, rn, rn, -turn & 63));
    if (hi !== -1 || lo !== -1) keep(e, rd, rd, hi, lo);
  }
}
