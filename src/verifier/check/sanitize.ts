import { PTR_TO_MAP_VALUE, PTR_TO_STACK } from '../../helpers/index.ts';
import { BPF_ADD, BPF_SUB, BPF_X, type Insn, MAX_BPF_STACK } from '../../isa/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { markRegUnknown } from '../state/marks.ts';
import { assignReg, cloneReg, copyRegisterState, type RegState } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { tryPushStack } from './branches.ts';

/**
 * Sanitation of arithmetic against speculation, for programs without CAP_PERFMON: what the fixups have to mask, and paths
 * that only a mispredicting CPU takes.
 */

/** Bits of `InsnAux.aluState` (`include/linux/bpf_verifier.h`). */
export const BPF_ALU_SANITIZE_SRC = 1 << 0;
export const BPF_ALU_SANITIZE_DST = 1 << 1;
export const BPF_ALU_NEG_VALUE = 1 << 2;
export const BPF_ALU_NON_POINTER = 1 << 3;
export const BPF_ALU_IMMEDIATE = 1 << 4;
export const BPF_ALU_SANITIZE = BPF_ALU_SANITIZE_SRC | BPF_ALU_SANITIZE_DST;

/** Why a sanitation is not possible; 0: it is. */
const REASON_BOUNDS = -1;
const REASON_TYPE = -2;
const REASON_PATHS = -3;
const REASON_LIMIT = -4;
const REASON_STACK = -5;

/** Between the two looks at one instruction (`struct bpf_sanitize_info`). */
export interface SanitizeInfo {
  aluState: number;
  aluLimit: number;
  maskToLeft: boolean;
}

interface AluLimit {
  aluState: number;
  aluLimit: number;
}

/** The limit, unsigned, or a (negative) reason. Source: `retrieve_ptr_limit`. */
function retrievePtrLimit(ptrReg: RegState, maskToLeft: boolean): number {
  let max: number;
  let limit: number;
  const { scalar } = ptrReg;
  switch (ptrReg.type) {
    case PTR_TO_STACK:
      max = MAX_BPF_STACK + (maskToLeft ? 1 : 0);
      limit = -(scalar.valueLo + ptrReg.off) >>> 0;
      break;
    case PTR_TO_MAP_VALUE:
      max = ptrReg.info.map?.valueSize ?? 0;
      limit = ((maskToLeft ? scalar.sminLo : scalar.umaxLo) + ptrReg.off) >>> 0;
      break;
    default:
      return REASON_TYPE;
  }
  return limit >= max ? REASON_LIMIT : limit;
}

const canSkipAluSanitation = (env: VerifierEnv, insn: Insn): boolean => env.bypassSpecV1 || (insn.code & BPF_X) === 0;

function updateAluSanitationState(aux: AluLimit, aluState: number, aluLimit: number): number {
  if (aux.aluState !== 0 && (aux.aluState !== aluState || aux.aluLimit !== aluLimit)) return REASON_PATHS;
  aux.aluState = aluState;
  aux.aluLimit = aluLimit;
  return 0;
}

/** Arithmetic on two numbers. Source: `sanitize_val_alu`. */
export function sanitizeValAlu(env: VerifierEnv, insn: Insn): number {
  if (canSkipAluSanitation(env, insn)) return 0;
  return updateAluSanitationState(env.aux.own(), BPF_ALU_NON_POINTER, 0);
}

export const sanitizeNeeded = (opcode: number): boolean => opcode === BPF_ADD || opcode === BPF_SUB;

/**
 * Queues the other way of a decided branch, where the registers compared may be anything; `insn` undefined: the state as
 * it is. Source: `sanitize_speculative_path`.
 */
export function sanitizeSpeculativePath(
  env: VerifierEnv,
  insn: Insn | undefined,
  nextIdx: number,
  currIdx: number,
): VerifierState | undefined {
  const branch = tryPushStack(env, nextIdx, currIdx, true);
  if (branch !== undefined && insn !== undefined) {
    const { regs } = branch.frame;
    markRegUnknown(env, regs, insn.dst);
    if ((insn.code & BPF_X) !== 0) markRegUnknown(env, regs, insn.src);
  }
  return branch;
}

/** @returns 0, or why it cannot be sanitized. Source: `sanitize_ptr_alu`. */
export function sanitizePtrAlu(
  env: VerifierEnv,
  insn: Insn,
  ptrReg: RegState,
  offReg: RegState,
  dstReg: RegState,
  info: SanitizeInfo,
  commitWindow: boolean,
): number {
  if (canSkipAluSanitation(env, insn)) return 0;
  const offIsImm = isConst(offReg.scalar);
  const ptrIsDstReg = ptrReg === dstReg;
  // Speculative paths only look for accesses that are out of bounds: the masks are known from the real ones.
  if (!env.curState.speculative) {
    const offIsNeg = offReg.scalar.sminHi < 0;
    if (!commitWindow) {
      if (!offIsImm && offIsNeg !== offReg.scalar.smaxHi < 0) return REASON_BOUNDS;
      info.maskToLeft = (insn.code & 0xf0) === BPF_ADD ? offIsNeg : !offIsNeg;
    }
    const limit = retrievePtrLimit(ptrReg, info.maskToLeft);
    if (limit < 0) return limit;
    let aluState: number;
    let aluLimit = limit;
    if (commitWindow) {
      aluState = info.aluState;
      aluLimit = Math.abs((info.aluLimit - limit) | 0);
    } else {
      aluState =
        (offIsNeg ? BPF_ALU_NEG_VALUE : 0) |
        (offIsImm ? BPF_ALU_IMMEDIATE : 0) |
        (ptrIsDstReg ? BPF_ALU_SANITIZE_SRC : BPF_ALU_SANITIZE_DST);
      if (!offIsImm) env.exploreAluLimits = true;
    }
    const err = updateAluSanitationState(commitWindow ? env.aux.own() : info, aluState, aluLimit);
    if (err < 0) return err;
  }
  if (commitWindow || offIsImm) return 0;
  // The masked offset may be 0 where the real one is not: the path on which the pointer does not move.
  const tmp = ptrIsDstReg ? undefined : cloneReg(dstReg);
  if (tmp !== undefined) copyRegisterState(dstReg, ptrReg);
  const branch = sanitizeSpeculativePath(env, undefined, env.insnIdx + 1, env.insnIdx);
  if (branch === undefined) return REASON_STACK;
  if (tmp !== undefined) assignReg(dstReg, tmp);
  return 0;
}

/** Source: `sanitize_mark_insn_seen`. Code that only speculation reaches stays dead code. */
export function sanitizeMarkInsnSeen(env: VerifierEnv): void {
  if (!env.curState.speculative) env.insnAux[env.insnIdx].seen = env.passCnt;
}

/** Refuses. Source: `sanitize_err`. */
export function sanitizeErr(
  env: VerifierEnv,
  insn: Insn,
  reason: number,
  offReg: RegState | undefined,
  dstReg: RegState | undefined,
): never {
  const op = (insn.code & 0xf0) === BPF_ADD ? 'add' : 'sub';
  const { dst, src } = insn;
  switch (reason) {
    case REASON_BOUNDS:
      return env.refuse('sanitizeBounds', offReg === dstReg ? dst : src);
    case REASON_TYPE:
      return env.refuse('sanitizeType', offReg === dstReg ? src : dst);
    case REASON_PATHS:
      return env.refuse('sanitizePaths', dst, op);
    case REASON_LIMIT:
      return env.refuse('sanitizeLimit', dst, op);
    case REASON_STACK:
      return env.refuse('sanitizeStack', dst);
    default:
      return env.bug(`unknown reason ${reason}`);
  }
}
