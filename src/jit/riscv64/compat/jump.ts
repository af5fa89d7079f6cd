import { BPF_JMP, BPF_JMP32, BPF_K, BPF_X, EXIT, type Insn } from '../../../isa/index.ts';
import { auipc, branch, EQ, GE, GEU, jal, jalr, LT, LTU, NE } from '../encode.ts';
import { constant, emitAnd, emitAndi, isS12, outOfRange, reaches, sextWord, split, zextWord } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1, T2, ZERO } from './registers.ts';

/** What a branch tests: `f3`, and whether its operands change places. */
export interface Condition {
  readonly f3: number;
  readonly swapped: boolean;
  readonly signed: boolean;
}

const condition = (f3: number, swapped = false, signed = false): Condition => ({ f3, swapped, signed });
export const IF_EQUAL = condition(EQ);
export const IF_NOT_EQUAL = condition(NE);
export const IF_AT_LEAST = condition(GEU);
export const IF_LESS_SIGNED = condition(LT, false, true);

/** Operation bits of a code → condition. */
const CONDITIONS: readonly (readonly [op: number, cond: Condition])[] = [
  [0x10, IF_EQUAL],
  [0x20, condition(LTU, true)],
  [0x30, IF_AT_LEAST],
  [0x50, IF_NOT_EQUAL],
  [0x60, condition(LT, true, true)],
  [0x70, condition(GE, false, true)],
  [0xa0, condition(LTU)],
  [0xb0, condition(GEU, true)],
  [0xc0, IF_LESS_SIGNED],
  [0xd0, condition(GE, true, true)],
];
const BPF_JSET = 0x40;

const isS13 = (off: number): boolean => off >= -0x1000 && off < 0x1000;
const isS21 = (off: number): boolean => off >= -0x100000 && off < 0x100000;

function plainBranch(e: Emission, { f3, swapped }: Condition, rd: number, rs: number, off: number): void {
  e.word(swapped ? branch(f3, rs, rd, off) : branch(f3, rd, rs, off));
}

/** A branch to `off` bytes from here; where that is too far, the opposite one over a jump (`emit_branch`). */
export function emitBranch(e: Emission, cond: Condition, rd: number, rs: number, off: number): void {
  if (isS13(off)) {
    plainBranch(e, cond, rd, rs, off);
    return;
  }
  const opposite = { ...cond, f3: cond.f3 ^ 1 };
  const rest = off - 4;
  if (isS21(rest)) {
    plainBranch(e, opposite, rd, rs, 8);
    e.word(jal(ZERO, rest));
    return;
  }
  const [high, low] = split(rest);
  plainBranch(e, opposite, rd, rs, 12);
  e.word(auipc(T1, high));
  e.word(jalr(ZERO, low, T1));
}

/** `jal` where the place stays and it reaches, else `auipc` and `jalr`; the latter too where it is not known (0). */
export function emitJump(e: Emission, link: number, off: number, fixed: boolean): 'jal' | 'auipc' {
  if (off !== 0 && fixed && isS21(off)) {
    e.word(jal(link, off));
    return 'jal';
  }
  if (!reaches(off)) throw outOfRange(off);
  const [high, low] = split(off);
  e.word(auipc(T1, high));
  e.word(jalr(link, low, T1));
  return 'auipc';
}

/** End of the slot before `slot`, as the pass before has it. */
const startOf = (e: Emission, slot: number): number => (slot > 0 ? e.ctx.ends[slot - 1] : e.ctx.prologueEnd);

/** Bytes from the start of this slot to the slot `distance` behind the next one (`rv_offset`). */
const distanceTo = (e: Emission, distance: number): number => startOf(e, e.slot + 1 + distance) - startOf(e, e.slot);

function branchRegisters(e: Emission, insn: Insn, wide: boolean, cond: Condition | undefined): void {
  let off = distanceTo(e, insn.off);
  let rd: number = REGISTERS[insn.dst];
  let rs: number = REGISTERS[insn.src];
  if (!wide) {
    const start = e.here;
    const extend = cond?.signed ? sextWord : zextWord;
    extend(e, T1, rs);
    extend(e, T2, rd);
    [rs, rd] = [T1, T2];
    off -= e.here - start;
  }
  if (cond === undefined) {
    emitAnd(e, T1, rd, rs);
    emitBranch(e, IF_NOT_EQUAL, T1, ZERO, off - 4);
  } else emitBranch(e, cond, rd, rs, off);
}

function branchConstant(e: Emission, insn: Insn, wide: boolean, cond: Condition): void {
  const { imm } = insn;
  const off = distanceTo(e, insn.off);
  const start = e.here;
  let rd: number = REGISTERS[insn.dst];
  if (imm !== 0) constant(e, T1, imm);
  const rs = imm === 0 ? ZERO : T1;
  if (!wide) {
    (cond.signed ? sextWord : zextWord)(e, T2, rd);
    rd = T2;
    if (!cond.signed && imm !== 0) zextWord(e, rs, rs);
  }
  emitBranch(e, cond, rd, rs, off - (e.here - start));
}

function branchBits(e: Emission, insn: Insn, wide: boolean): void {
  const { imm } = insn;
  const off = distanceTo(e, insn.off);
  const start = e.here;
  const rd = REGISTERS[insn.dst];
  if (isS12(imm)) emitAndi(e, T1, rd, imm);
  else {
    constant(e, T1, imm);
    emitAnd(e, T1, rd, T1);
  }
  // Enough for a comparison with 0.
  if (!wide && imm < 0) sextWord(e, T1, T1);
  emitBranch(e, IF_NOT_EQUAL, T1, ZERO, off - (e.here - start));
}

/** The last instruction falls into the epilogue; any other jumps there. */
function lowerExit(e: Emission): void {
  if (e.slot === e.unit.func.insns.length - 1) return;
  emitJump(e, ZERO, e.ctx.epilogue - e.here, true);
}

export const JUMP_ROWS: readonly LoweringRow[] = [
  ...[BPF_JMP, BPF_JMP32].flatMap((cls): LoweringRow[] => {
    const wide = cls === BPF_JMP;
    return [
      ...CONDITIONS.flatMap(([op, cond]): LoweringRow[] => [
        [cls | op | BPF_X, (e, insn) => branchRegisters(e, insn, wide, cond)],
        [cls | op | BPF_K, (e, insn) => branchConstant(e, insn, wide, cond)],
      ]),
      [cls | BPF_JSET | BPF_X, (e, insn) => branchRegisters(e, insn, wide, undefined)],
      [cls | BPF_JSET | BPF_K, (e, insn) => branchBits(e, insn, wide)],
    ];
  }),
  [BPF_JMP, (e, insn) => void emitJump(e, ZERO, distanceTo(e, insn.off), true)],
  [BPF_JMP32, (e, insn) => void emitJump(e, ZERO, distanceTo(e, insn.imm), true)],
  [EXIT, lowerExit],
];
