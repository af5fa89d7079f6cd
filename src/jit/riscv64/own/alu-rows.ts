import { isPrime } from '../compress.ts';
import {
  add,
  addi,
  addiw,
  addUw,
  addw,
  and,
  andi,
  div,
  divu,
  divuw,
  divw,
  EQ,
  ld,
  lw,
  mul,
  mulw,
  or,
  ori,
  type Register3,
  rem,
  remu,
  remuw,
  remw,
  rev8,
  SP,
  sextB,
  sextH,
  sh1add,
  sh2add,
  sh3add,
  sll,
  slli,
  slliw,
  sllw,
  sra,
  srai,
  sraiw,
  sraw,
  srl,
  srli,
  srliw,
  srlw,
  sub,
  subw,
  xor,
  xori,
  ZERO,
  zextH,
} from '../encode.ts';
import { FRAME } from './allocate.ts';
import { type Emission, isS12, SX, ZX } from './emission.ts';
import * as ir from './ir.ts';

/** `thread_info.cpu` from the task in tp. */
const TASK_CPU = 32;

/** By operation, 64 and 32 bits wide. */
const WIDE: Readonly<Record<number, Register3>> = {
  [ir.ADD]: add,
  [ir.SUB]: sub,
  [ir.MUL]: mul,
  [ir.DIV]: divu,
  [ir.OR]: or,
  [ir.AND]: and,
  [ir.LSH]: sll,
  [ir.RSH]: srl,
  [ir.MOD]: remu,
  [ir.XOR]: xor,
  [ir.ARSH]: sra,
  [ir.SDIV]: div,
  [ir.SMOD]: rem,
};
const NARROW: Readonly<Record<number, Register3>> = {
  [ir.ADD]: addw,
  [ir.SUB]: subw,
  [ir.MUL]: mulw,
  [ir.DIV]: divuw,
  [ir.OR]: or,
  [ir.AND]: and,
  [ir.LSH]: sllw,
  [ir.RSH]: srlw,
  [ir.MOD]: remuw,
  [ir.XOR]: xor,
  [ir.ARSH]: sraw,
  [ir.SDIV]: divw,
  [ir.SMOD]: remw,
};

const isLogic = (op: number): boolean => op === ir.AND || op === ir.OR || op === ir.XOR;

/** Whether the row's result has to be zero-extended, and somebody reads that. */
const wantsZero = (flags: number): boolean => (flags & (ir.ZX | ir.HIGH)) === (ir.ZX | ir.HIGH);

/** The 32-bit result in `d`, of which `facts` are known, as readers want it. */
function finishWord(e: Emission, d: number, flags: number, facts: number): void {
  if (!wantsZero(flags) || (facts & ZX) !== 0) {
    e.result(d, facts);
    return;
  }
  e.result(d, 0);
  e.zeroExtend(d, d);
  e.result(d, ZX);
}

export function emitMove(e: Emission, i: number): void {
  const { d, a } = e.rows;
  if (a[i] === FRAME) e.addConstant(d[i], SP, e.unit.frame.fpOff);
  else e.move(d[i], a[i]);
  e.result(d[i], e.facts(a[i]));
}

export function emitConstant(e: Emission, i: number): void {
  const { d, imm, flags, aux } = e.rows;
  const lo = imm[i];
  const hi = (flags[i] & ir.HIGH) !== 0 ? aux[i] : lo >> 31;
  e.load(d[i], hi, lo);
  e.result(d[i], (hi === lo >> 31 ? SX : 0) | (hi === 0 ? ZX : 0));
}

export function emitZeroExtend(e: Emission, i: number): void {
  const { d, sub: bits } = e.rows;
  const to = d[i];
  const from = e.operand(e.rows.a[i], e.unit.allocation.t1);
  if (bits[i] === 32) {
    const facts = e.facts(from);
    e.zeroExtend(to, from);
    e.result(to, (facts & ZX) !== 0 ? facts : ZX);
    return;
  }
  if (bits[i] === 8) e.w(andi(to, from, 0xff));
  else if (e.unit.zbb) e.w(zextH(to, from));
  else {
    e.w(slli(to, from, 64 - bits[i]));
    e.w(srli(to, to, 64 - bits[i]));
  }
  e.result(to, SX | ZX);
}

export function emitSignExtend(e: Emission, i: number): void {
  const { d, sub: bits, flags } = e.rows;
  const to = d[i];
  const from = e.operand(e.rows.a[i], e.unit.allocation.t1);
  if (bits[i] === 32) e.signExtend(to, from);
  else if (e.unit.zbb) e.w(bits[i] === 8 ? sextB(to, from) : sextH(to, from));
  else {
    e.w(slli(to, from, 64 - bits[i]));
    e.w(srai(to, to, 64 - bits[i]));
  }
  finishWord(e, to, flags[i], SX);
}

const POWER_LESS_ONE = (imm: number): number => (imm > 0 && (imm & (imm + 1)) === 0 ? 32 - Math.clz32(imm) : 0);

export function emitAluK(e: Emission, i: number): void {
  const { d, a, sub: ops, imm: imms, flags } = e.rows;
  const { t1 } = e.unit.allocation;
  const to = d[i];
  const op = ops[i];
  const imm = imms[i];
  const word = (flags[i] & ir.W) !== 0;
  if (a[i] === FRAME && op === ir.ADD && !word) {
    const sum = e.unit.frame.fpOff + imm;
    if (sum === (sum | 0)) e.addConstant(to, SP, sum);
    else {
      e.addConstant(to, SP, e.unit.frame.fpOff);
      e.addConstant(to, to, imm);
    }
    e.result(to, 0);
    return;
  }
  const from = e.operand(a[i], t1);
  if (isLogic(op)) {
    logicWithNumber(e, i, to, from);
    return;
  }
  if (word) wordWithNumber(e, i, to, from);
  else wideWithNumber(e, i, to, from);
}

/** A temporary other than the one `from` may have been made in. */
const other = (e: Emission, from: number): number =>
  from === e.unit.allocation.t1 ? e.unit.allocation.t2 : e.unit.allocation.t1;

function logicWithNumber(e: Emission, i: number, to: number, from: number): void {
  const { sub: ops, imm: imms, flags } = e.rows;
  const imm = imms[i];
  const op = ops[i];
  const facts = e.facts(from);
  const bits = op === ir.AND ? POWER_LESS_ONE(imm) : 0;
  if (isS12(imm)) e.w((op === ir.AND ? andi : op === ir.OR ? ori : xori)(to, from, imm));
  else if (bits > 0) {
    e.w(slli(to, from, 64 - bits));
    e.w(srli(to, to, 64 - bits));
  } else {
    const scratch = other(e, from);
    e.load(scratch, imm >> 31, imm);
    e.w(WIDE[op](to, from, scratch));
  }
  const known = op === ir.AND && imm >= 0 ? SX | ZX : (facts & SX) | (imm >= 0 || op === ir.AND ? facts & ZX : 0);
  if ((flags[i] & ir.W) !== 0) finishWord(e, to, flags[i], known);
  else e.result(to, known);
}

function wideWithNumber(e: Emission, i: number, to: number, from: number): void {
  const { sub: ops, imm: imms } = e.rows;
  const imm = imms[i];
  const op = ops[i];
  let known = 0;
  switch (op) {
    case ir.ADD:
      e.addConstant(to, from, imm);
      break;
    case ir.LSH:
      e.w(slli(to, from, imm));
      break;
    case ir.RSH:
      known = imm > 32 ? SX | ZX : imm === 32 || (e.facts(from) & ZX) !== 0 ? ZX : 0;
      e.w(srli(to, from, imm));
      break;
    case ir.ARSH:
      known = imm >= 32 ? SX : e.facts(from) & SX;
      e.w(srai(to, from, imm));
      break;
    case ir.NEG:
      e.w(sub(to, ZERO, from));
      break;
    case ir.MUL:
      if (e.unit.zba && (imm === 3 || imm === 5 || imm === 9)) {
        e.w((imm === 3 ? sh1add : imm === 5 ? sh2add : sh3add)(to, from, from));
        break;
      }
      e.w(mul(to, from, e.constant(imm, other(e, from))));
      break;
    default:
      e.w(WIDE[op](to, from, e.constant(imm, other(e, from))));
  }
  e.result(to, known);
}

function wordWithNumber(e: Emission, i: number, to: number, from: number): void {
  const { sub: ops, imm: imms, flags } = e.rows;
  const imm = imms[i];
  const op = ops[i];
  const facts = e.facts(from);
  let known = SX;
  switch (op) {
    case ir.ADD:
      if (isS12(imm)) e.w(addiw(to, from, imm));
      else {
        const scratch = other(e, from);
        e.load(scratch, imm >> 31, imm);
        e.w(addw(to, from, scratch));
      }
      break;
    case ir.LSH:
      if (wantsZero(flags[i])) {
        e.w(slli(to, from, 32 + imm));
        e.w(srli(to, to, 32));
        known = ZX;
      } else if (to === from) {
        e.w(slli(to, from, imm));
        known = 0;
      } else e.w(slliw(to, from, imm));
      break;
    case ir.RSH:
      known = SX | ZX;
      e.w((facts & ZX) !== 0 ? srli(to, from, imm) : srliw(to, from, imm));
      break;
    case ir.ARSH:
      if ((facts & (SX | ZX)) === (SX | ZX)) known = SX | ZX;
      e.w((facts & SX) !== 0 ? srai(to, from, imm) : sraiw(to, from, imm));
      break;
    case ir.NEG:
      e.w(subw(to, ZERO, from));
      break;
    default: {
      const scratch = e.constant(imm, other(e, from));
      // Quotients by more than 1, and remainders by what is not negative, have no highest bit.
      if ((op === ir.DIV || op === ir.MOD) && imm > 0) known = SX | ZX;
      e.w(NARROW[op](to, from, scratch));
    }
  }
  finishWord(e, to, flags[i], known);
}

export function emitAluX(e: Emission, i: number): void {
  const { d, sub: ops, flags } = e.rows;
  const { t1, t2 } = e.unit.allocation;
  const to = d[i];
  const op = ops[i];
  const a = e.operand(e.rows.a[i], t1);
  const b = e.operand(e.rows.b[i], t2);
  const [fa, fb] = [e.facts(a), e.facts(b)];
  if (isLogic(op)) {
    e.w(WIDE[op](to, a, b));
    const zero = op === ir.AND ? (fa | fb) & ZX : fa & fb & ZX;
    const known = (fa & fb & SX) | zero;
    if ((flags[i] & ir.W) !== 0) finishWord(e, to, flags[i], known);
    else e.result(to, known);
    return;
  }
  if ((flags[i] & ir.W) === 0) {
    e.w(WIDE[op](to, a, b));
    e.result(to, 0);
    return;
  }
  // c.add takes any registers, c.addw does not.
  const shorter = op === ir.ADD && (to === a || to === b) && !(isPrime(a) && isPrime(b));
  if (shorter && !wantsZero(flags[i])) {
    e.w(add(to, a, b));
    e.result(to, 0);
    return;
  }
  e.w(NARROW[op](to, a, b));
  finishWord(e, to, flags[i], SX);
}

/** Bytes in the other order; Zbb turns all eight, and shifts what is wanted down. */
export function emitByteSwap(e: Emission, i: number): void {
  const { d, sub: widths } = e.rows;
  const { t1, t2, t3 } = e.unit.allocation;
  const to = d[i];
  const bits = widths[i];
  const from = e.operand(e.rows.a[i], t3);
  if (e.unit.zbb) {
    e.w(rev8(to, from));
    if (bits < 64) e.w(srli(to, to, 64 - bits));
  } else if (bits === 16) {
    e.w(andi(t1, from, 0xff));
    e.w(slli(t1, t1, 8));
    e.w(slli(to, from, 48));
    e.w(srli(to, to, 56));
    e.w(or(to, to, t1));
  } else {
    // Neighbouring bytes, then pairs of them, then halves: every exchange a mask, two shifts and an or.
    const wide = bits === 64;
    const exchange = (mask: number, by: number, source: number): void => {
      e.load(t2, wide ? mask : 0, mask);
      e.w(and(t1, source, t2));
      e.w(srli(to, source, by));
      e.w(and(to, to, t2));
      e.w(slli(t1, t1, by));
      e.w(or(to, to, t1));
    };
    exchange(0xff00ff, 8, from);
    if (wide) exchange(0xffff, 16, to);
    const half = bits / 2;
    if (wide) e.w(slli(t1, to, 32));
    else {
      e.w(slli(t1, to, 48));
      e.w(srli(t1, t1, 32));
    }
    e.w(srli(to, to, half));
    e.w(or(to, to, t1));
  }
  e.result(to, bits === 16 ? SX | ZX : bits === 32 ? ZX : 0);
}

/** This CPU's offset, from an array by CPU number, which `thread_info` knows. */
export function emitPerCpu(e: Emission, i: number): void {
  const { d } = e.rows;
  const { t1, t2, t3 } = e.unit.allocation;
  const from = e.operand(e.rows.a[i], t3);
  const table = e.unit.env.space.symbolAddr('__per_cpu_offset');
  const lo = Number(BigInt.asIntN(12, table));
  const head = table - BigInt(lo);
  e.w(lw(t1, TASK_CPU, 4));
  e.load(t2, Number(BigInt.asIntN(32, head >> 32n)), Number(BigInt.asIntN(32, head)));
  if (e.unit.zba) e.w(sh3add(t1, t1, t2));
  else {
    e.w(slli(t1, t1, 3));
    e.w(add(t1, t1, t2));
  }
  e.w(ld(t1, lo, t1));
  e.w(add(d[i], from, t1));
  e.result(d[i], 0);
}

/** The low half as an address of user space: that of the arena's high half, where the low one is not 0. */
export function emitCastUser(e: Emission, i: number): void {
  const { d } = e.rows;
  const { t1 } = e.unit.allocation;
  const to = d[i];
  const from = e.operand(e.rows.a[i], t1);
  e.zeroExtend(to, from);
  e.result(to, 0);
  const high = Number(BigInt.asIntN(32, (e.unit.func.arena?.userVmStart ?? 0n) >> 32n));
  if (high === 0) return;
  const skip = e.skipIf(EQ, to, ZERO);
  e.load(t1, high, 0);
  e.w(or(to, to, t1));
  e.land(skip);
}

/** The address an arena access goes to, without its offset: base plus the low half of the register. */
export function arenaAddress(e: Emission, register: number): number {
  const { t1, base } = e.unit.allocation;
  const from = e.operand(register, t1);
  if ((e.facts(from) & ZX) !== 0) e.w(add(t1, from, base));
  else if (e.unit.zba) e.w(addUw(t1, from, base));
  else {
    e.zeroExtend(t1, from);
    e.w(add(t1, t1, base));
  }
  return t1;
}

export const moveRegister = (to: number, from: number): number => addi(to, from, 0);
