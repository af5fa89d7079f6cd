import { BPF_JMP32, EXIT, type Insn } from '../../../isa/index.ts';
import { aluImm, bt, CC, CMP, cmp, test, testHighImm8, testImm, testImm8, W } from '../encode.ts';
import { RAX, RBX } from '../registers.ts';
import type { Emission } from './emission.ts';
import { unsupported } from './facts.ts';
import { emitEpilogue } from './frame.ts';

/** Nibbles of conditional jumps: equal, greater, …; the condition after `cmp`. JSET is a test. */
const JSET = 4;
const CONDITIONS: Readonly<Record<number, number>> = {
  1: CC.e,
  2: CC.a,
  3: CC.ae,
  4: CC.ne,
  5: CC.ne,
  6: CC.g,
  7: CC.ge,
  10: CC.b,
  11: CC.be,
  12: CC.l,
  13: CC.le,
};
/** x ≥ n is x > n − 1, x < n is x ≤ n − 1. */
const OF_ONE_LESS: Readonly<Record<number, number>> = {
  [CC.ae]: CC.a,
  [CC.b]: CC.be,
  [CC.ge]: CC.g,
  [CC.l]: CC.le,
};
/** x > n is x ≥ n + 1, x ≤ n is x < n + 1. */
const OF_ONE_MORE: Readonly<Record<number, number>> = {
  [CC.a]: CC.ae,
  [CC.be]: CC.b,
  [CC.g]: CC.ge,
  [CC.le]: CC.l,
};

/** Of numbers without upper halves, signed comparisons are unsigned ones. */
const UNSIGNED: Readonly<Record<number, number>> = { [CC.g]: CC.a, [CC.ge]: CC.ae, [CC.l]: CC.b, [CC.le]: CC.be };

const RET_BYTES = 2;

/** Where a jump to a slot goes: to the shared end where there is nothing else. */
function labelOf(e: Emission, target: number): number {
  const { facts, epilogueBytes } = e.unit;
  return e.insns[target].code === EXIT && target !== facts.lastExit && epilogueBytes > RET_BYTES
    ? e.leaveLabel
    : target;
}

export function emitExit(e: Emission, i: number): void {
  const { facts, epilogueBytes, frame } = e.unit;
  const last = i === facts.lastExit;
  // A jump that is as long does nothing better.
  const inline = last || epilogueBytes <= (e.forms.near[i] !== 0 ? 5 : RET_BYTES);
  if (last) e.c.bind(e.leaveLabel);
  if (inline) emitEpilogue(e.c, frame);
  else e.jump(e.leaveLabel, i);
  e.ended();
}

/** The jump, conditional or not, of slot `i`. */
export function emitJump(e: Emission, i: number): void {
  const insn = e.insns[i];
  const { facts, epilogueBytes, frame } = e.unit;
  const target = facts.targets[i];
  const op = insn.code >> 4;
  const register = (insn.code & 8) !== 0;
  const conditional = CONDITIONS[op];
  if (op === 0 && !register) {
    if (target === i + 1) return;
    e.leads(target);
    if (e.insns[target].code === EXIT && epilogueBytes <= RET_BYTES) emitEpilogue(e.c, frame);
    else e.jump(labelOf(e, target), i);
    e.ended();
    return;
  }
  if (conditional === undefined || target < 0) throw unsupported(insn, i);
  if (target === i + 1) return;
  e.leads(target);
  const condition = register ? compare(e, insn, conditional) : compareImm(e, insn, conditional);
  e.jumpIf(condition, labelOf(e, target), i);
}

/** Kinds of comparisons, beside the width in the lowest bit. */
const WITH_NUMBER = 2;
const WITH_REGISTER = 4;
const TEST = 6;

/** Whether the lower halves of two numbers decide, given whether they have no upper ones. */
const narrows = (insn: Insn, withoutUpper: boolean): boolean => (insn.code & 7) !== BPF_JMP32 && withoutUpper;

function compare(e: Emission, insn: Insn, wide: number): number {
  const a = e.reg[insn.dst];
  const b = e.reg[insn.src];
  const bits = insn.code >> 4 === JSET;
  const [hasA, hasB] = [!e.isZeroExtended(a), !e.isZeroExtended(b)];
  const narrow = narrows(insn, bits ? !hasA || !hasB : !hasA && !hasB);
  const w = narrow || (insn.code & 7) === BPF_JMP32 ? 0 : W;
  const condition = narrow ? (UNSIGNED[wide] ?? wide) : wide;
  if (bits) {
    if (!e.compares(TEST | w, a, b)) test(e.c, w, a, b);
  } else if (!e.compares(WITH_REGISTER | w, a, b)) cmp(e.c, w, a, b);
  return condition;
}

function compareImm(e: Emission, insn: Insn, wide: number): number {
  const { code, dst, imm } = insn;
  const a = e.reg[dst];
  const bits = code >> 4 === JSET;
  const narrow = narrows(insn, e.isZeroExtended(a) && (bits || imm >= 0));
  const w = narrow || (code & 7) === BPF_JMP32 ? 0 : W;
  const condition = narrow ? (UNSIGNED[wide] ?? wide) : wide;
  if (bits) {
    e.forgetFlags();
    return testBits(e, w, a, imm);
  }
  let then = condition;
  let value = imm;
  if (imm === 128 && OF_ONE_LESS[condition] !== undefined) {
    then = OF_ONE_LESS[condition];
    value = 127;
  } else if (imm === -129 && OF_ONE_MORE[condition] !== undefined) {
    then = OF_ONE_MORE[condition];
    value = -128;
  }
  if (e.compares(WITH_NUMBER | w, a, value)) return then;
  // All comparisons with 0 are those with itself.
  if (value === 0) test(e.c, w, a, a);
  else aluImm(e.c, w, CMP, a, value);
  return then;
}

/** Tests bits as narrowly as they lie; the condition that says one is set. */
function testBits(e: Emission, w: number, a: number, imm: number): number {
  const { c } = e;
  const wide = imm < 0 ? w : 0;
  const single = (imm & (imm - 1)) === 0;
  if (imm >>> 0 <= 0xff) testImm8(c, a, imm);
  else if (imm === -1) test(c, w, a, a);
  else if ((imm & ~0xff00) === 0 && a >= RAX && a <= RBX) testHighImm8(c, a, imm >> 8);
  else if (single && imm !== 0 && wide === 0) {
    bt(c, 0, a, 31 - Math.clz32(imm));
    return CC.b;
  } else testImm(c, wide, a, imm);
  return CC.ne;
}
