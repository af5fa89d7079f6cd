import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import { isConst, type Scalar, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import {
  clearScalarId,
  getRegWidth,
  growStackState,
  isPointerValueRaw,
  markRegConstZero,
  markRegUnknown,
  markRegUnknownRaw,
  scrubSpilledSlot,
} from '../state/marks.ts';
import { copyRegisterState, REG_LIVE_READ64, REG_LIVE_WRITTEN, type RegState } from '../state/reg.ts';
import {
  BPF_REG_SIZE,
  isSpilledReg,
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  setSlotType,
  slotTypeOf,
  slotTypesAll,
} from '../state/stack.ts';
import { insnStackAccessFlags, pushInsnHistory } from './history.ts';
import { markRegRead } from './liveness.ts';
import {
  ACCESS_DIRECT,
  ACCESS_HELPER,
  type AccessSrc,
  type AccessType,
  BPF_MAX_VAR_OFF,
  BPF_READ,
  BPF_WRITE,
  func,
  MAX_BPF_STACK,
  type MemArgMeta,
} from './pointer-kinds.ts';
import { checkFastcallStackContract } from './stack-write.ts';

/** A signed 64-bit number as a JavaScript one: exact where it is small, large where it is large. */
const s64 = (hi: number, lo: number): number => hi * 0x100000000 + (lo >>> 0);

/**
 * Whether `off`, the lowest byte of an access, is one a stack can have: reads without rights end where the program
 * wrote last.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_slot_within_bounds`.
 */
export function checkStackSlotWithinBounds(env: VerifierEnv, off: number, state: FuncState, type: AccessType): boolean {
  const least =
    type === BPF_WRITE || (env.allowUninitStack && env.rules.readsUnallocatedStack)
      ? -MAX_BPF_STACK
      : -state.allocatedStack;
  return off >= least && off <= -1;
}

/**
 * Refuses an access outside of the stack, makes the frame's stack as deep as the access and notes in `env.stackReach` what it
 * may touch. `off` includes the pointer's fixed offset, not its variable one.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_access_within_bounds`.
 */
export function checkStackAccessWithinBounds(
  env: VerifierEnv,
  regno: number,
  off: number,
  accessSize: number,
  src: AccessSrc,
  type: AccessType,
): void {
  const reg = env.regs[regno];
  const state = func(env, reg);
  const s = reg.scalar;
  const fixed = isConst(s);
  const indirect = src === ACCESS_HELPER && !env.rules.tellsHelperReads;
  const what = indirect ? ' indirect access to' : type === BPF_READ ? ' read from' : ' write to';
  let minOff: number;
  let maxOff: number;
  if (fixed) {
    minOff = s64(s.valueHi, s.valueLo) + off;
    maxOff = minOff + accessSize;
  } else {
    const smin = s64(s.sminHi, s.sminLo);
    const smax = s64(s.smaxHi, s.smaxLo);
    if (smax >= BPF_MAX_VAR_OFF || smin <= -BPF_MAX_VAR_OFF) env.refuse('stackUnbounded', what, regno);
    minOff = smin + off;
    maxOff = smax + off + accessSize;
  }
  let errno = checkStackSlotWithinBounds(env, minOff, state, type) ? 0 : 13;
  if (errno === 0 && maxOff > 0) errno = 22;
  if (errno === 0 && accessSize < 0) errno = 14;
  if (errno !== 0) {
    if (fixed) env.refuseWith(errno, 'stackOutOfBounds', what, regno, off, accessSize);
    env.refuseWith(errno, 'stackVarOffOutOfBounds', what, regno, tnumText(s), off, accessSize);
  }
  growStackState(env, state, -minOff);
  if (regno !== BPF_REG_FP) env.stackReach.mark(state.subprogno, minOff, maxOff);
}

/**
 * What a register becomes that is loaded from bytes which are no spill: zero if all of them are.
 *
 * Source: `kernel/bpf/verifier.c: mark_reg_stack_read`.
 */
function markRegStackRead(
  env: VerifierEnv,
  ptrState: FuncState,
  minOff: number,
  maxOff: number,
  dstRegno: number,
): void {
  const { regs } = env.frame;
  let i = minOff;
  for (; i < maxOff; i++) {
    const top = -i - 1;
    const spi = top >> 3;
    env.markStackSlotScratched(spi);
    if (slotTypeOf(ptrState.stack[spi], top & 7) !== STACK_ZERO) break;
  }
  if (i === maxOff) markRegConstZero(env, regs[dstRegno]);
  else markRegUnknown(env, regs, dstRegno);
  regs[dstRegno].live |= REG_LIVE_WRITTEN;
}

/** Whether a load of `fillSize` bytes at `off` begins with the lowest byte of a spill. Source: `bpf_stack_narrow_access_ok`. */
function stackNarrowAccessOk(env: VerifierEnv, off: number, fillSize: number, spillSize: number): boolean {
  const start = env.kernel.image.order === 'big' ? off - (spillSize - fillSize) : off;
  return (start & 7) === 0;
}

/** Refuses bytes nobody may read; counts spilled bytes and zeros of those that are left. */
const counts = { spills: 0, zeros: 0 };
function checkReadable(env: VerifierEnv, slot: RegState, off: number, size: number, spillsAllowed: boolean): void {
  const top = -off - 1;
  counts.spills = 0;
  counts.zeros = 0;
  for (let i = 0; i < size; i++) {
    const type = slotTypeOf(slot, (top - i) & 7);
    if (type === STACK_SPILL && spillsAllowed) counts.spills++;
    else if (type === STACK_ZERO) counts.zeros++;
    else if (type !== STACK_MISC && !(type === STACK_INVALID && env.allowUninitStack)) {
      env.refuse('stackInvalidRead', off, i, size);
    }
  }
}

/** Part of a spilled register, or of a slot that holds part of one, is loaded. True if what is loaded is the register's. */
function fillPart(
  env: VerifierEnv,
  slot: RegState,
  off: number,
  size: number,
  spillSize: number,
  dstRegno: number,
): boolean {
  const { regs } = env.frame;
  const dst = regs[dstRegno];
  if (size <= spillSize && stackNarrowAccessOk(env, off, size, spillSize)) {
    // The definition of the low half is the load's, not the spill's.
    const { subregDef } = dst;
    copyRegisterState(dst, slot);
    dst.subregDef = subregDef;
    if (getRegWidth(slot) > size * 8) clearScalarId(dst);
    return true;
  }
  checkReadable(env, slot, off, size, true);
  const s = slot.scalar;
  if (counts.spills === size && (s.maskHi | s.maskLo | s.valueHi | s.valueLo) === 0) {
    markRegConstZero(env, dst);
    return true;
  }
  if (counts.zeros === size) markRegConstZero(env, dst);
  else markRegUnknown(env, regs, dstRegno);
  return false;
}

/**
 * A load at a fixed offset, aligned and within the stack.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_read_fixed_off`.
 */
function checkStackReadFixedOff(
  env: VerifierEnv,
  regState: FuncState,
  off: number,
  size: number,
  dstRegno: number,
): void {
  const state = env.frame;
  const spi = (-off - 1) >> 3;
  const slot = regState.stack[spi];
  let restoresSpill = true;
  env.markStackSlotScratched(spi);
  checkFastcallStackContract(env, state, env.insnIdx, off);

  if (isSpilledReg(slot)) {
    let spillSize = 1;
    for (let i = BPF_REG_SIZE - 1; i > 0 && slotTypeOf(slot, i - 1) === STACK_SPILL; i--) spillSize++;
    if (size !== BPF_REG_SIZE || spillSize !== BPF_REG_SIZE) {
      if (slot.type !== SCALAR_VALUE) {
        env.lines.print(env.insnIdx, '; ');
        env.refuse('stackFillSize');
      }
      markRegRead(env, slot, REG_LIVE_READ64);
      if (dstRegno < 0) return;
      restoresSpill = fillPart(env, slot, off, size, spillSize, dstRegno);
      state.regs[dstRegno].live |= REG_LIVE_WRITTEN;
    } else if (dstRegno >= 0) {
      const dst = state.regs[dstRegno];
      copyRegisterState(dst, slot);
      dst.live |= REG_LIVE_WRITTEN;
    } else if (isPointerValueRaw(env.allowPtrLeaks, slot)) {
      env.refuse('stackLeak', off);
    }
    markRegRead(env, slot, REG_LIVE_READ64);
  } else {
    checkReadable(env, slot, off, size, false);
    markRegRead(env, slot, REG_LIVE_READ64);
    if (dstRegno >= 0) markRegStackRead(env, regState, off, off + size, dstRegno);
    restoresSpill = false;
  }
  if (restoresSpill) pushInsnHistory(env, env.curState, insnStackAccessFlags(regState.frameno, spi), undefined);
}

/** A load somewhere in a range. Source: `kernel/bpf/verifier.c: check_stack_read_var_off`. */
function checkStackReadVarOff(env: VerifierEnv, ptrRegno: number, off: number, size: number, dstRegno: number): void {
  const reg = env.regs[ptrRegno];
  const ptrState = func(env, reg);
  // Before the load: it may go into the register that is the pointer.
  checkStackRangeInitialized(env, ptrRegno, off, size, false, ACCESS_DIRECT, undefined);
  const minOff = (reg.scalar.sminLo + off) | 0;
  const maxOff = (reg.scalar.smaxLo + off) | 0;
  markRegStackRead(env, ptrState, minOff, maxOff + size, dstRegno);
  checkFastcallStackContract(env, ptrState, env.insnIdx, minOff);
}

/**
 * A load from the stack, within its bounds. `off` includes the pointer's fixed offset.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_read`.
 * @param dstRegno register loaded; -1 for none
 */
export function checkStackRead(env: VerifierEnv, ptrRegno: number, off: number, size: number, dstRegno: number): void {
  const reg = env.regs[ptrRegno];
  const fixed = isConst(reg.scalar);
  if (dstRegno < 0 && !fixed) env.refuse('stackVarOffHelper', tnumText(reg.scalar), off, size);
  if (fixed) checkStackReadFixedOff(env, func(env, reg), (off + reg.scalar.valueLo) | 0, size, dstRegno);
  else checkStackReadVarOff(env, ptrRegno, off, size, dstRegno);
}

const ALL_MISC = slotTypesAll(STACK_MISC);

/** A callee that writes memory it need not find initialized: it must not write over a dynptr. */
function checkRawRange(env: VerifierEnv, state: FuncState, minOff: number, end: number): void {
  const { stack } = state;
  for (let i = minOff; i < end; i++) {
    const top = -i - 1;
    const slot = stack[top >> 3];
    // It may write beyond what the program has touched.
    if (slot !== undefined && slotTypeOf(slot, top & 7) === STACK_DYNPTR) env.refuse('stackDynptrWrite', i);
  }
}

function refuseUninitRead(
  env: VerifierEnv,
  src: AccessSrc,
  regno: number,
  s: Scalar,
  minOff: number,
  i: number,
  size: number,
): never {
  const what = src === ACCESS_HELPER ? ' indirect' : '';
  if (isConst(s)) env.refuse('stackUninitRead', what, regno, minOff, i - minOff, size);
  env.refuse('stackVarOffUninitRead', what, regno, tnumText(s), i - minOff, size);
}

/**
 * Checks that a range of the stack is within bounds and, as far as rights and the kind of access ask for it,
 * initialized. Registers spilled there are marked as read; a callee may leave anything there.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_range_initialized`.
 * @param meta of the call the range is an argument of; undefined for none
 */
export function checkStackRangeInitialized(
  env: VerifierEnv,
  regno: number,
  off: number,
  accessSize: number,
  zeroSizeAllowed: boolean,
  type: AccessSrc,
  meta: MemArgMeta | undefined,
  access: AccessType = BPF_READ,
): void {
  const reg = env.regs[regno];
  const state = func(env, reg);
  const s = reg.scalar;
  if (accessSize === 0 && !zeroSizeAllowed) env.refuse('stackZeroSizedRead');
  const clobber = env.rules.tellsHelperReads ? access === BPF_WRITE : type === ACCESS_HELPER;
  checkStackAccessWithinBounds(env, regno, off, accessSize, type, clobber ? BPF_WRITE : BPF_READ);

  let minOff: number;
  let maxOff: number;
  let rawMeta = meta?.rawMode ? meta : undefined;
  if (isConst(s)) {
    minOff = maxOff = (s.valueLo + off) | 0;
  } else {
    if (!env.bypassSpecV1) env.refuse('stackVarOffUnpriv', regno, clobber ? ' indirect' : '', tnumText(s));
    // Nobody could say afterwards which bytes were written.
    rawMeta = undefined;
    minOff = (s.sminLo + off) | 0;
    maxOff = (s.smaxLo + off) | 0;
  }
  const end = maxOff + accessSize;
  if (rawMeta !== undefined) {
    checkRawRange(env, state, minOff, end);
    rawMeta.accessSize = accessSize;
    rawMeta.regno = regno;
    return;
  }
  for (let i = minOff; i < end; i++) {
    const top = -i - 1;
    const slot = state.stack[top >> 3];
    if (slot === undefined) env.bug('allocated_stack too small');
    if (i === minOff || (top & 7) === 7) markRegRead(env, slot, REG_LIVE_READ64);
    if (slot.slotTypes === ALL_MISC) {
      // On to the slot's last byte.
      i += top & 7;
      continue;
    }
    const kind = slotTypeOf(slot, top & 7);
    if (kind === STACK_ZERO || (kind === STACK_INVALID && env.allowUninitStack)) {
      if (clobber) setSlotType(slot, top & 7, STACK_MISC);
    } else if (kind !== STACK_MISC) {
      if (!isSpilledReg(slot) || (slot.type !== SCALAR_VALUE && !env.allowPtrLeaks)) {
        refuseUninitRead(env, type, regno, s, minOff, i, accessSize);
      }
      if (clobber) {
        markRegUnknownRaw(env, slot);
        for (let j = 0; j < BPF_REG_SIZE; j++) scrubSpilledSlot(slot, j);
      }
    }
  }
}
