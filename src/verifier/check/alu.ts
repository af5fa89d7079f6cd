import { PTR_TO_ARENA, SCALAR_VALUE } from '../../helpers/index.ts';
import {
  type AluOp,
  BPF_ADD,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_ARSH,
  BPF_DIV,
  BPF_END,
  BPF_LSH,
  BPF_MOD,
  BPF_MOV,
  BPF_NEG,
  BPF_RSH,
  BPF_SUB,
  BPF_X,
  type Insn,
} from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import {
  fitsBelowSign,
  forkCase,
  forkWidth,
  isComputable,
  isConst,
  type Scalar,
  scalarAlu,
  scalarKnown,
  scalarSext32,
  scalarSext64,
  scalarWidth,
  scalarZext32,
} from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import {
  assignScalarIdBeforeMov,
  clearScalarId,
  markRegUnknown,
  markRegUnknownRaw,
  regBoundsSanityCheck,
} from '../state/marks.ts';
import {
  assignReg,
  BPF_ADD_CONST,
  cloneReg,
  copyRegisterState,
  DEF_NOT_SUBREG,
  NO_INFO,
  REG_LIVE_WRITTEN,
  RegState,
} from '../state/reg.ts';
import { ALU_TEXT } from './alu-text.ts';
import { pushStack } from './branches.ts';
import { checkRegArg, DST_OP, DST_OP_NO_MARK, SRC_OP } from './liveness.ts';
import { adjustPtrMinMaxVals } from './pointer-alu.ts';
import { isPointerValue } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { sanitizeErr, sanitizeNeeded, sanitizeValAlu } from './sanitize.ts';

const OPS: readonly (AluOp | undefined)[] = [
  'add',
  'sub',
  'mul',
  'div',
  'or',
  'and',
  'lsh',
  'rsh',
  undefined,
  'mod',
  'xor',
  'mov',
  'arsh',
];

/** Queues the state in which a register that is -1 or 0 is 0, and goes on with -1. Source: `maybe_fork_scalars`. */
function maybeForkScalars(env: VerifierEnv, insn: Insn, dstReg: RegState, width: 32 | 64): void {
  const branch = pushStack(env, env.insnIdx, env.insnIdx, false);
  if (branch === undefined) env.fail(ERRNO.EFAULT);
  const other = branch.frame.regs[insn.dst];
  other.scalar = forkCase(other.scalar, width, 0);
  dstReg.scalar = forkCase(dstReg.scalar, width, -1);
  if (width === 32) return;
  forgetIdentity(other);
  forgetIdentity(dstReg);
}

/** What `__mark_reg_known` clears besides the number. */
function forgetIdentity(reg: RegState): void {
  reg.off = 0;
  reg.info = NO_INFO;
  reg.id = 0;
  reg.refObjId = 0;
}

/** Arithmetic on two numbers. Source: `adjust_scalar_min_max_vals`. */
function adjustScalarMinMaxVals(env: VerifierEnv, insn: Insn, dstReg: RegState, src: Scalar): void {
  const opcode = insn.code & 0xf0;
  const op = OPS[opcode >> 4] as AluOp;
  const width = (insn.code & 0x07) === BPF_ALU64 ? 64 : 32;
  if (!isComputable(op, width, src)) {
    markRegUnknownRaw(env, dstReg);
    return;
  }
  if (sanitizeNeeded(opcode)) {
    const reason = sanitizeValAlu(env, insn);
    if (reason < 0) sanitizeErr(env, insn, reason, undefined, undefined);
  }
  const fork = forkWidth(op, dstReg.scalar, src);
  if (fork !== 0) maybeForkScalars(env, insn, dstReg, fork);
  dstReg.scalar = scalarAlu(op, width, dstReg.scalar, src);
}

/** Arithmetic where one operand is a pointer into an arena: any is allowed, and the result is one again. */
function arenaArithmetic(env: VerifierEnv, insn: Insn, dstReg: RegState, srcReg: RegState | undefined): void {
  if (dstReg.type !== PTR_TO_ARENA) assignReg(dstReg, srcReg as RegState);
  dstReg.subregDef = env.insnIdx + 1;
  // The fixups make it a 32-bit operation.
  if ((insn.code & 0x07) === BPF_ALU64) env.aux.own().needsZext = true;
}

/** All operations but moves, negation and byte swaps. Source: `adjust_reg_min_max_vals`. */
function adjustRegMinMaxVals(env: VerifierEnv, insn: Insn): void {
  const { regs } = env;
  const dstReg = regs[insn.dst];
  const byReg = (insn.code & BPF_X) !== 0;
  const srcReg = byReg ? regs[insn.src] : undefined;
  const opcode = insn.code & 0xf0;
  if (dstReg.type === PTR_TO_ARENA || srcReg?.type === PTR_TO_ARENA) {
    arenaArithmetic(env, insn, dstReg, srcReg);
    return;
  }
  const dstIsPtr = dstReg.type !== SCALAR_VALUE;
  let src: Scalar;
  if (srcReg !== undefined) {
    if (srcReg.type !== SCALAR_VALUE) {
      if (dstIsPtr) {
        if (opcode === BPF_SUB && env.allowPtrLeaks) {
          markRegUnknown(env, regs, insn.dst);
          return;
        }
        env.refuse('ptrWithPtr', insn.dst, ALU_TEXT[opcode >> 4]);
      }
      markChainPrecision(env, insn.dst);
      adjustPtrMinMaxVals(env, insn, srcReg, cloneReg(dstReg));
      return;
    }
    if (dstIsPtr) {
      markChainPrecision(env, insn.src);
      adjustPtrMinMaxVals(env, insn, dstReg, srcReg);
      return;
    }
    if (dstReg.precise) markChainPrecision(env, insn.src);
    src = srcReg.scalar;
  } else {
    src = env.imm;
    if (dstIsPtr) {
      const offReg = new RegState();
      offReg.type = SCALAR_VALUE;
      offReg.scalar = src;
      adjustPtrMinMaxVals(env, insn, dstReg, offReg);
      return;
    }
  }
  adjustScalarMinMaxVals(env, insn, dstReg, src);
  linkByDistance(env, insn, dstReg, srcReg === undefined ? src : srcReg.scalar);
}

/**
 * `r1 = r2; r1 += 1` leaves r1 linked to r2, so that a branch on one teaches of the other. Only one addition of a constant
 * that is not negative does; all else unlinks.
 */
function linkByDistance(env: VerifierEnv, insn: Insn, dstReg: RegState, src: Scalar): void {
  const linkable =
    env.bpfCapable &&
    (insn.code & 0xf7) === (BPF_ADD | BPF_ALU64) &&
    dstReg.id !== 0 &&
    isConst(src) &&
    !((insn.code & BPF_X) !== 0 && insn.src === insn.dst);
  if (!linkable || (dstReg.id & BPF_ADD_CONST) !== 0 || src.valueHi !== 0 || src.valueLo < 0) {
    clearScalarId(dstReg);
    return;
  }
  dstReg.id |= BPF_ADD_CONST;
  dstReg.off = src.valueLo;
}

/** Checks an arithmetic instruction and does it on the state. Source: `check_alu_op`. */
export function checkAluOp(env: VerifierEnv, insn: Insn): void {
  const opcode = insn.code & 0xf0;
  if (opcode === BPF_END || opcode === BPF_NEG) checkUnary(env, insn, opcode);
  else if (opcode === BPF_MOV) checkMov(env, insn);
  else if (opcode > BPF_END) env.refuse('aluOpcode', opcode);
  else checkBinary(env, insn, opcode);
  regBoundsSanityCheck(env, env.regs[insn.dst], 'alu');
}

function checkUnary(env: VerifierEnv, insn: Insn, opcode: number): void {
  const { code, dst, src, off, imm } = insn;
  if (opcode === BPF_NEG) {
    if ((code & BPF_X) !== 0 || src !== 0 || off !== 0 || imm !== 0) env.refuse('negReserved');
  } else if (
    src !== 0 ||
    off !== 0 ||
    (imm !== 16 && imm !== 32 && imm !== 64) ||
    ((code & 0x07) === BPF_ALU64 && (code & BPF_X) !== 0)
  )
    env.refuse('endReserved');
  checkRegArg(env, dst, SRC_OP);
  if (isPointerValue(env, dst)) env.refuse('ptrUnary', dst);
  checkRegArg(env, dst, DST_OP);
}

/** Reserved fields of `dst = src`. */
function checkMovForm(env: VerifierEnv, insn: Insn): void {
  const { off, imm } = insn;
  if (!env.rules.cpuV4 && (off !== 0 || imm !== 0)) env.refuse('movReserved');
  const narrow = off === 0 || off === 8 || off === 16;
  if ((insn.code & 0x07) === BPF_ALU) {
    if (!narrow || imm !== 0) env.refuse('movReserved');
  } else if (off === BPF_ADDR_SPACE_CAST) {
    if (imm !== 1 && imm !== 1 << 16) env.refuse('castSpaces');
    if (env.arena === undefined) env.refuse('castNoArena');
  } else if ((!narrow && off !== 32) || imm !== 0) env.refuse('movReserved');
}

function checkMov(env: VerifierEnv, insn: Insn): void {
  const { regs } = env;
  const { dst, src, off, imm } = insn;
  const wide = (insn.code & 0x07) === BPF_ALU64;
  if ((insn.code & BPF_X) === 0) {
    if (src !== 0 || off !== 0) env.refuse('movReserved');
    checkRegArg(env, dst, DST_OP_NO_MARK);
    // Clears what a known number leaves as it was.
    markRegUnknown(env, regs, dst);
    const dstReg = regs[dst];
    dstReg.type = SCALAR_VALUE;
    dstReg.scalar = wide ? env.imm : scalarKnown(0, imm);
    return;
  }
  checkMovForm(env, insn);
  checkRegArg(env, src, SRC_OP);
  checkRegArg(env, dst, DST_OP_NO_MARK);
  if (!wide) moveLow(env, insn);
  else if (imm !== 0) {
    markRegUnknown(env, regs, dst);
    if (imm === 1) {
      regs[dst].type = PTR_TO_ARENA;
      regs[dst].subregDef = env.insnIdx + 1;
    }
  } else if (off === 0) {
    assignScalarIdBeforeMov(env, regs[src]);
    copyRegisterState(regs[dst], regs[src]);
    regs[dst].live |= REG_LIVE_WRITTEN;
    regs[dst].subregDef = DEF_NOT_SUBREG;
  } else if (isPointerValue(env, src)) env.refuse('movsxPointer', src);
  else if (regs[src].type === SCALAR_VALUE) {
    const dstReg = copyLinked(env, insn, fitsBelowSign(regs[src].scalar, off));
    dstReg.scalar = scalarSext64(dstReg.scalar, (off >> 3) as 1 | 2 | 4);
    dstReg.subregDef = DEF_NOT_SUBREG;
  } else markRegUnknown(env, regs, dst);
}

/** `w1 = w2`, with or without extension of a sign. */
function moveLow(env: VerifierEnv, insn: Insn): void {
  const { regs } = env;
  const { dst, src, off } = insn;
  const srcReg = regs[src];
  if (isPointerValue(env, src)) env.refuse('movPartPointer', src);
  if (srcReg.type !== SCALAR_VALUE) {
    markRegUnknown(env, regs, dst);
    regs[dst].scalar = scalarZext32(regs[dst].scalar);
    return;
  }
  const same = off === 0 ? scalarWidth(srcReg.scalar) <= 32 : fitsBelowSign(srcReg.scalar, off);
  const dstReg = copyLinked(env, insn, same);
  dstReg.subregDef = env.insnIdx + 1;
  dstReg.scalar = off === 0 ? scalarZext32(dstReg.scalar) : scalarSext32(dstReg.scalar, (off >> 3) as 1 | 2);
}

/** Copies a number; both stay linked if it is the `same` afterwards. */
function copyLinked(env: VerifierEnv, insn: Insn, same: boolean): RegState {
  const { regs } = env;
  const srcReg = regs[insn.src];
  const dstReg = regs[insn.dst];
  if (same) assignScalarIdBeforeMov(env, srcReg);
  copyRegisterState(dstReg, srcReg);
  if (!same) clearScalarId(dstReg);
  dstReg.live |= REG_LIVE_WRITTEN;
  return dstReg;
}

function checkBinary(env: VerifierEnv, insn: Insn, opcode: number): void {
  const { code, dst, src, off, imm } = insn;
  const byReg = (code & BPF_X) !== 0;
  const divides = opcode === BPF_MOD || opcode === BPF_DIV;
  const offBad = off !== 0 && (off !== 1 || !divides || !env.rules.cpuV4);
  if (offBad || (byReg ? imm !== 0 : src !== 0)) env.refuse('aluReserved');
  if (byReg) checkRegArg(env, src, SRC_OP);
  checkRegArg(env, dst, SRC_OP);
  if (!byReg) {
    if (divides && imm === 0) env.refuse('divByZero');
    if (opcode === BPF_LSH || opcode === BPF_RSH || opcode === BPF_ARSH) {
      const size = (code & 0x07) === BPF_ALU64 ? 64 : 32;
      if (imm < 0 || imm >= size) env.refuse('shiftAmount', imm);
    }
  }
  checkRegArg(env, dst, DST_OP_NO_MARK);
  adjustRegMinMaxVals(env, insn);
}
