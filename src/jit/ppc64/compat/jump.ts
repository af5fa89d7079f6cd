import { BPF_JMP, BPF_JMP32, BPF_K, BPF_X, EXIT, type Insn } from '../../../isa/index.ts';
import { JitError } from '../../types.ts';
import { and, andiDot, cmpd, cmpdi, cmpld, cmpldi, cmplw, cmplwi, cmpw, cmpwi, rc, rlwinm } from '../encode.ts';
import { CONDITIONS, type Condition, type Emission, type LoweringRow } from './emission.ts';
import { emitEpilogue } from './frame.ts';
import { REGISTERS, T1 } from './registers.ts';

interface CompareWords {
  readonly regs: (bf: number, ra: number, rb: number) => number;
  readonly constant: (bf: number, ra: number, value: number) => number;
}

/** By signedness and width; the constants both unsigned and sign-extending comparisons hold are 0..32767. */
const COMPARE: Record<'signed' | 'unsigned', { narrow: CompareWords; wide: CompareWords; min: number }> = {
  signed: { narrow: { regs: cmpw, constant: cmpwi }, wide: { regs: cmpd, constant: cmpdi }, min: -32768 },
  unsigned: { narrow: { regs: cmplw, constant: cmplwi }, wide: { regs: cmpld, constant: cmpldi }, min: 0 },
};

interface JumpRow {
  readonly op: number;
  readonly cond: Condition;
  readonly compare: 'signed' | 'unsigned' | 'bits';
}

const JUMPS: readonly JumpRow[] = [
  { op: 0x10, cond: CONDITIONS.eq, compare: 'unsigned' },
  { op: 0x20, cond: CONDITIONS.gt, compare: 'unsigned' },
  { op: 0x30, cond: CONDITIONS.ge, compare: 'unsigned' },
  { op: 0x40, cond: CONDITIONS.ne, compare: 'bits' },
  { op: 0x50, cond: CONDITIONS.ne, compare: 'unsigned' },
  { op: 0x60, cond: CONDITIONS.gt, compare: 'signed' },
  { op: 0x70, cond: CONDITIONS.ge, compare: 'signed' },
  { op: 0xa0, cond: CONDITIONS.lt, compare: 'unsigned' },
  { op: 0xb0, cond: CONDITIONS.le, compare: 'unsigned' },
  { op: 0xc0, cond: CONDITIONS.lt, compare: 'signed' },
  { op: 0xd0, cond: CONDITIONS.le, compare: 'signed' },
];

/** `and` into r9, setting the condition field by as many bits as count. */
function testBits(e: Emission, reg: number, mask: number, wide: boolean): void {
  if (wide) {
    e.emit(rc(and(T1, reg, mask)));
  } else {
    e.emit(and(T1, reg, mask));
    e.emit(rc(rlwinm(T1, T1, 0, 0, 31)));
  }
}

function compareRegs(e: Emission, row: JumpRow, reg: number, other: number, wide: boolean): void {
  if (row.compare === 'bits') testBits(e, reg, other, wide);
  else e.emit(COMPARE[row.compare][wide ? 'wide' : 'narrow'].regs(0, reg, other));
}

function compareConstant(e: Emission, row: JumpRow, reg: number, imm: number, wide: boolean): void {
  const min = row.compare === 'bits' ? 0 : COMPARE[row.compare].min;
  if (imm < min || imm > 32767) {
    e.constant32(T1, imm);
    compareRegs(e, row, reg, T1, wide);
  } else if (row.compare === 'bits') {
    e.emit(andiDot(T1, reg, imm));
  } else {
    e.emit(COMPARE[row.compare][wide ? 'wide' : 'narrow'].constant(0, reg, imm));
  }
}

function jumpRows(row: JumpRow): LoweringRow[] {
  return [true, false].flatMap((wide): LoweringRow[] => {
    const cls = wide ? BPF_JMP : BPF_JMP32;
    return [
      [
        cls | row.op | BPF_X,
        (e, insn) => {
          compareRegs(e, row, REGISTERS[insn.dst], REGISTERS[insn.src], wide);
          e.branch(row.cond, e.addrs[e.slot + 1 + insn.off]);
        },
      ],
      [
        cls | row.op | BPF_K,
        (e, insn) => {
          compareConstant(e, row, REGISTERS[insn.dst], insn.imm, wide);
          e.branch(row.cond, e.addrs[e.slot + 1 + insn.off]);
        },
      ],
    ];
  });
}

/** The last instruction falls into the epilogue; any other jumps there, or to one in reach. */
function lowerExit(e: Emission, _insn: Insn): void {
  const count = e.unit.func.insns.length;
  if (e.slot === count - 1) return;
  const epilogue = e.addrs[count];
  if (epilogue === 0 || e.reaches(epilogue)) {
    e.jump(epilogue);
  } else if (e.innerEpilogue !== 0) {
    if (!e.reaches(e.innerEpilogue)) throw new JitError(1, `exit (@${e.slot}) reaches no epilogue`);
    e.jump(e.innerEpilogue);
  } else {
    e.innerEpilogue = e.here;
    emitEpilogue(e);
  }
}

export const JUMP_ROWS: readonly LoweringRow[] = [
  ...JUMPS.flatMap(jumpRows),
  [BPF_JMP, (e, insn) => e.jump(e.addrs[e.slot + 1 + insn.off])],
  [BPF_JMP32, (e, insn) => e.jump(e.addrs[e.slot + 1 + insn.imm])],
  [EXIT, lowerExit],
];
