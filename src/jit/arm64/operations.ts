import { ADD, AND, ARSH, DIV, LSH, MOD, MUL, OR, RSH, SUB, XOR } from '../rows/ir.ts';
import { bitmask } from './constant.ts';
import {
  add,
  and,
  andImm,
  asrImm,
  asrv,
  eor,
  eorImm,
  lslImm,
  lslv,
  lsrImm,
  lsrv,
  msub,
  mul,
  mvn,
  neg,
  orr,
  orrImm,
  sdiv,
  sub,
  ubfm,
  udiv,
  W,
  X,
} from './encode.ts';
import { addConstant, T0, T1, type WordSink } from './words.ts';

type Binary = (sf: number, rd: number, rn: number, rm: number) => number;

/** What two registers make, by BPF's operation. */
const REGISTERS: Readonly<Record<number, Binary>> = {
  [ADD]: (sf, rd, rn, rm) => add(sf, rd, rn, rm),
  [SUB]: sub,
  [MUL]: mul,
  [DIV]: udiv,
  [OR]: orr,
  [AND]: and,
  [LSH]: lslv,
  [RSH]: lsrv,
  [XOR]: eor,
  [ARSH]: asrv,
};

/** rd = rn op rm. Remainders use T0, which rn and rm are not. @param signed of DIV and MOD */
export function operate(
  e: WordSink,
  sf: number,
  op: number,
  rd: number,
  rn: number,
  rm: number,
  signed: boolean,
): void {
  if (op === MOD) {
    // What is left of a division; of one by 0, the number itself.
    e.w((signed ? sdiv : udiv)(sf, T0, rn, rm));
    e.w(msub(sf, rd, T0, rm, rn));
  } else if (op === DIV && signed) e.w(sdiv(sf, rd, rn, rm));
  else e.w(REGISTERS[op](sf, rd, rn, rm));
}

/** rd = rn op imm. May use T0 and T1, which rn is not. */
export function operateWithConstant(
  e: WordSink,
  sf: number,
  op: number,
  rd: number,
  rn: number,
  imm: number,
  signed: boolean,
): void {
  const by = imm & (sf === X ? 63 : 31);
  switch (op) {
    case ADD:
      addConstant(e, sf, rd, rn, imm);
      return;
    case SUB:
      if (imm === -0x80000000) break;
      addConstant(e, sf, rd, rn, -imm);
      return;
    case OR:
    case AND:
    case XOR:
      logic(e, sf, op, rd, rn, imm);
      return;
    case LSH:
    case RSH:
    case ARSH:
      if (by === 0) e.copy(sf, rd, rn);
      else e.w((op === LSH ? lslImm : op === RSH ? lsrImm : asrImm)(sf, rd, rn, by));
      return;
    default:
      if (simpleProduct(e, sf, op, rd, rn, imm, signed)) return;
  }
  e.number(sf, T1, imm);
  operate(e, sf, op, rd, rn, T1, signed);
}

/** and, or, xor with a constant. */
function logic(e: WordSink, sf: number, op: number, rd: number, rn: number, imm: number): void {
  if (imm === 0 || imm === -1) {
    if (op === AND) {
      if (imm === 0) e.number(sf, rd, 0);
      else e.copy(sf, rd, rn);
    } else if (imm === 0) e.copy(sf, rd, rn);
    else if (op === OR) e.number(sf, rd, -1);
    else e.w(mvn(sf, rd, rn));
    return;
  }
  const field = bitmask(sf, imm >> 31, imm);
  if (field >= 0) e.w((op === AND ? andImm : op === OR ? orrImm : eorImm)(sf, rd, rn, field));
  else {
    e.number(sf, T1, imm);
    e.w((op === AND ? and : op === OR ? orr : eor)(sf, rd, rn, T1));
  }
}

/** Products, quotients and remainders that are none: of powers of two, 1, 0 or −1. False for others. */
function simpleProduct(
  e: WordSink,
  sf: number,
  op: number,
  rd: number,
  rn: number,
  imm: number,
  signed: boolean,
): boolean {
  const power = powerOf(imm, sf);
  if (imm === 0) {
    // What the verifier refuses: quotients by 0 are 0, remainders the number.
    if (op === MOD) e.copy(sf, rd, rn);
    else e.number(sf, rd, 0);
  } else if (imm === 1) {
    if (op === MOD) e.number(sf, rd, 0);
    else e.copy(sf, rd, rn);
  } else if (imm === -1 && (signed || op !== DIV) && (signed || op !== MOD)) {
    if (op === MOD) e.number(sf, rd, 0);
    else e.w(neg(sf, rd, rn));
  } else if (signed) return false;
  else if (op === DIV && power > 0) e.w(lsrImm(sf, rd, rn, power));
  else if (op === MOD && power > 0) e.w(ubfm(sf, rd, rn, 0, power - 1));
  else if (op === MUL && power > 0) e.w(lslImm(sf, rd, rn, power));
  else if (op === MUL && powerOf(imm - 1, sf) > 0) e.w(add(sf, rd, rn, rn, powerOf(imm - 1, sf)));
  else return false;
  return true;
}

/** n where the constant is 2^n; −1 where it is no such number. */
function powerOf(imm: number, sf: number): number {
  return imm !== 0 && (imm & (imm - 1)) === 0 && (imm > 0 || sf === W) ? 31 - Math.clz32(imm) : -1;
}
