import {
  baseType,
  PTR_TO_BTF_ID,
  PTR_TO_PACKET_END,
  PTR_TO_STACK,
  SCALAR_VALUE,
  typeMayBeNull,
} from '../../helpers/index.ts';
import {
  BPF_JA,
  BPF_JCOND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JLE,
  BPF_JLT,
  BPF_JMP,
  BPF_JMP32,
  BPF_JNE,
  BPF_X,
  type Insn,
  type JumpOp,
} from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { flipCondition, isBranchTaken as isScalarBranchTaken, refineBranch, violationText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { printInsnState } from '../print/state-text.ts';
import { isRegConst, markPtrNotNullReg, regIsPktPointerAny } from '../state/marks.ts';
import {
  AT_PKT_END,
  assignReg,
  BEYOND_PKT_END,
  DEF_NOT_SUBREG,
  NO_INFO,
  RegContent,
  type RegState,
} from '../state/reg.ts';
import { BPF_LOG_LEVEL } from '../verifier-log.ts';
import { pushStack } from './branches.ts';
import { INSN_F_DST_REG_STACK, INSN_F_SRC_REG_STACK, pushInsnHistory } from './history.ts';
import { findPrevEntryOfKept, widenImpreciseScalars } from './iter.ts';
import { collectLinkedRegs, syncLinkedRegs } from './linked-regs.ts';
import { checkRegArg, SRC_OP } from './liveness.ts';
import { markPtrOrNullRegs, regNotNull } from './null-branch.ts';
import { tryMatchPktPointers } from './packet-branch.ts';
import { isPointerValue } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { sanitizeSpeculativePath } from './sanitize.ts';

export { regBoundsSanityCheck } from '../state/marks.ts';

/** Conditions by the code's high four bits. */
const OPS: readonly (JumpOp | undefined)[] = [
  undefined,
  'jeq',
  'jgt',
  'jge',
  'jset',
  'jne',
  'jsgt',
  'jsge',
  undefined,
  undefined,
  'jlt',
  'jle',
  'jslt',
  'jsle',
];
const opOf = (opcode: number): JumpOp => OPS[opcode >> 4] ?? 'jeq';
const codeOf = (op: JumpOp): number => OPS.indexOf(op) << 4;
const flipOpcode = (opcode: number): number => codeOf(flipCondition(opOf(opcode)));

/** A pointer compared with the packet's end once before. Source: `is_pkt_ptr_branch_taken`. */
function isPktPtrBranchTaken(dstReg: RegState, srcReg: RegState, opcode: number): 1 | 0 | -1 {
  let pkt = dstReg;
  if (srcReg.type !== PTR_TO_PACKET_END) {
    if (dstReg.type !== PTR_TO_PACKET_END) return -1;
    pkt = srcReg;
    opcode = flipOpcode(opcode);
  }
  const { range } = pkt.info;
  if (range >= 0) return -1;
  if (opcode === BPF_JLE || opcode === BPF_JGT) {
    if (range === BEYOND_PKT_END) return opcode === BPF_JGT ? 1 : 0;
  } else if (opcode === BPF_JLT || opcode === BPF_JGE) {
    if (range === BEYOND_PKT_END || range === AT_PKT_END) return opcode === BPF_JGE ? 1 : 0;
  }
  return -1;
}

/**
 * Whether `if reg1 op reg2` jumps: 1 always, 0 never, -1 who knows.
 * Source: `is_branch_taken`.
 */
export function isBranchTaken(reg1: RegState, reg2: RegState, opcode: number, isJmp32: boolean): 1 | 0 | -1 {
  if (reg1.type === SCALAR_VALUE && reg2.type === SCALAR_VALUE)
    return isScalarBranchTaken(opOf(opcode), isJmp32 ? 32 : 64, reg1.scalar, reg2.scalar);
  if (!isJmp32 && regIsPktPointerAny(reg1) && regIsPktPointerAny(reg2)) return isPktPtrBranchTaken(reg1, reg2, opcode);
  let pointer = reg1;
  let constant = reg2;
  if (!isRegConst(reg2, isJmp32)) {
    pointer = reg2;
    constant = reg1;
    opcode = flipOpcode(opcode);
  }
  if (!isRegConst(constant, isJmp32) || !regNotNull(pointer)) return -1;
  const { valueHi, valueLo } = constant.scalar;
  if ((isJmp32 ? valueLo : valueHi | valueLo) !== 0) return -1;
  if (opcode === BPF_JEQ) return 0;
  return opcode === BPF_JNE ? 1 : -1;
}

/**
 * What a branch teaches of two numbers, on both ways; nothing of pointers. All four registers hold what they held before
 * the jump; the two of one way may be one.
 *
 * Source: `reg_set_min_max`.
 */
export function regSetMinMax(
  env: VerifierEnv,
  trueReg1: RegState,
  trueReg2: RegState,
  falseReg1: RegState,
  falseReg2: RegState,
  opcode: number,
  isJmp32: boolean,
): void {
  if (falseReg1.type !== SCALAR_VALUE || falseReg2.type !== SCALAR_VALUE) return;
  if (!env.rules.comparesVariables && !isRegConst(falseReg1, isJmp32) && !isRegConst(falseReg2, isJmp32)) return;
  const sameReg = trueReg1 === trueReg2;
  const out = refineBranch(opOf(opcode), isJmp32 ? 32 : 64, falseReg1.scalar, falseReg2.scalar, sameReg);
  for (const { side, violation, scalar } of out.violations) {
    env.say('regInvariants', violationText(side, violation, scalar));
    if (env.testRegInvariants) env.fail(ERRNO.EFAULT);
  }
  falseReg1.scalar = out.falseA;
  falseReg2.scalar = out.falseB;
  trueReg1.scalar = out.trueA;
  trueReg2.scalar = out.trueB;
}

/** `may_goto`: falls through as if it were a branch, and jumps. */
function checkMayGoto(env: VerifierEnv, insn: Insn): void {
  const idx = env.insnIdx;
  if (insn.code !== (BPF_JMP | BPF_JCOND) || insn.src !== 0 || insn.dst !== 0 || insn.imm !== 0 || insn.off === 0)
    env.refuse('mayGotoForm', insn.off, insn.imm);
  const prevSt = findPrevEntryOfKept(env, env.curState.parent, idx);
  const queuedSt = pushStack(env, idx + 1, idx, false, ERRNO.ENOMEM);
  queuedSt.mayGotoDepth++;
  if (prevSt !== 0) widenImpreciseScalars(env, prevSt, queuedSt);
  env.insnIdx += insn.off;
}

/** The operand after the condition: a register, or the constant as one. */
function sourceOperand(env: VerifierEnv, insn: Insn, dstReg: RegState): RegState {
  if ((insn.code & BPF_X) !== 0) {
    if (insn.imm !== 0) env.refuse('condReserved');
    checkRegArg(env, insn.src, SRC_OP);
    const srcReg = env.regs[insn.src];
    if (!(regIsPktPointerAny(dstReg) && regIsPktPointerAny(srcReg)) && isPointerValue(env, insn.src))
      env.refuse('ptrComparison', insn.src);
    return srcReg;
  }
  if (insn.src !== 0) env.refuse('condReserved');
  const srcReg = env.fakeReg[0];
  srcReg.content = new RegContent(SCALAR_VALUE, 0, env.imm, 0, 0, NO_INFO, 0, DEF_NOT_SUBREG, 0);
  srcReg.owned = true;
  srcReg.precise = false;
  return srcReg;
}

function printBranch(env: VerifierEnv): void {
  if ((env.log.level & BPF_LOG_LEVEL) !== 0) printInsnState(env, env.frame);
}

/** Goes the one way there is; the other is for a CPU that guesses wrong. */
function followPredicted(env: VerifierEnv, insn: Insn, pred: 1 | 0, srcReg: RegState): void {
  const idx = env.insnIdx;
  if (env.regs[insn.dst].type === SCALAR_VALUE) markChainPrecision(env, insn.dst);
  if ((insn.code & BPF_X) !== 0 && srcReg.type === SCALAR_VALUE) markChainPrecision(env, insn.src);
  if (!env.bypassSpecV1) {
    const other = pred === 1 ? idx + 1 : idx + insn.off + 1;
    if (sanitizeSpeculativePath(env, insn, other, idx) === undefined) env.fail(ERRNO.EFAULT);
  }
  printBranch(env);
  if (pred === 1) env.insnIdx += insn.off;
}

/**
 * Checks a conditional jump (may_goto among them). What may happen either way becomes a state to be looked at later, that
 * where it jumps; the state in hand goes on after it.
 *
 * Source: `check_cond_jmp_op`.
 */
export function checkCondJmpOp(env: VerifierEnv, insn: Insn): void {
  const opcode = insn.code & 0xf0;
  if (opcode === BPF_JA || opcode > BPF_JCOND) env.refuse('jumpOpcode', opcode);
  if (opcode === BPF_JCOND) {
    checkMayGoto(env, insn);
    return;
  }
  const thisBranch = env.curState;
  checkRegArg(env, insn.dst, SRC_OP);
  const { regs } = env;
  const dstReg = regs[insn.dst];
  const srcReg = sourceOperand(env, insn, dstReg);
  const byReg = (insn.code & BPF_X) !== 0;
  let insnFlags = 0;
  if (byReg && srcReg.type === PTR_TO_STACK) insnFlags |= INSN_F_SRC_REG_STACK;
  if (dstReg.type === PTR_TO_STACK) insnFlags |= INSN_F_DST_REG_STACK;
  if (insnFlags !== 0) pushInsnHistory(env, thisBranch, insnFlags, undefined);

  const isJmp32 = (insn.code & 0x07) === BPF_JMP32;
  const comparable = env.rules.comparesVariables || isRegConst(srcReg, isJmp32) || dstReg.type !== SCALAR_VALUE;
  const pred = comparable ? isBranchTaken(dstReg, srcReg, opcode, isJmp32) : -1;
  if (pred >= 0) {
    followPredicted(env, insn, pred as 1 | 0, srcReg);
    return;
  }

  // Before the other state is made, so that both share this piece of history.
  const linked: number[] = [];
  if (byReg && srcReg.type === SCALAR_VALUE && srcReg.id !== 0) collectLinkedRegs(thisBranch, srcReg.id, linked);
  if (dstReg.type === SCALAR_VALUE && dstReg.id !== 0) collectLinkedRegs(thisBranch, dstReg.id, linked);
  if (linked.length > 1) pushInsnHistory(env, thisBranch, 0, linked);

  const otherBranch = pushStack(env, env.insnIdx + insn.off + 1, env.insnIdx, false);
  if (otherBranch === undefined) env.fail(ERRNO.EFAULT);
  const otherRegs = otherBranch.frame.regs;
  let falseSrc = srcReg;
  if (!byReg) {
    falseSrc = env.fakeReg[1];
    assignReg(falseSrc, srcReg);
  }
  const trueSrc = byReg ? otherRegs[insn.src] : srcReg;
  regSetMinMax(env, otherRegs[insn.dst], trueSrc, dstReg, falseSrc, opcode, isJmp32);

  if (byReg && srcReg.type === SCALAR_VALUE && srcReg.id !== 0 && srcReg.id === otherRegs[insn.src].id) {
    syncLinkedRegs(thisBranch, srcReg, linked);
    syncLinkedRegs(otherBranch, otherRegs[insn.src], linked);
  }
  if (dstReg.type === SCALAR_VALUE && dstReg.id !== 0 && dstReg.id === otherRegs[insn.dst].id) {
    syncLinkedRegs(thisBranch, dstReg, linked);
    syncLinkedRegs(otherBranch, otherRegs[insn.dst], linked);
  }

  if (!isJmp32 && byReg && env.rules.infersNotNull) liftMaybeNull(insn, opcode, dstReg, srcReg, regs, otherRegs);

  if (
    !isJmp32 &&
    !byReg &&
    insn.imm === 0 &&
    (opcode === BPF_JEQ || opcode === BPF_JNE) &&
    typeMayBeNull(dstReg.type)
  ) {
    markPtrOrNullRegs(thisBranch, insn.dst, opcode === BPF_JNE);
    markPtrOrNullRegs(otherBranch, insn.dst, opcode === BPF_JEQ);
  } else if (
    !tryMatchPktPointers(insn, dstReg, regs[insn.src], thisBranch, otherBranch) &&
    isPointerValue(env, insn.dst)
  )
    env.refuse('ptrComparison', insn.dst);
  printBranch(env);
}

/**
 * Where a pointer that may be null equals one that is not, it is not null either. Kernel structs may be null without
 * being marked so and vouch for nobody.
 */
function liftMaybeNull(
  insn: Insn,
  opcode: number,
  dstReg: RegState,
  srcReg: RegState,
  regs: readonly RegState[],
  otherRegs: readonly RegState[],
): void {
  if (srcReg.type === SCALAR_VALUE || dstReg.type === SCALAR_VALUE) return;
  const srcMayBeNull = typeMayBeNull(srcReg.type);
  if (srcMayBeNull === typeMayBeNull(dstReg.type)) return;
  if (baseType(srcReg.type) === PTR_TO_BTF_ID || baseType(dstReg.type) === PTR_TO_BTF_ID) return;
  const equal = opcode === BPF_JEQ ? otherRegs : opcode === BPF_JNE ? regs : undefined;
  if (equal !== undefined) markPtrNotNullReg(equal[srcMayBeNull ? insn.src : insn.dst]);
}
