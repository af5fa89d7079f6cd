import { BPF_JMP, BPF_JMP32, BPF_K, BPF_X, EXIT, type Insn } from '../../../isa/index.ts';
import { bitmask } from '../constant.ts';
import { b, bCond, cmnImm, cmp, cmpImm, EQ, GE, GT, HI, HS, LE, LO, LS, LT, NE, tst, tstImm, W, X } from '../encode.ts';
import { constant32, isSumImm, sumImm } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1 } from './registers.ts';

const BPF_JSET = 0x40;

/** Operation bits of a code → condition. */
const CONDITIONS: readonly (readonly [op: number, cond: number])[] = [
  [0x10, EQ],
  [0x20, HI],
  [0x30, HS],
  [BPF_JSET, NE],
  [0x50, NE],
  [0x60, GT],
  [0x70, GE],
  [0xa0, LO],
  [0xb0, LS],
  [0xc0, LT],
  [0xd0, LE],
];

function compareImm(e: Emission, insn: Insn, sf: number): void {
  const { imm } = insn;
  const reg = REGISTERS[insn.dst];
  const bits = (insn.code & 0xf0) === BPF_JSET;
  const negative = -imm | 0;
  if (bits) {
    const field = bitmask(sf, sf === X ? imm >> 31 : 0, imm);
    if (field >= 0) {
      e.emit(tstImm(sf, reg, field));
      return;
    }
  } else if (isSumImm(imm)) {
    e.emit(cmpImm(sf, reg, ...sumImm(imm)));
    return;
  } else if (isSumImm(negative)) {
    e.emit(cmnImm(sf, reg, ...sumImm(negative)));
    return;
  }
  constant32(e, sf, T1, imm);
  e.emit((bits ? tst : cmp)(sf, reg, T1));
}

function branch(e: Emission, insn: Insn, cond: number): void {
  e.emit(bCond(cond, e.distanceTo(insn.off, 19)));
}

function branchRows(op: number, cond: number): LoweringRow[] {
  return [BPF_JMP, BPF_JMP32].flatMap((cls): LoweringRow[] => {
    const sf = cls === BPF_JMP ? X : W;
    return [
      [
        cls | op | BPF_X,
        (e, insn) => {
          e.emit((op === BPF_JSET ? tst : cmp)(sf, REGISTERS[insn.dst], REGISTERS[insn.src]));
          branch(e, insn, cond);
        },
      ],
      [
        cls | op | BPF_K,
        (e, insn) => {
          compareImm(e, insn, sf);
          branch(e, insn, cond);
        },
      ],
    ];
  });
}

/** The last instruction falls into the epilogue; any other jumps there. */
function lowerExit(e: Emission): void {
  if (e.slot === e.unit.func.insns.length - 1) return;
  e.emit(b(e.inRange(e.epilogue - e.idx, 26)));
}

export const JUMP_ROWS: readonly LoweringRow[] = [
  ...CONDITIONS.flatMap(([op, cond]) => branchRows(op, cond)),
  [BPF_JMP, (e, insn) => e.emit(b(e.distanceTo(insn.off, 26)))],
  [BPF_JMP32, (e, insn) => e.emit(b(e.distanceTo(insn.imm, 26)))],
  [EXIT, lowerExit],
];
