import {
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_K,
  BPF_X,
  type Insn,
  ZEXT_IMM,
} from '../../../isa/index.ts';
import { hi32 } from '../../../util/index.ts';
import {
  and,
  branch,
  div,
  divu,
  divuw,
  divw,
  EQ,
  mul,
  mulw,
  or,
  ori,
  rem,
  remu,
  remuw,
  remw,
  sll,
  sllw,
  sra,
  srai,
  sraiw,
  sraw,
  srl,
  srli,
  srliw,
  srlw,
  subw,
  xor,
  xori,
} from '../encode.ts';
import {
  address,
  constant,
  constant64,
  emitAdd,
  emitAndi,
  emitSh3add,
  emitShiftRight,
  emitShort3,
  emitSlli,
  emitSub,
  isS12,
  sextNarrow,
  sextWord,
  truncate,
  zextWord,
} from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1, T2, TP, ZERO } from './registers.ts';

/** `struct thread_info`: the CPU's number, where the kernel does not say otherwise. */
export const THREAD_INFO_CPU = 32;

/** rd = rd op rs, `wide` 64 bits. */
type Operation = (e: Emission, wide: boolean, rd: number, rs: number) => void;
/** Emits the operation with a constant and says so, or false: the constant goes to a register first. */
type Immediate = (e: Emission, wide: boolean, rd: number, imm: number) => boolean;

type ThreeRegs = (rd: number, rs1: number, rs2: number) => number;

const short =
  (op: ThreeRegs): Operation =>
  (e, _wide, rd, rs) =>
    emitShort3(e, op, rd, rd, rs);

const long =
  (wideOp: ThreeRegs, narrowOp: ThreeRegs): Operation =>
  (e, wide, rd, rs) =>
    e.word((wide ? wideOp : narrowOp)(rd, rd, rs));

const never: Immediate = () => false;

const sum =
  (sign: 1 | -1): Immediate =>
  (e, _wide, rd, imm) => {
    // The negative of the least number is itself.
    const value = sign === 1 ? imm : -imm | 0;
    if (isS12(value)) e.addi(rd, rd, value);
    return isS12(value);
  };

const logical =
  (op: ThreeRegs): Immediate =>
  (e, _wide, rd, imm) => {
    if (isS12(imm)) e.word(op(rd, rd, imm));
    return isS12(imm);
  };

const andImmediate: Immediate = (e, _wide, rd, imm) => {
  if (isS12(imm)) emitAndi(e, rd, rd, imm);
  return isS12(imm);
};

const shiftRight =
  (wideOp: ThreeRegs, narrowOp: ThreeRegs): Immediate =>
  (e, wide, rd, imm) => {
    if (wide) emitShiftRight(e, wideOp, rd, rd, imm);
    else e.word(narrowOp(rd, rd, imm));
    return true;
  };

const shiftLeft: Immediate = (e, _wide, rd, imm) => {
  emitSlli(e, rd, rd, imm);
  return true;
};

const BINARY: readonly (readonly [op: number, operation: Operation, immediate: Immediate])[] = [
  [0x00, (e, _wide, rd, rs) => emitAdd(e, rd, rd, rs), sum(1)],
  // With a constant always 64 bits wide.
  [0x10, (e, wide, rd, rs) => (wide ? emitSub(e, rd, rd, rs) : emitShort3(e, subw, rd, rd, rs)), sum(-1)],
  [0x20, long(mul, mulw), never],
  [0x40, short(or), logical(ori)],
  [0x50, short(and), andImmediate],
  [0x60, long(sll, sllw), shiftLeft],
  [0x70, long(srl, srlw), shiftRight(srli, srliw)],
  [0xa0, short(xor), logical(xori)],
  [0xc0, long(sra, sraw), shiftRight(srai, sraiw)],
];

const BPF_SUB = 0x10;
const BPF_DIV = 0x30;
const BPF_MOD = 0x90;

/** By width and sign. */
const DIVISIONS = {
  [BPF_DIV]: { wide: [divu, div], narrow: [divuw, divw] },
  [BPF_MOD]: { wide: [remu, rem], narrow: [remuw, remw] },
} as const;

function divide(e: Emission, insn: Insn, wide: boolean, by: number): void {
  const rd = REGISTERS[insn.dst];
  const rows = DIVISIONS[(insn.code & 0xf0) as keyof typeof DIVISIONS];
  e.word((wide ? rows.wide : rows.narrow)[insn.off === 0 ? 0 : 1](rd, rd, by));
  if (!wide) truncate(e, rd);
}

/** An address of the arena as user space has it; 0 stays 0. */
function castUser(e: Emission, rd: number, rs: number): void {
  e.mv(T1, rs);
  zextWord(e, T1, T1);
  constant64(e, rd, hi32(e.unit.func.arena?.userVmStart ?? 0n), 0);
  e.word(branch(EQ, T1, ZERO, 8));
  emitShort3(e, or, T1, rd, T1);
  e.mv(rd, T1);
}

/** rd += this CPU's offset, from the array of all of them. */
function addThisCpu(e: Emission, rd: number, rs: number): void {
  const { kernel, callBase } = e.unit.env.space;
  if (rd !== rs) e.mv(rd, rs);
  e.lw(T1, kernel.structs.threadInfoCpu ?? THREAD_INFO_CPU, TP);
  const offsets = kernel.structs.perCpuOffsets;
  const array = offsets === undefined ? e.unit.env.space.symbolAddr('__per_cpu_offset') : callBase + BigInt(offsets);
  address(e, T2, array, e.hasImage);
  emitSh3add(e, T1, T1, T2);
  e.ld(T1, 0, T1);
  emitAdd(e, rd, rd, T1);
}

function moveRegister(wide: boolean) {
  return (e: Emission, insn: Insn): void => {
    const rd = REGISTERS[insn.dst];
    const rs = REGISTERS[insn.src];
    if (wide && insn.off === BPF_ADDR_SPACE_CAST && insn.imm === 1 << 16) {
      castUser(e, rd, rs);
      return;
    }
    if (wide && insn.off === BPF_ADDR_PERCPU) addThisCpu(e, rd, rs);
    if (insn.imm === ZEXT_IMM) {
      zextWord(e, rd, rd);
      return;
    }
    if (insn.off === 0) e.mv(rd, rs);
    else if (insn.off === 8 || insn.off === 16) sextNarrow(e, insn.off, rd, rs);
    else if (insn.off === 32) sextWord(e, rd, rs);
    if (!wide) truncate(e, rd);
  };
}

export const ALU_ROWS: readonly LoweringRow[] = [false, true].flatMap((wide): LoweringRow[] => {
  const cls = wide ? BPF_ALU64 : BPF_ALU;
  const after = (e: Emission, rd: number): void => {
    if (!wide) truncate(e, rd);
  };
  return [
    ...BINARY.flatMap(([op, operation, immediate]): LoweringRow[] => [
      [
        cls | op | BPF_X,
        (e, insn) => {
          operation(e, wide, REGISTERS[insn.dst], REGISTERS[insn.src]);
          after(e, REGISTERS[insn.dst]);
        },
      ],
      [
        cls | op | BPF_K,
        (e, insn) => {
          const rd = REGISTERS[insn.dst];
          if (!immediate(e, wide, rd, insn.imm)) {
            constant(e, T1, insn.imm);
            operation(e, wide || op === BPF_SUB, rd, T1);
          }
          after(e, rd);
        },
      ],
    ]),
    ...[BPF_DIV, BPF_MOD].flatMap((op): LoweringRow[] => [
      [cls | op | BPF_X, (e, insn) => divide(e, insn, wide, REGISTERS[insn.src])],
      [
        cls | op | BPF_K,
        (e, insn) => {
          constant(e, T1, insn.imm);
          divide(e, insn, wide, T1);
        },
      ],
    ]),
    [
      cls | 0x80,
      (e, insn) => {
        const rd = REGISTERS[insn.dst];
        emitSub(e, rd, ZERO, rd);
        after(e, rd);
      },
    ],
    [cls | 0xb0 | BPF_X, moveRegister(wide)],
    [
      cls | 0xb0 | BPF_K,
      (e, insn) => {
        constant(e, REGISTERS[insn.dst], insn.imm);
        after(e, REGISTERS[insn.dst]);
      },
    ],
  ];
});
