import { BPF_JMP, BPF_JMP32, BPF_REG_FP, BPF_X, type Insn } from '../../isa/index.ts';
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

const JSET = 0x40;

/** Order of two constants as 64-bit numbers without sign: negative ones come last. */
function compareUnsigned(a: number, b: number): number {
  return a < 0 === b < 0 ? a - b : a < 0 ? 1 : -1;
}

function holds(op: number, a: number, b: number): boolean | undefined {
  switch (op) {
    case JEQ:
      return a === b;
    case JNE:
      return a !== b;
    case JGT:
      return compareUnsigned(a, b) > 0;
    case JGE:
      return compareUnsigned(a, b) >= 0;
    case JLT:
      return compareUnsigned(a, b) < 0;
    case JLE:
      return compareUnsigned(a, b) <= 0;
    case JSGT:
      return a > b;
    case JSGE:
      return a >= b;
    case JSLT:
      return a < b;
    case JSLE:
      return a <= b;
    case JSET:
      return a >= 0 && b >= 0 && a <= 0x7fffffff && b <= 0x7fffffff ? (a & b) !== 0 : undefined;
    default:
      return undefined;
  }
}

const isNumber = (value: Value): value is Value & { scalar: number } =>
  typeof value.scalar === 'number' && value.lows === undefined && value.funcs === undefined;

/** Whether a conditional jump is always or never taken; undefined where it may be either. */
export function decide(insn: Insn, dst: Value, srcReg: Value): boolean | undefined {
  const src = (insn.code & BPF_X) !== 0 ? srcReg : constant(insn.imm);
  if (!isNumber(src)) return undefined;
  const op = insn.code & 0xf0;
  if (isNumber(dst)) {
    if ((insn.code & 0x07) === BPF_JMP) return holds(op, dst.scalar, src.scalar);
    // Zero extension keeps the order without sign; the low half as it is has that with sign.
    const signed = op === JSGT || op === JSGE || op === JSLT || op === JSLE;
    return signed ? holds(op, dst.scalar | 0, src.scalar | 0) : holds(op, dst.scalar >>> 0, src.scalar >>> 0);
  }
  // Addresses of frames and functions are not 0.
  const isAddress = dst.scalar === 'never' && (insn.code & 0x07) !== BPF_JMP32;
  if (!isAddress || src.scalar !== 0) return undefined;
  return op === JEQ ? false : op === JNE ? true : undefined;
}

/** Narrows the registers of a 64-bit conditional jump to what they can be on one of its two ways. */
export function narrow(regs: Value[], insn: Insn, taken: boolean): void {
  if ((insn.code & 0x07) !== BPF_JMP) return;
  // Fields name 16 registers; what looks at them comes later.
  if (insn.dst > BPF_REG_FP || ((insn.code & BPF_X) !== 0 && insn.src > BPF_REG_FP)) return;
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
