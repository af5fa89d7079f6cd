import { BPF_ADDR_PERCPU, BPF_ADDR_SPACE_CAST, BPF_ALU64, type Insn } from '../../../isa/index.ts';
import {
  ADD,
  AND,
  addGs,
  alu,
  aluImm,
  bswap,
  CC,
  dec,
  imul,
  imulImm,
  inc,
  JCC8,
  lea,
  mov,
  movImm,
  movsx8,
  movsx16,
  movsxd,
  movzx8,
  movzx16,
  neg,
  not,
  OR,
  SAR,
  SHL,
  SHR,
  SUB,
  shiftImm,
  test,
  W,
  XOR,
} from '../encode.ts';
import { emitDivide, emitDivideImm } from './divide-rows.ts';
import { OP_END, OP_MOV } from './effect.ts';
import type { Emission } from './emission.ts';
import { unsupported } from './facts.ts';
import { emitNumber } from './number.ts';
import { placeAt } from './place.ts';
import { SCRATCH } from './registers.ts';
import { emitShift } from './shift-rows.ts';

/** Nibbles of ALU codes. */
const OP = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  or: 4,
  and: 5,
  lsh: 6,
  rsh: 7,
  neg: 8,
  mod: 9,
  xor: 10,
  arsh: 12,
} as const;
const LEAST = -0x80000000;
/**
 * Where the kernel keeps this CPU's per-CPU offset, from the start of the per-CPU area: `this_cpu_off`. It differs from
 * kernel to kernel, and no recording says it.
 */
export const THIS_CPU_OFF = 0x1a4a8;

/** The instruction behind slot `i` where it is only reached through it and does something to the same register. */
function follower(e: Emission, i: number): Insn | undefined {
  const next = e.insns[i + 1];
  return next === undefined || e.unit.facts.leaders[i + 1] !== 0 || next.dst !== e.insns[i].dst ? undefined : next;
}

/** Emits the ALU instruction of slot `i`, and those behind it that become one with it; returns the last slot done. */
export function emitAlu(e: Emission, i: number): number {
  const insn = e.insns[i];
  const { code, imm, off } = insn;
  const op = code >> 4;
  const w = (code & 7) === BPF_ALU64 ? W : 0;
  const d = e.reg[insn.dst];
  if (op === OP_MOV) return emitMove(e, i, insn, w);
  if (op === OP_END) {
    emitSwap(e, i, insn, w);
    return i;
  }
  if ((code & 8) === 0 || op === OP.neg) {
    const last = emitAluImm(e, i, insn, w);
    if (last >= 0) return last;
    emitDivideImm(e, i, insn, w, imm);
    return i;
  }
  const s = e.reg[insn.src];
  const { c } = e;
  switch (op) {
    case OP.add:
      alu(c, w, ADD, d, s);
      break;
    case OP.sub:
      alu(c, s === d ? 0 : w, s === d ? XOR : SUB, d, s);
      break;
    case OP.mul:
      imul(c, w, d, s);
      break;
    case OP.or:
    case OP.and:
    case OP.xor:
      return emitLogic(e, i, op, w, d, s);
    case OP.lsh:
      emitShift(e, i, w, SHL, d, s);
      break;
    case OP.rsh:
      emitShift(e, i, w, SHR, d, s);
      break;
    case OP.arsh:
      emitShift(e, i, w, SAR, d, s);
      break;
    case OP.div:
    case OP.mod:
      if (off > 1 || off < 0) throw unsupported(insn, i);
      emitDivide(e, i, w, op === OP.mod, off === 1, d, s);
      return i;
    default:
      throw unsupported(insn, i);
  }
  // x − x is 0, whatever the width.
  e.wrote(d, w === 0 || (s === d && op === OP.sub));
  return i;
}

const LOGIC: Readonly<Record<number, number>> = { [OP.or]: OR, [OP.and]: AND, [OP.xor]: XOR };

/** Of numbers whose upper halves are gone 32 bits are enough; for `and` one of them is. */
function emitLogic(e: Emission, i: number, op: number, w: number, d: number, s: number): number {
  const [zeroD, zeroS] = [e.isZeroExtended(d), e.isZeroExtended(s)];
  const narrow = w === 0 || (op === OP.and ? zeroD || zeroS : zeroD && zeroS) || (op === OP.xor && s === d);
  alu(e.c, narrow ? 0 : w, LOGIC[op], d, s);
  e.wrote(d, narrow);
  return i;
}

/** d = s; 32 bits are as good where there are no others. */
function copy(e: Emission, d: number, s: number): void {
  const narrow = e.isZeroExtended(s);
  mov(e.c, narrow ? 0 : W, d, s);
  e.wrote(d, narrow);
  if (e.isKnown(s)) e.knows(d, e.knownHi[s], e.knownLo[s]);
}

/** The upper half becomes 0, if it is not yet. */
function zeroExtend(e: Emission, d: number, s: number): void {
  if (d !== s || !e.isZeroExtended(d)) mov(e.c, 0, d, s);
  e.wrote(d, true);
}

/** Operations with a constant; -1: a division to be done as one. */
function emitAluImm(e: Emission, i: number, insn: Insn, w: number): number {
  const { c } = e;
  const { imm } = insn;
  const d = e.reg[insn.dst];
  const narrow = w === 0;
  switch (insn.code >> 4) {
    case OP.add:
    case OP.sub:
      if (imm === 0) {
        if (narrow) zeroExtend(e, d, d);
        return i;
      }
      addImm(e, w, d, insn.code >> 4 === OP.add ? imm : -imm);
      break;
    case OP.mul:
      multiply(e, w, d, d, imm);
      return i;
    case OP.or:
      if (imm === 0 && narrow) zeroExtend(e, d, d);
      else if (imm !== 0) {
        const short = narrow || (imm > 0 && e.isZeroExtended(d));
        aluImm(c, short ? 0 : w, OR, d, imm);
        e.wrote(d, short);
      }
      return i;
    case OP.xor:
      if (imm === 0) {
        if (narrow) zeroExtend(e, d, d);
        return i;
      }
      if (imm === -1) not(c, w, d);
      else {
        const short = narrow || (imm > 0 && e.isZeroExtended(d));
        aluImm(c, short ? 0 : w, XOR, d, imm);
        e.wrote(d, short);
        return i;
      }
      break;
    case OP.and:
      mask(e, w, d, d, imm);
      return i;
    case OP.lsh:
      return emitShiftLeft(e, i, w, d, imm & (narrow ? 31 : 63));
    case OP.rsh:
    case OP.arsh: {
      const by = imm & (narrow ? 31 : 63);
      if (by === 0) {
        if (narrow) zeroExtend(e, d, d);
        return i;
      }
      // 64 bits of which the upper 32 are gone are 32.
      const short = !narrow && by < 32 && e.isZeroExtended(d);
      const arithmetic = insn.code >> 4 === OP.arsh && !short;
      shiftImm(c, short ? 0 : w, arithmetic ? SAR : SHR, d, by);
      e.wrote(d, narrow || short || (!arithmetic && by >= 32));
      return i;
    }
    case OP.neg:
      neg(c, w, d);
      break;
    case OP.div:
    case OP.mod:
      if (insn.off > 1 || insn.off < 0) throw unsupported(insn, i);
      return divideSimply(e, insn, w) ? i : -1;
    default:
      throw unsupported(insn, i);
  }
  e.wrote(d, narrow);
  return i;
}

function addImm(e: Emission, w: number, d: number, value: number): void {
  const { c } = e;
  if (value === 1) inc(c, w, d);
  else if (value === -1) dec(c, w, d);
  else if (value === 128) aluImm(c, w, SUB, d, -128);
  // Subtracting the least number, of which there is no negative.
  else if (value === -LEAST) aluImm(c, w, SUB, d, LEAST);
  else aluImm(c, w, ADD, d, value);
}

/** d = s · imm */
function multiply(e: Emission, w: number, d: number, s: number, imm: number): void {
  const { c } = e;
  const power = imm > 0 && (imm & (imm - 1)) === 0 ? 31 - Math.clz32(imm) : imm === LEAST && w === 0 ? 31 : -1;
  if (imm === 0) {
    movImm(c, d, 0, 0);
    e.wrote(d, true);
    return;
  }
  if (imm === 1) {
    if (w === 0) zeroExtend(e, d, s);
    else if (d !== s) copy(e, d, s);
    return;
  }
  if (power > 0 && d === s) shiftImm(c, w, SHL, d, power);
  else if (imm === -1 && d === s) neg(c, w, d);
  else if (imm === 2 || imm === 3 || imm === 5 || imm === 9)
    leaSum(e, w, d, s, s, 0, imm === 2 ? 0 : 31 - Math.clz32(imm - 1));
  else imulImm(c, w, d, s, imm);
  e.wrote(d, w === 0);
}

/** d = s & imm */
function mask(e: Emission, w: number, d: number, s: number, imm: number): void {
  const { c } = e;
  if (imm === 0) movImm(c, d, 0, 0);
  else if (imm === -1) {
    if (w === 0) zeroExtend(e, d, s);
    else if (d !== s) copy(e, d, s);
    return;
  } else if (imm === 0xff) movzx8(c, d, s);
  else if (imm === 0xffff) movzx16(c, d, s);
  else {
    const width = imm > 0 || e.isZeroExtended(s) ? 0 : w;
    if (d !== s) mov(c, width, d, s);
    aluImm(c, width, AND, d, imm);
    e.wrote(d, width === 0);
    return;
  }
  e.wrote(d, true);
}

/** d = a + (b << scale) + disp */
function leaSum(e: Emission, w: number, d: number, a: number, b: number, disp: number, scale: number): void {
  // rbp and r13 as base take a displacement.
  if (scale === 0 && (a & 7) === 5 && (b & 7) !== 5) lea(e.c, w, d, b, disp, a, 0);
  else lea(e.c, w, d, a, disp, b, scale);
}

/** d = s + disp */
function leaAt(e: Emission, w: number, d: number, s: number, disp: number): void {
  const at = placeAt(e, s, disp);
  lea(e.c, w, d, at.base, at.disp);
}

/** A shift that the one back may follow: then it extends the lowest bits. */
function emitShiftLeft(e: Emission, i: number, w: number, d: number, by: number): number {
  const { c } = e;
  const next = follower(e, i);
  const insn = e.insns[i];
  const bits = (w === 0 ? 32 : 64) - by;
  const back =
    next !== undefined &&
    (next.code & 0x0f) === (insn.code & 0x0f) &&
    next.imm === insn.imm &&
    (bits === 8 || bits === 16 || (bits === 32 && w !== 0));
  if (back && next.code >> 4 === OP.rsh) {
    if (bits === 8) movzx8(c, d, d);
    else if (bits === 16) movzx16(c, d, d);
    else zeroExtend(e, d, d);
    e.wrote(d, true);
    return i + 1;
  }
  if (back && next.code >> 4 === OP.arsh) {
    if (bits === 8) movsx8(c, w, d, d);
    else if (bits === 16) movsx16(c, w, d, d);
    else movsxd(c, d, d);
    e.wrote(d, w === 0);
    return i + 1;
  }
  if (by !== 0) {
    shiftImm(c, w, SHL, d, by);
    e.wrote(d, w === 0);
  } else if (w === 0) zeroExtend(e, d, d);
  return i;
}

/** Quotients and remainders of powers of two, 1, 0 and −1. False: it takes a division. */
function divideSimply(e: Emission, { imm, off, dst, code }: Insn, w: number): boolean {
  const { c } = e;
  const d = e.reg[dst];
  const modulo = code >> 4 === OP.mod;
  const signed = off === 1;
  const narrow = w === 0;
  const keep = (): void => {
    if (narrow) zeroExtend(e, d, d);
  };
  const zero = (): void => {
    movImm(c, d, 0, 0);
    e.wrote(d, true);
  };
  if (imm === 0) (modulo ? keep : zero)();
  else if (imm === 1) (modulo ? zero : keep)();
  else if (imm === -1 && signed) {
    if (modulo) zero();
    else {
      neg(c, w, d);
      e.wrote(d, narrow);
    }
  } else if (signed || (imm & (imm - 1)) !== 0 || (imm < 0 && !narrow)) return false;
  else if (modulo) mask(e, narrow ? 0 : w, d, d, imm - 1 === -0x80000001 ? 0x7fffffff : imm - 1);
  else {
    shiftImm(c, w, SHR, d, 31 - Math.clz32(imm));
    e.wrote(d, narrow);
  }
  return true;
}

function emitMove(e: Emission, i: number, insn: Insn, w: number): number {
  const { c } = e;
  const { code, off, imm } = insn;
  const d = e.reg[insn.dst];
  if ((code & 8) === 0) {
    if (off !== 0) throw unsupported(insn, i);
    emitNumber(e, d, w === 0 ? 0 : imm >> 31, imm);
    return i;
  }
  const s = e.reg[insn.src];
  if (w !== 0 && off === BPF_ADDR_PERCPU) {
    if (d !== s) mov(c, W, d, s);
    addGs(c, d, THIS_CPU_OFF);
    e.wrote(d, false);
    return i;
  }
  if (w !== 0 && off === BPF_ADDR_SPACE_CAST) {
    emitCast(e, insn, d, s);
    return i;
  }
  switch (off) {
    case 0:
      return emitPlainMove(e, i, w, d, s);
    case 8:
      movsx8(c, w, d, s);
      break;
    case 16:
      movsx16(c, w, d, s);
      break;
    case 32:
      if (w === 0) throw unsupported(insn, i);
      movsxd(c, d, s);
      break;
    default:
      throw unsupported(insn, i);
  }
  e.wrote(d, w === 0);
  return i;
}

/** A move, and what comes behind it if one instruction does both. */
function emitPlainMove(e: Emission, i: number, w: number, d: number, s: number): number {
  const next = follower(e, i);
  if (next !== undefined && d !== s && (next.code & 7) === (e.insns[i].code & 7) && fuse(e, next, w, d, s))
    return i + 1;
  if (w === 0) zeroExtend(e, d, s);
  else if (d !== s) copy(e, d, s);
  return i;
}

function fuse(e: Emission, next: Insn, w: number, d: number, s: number): boolean {
  const { imm } = next;
  const register = (next.code & 8) !== 0;
  switch (next.code >> 4) {
    case OP.add:
      if (register) {
        const x = e.reg[next.src];
        leaSum(e, w, d, s, x === d ? s : x, 0, 0);
      } else if (imm === 0) return false;
      else leaAt(e, w, d, s, imm);
      break;
    case OP.sub:
      if (register || imm === 0 || imm === LEAST) return false;
      leaAt(e, w, d, s, -imm);
      break;
    case OP.mul:
      if (register || imm === -1 || imm === 0 || (imm & (imm - 1)) === 0) return false;
      multiply(e, w, d, s, imm);
      return true;
    case OP.and:
      if (register || imm === 0 || imm === -1) return false;
      mask(e, w, d, s, imm);
      return true;
    default:
      return false;
  }
  e.wrote(d, w === 0);
  return true;
}

/**
 * The low half, and over it the high half of the arena's user address; 0 stays 0. To the kernel's: the low half.
 *
 * ```
 *         mov   d,s          32 bits
 *         test  d,d
 *         je    done
 *         mov   r11,hi << 32
 *         or    d,r11
 *   done:
 * ```
 */
function emitCast(e: Emission, insn: Insn, d: number, s: number): void {
  const { c, unit } = e;
  const { arena } = unit.func;
  const hi = arena === undefined ? 0 : Number(BigInt.asIntN(32, arena.userVmStart >> 32n));
  zeroExtend(e, d, s);
  if (insn.imm !== 1 << 16 || hi === 0) return;
  test(c, 0, d, d);
  const done = e.skip(JCC8 | CC.e);
  movImm(c, SCRATCH, hi, 0);
  alu(c, W, OR, d, SCRATCH);
  e.landed(done);
  e.wrote(d, false);
}

/** Byte swaps; to little-endian: cut off. */
function emitSwap(e: Emission, i: number, insn: Insn, w: number): void {
  const { c } = e;
  const bits = insn.imm;
  const d = e.reg[insn.dst];
  const swaps = w !== 0 || (insn.code & 8) !== 0;
  if (bits !== 16 && bits !== 32 && bits !== 64) throw unsupported(insn, i);
  if (!swaps) {
    if (bits === 16) mask(e, 0, d, d, 0xffff);
    else if (bits === 32) zeroExtend(e, d, d);
    return;
  }
  bswap(c, bits === 64 ? W : 0, d);
  if (bits === 16) shiftImm(c, 0, SHR, d, 16);
  e.wrote(d, bits !== 64);
}

const ADD_IMM = BPF_ALU64;

/** `ld_imm64` of a number, and what is added to it behind; returns the last slot done. */
export function emitConstant(e: Emission, i: number): number {
  const { dst, imm } = e.insns[i];
  const { leaders } = e.unit.facts;
  let [hi, lo, last] = [e.insns[i + 1].imm, imm, i + 1];
  for (let next = e.insns[last + 1]; next?.code === ADD_IMM && next.dst === dst && leaders[last + 1] === 0; ) {
    const sum = (lo >>> 0) + (next.imm >>> 0);
    hi = (hi + (next.imm >> 31) + (sum > 0xffffffff ? 1 : 0)) | 0;
    lo = sum | 0;
    next = e.insns[++last + 1];
  }
  emitNumber(e, e.reg[dst], hi, lo);
  return last;
}
