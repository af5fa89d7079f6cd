import type { AluOp, InsnDef } from '../../isa/index.ts';
import {
  addHi,
  bswap16,
  bswap32,
  divmodU64,
  mulHi,
  sarHi,
  sarLo,
  shlHi,
  shlLo,
  shrHi,
  shrLo,
  subHi,
} from '../../util/index.ts';
import type { Exec } from './program.ts';

/** 64-bit operation: `r[d]` (low) and `r[d + 1]` (high) op= (bh:bl). */
type Alu64 = (r: Int32Array, d: number, bh: number, bl: number) => void;
/** 32-bit operation; the caller clears the high half. */
type Alu32 = (a: number, b: number) => number;

const qr = new Int32Array(4);

function set(r: Int32Array, d: number, hi: number, lo: number): void {
  r[d] = lo;
  r[d + 1] = hi;
}

/** Quotient and remainder of the magnitudes of two signed values in `qr`. */
function divmodMagnitudes(ah: number, al: number, bh: number, bl: number): void {
  const a0 = ah < 0 ? subHi(0, 0, ah, al) : ah;
  const a1 = ah < 0 ? -al | 0 : al;
  const b0 = bh < 0 ? subHi(0, 0, bh, bl) : bh;
  const b1 = bh < 0 ? -bl | 0 : bl;
  divmodU64(a0, a1, b0, b1, qr);
}

// Division by zero gives 0, modulo zero leaves dst; the most negative value by -1 wraps (RFC 9669 §4.1).
const ALU64: Readonly<Record<AluOp, Alu64>> = {
  add: (r, d, bh, bl) => set(r, d, addHi(r[d + 1], r[d], bh, bl), (r[d] + bl) | 0),
  sub: (r, d, bh, bl) => set(r, d, subHi(r[d + 1], r[d], bh, bl), (r[d] - bl) | 0),
  mul: (r, d, bh, bl) => set(r, d, mulHi(r[d + 1], r[d], bh, bl), Math.imul(r[d], bl)),
  div: (r, d, bh, bl) => {
    if ((bh | bl) === 0) qr.fill(0);
    else divmodU64(r[d + 1], r[d], bh, bl, qr);
    set(r, d, qr[0], qr[1]);
  },
  mod: (r, d, bh, bl) => {
    if ((bh | bl) === 0) return;
    divmodU64(r[d + 1], r[d], bh, bl, qr);
    set(r, d, qr[2], qr[3]);
  },
  sdiv: (r, d, bh, bl) => {
    if ((bh | bl) === 0) {
      set(r, d, 0, 0);
      return;
    }
    const negative = r[d + 1] < 0 !== bh < 0;
    divmodMagnitudes(r[d + 1], r[d], bh, bl);
    if (negative) set(r, d, subHi(0, 0, qr[0], qr[1]), -qr[1] | 0);
    else set(r, d, qr[0], qr[1]);
  },
  smod: (r, d, bh, bl) => {
    if ((bh | bl) === 0) return;
    const negative = r[d + 1] < 0;
    divmodMagnitudes(r[d + 1], r[d], bh, bl);
    if (negative) set(r, d, subHi(0, 0, qr[2], qr[3]), -qr[3] | 0);
    else set(r, d, qr[2], qr[3]);
  },
  or: (r, d, bh, bl) => set(r, d, r[d + 1] | bh, r[d] | bl),
  and: (r, d, bh, bl) => set(r, d, r[d + 1] & bh, r[d] & bl),
  xor: (r, d, bh, bl) => set(r, d, r[d + 1] ^ bh, r[d] ^ bl),
  mov: (r, d, bh, bl) => set(r, d, bh, bl),
  lsh: (r, d, _, bl) => set(r, d, shlHi(r[d + 1], r[d], bl & 63), shlLo(r[d], bl & 63)),
  rsh: (r, d, _, bl) => set(r, d, shrHi(r[d + 1], bl & 63), shrLo(r[d + 1], r[d], bl & 63)),
  arsh: (r, d, _, bl) => set(r, d, sarHi(r[d + 1], bl & 63), sarLo(r[d + 1], r[d], bl & 63)),
};

const ALU32: Readonly<Record<AluOp, Alu32>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : (a >>> 0) / (b >>> 0)),
  mod: (a, b) => (b === 0 ? a : (a >>> 0) % (b >>> 0)),
  sdiv: (a, b) => (b === 0 ? 0 : a / b),
  smod: (a, b) => (b === 0 ? a : a % b),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  mov: (_, b) => b,
  lsh: (a, b) => a << (b & 31),
  rsh: (a, b) => a >>> (b & 31),
  arsh: (a, b) => a >> (b & 31),
};

/** Handler of an `alu` row. */
export function aluExec(def: InsnDef): Exec {
  const op = def.op as AluOp;
  if (def.bits === 64) {
    const alu = ALU64[op];
    return def.source === 'imm'
      ? (vm, o) => alu(vm.r, o.dst, o.imm >> 31, o.imm)
      : (vm, o) => alu(vm.r, o.dst, vm.r[o.src + 1], vm.r[o.src]);
  }
  const alu = ALU32[op];
  // Int32Array truncates what the 32-bit operations return; quotients are rounded towards zero by `| 0`-conversion.
  return def.source === 'imm'
    ? ({ r }, o) => set(r, o.dst, 0, alu(r[o.dst], o.imm))
    : ({ r }, o) => set(r, o.dst, 0, alu(r[o.dst], r[o.src]));
}

export function negExec(def: InsnDef): Exec {
  return def.bits === 64
    ? ({ r }, o) => set(r, o.dst, subHi(0, 0, r[o.dst + 1], r[o.dst]), -r[o.dst] | 0)
    : ({ r }, o) => set(r, o.dst, 0, -r[o.dst] | 0);
}

/** Sign extension of a register's low bytes, to 64 or to 32 bits. */
export function movsxExec(def: InsnDef): Exec {
  const shift = 32 - 8 * def.sizeBytes;
  return def.bits === 64
    ? ({ r }, o) => {
        const lo = (r[o.src] << shift) >> shift;
        set(r, o.dst, lo >> 31, lo);
      }
    : ({ r }, o) => set(r, o.dst, 0, (r[o.src] << shift) >> shift);
}

/** Byte order conversion: swap, or truncate where the order asked for is the machine's own. */
export function endExec(def: InsnDef): Exec {
  const swap: Exec =
    def.sizeBytes === 2
      ? ({ r }, o) => set(r, o.dst, 0, bswap16(r[o.dst]))
      : def.sizeBytes === 4
        ? ({ r }, o) => set(r, o.dst, 0, bswap32(r[o.dst]))
        : ({ r }, o) => set(r, o.dst, bswap32(r[o.dst]), bswap32(r[o.dst + 1]));
  const truncate: Exec =
    def.sizeBytes === 2
      ? ({ r }, o) => set(r, o.dst, 0, r[o.dst] & 0xffff)
      : def.sizeBytes === 4
        ? ({ r }, o) => set(r, o.dst, 0, r[o.dst])
        : () => {};
  if (def.op === 'bswap') return swap;
  const native = def.op === 'le' ? 'little' : 'big';
  return (vm, o) => (vm.host.env.mem.order === native ? truncate(vm, o) : swap(vm, o));
}

/** Arena pointers are linear-memory addresses already: both casts keep the low half. */
export const addrSpaceCastExec: Exec = ({ r }, o) => set(r, o.dst, 0, r[o.src]);

/** Steps over the second slot. */
export const ldImm64Exec: Exec = (vm, o) => {
  vm.pc++;
  set(vm.r, o.dst, o.immHi, o.imm);
};
