import { isS8, lea, mov, movImm, W } from '../encode.ts';
import type { Emission } from './emission.ts';

/** Bytes of {@link movImm}. */
function movBytes(to: number, hi: number, lo: number): number {
  const prefix = to > 7 ? 1 : 0;
  if (hi === 0) return prefix + (lo === 0 ? 2 : 5);
  if (hi !== -1 || lo >= 0) return 10;
  return lo === -1 ? 4 : 7;
}

/** Bytes of a move from another register, or of `lea` with a displacement. */
function fromBytes(w: number, to: number, from: number, delta: number): number {
  const prefix = w !== 0 || to > 7 || from > 7 ? 1 : 0;
  if (delta === 0) return prefix + 2;
  return prefix + ((from & 7) === 4 ? 1 : 0) + (isS8(delta) ? 3 : 6);
}

/** d = a number, from one a register is known to hold where that is shorter. */
export function emitNumber(e: Emission, d: number, hi: number, lo: number): void {
  const { c } = e;
  // 32 bits say it all: only their distance counts.
  const w = hi === 0 ? 0 : W;
  let best = movBytes(d, hi, lo);
  let from = -1;
  let delta = 0;
  for (let register = 0; register < 16; register++) {
    if (!e.isKnown(register)) continue;
    const [knownHi, knownLo] = [e.knownHi[register], e.knownLo[register]];
    const far = (lo - knownLo) | 0;
    const high = (hi - knownHi - (lo >>> 0 < knownLo >>> 0 ? 1 : 0)) | 0;
    if (w !== 0 && high !== far >> 31) continue;
    const bytes = register === d && far === 0 && hi === knownHi ? 0 : fromBytes(w, d, register, far);
    if (bytes >= best) continue;
    best = bytes;
    from = register;
    delta = far;
  }
  if (from < 0) movImm(c, d, hi, lo);
  else if (best > 0) {
    if (delta === 0) mov(c, w, d, from);
    else lea(c, w, d, from, delta);
  }
  e.wrote(d, hi === 0);
  e.knows(d, hi, lo);
}
