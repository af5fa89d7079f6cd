import { BPF_JMP, BPF_X, type Insn } from '../../isa/index.ts';
import { constant, isNonneg, type Value } from './value.ts';

const JEQ = 0x10;
const JGT = 0x20;
const JGE = 0x30;
const JNE = 0x50;
const JSGT = 0x60;
const JSGE = 0x70;
const JLT = 0xa0;
const JLE = 0xb0;
const JSLT = 0xc0;
const JSLE = 0xd0;

/** The same comparison when the jump is not taken. */
const NEGATED: ReadonlyMap<number, number> = new Map([
  [JEQ, JNE],
  [JNE, JEQ],
  [JGT, JLE],
  [JLE, JGT],
  [JGE, JLT],
  [JLT, JGE],
  [JSGT, JSLE],
  [JSLE, JSGT],
  [JSGE, JSLT],
  [JSLT, JSGE],
]);

/** The same comparison with its operands swapped. */
const SWAPPED: ReadonlyMap<number, number> = new Map([
  [JGT, JLT],
  [JLT, JGT],
  [JGE, JLE],
  [JLE, JGE],
  [JSGT, JSLT],
  [JSLT, JSGT],
  [JSGE, JSLE],
  [JSLE, JSGE],
]);

/** Narrows the registers of a 64-bit conditional jump to what they can be on one of its two ways. */
export function narrow(regs: Value[], insn: Insn, taken: boolean): void {
  if ((insn.code & 0x07) !== BPF_JMP) return;
  const code = insn.code & 0xf0;
  const op = taken ? code : NEGATED.get(code);
  if (op === undefined) return;
  if ((insn.code & BPF_X) === 0) {
    regs[insn.dst] = narrowed(op, regs[insn.dst], constant(insn.imm));
    return;
  }
  const dst = regs[insn.dst];
  const src = regs[insn.src];
  regs[insn.dst] = narrowed(op, dst, src);
  const back = SWAPPED.get(op);
  if (back !== undefined) regs[insn.src] = narrowed(back, src, dst);
}

function narrowed(op: number, value: Value, bound: Value): Value {
  if (value.scalar !== 'any' || bound.scalar === 'never') return value;
  switch (op) {
    case JEQ:
      return typeof bound.scalar === 'number' ? { ...value, scalar: bound.scalar } : value;
    // Below something not negative, counted without sign.
    case JLT:
    case JLE:
      return isNonneg(bound) ? { ...value, scalar: 'nonneg' } : value;
    case JSGE:
      return isNonneg(bound) ? { ...value, scalar: 'nonneg' } : value;
    case JSGT:
      return isNonneg(bound) || bound.scalar === -1 ? { ...value, scalar: 'nonneg' } : value;
    default:
      return value;
  }
}
