import {
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  PTR_TO_TP_BUFFER,
} from '../../helpers/index.ts';
import { BPF_ADD, BPF_ALU64, BPF_AND, BPF_OR, BPF_SUB, BPF_XOR, type Insn, MAX_BPF_STACK } from '../../isa/index.ts';
import { i64Of } from '../../util/index.ts';
import {
  draftOf,
  isConst,
  isOffsetTainted,
  mark32Unbounded,
  pointerOffsetKept,
  pointerOffsetUnsynced,
  type Scalar,
  syncBounds,
  tnumText,
} from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { markRegUnknownRaw } from '../state/marks.ts';
import { assignReg, NO_INFO, type RegState } from '../state/reg.ts';
import { ALU_TEXT } from './alu-text.ts';
import { elseRefuse } from './else-refuse.ts';
import { checkMapAccess } from './map-access.ts';
import { ACCESS_HELPER, BPF_MAX_VAR_OFF, typeIsPktPointer } from './pointer-kinds.ts';
import { type SanitizeInfo, sanitizeErr, sanitizeNeeded, sanitizePtrAlu } from './sanitize.ts';

const bits = (...types: readonly number[]): number => types.reduce((mask, type) => mask | (1 << type), 0);
/** Base types that may be moved by anything. */
const MOVABLE = bits(
  PTR_TO_CTX,
  PTR_TO_MAP_VALUE,
  PTR_TO_MAP_KEY,
  PTR_TO_STACK,
  PTR_TO_PACKET_META,
  PTR_TO_PACKET,
  PTR_TO_TP_BUFFER,
  PTR_TO_BTF_ID,
  PTR_TO_MEM,
  PTR_TO_BUF,
  PTR_TO_FUNC,
  CONST_PTR_TO_DYNPTR,
);

/** Whether a signed 64-bit number is below 2^29 either way. */
const isSaneOffset = (hi: number, lo: number): boolean =>
  hi === lo >> 31 && lo < BPF_MAX_VAR_OFF && lo > -BPF_MAX_VAR_OFF;
const text = (hi: number, lo: number): string => String(i64Of(hi, lo));

/** Refuses numbers and offsets so large that sums of them could overflow. Source: `check_reg_sane_offset`. */
export function checkRegSaneOffset(env: VerifierEnv, reg: RegState, type: number): void {
  const { scalar, off } = reg;
  const { sminHi, sminLo } = scalar;
  if (isConst(scalar) && !isSaneOffset(scalar.valueHi, scalar.valueLo))
    env.refuse('ptrMathConst', regTypeStr(type), text(scalar.valueHi, scalar.valueLo));
  if (off >= BPF_MAX_VAR_OFF || off <= -BPF_MAX_VAR_OFF) env.refuse('ptrMathOff', regTypeStr(type), off);
  if (isSaneOffset(sminHi, sminLo)) return;
  if (sminHi === -0x80000000 && sminLo === 0) env.refuse('ptrMathUnbounded', regTypeStr(type));
  env.refuse('ptrMathOutOfBounds', regTypeStr(type), text(sminHi, sminLo));
}

/** `off` includes that of the register. Source: `check_stack_access_for_ptr_arithmetic`. */
function checkStackAccessForPtrArithmetic(env: VerifierEnv, regno: number, reg: RegState, off: number): void {
  if (!isConst(reg.scalar)) env.refuse('stackMathVariable', regno, tnumText(reg.scalar), off);
  if (off >= 0 || off < -MAX_BPF_STACK) env.refuse('stackMathRange', regno, off);
}

/** Without CAP_PERFMON pointers have to stay inside what they point to. Source: `sanitize_check_bounds`. */
function sanitizeCheckBounds(env: VerifierEnv, insn: Insn, dstReg: RegState): void {
  if (env.bypassSpecV1) return;
  if (dstReg.type === PTR_TO_STACK)
    checkStackAccessForPtrArithmetic(env, insn.dst, dstReg, (dstReg.off + dstReg.scalar.valueLo) | 0);
  else if (dstReg.type === PTR_TO_MAP_VALUE)
    elseRefuse(
      env,
      () => checkMapAccess(env, insn.dst, dstReg.off, 1, false, ACCESS_HELPER),
      () => env.refuse('mapMathRange', insn.dst),
    );
}

/** Refuses pointers that may not be moved at all, or not by that. */
function checkMovable(env: VerifierEnv, insn: Insn, ptrReg: RegState, off: Scalar): void {
  if ((ptrReg.type & PTR_MAYBE_NULL) !== 0) env.refuse('ptrMathNull', insn.dst, regTypeStr(ptrReg.type));
  const base = baseType(ptrReg.type);
  if ((MOVABLE & (1 << base)) !== 0) return;
  if (base === PTR_TO_FLOW_KEYS && (isConst(off) || env.rules.flowKeysArithmetic)) return;
  if (isConst(off)) {
    if (base === CONST_PTR_TO_MAP && (off.sminHi | off.sminLo) === 0 && (insn.code & 0xf0) === BPF_ADD) return;
  }
  env.refuse('ptrMathType', insn.dst, regTypeStr(ptrReg.type));
}

/**
 * `pointer += number`, `pointer -= number` and `number += pointer`; every other operation is refused.
 *
 * @param ptrReg the register that holds the pointer: dst, or src
 * @param offReg the number; a copy of dst where `ptrReg` is src
 * Source: `adjust_ptr_min_max_vals`.
 */
export function adjustPtrMinMaxVals(env: VerifierEnv, insn: Insn, ptrReg: RegState, offReg: RegState): void {
  const { dst } = insn;
  const dstReg = env.regs[dst];
  const off = offReg.scalar;
  const opcode = insn.code & 0xf0;
  const known = isConst(off);
  if (isOffsetTainted(off)) {
    markRegUnknownRaw(env, dstReg);
    return;
  }
  if ((insn.code & 0x07) !== BPF_ALU64) {
    if (opcode === BPF_SUB && env.allowPtrLeaks) {
      markRegUnknownRaw(env, dstReg);
      return;
    }
    env.refuse('ptrMath32', dst);
  }
  checkMovable(env, insn, ptrReg, off);
  if (dstReg !== ptrReg) assignReg(dstReg, ptrReg);
  checkRegSaneOffset(env, offReg, ptrReg.type);
  checkRegSaneOffset(env, ptrReg, ptrReg.type);

  const ptr = ptrReg.scalar;
  const { type } = ptrReg;
  // In Linux the number still is dst itself where the pointer is src: messages tell by that which to name.
  const blamed = dstReg === ptrReg ? offReg : dstReg;
  let info: SanitizeInfo | undefined;
  if (!env.bypassSpecV1) {
    const unbounded = draftOf(ptr);
    mark32Unbounded(unbounded);
    dstReg.scalar = unbounded;
    if (sanitizeNeeded(opcode)) {
      info = { aluState: 0, aluLimit: 0, maskToLeft: false };
      const reason = sanitizePtrAlu(env, insn, ptrReg, offReg, dstReg, info, false);
      if (reason < 0) sanitizeErr(env, insn, reason, blamed, dstReg);
    }
  }

  if (opcode === BPF_ADD) {
    if (known) {
      // Within bounds by now, so that the sum fits.
      dstReg.off = ptrReg.off + off.valueLo;
      dstReg.scalar = ptr;
      checkRegSaneOffset(env, dstReg, type);
      dstReg.scalar = pointerOffsetKept(ptr);
    } else move(env, 'add', ptrReg, ptr, offReg, dstReg);
  } else if (opcode === BPF_SUB) {
    if (dstReg !== ptrReg) env.refuse('ptrFromScalar', dst);
    if (type === PTR_TO_STACK) env.refuse('ptrSubStack', dst);
    if (known) {
      dstReg.off = ptrReg.off - off.valueLo;
      dstReg.scalar = ptr;
      checkRegSaneOffset(env, dstReg, type);
      dstReg.scalar = pointerOffsetKept(ptr);
    } else move(env, 'sub', ptrReg, ptr, offReg, dstReg);
  } else if (opcode === BPF_AND || opcode === BPF_OR || opcode === BPF_XOR) {
    env.refuse('ptrBitwise', dst, ALU_TEXT[opcode >> 4]);
  } else env.refuse('ptrOperator', dst, ALU_TEXT[opcode >> 4]);

  if (info === undefined) return;
  sanitizeCheckBounds(env, insn, dstReg);
  const reason = sanitizePtrAlu(env, insn, dstReg, offReg, dstReg, info, true);
  if (reason < 0) sanitizeErr(env, insn, reason, blamed, dstReg);
}

/** By a number that is not known: the variable part changes, and packet pointers become pointers of their own. */
function move(
  env: VerifierEnv,
  op: 'add' | 'sub',
  ptrReg: RegState,
  ptr: Scalar,
  offReg: RegState,
  dstReg: RegState,
): void {
  const draft = pointerOffsetUnsynced(op, ptr, offReg.scalar);
  dstReg.scalar = draft;
  dstReg.off = ptrReg.off;
  dstReg.info = ptrReg.info;
  if (typeIsPktPointer(ptrReg.type)) {
    dstReg.id = env.newId();
    // Moved forward, what was compared with the end no longer counts; backward it still does.
    if (op === 'add' || offReg.scalar.sminHi < 0) dstReg.info = NO_INFO;
  }
  checkRegSaneOffset(env, dstReg, ptrReg.type);
  syncBounds(draft);
}
