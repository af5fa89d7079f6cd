import type { Room } from '../../room.ts';
import { type Blocks, ir } from '../../rows/index.ts';
import { bitLength } from './mask.ts';

/**
 * How many low bits of registers may be set: 64 for nothing known, 32 for a zero-extended word. Rows are taken as BPF
 * means them; where a row relies on a zero above them, liveness makes whoever set the register provide it.
 */

export const ANY = 64;
/** Bytes of one set of registers. */
export const REGS = 16;

/** Of the row's result, from what is known before it. */
export function resultBits(rows: ir.Ir, i: number, bits: Uint8Array): number {
  const { kind, a, b, sub, imm, aux, flags } = rows;
  const top = (flags[i] & ir.ZX) !== 0 ? 32 : ANY;
  const wide = (flags[i] & ir.W) === 0;
  switch (kind[i]) {
    case ir.MOV:
      return bits[a[i]];
    case ir.CONST:
      return bitLength(aux[i], imm[i]);
    case ir.MASK: {
      const length = bitLength(aux[i], imm[i]);
      // What is turned left stays below the sum; turned right over the end, it is the mask alone that says.
      const turned = bits[a[i]] + sub[i];
      return turned <= 64 ? Math.min(turned, length) : turnedRight(bits[a[i]], sub[i], length);
    }
    case ir.LOAD:
    case ir.LOAD_REV:
    case ir.LOAD_ACQ:
      return sub[i] < ir.SIGNED ? 8 << sub[i] : ANY;
    case ir.ATOMIC:
    case ir.CMPXCHG:
      return wide ? ANY : 32;
    case ir.BSWAP:
      return sub[i];
    case ir.ALU_K:
      if (imm[i] >= 0 && sub[i] === ir.AND) return Math.min(bits[a[i]], bitLength(0, imm[i]));
      if (imm[i] >= 0 && (sub[i] === ir.OR || sub[i] === ir.XOR) && (wide || top === 32))
        return Math.min(top, Math.max(bits[a[i]], bitLength(0, imm[i])));
      if (imm[i] >= 0 && sub[i] === ir.ADD) return sum(bits[a[i]], bitLength(0, imm[i]), wide ? 64 : 32, top);
      return top;
    case ir.ALU_X:
      if (!wide && top !== 32) return ANY;
      if (sub[i] === ir.AND) return Math.min(top, bits[a[i]], bits[b[i]]);
      if (sub[i] === ir.OR || sub[i] === ir.XOR) return Math.min(top, Math.max(bits[a[i]], bits[b[i]]));
      if (sub[i] === ir.ADD) return sum(bits[a[i]], bits[b[i]], wide ? 64 : 32, top);
      if (sub[i] === ir.RSH || sub[i] === ir.DIV) return Math.min(top, bits[a[i]]);
      return top;
    default:
      return top;
  }
}

/** A sum needs a bit more than its larger operand, unless it wraps. */
function sum(x: number, y: number, width: number, top: number): number {
  const bits = Math.max(x, y) + 1;
  return bits <= width && (width === 64 || top === 32) ? bits : top;
}

/** `bits` low ones turned left by `rot` past bit 63: as a shift right by 64 − rot, if the mask has no bits above that. */
function turnedRight(bits: number, rot: number, length: number): number {
  const shift = 64 - rot;
  return length <= 64 - shift ? Math.min(length, Math.max(0, bits - shift)) : length;
}

/** Changes `bits` as the row does. */
export function stepBits(rows: ir.Ir, i: number, bits: Uint8Array): void {
  const k = rows.kind[i];
  if (k >= ir.CALL_HELPER && k <= ir.TAIL) bits.fill(ANY, 0, 6);
  else if (k !== ir.NOP && rows.d[i] !== ir.NONE) bits[rows.d[i]] = resultBits(rows, i, bits);
}

/** After this many looks at a block what still grows is taken to be anything. */
const LOOKS = 4;

/**
 * What is known where each block begins, {@link REGS} bytes a block. Blocks start out as if nothing reached them and
 * learn from those that lead to them until nothing changes. The answer lives in `room`.
 */
export function bitsAtBlocks(rows: ir.Ir, blocks: Blocks, room: Room): Uint8Array {
  const { count, start, taken, next } = blocks;
  const known = room.bytes(count * REGS);
  if (count === 0) return known;
  const reached = room.bytes(count);
  const looks = room.bytes(count);
  const queued = room.bytes(count);
  // A stack of blocks, the earliest on top: most are looked at once.
  const stack = room.ints(count + 1);
  let depth = 0;
  const bits = new Uint8Array(REGS);
  known.fill(ANY, 0, REGS);
  reached[0] = 1;
  stack[depth++] = 0;
  while (depth > 0) {
    const at = stack[--depth];
    queued[at] = 0;
    if (looks[at] < 255) looks[at]++;
    for (let r = 0; r < REGS; r++) bits[r] = known[at * REGS + r];
    const end = start[at + 1];
    for (let i = start[at]; i < end; i++) stepBits(rows, i, bits);
    for (let side = 0; side < 2; side++) {
      const to = side === 0 ? taken[at] : next[at];
      if (to < 0) continue;
      let grew = reached[to] === 0;
      reached[to] = 1;
      const patient = looks[to] < LOOKS;
      for (let r = 0; r < REGS; r++) {
        if (bits[r] <= known[to * REGS + r]) continue;
        known[to * REGS + r] = patient ? bits[r] : ANY;
        grew = true;
      }
      if (!grew || queued[to] !== 0) continue;
      queued[to] = 1;
      stack[depth++] = to;
    }
  }
  for (let at = 0; at < count; at++) if (reached[at] === 0) known.fill(ANY, at * REGS, at * REGS + REGS);
  return known;
}
