import {
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_K,
  BPF_X,
  type Insn,
} from '../../../isa/index.ts';
import { hi32 } from '../../../util/index.ts';
import { bitmask } from '../constant.ts';
import {
  add,
  addImm,
  and,
  andImm,
  asrImm,
  asrv,
  cb,
  eor,
  eorImm,
  lslImm,
  lslv,
  lsrImm,
  lsrv,
  mrsTpidrEl1,
  msub,
  mul,
  neg,
  orr,
  orrImm,
  sdiv,
  sub,
  subImm,
  sxt,
  udiv,
  W,
  X,
} from '../encode.ts';
import { constant32, isSumImm, sumImm } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1, T2 } from './registers.ts';

type ThreeRegs = (sf: number, rd: number, rn: number, rm: number) => number;
type Immediate = (e: Emission, sf: number, reg: number, imm: number) => boolean;

const BOTH: readonly (readonly [cls: number, sf: number])[] = [
  [BPF_ALU, W],
  [BPF_ALU64, X],
];

/** A move as the kernel writes it: a sum with 0. */
export const move = (sf: number, rd: number, rn: number): number => addImm(sf, rd, rn, 0);

type SumImm = (sf: number, rd: number, rn: number, imm12: number, shifted?: number) => number;

/** `op` where the number fits, its opposite where the negative does. */
function sum(op: SumImm, opposite: SumImm): Immediate {
  return (e, sf, reg, imm) => {
    const negative = -imm | 0;
    if (isSumImm(imm)) e.emit(op(sf, reg, reg, ...sumImm(imm)));
    else if (isSumImm(negative)) e.emit(opposite(sf, reg, reg, ...sumImm(negative)));
    else return false;
    return true;
  };
}

function logical(op: (sf: number, rd: number, rn: number, field: number) => number): Immediate {
  return (e, sf, reg, imm) => {
    const field = bitmask(sf, sf === X ? imm >> 31 : 0, imm);
    if (field >= 0) e.emit(op(sf, reg, reg, field));
    return field >= 0;
  };
}

function shift(op: (sf: number, rd: number, rn: number, by: number) => number): Immediate {
  return (e, sf, reg, imm) => {
    e.emit(op(sf, reg, reg, imm));
    return true;
  };
}

const never: Immediate = () => false;

/** Operation bits of a code, the instruction, and its form with a constant; others take the constant from a register. */
const BINARY: readonly (readonly [op: number, words: ThreeRegs, immediate: Immediate])[] = [
  [0x00, add, sum(addImm, subImm)],
  [0x10, sub, sum(subImm, addImm)],
  [0x20, mul, never],
  [0x40, orr, logical(orrImm)],
  [0x50, and, logical(andImm)],
  [0x60, lslv, shift(lslImm)],
  [0x70, lsrv, shift(lsrImm)],
  [0xa0, eor, logical(eorImm)],
  [0xc0, asrv, shift(asrImm)],
];

const BPF_DIV = 0x30;
const BPF_MOD = 0x90;

/** `spare` holds the quotient a remainder is made of. */
function divide(e: Emission, insn: Insn, sf: number, by: number, spare: number): void {
  const reg = REGISTERS[insn.dst];
  const quotient = insn.off === 0 ? udiv : sdiv;
  if ((insn.code & 0xf0) === BPF_DIV) {
    e.emit(quotient(sf, reg, reg, by));
    return;
  }
  e.emit(quotient(sf, spare, reg, by));
  e.emit(msub(sf, reg, spare, by, reg));
}

function divisionRows(op: number, cls: number, sf: number): LoweringRow[] {
  return [
    [cls | op | BPF_X, (e, insn) => divide(e, insn, sf, REGISTERS[insn.src], T1)],
    [
      cls | op | BPF_K,
      (e, insn) => {
        const by = op === BPF_MOD ? T2 : T1;
        constant32(e, sf, by, insn.imm);
        divide(e, insn, sf, by, T1);
      },
    ],
  ];
}

function moveRegister(sf: number) {
  return (e: Emission, insn: Insn): void => {
    const to = REGISTERS[insn.dst];
    const from = REGISTERS[insn.src];
    if (sf === X && insn.off === BPF_ADDR_SPACE_CAST && insn.imm === 1 << 16) {
      castUser(e, to, from);
    } else if (sf === X && insn.off === BPF_ADDR_PERCPU) {
      if (to !== from) e.emit(move(X, to, from));
      e.emit(mrsTpidrEl1(T1));
      e.emit(add(X, to, to, T1));
    } else if (insn.off === 0) e.emit(move(sf, to, from));
    else if (insn.off === 8 || insn.off === 16 || insn.off === 32) e.emit(sxt(sf, to, from, insn.off));
  };
}

/** An address of the arena as user space has it; 0 stays 0. */
function castUser(e: Emission, to: number, from: number): void {
  e.emit(move(W, T1, from));
  constant32(e, W, to, hi32(e.unit.func.arena?.userVmStart ?? 0n));
  e.emit(lslImm(X, to, to, 32));
  e.emit(cb(X, 0, T1, 8));
  e.emit(orr(X, T1, to, T1));
  e.emit(move(X, to, T1));
}

export const ALU_ROWS: readonly LoweringRow[] = BOTH.flatMap(([cls, sf]): LoweringRow[] => [
  ...BINARY.flatMap(([op, words, immediate]): LoweringRow[] => [
    [cls | op | BPF_X, (e, insn) => e.emit(words(sf, REGISTERS[insn.dst], REGISTERS[insn.dst], REGISTERS[insn.src]))],
    [
      cls | op | BPF_K,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        if (immediate(e, sf, reg, insn.imm)) return;
        constant32(e, sf, T1, insn.imm);
        e.emit(words(sf, reg, reg, T1));
      },
    ],
  ]),
  ...[BPF_DIV, BPF_MOD].flatMap(op => divisionRows(op, cls, sf)),
  [cls | 0x80, (e, insn) => e.emit(neg(sf, REGISTERS[insn.dst], REGISTERS[insn.dst]))],
  [cls | 0xb0 | BPF_X, moveRegister(sf)],
  [cls | 0xb0 | BPF_K, (e, insn) => constant32(e, sf, REGISTERS[insn.dst], insn.imm)],
]);
