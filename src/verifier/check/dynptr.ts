import {
  ARG_PTR_TO_DYNPTR,
  baseType,
  CONST_PTR_TO_DYNPTR,
  DYNPTR_TYPE_FLAG_MASK,
  DYNPTR_TYPE_LOCAL,
  DYNPTR_TYPE_RINGBUF,
  DYNPTR_TYPE_SKB,
  DYNPTR_TYPE_XDP,
  PTR_MAYBE_NULL,
  PTR_TO_MEM,
} from '../../helpers/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import type { FuncState } from '../state/func-state.ts';
import { getSpi, isSpiBoundsValid, markDynptrReg, markRegInvalid, markRegNotInitRaw } from '../state/marks.ts';
import { acquireReferenceState, releaseReference } from '../state/refs.ts';
import {
  BPF_DYNPTR_TYPE_INVALID,
  BPF_DYNPTR_TYPE_LOCAL,
  BPF_DYNPTR_TYPE_RINGBUF,
  BPF_DYNPTR_TYPE_SKB,
  BPF_DYNPTR_TYPE_XDP,
  REG_LIVE_WRITTEN,
  type RegState,
} from '../state/reg.ts';
import {
  BPF_DYNPTR_NR_SLOTS,
  BPF_REG_SIZE,
  fillSlotTypes,
  STACK_DYNPTR,
  STACK_INVALID,
  slotTypeOf,
  slotTypesAll,
} from '../state/stack.ts';
import { func } from './pointer-kinds.ts';

/**
 * Dynptrs on the stack: two slots, the first at the higher address (`spi`) and the second below it (`spi - 1`). Taking
 * one as an argument is in `dynptr-arg.ts`.
 *
 * Source: `kernel/bpf/verifier.c`, from `is_spi_bounds_valid` to `is_dynptr_type_expected`.
 */

/**
 * The slot an object on the stack begins in. Negative: -EINVAL where a line says what is wrong; -ERANGE where the stack
 * does not reach that far (yet). Source: `stack_slot_obj_get_spi`.
 */
export function stackSlotObjGetSpi(
  env: VerifierEnv,
  reg: RegState,
  objKind: 'dynptr' | 'iter',
  nrSlots: number,
): number {
  if (!isConst(reg.scalar)) {
    env.say('stackObjNotConst', objKind);
    return -ERRNO.EINVAL;
  }
  const off = (reg.off + reg.scalar.valueLo) | 0;
  if (off % BPF_REG_SIZE !== 0) {
    env.say('stackObjAtOffset', objKind, off);
    return -ERRNO.EINVAL;
  }
  const spi = getSpi(off);
  if (spi + 1 < nrSlots) {
    env.say('stackObjAtOffset', objKind, off);
    return -ERRNO.EINVAL;
  }
  if (!isSpiBoundsValid(func(env, reg), spi, nrSlots)) return -ERRNO.ERANGE;
  return spi;
}

export const dynptrGetSpi = (env: VerifierEnv, reg: RegState): number =>
  stackSlotObjGetSpi(env, reg, 'dynptr', BPF_DYNPTR_NR_SLOTS);

/** Kind of dynptr an argument wants; BPF_DYNPTR_TYPE_INVALID if any will do. Source: `arg_to_dynptr_type`. */
export function argToDynptrType(argType: number): number {
  switch (argType & DYNPTR_TYPE_FLAG_MASK) {
    case DYNPTR_TYPE_LOCAL:
      return BPF_DYNPTR_TYPE_LOCAL;
    case DYNPTR_TYPE_RINGBUF:
      return BPF_DYNPTR_TYPE_RINGBUF;
    case DYNPTR_TYPE_SKB:
      return BPF_DYNPTR_TYPE_SKB;
    case DYNPTR_TYPE_XDP:
      return BPF_DYNPTR_TYPE_XDP;
    default:
      return BPF_DYNPTR_TYPE_INVALID;
  }
}

const TYPE_FLAG_OF: readonly number[] = [0, DYNPTR_TYPE_LOCAL, DYNPTR_TYPE_RINGBUF, DYNPTR_TYPE_SKB, DYNPTR_TYPE_XDP];

/** Source: `get_dynptr_type_flag`. */
export const getDynptrTypeFlag = (type: number): number => TYPE_FLAG_OF[type] ?? 0;

/** Whether dynptrs of this kind hold something the program has to give back. Source: `dynptr_type_refcounted`. */
export const dynptrTypeRefcounted = (type: number): boolean => type === BPF_DYNPTR_TYPE_RINGBUF;

/** Source: `arg_type_is_dynptr`. */
export const argTypeIsDynptr = (argType: number): boolean => baseType(argType) === ARG_PTR_TO_DYNPTR;

function markDynptrStackRegs(env: VerifierEnv, sreg1: RegState, sreg2: RegState, type: number): void {
  const id = env.newId();
  markDynptrReg(sreg1, type, true, id);
  markDynptrReg(sreg2, type, false, id);
}

/** A callback's argument becomes a constant dynptr. Source: `mark_dynptr_cb_reg`. */
export function markDynptrCbReg(env: VerifierEnv, reg: RegState, type: number): void {
  markDynptrReg(reg, type, true, env.newId());
}

/** Two stack slots become a dynptr. Refuses. Source: `mark_stack_slots_dynptr`. */
export function markStackSlotsDynptr(
  env: VerifierEnv,
  reg: RegState,
  argType: number,
  insnIdx: number,
  cloneRefObjId: number,
): void {
  const state = func(env, reg);
  const spi = dynptrGetSpi(env, reg);
  if (spi < 0) env.fail(-spi);
  // The two slots may belong to two older dynptrs.
  destroyIfDynptrStackSlot(env, state, spi);
  destroyIfDynptrStackSlot(env, state, spi - 1);

  const first = state.stack[spi];
  const second = state.stack[spi - 1];
  fillSlotTypes(first, STACK_DYNPTR);
  fillSlotTypes(second, STACK_DYNPTR);
  const type = argToDynptrType(argType);
  if (type === BPF_DYNPTR_TYPE_INVALID) env.fail(ERRNO.EINVAL);
  markDynptrStackRegs(env, first, second, type);

  if (dynptrTypeRefcounted(type)) {
    const id = cloneRefObjId !== 0 ? cloneRefObjId : acquireReferenceState(env, insnIdx);
    first.refObjId = id;
    second.refObjId = id;
  }
  first.live |= REG_LIVE_WRITTEN;
  second.live |= REG_LIVE_WRITTEN;
}

function invalidateDynptr(env: VerifierEnv, state: FuncState, spi: number): void {
  for (const slot of [state.stack[spi], state.stack[spi - 1]]) {
    fillSlotTypes(slot, STACK_INVALID);
    markRegNotInitRaw(env, slot);
    // Screens what was there from reads that come later, which mark whole slots.
    slot.live |= REG_LIVE_WRITTEN;
  }
}

/**
 * The dynptr a register points to is gone, and with it clones and slices of what it held. Returns 0 or a negative errno.
 * Source: `unmark_stack_slots_dynptr`.
 */
export function unmarkStackSlotsDynptr(env: VerifierEnv, reg: RegState): number {
  const state = func(env, reg);
  const spi = dynptrGetSpi(env, reg);
  if (spi < 0) return spi;
  if (!dynptrTypeRefcounted(state.stack[spi].info.dynptrType)) {
    invalidateDynptr(env, state, spi);
    return 0;
  }
  const { refObjId } = state.stack[spi];
  releaseReference(env, refObjId);
  for (let i = 1; i < state.stack.length; i++) {
    const slot = state.stack[i];
    if (slot.refObjId !== refObjId) continue;
    if (slotTypeOf(slot, 0) !== STACK_DYNPTR) {
      env.say('dynptrRefMisconfigured');
      return -ERRNO.EFAULT;
    }
    if (slot.info.firstSlot) invalidateDynptr(env, state, i);
  }
  return 0;
}

/** What is about to write into slot `spi` ends the dynptr there, if it may. Refuses. Source: `destroy_if_dynptr_stack_slot`. */
export function destroyIfDynptrStackSlot(env: VerifierEnv, state: FuncState, spi: number): void {
  // Slots are never part dynptr and part something else.
  if (slotTypeOf(state.stack[spi], 0) !== STACK_DYNPTR) return;
  const firstSpi = state.stack[spi].info.firstSlot ? spi : spi + 1;
  const first = state.stack[firstSpi];
  const second = state.stack[firstSpi - 1];
  if (dynptrTypeRefcounted(first.info.dynptrType)) env.refuse('dynptrOverwriteReferenced');

  env.markStackSlotScratched(firstSpi);
  env.markStackSlotScratched(firstSpi - 1);
  fillSlotTypes(first, STACK_INVALID);
  fillSlotTypes(second, STACK_INVALID);

  const { id } = first;
  forEachRegInVstate(env.curState, (_frame, slice) => {
    if ((slice.type & ~PTR_MAYBE_NULL) === PTR_TO_MEM && slice.info.dynptrId === id) markRegInvalid(env, slice);
  });

  // The reference stays: this dynptr holds none.
  for (const slot of [first, second]) {
    markRegNotInitRaw(env, slot);
    slot.live |= REG_LIVE_WRITTEN;
  }
}

/** Whether a dynptr may be made where the register points. Says why not. Source: `is_dynptr_reg_valid_uninit`. */
export function isDynptrRegValidUninit(env: VerifierEnv, reg: RegState): boolean {
  if (reg.type === CONST_PTR_TO_DYNPTR) return false;
  const spi = dynptrGetSpi(env, reg);
  // A stack that does not reach that far yet is grown by the writes that follow.
  return spi >= 0 || spi === -ERRNO.ERANGE;
}

/** Whether there is a dynptr where the register points. Source: `is_dynptr_reg_valid_init`. */
export function isDynptrRegValidInit(env: VerifierEnv, reg: RegState): boolean {
  if (reg.type === CONST_PTR_TO_DYNPTR) return true;
  const spi = dynptrGetSpi(env, reg);
  if (spi < 0) return false;
  const { stack } = func(env, reg);
  const all = slotTypesAll(STACK_DYNPTR);
  return stack[spi].info.firstSlot && stack[spi].slotTypes === all && stack[spi - 1].slotTypes === all;
}

/** Whether the dynptr is of the kind an argument wants. Source: `is_dynptr_type_expected`. */
export function isDynptrTypeExpected(env: VerifierEnv, reg: RegState, argType: number): boolean {
  if (argType === ARG_PTR_TO_DYNPTR) return true;
  const type = argToDynptrType(argType);
  if (reg.type === CONST_PTR_TO_DYNPTR) return reg.info.dynptrType === type;
  const spi = dynptrGetSpi(env, reg);
  return spi >= 0 && func(env, reg).stack[spi].info.dynptrType === type;
}

/** Id of the dynptr a register points to; negative errno. Source: `dynptr_id`. */
export function dynptrId(env: VerifierEnv, reg: RegState): number {
  if (reg.type === CONST_PTR_TO_DYNPTR) return reg.id;
  const spi = dynptrGetSpi(env, reg);
  return spi < 0 ? spi : func(env, reg).stack[spi].id;
}

/** Reference the dynptr a register points to holds, or 0; negative errno. Source: `dynptr_ref_obj_id`. */
export function dynptrRefObjId(env: VerifierEnv, reg: RegState): number {
  if (reg.type === CONST_PTR_TO_DYNPTR) return reg.refObjId;
  const spi = dynptrGetSpi(env, reg);
  return spi < 0 ? spi : func(env, reg).stack[spi].refObjId;
}

/** Kind of the dynptr a register points to. Source: `dynptr_get_type`. */
export function dynptrGetType(env: VerifierEnv, reg: RegState): number {
  if (reg.type === CONST_PTR_TO_DYNPTR) return reg.info.dynptrType;
  const slot = func(env, reg).stack[getSpi(reg.off)];
  return slot === undefined ? BPF_DYNPTR_TYPE_INVALID : slot.info.dynptrType;
}
