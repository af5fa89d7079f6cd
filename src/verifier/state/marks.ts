import type { Btf } from '../../btf/index.ts';
import {
  BPF_BASE_TYPE_MASK,
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  DYNPTR_TYPE_SKB,
  DYNPTR_TYPE_XDP,
  MEM_ALLOC,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_XDP_SOCK,
  SCALAR_VALUE,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { BPF_REG_FP, MAX_BPF_REG, MAX_CALL_FRAMES } from '../../isa/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import { ltS64 } from '../../util/index.ts';
import {
  boundsViolation,
  draftOf,
  isConst,
  isConstFor,
  type Scalar,
  scalarKnown,
  scalarUnbounded,
  scalarWidth,
  syncBounds,
  violationText,
} from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import type { FuncState } from './func-state.ts';
import { BPF_TIMER, BPF_WORKQUEUE, type BtfField, recordHasField } from './record.ts';
import {
  BPF_ADD_CONST,
  btfInfo,
  DEF_NOT_SUBREG,
  dynptrInfo,
  mapInfo,
  NO_INFO,
  NOTHING,
  REG_LIVE_NONE,
  RegContent,
  type RegState,
  setUnknown,
} from './reg.ts';
import {
  isSpilledReg,
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_ITER,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  setSlotType,
  slotTypeOf,
} from './stack.ts';

/** The number 0. */
export const SCALAR_ZERO: Scalar = scalarKnown(0, 0);

/** The constant `(hi:lo)`, or a pointer with that variable offset: the type stays. Source: `__mark_reg_known`. */
export function markRegKnownRaw(reg: RegState, hi: number, lo: number): void {
  reg.off = 0;
  reg.info = NO_INFO;
  reg.id = 0;
  reg.refObjId = 0;
  reg.scalar = (hi | lo) === 0 ? SCALAR_ZERO : scalarKnown(hi, lo);
}

/** Source: `__mark_reg_known_zero`. */
export function markRegKnownZeroRaw(reg: RegState): void {
  reg.off = 0;
  reg.info = NO_INFO;
  reg.id = 0;
  reg.refObjId = 0;
  reg.scalar = SCALAR_ZERO;
}

/** The scalar 0. Source: `__mark_reg_const_zero`. */
export function markRegConstZero(env: VerifierEnv, reg: RegState): void {
  markRegKnownZeroRaw(reg);
  reg.type = SCALAR_VALUE;
  reg.precise = !env.bpfCapable;
}

export function markRegKnownZero(_env: VerifierEnv, regs: RegState[], regno: number): void {
  markRegKnownZeroRaw(regs[regno]);
}

/** Source: `__mark_dynptr_reg`. */
export function markDynptrReg(reg: RegState, type: number, firstSlot: boolean, dynptrId: number): void {
  markRegKnownZeroRaw(reg);
  reg.type = CONST_PTR_TO_DYNPTR;
  reg.id = dynptrId;
  reg.info = dynptrInfo(type, firstSlot);
}

/** Any number. Source: `__mark_reg_unknown`. */
export function markRegUnknownRaw(env: VerifierEnv, reg: RegState): void {
  setUnknown(reg, SCALAR_VALUE, !env.bpfCapable);
}

export function markRegUnknown(env: VerifierEnv, regs: RegState[], regno: number): void {
  markRegUnknownRaw(env, regs[regno]);
}

/** Nothing the program may read. Source: `__mark_reg_not_init`. */
export function markRegNotInitRaw(env: VerifierEnv, reg: RegState): void {
  setUnknown(reg, NOT_INIT, !env.bpfCapable);
}

export function markRegNotInit(env: VerifierEnv, regs: RegState[], regno: number): void {
  markRegNotInitRaw(env, regs[regno]);
}

/** What a register is once what it pointed to is gone. Source: `mark_reg_invalid`. */
export function markRegInvalid(env: VerifierEnv, reg: RegState): void {
  if (env.allowPtrLeaks) markRegUnknownRaw(env, reg);
  else markRegNotInitRaw(env, reg);
}

/** Drops the bounds, keeps the bits. Source: `__mark_reg_unbounded`. */
export function markRegUnbounded(reg: RegState): void {
  reg.scalar = scalarUnbounded(reg.scalar);
}

/**
 * Where bounds contradict each other, says so and forgets them; with BPF_F_TEST_REG_INVARIANTS refuses. `ctx` names the
 * place in the log. Source: `reg_bounds_sanity_check`.
 */
export function regBoundsSanityCheck(env: VerifierEnv, reg: RegState, ctx: string): void {
  const violation = boundsViolation(reg.scalar);
  if (violation === undefined) return;
  env.say('regInvariants', violationText(ctx, violation, reg.scalar));
  if (env.testRegInvariants) env.fail(14);
  markRegUnbounded(reg);
}

/** Narrows a number to a range of int32. Source: `__mark_reg_s32_range`. */
export function markRegS32Range(env: VerifierEnv, regs: RegState[], regno: number, min: number, max: number): void {
  const reg = regs[regno];
  const s = draftOf(reg.scalar);
  s.s32Min = Math.max(s.s32Min, min);
  s.s32Max = Math.min(s.s32Max, max);
  if (ltS64(s.sminHi, s.sminLo, min >> 31, min)) {
    s.sminHi = min >> 31;
    s.sminLo = min;
  }
  if (ltS64(max >> 31, max, s.smaxHi, s.smaxLo)) {
    s.smaxHi = max >> 31;
    s.smaxLo = max;
  }
  syncBounds(s);
  reg.scalar = s;
  regBoundsSanityCheck(env, reg, 's32_range');
}

/** What a load through a BTF pointer gives: a number, or a pointer to a type. Source: `mark_btf_ld_reg`. */
export function markBtfLdReg(
  env: VerifierEnv,
  regs: RegState[],
  regno: number,
  regType: number,
  btf: Btf,
  btfId: number,
  flag: number,
): void {
  const reg = regs[regno];
  if (regType === SCALAR_VALUE) {
    markRegUnknownRaw(env, reg);
    return;
  }
  markRegKnownZeroRaw(reg);
  reg.type = PTR_TO_BTF_ID | flag;
  reg.info = btfInfo(btf, btfId);
  if (typeMayBeNull(flag)) reg.id = env.newId();
}

/** What an element of a map is once it is known not to be NULL. */
function markMapElement(reg: RegState, map: VerifierMap): void {
  const { inner } = map;
  if (inner !== undefined) {
    reg.type = CONST_PTR_TO_MAP;
    // The id of the look-up tells inner maps apart, where that matters.
    const uid = recordHasField(inner.record, BPF_TIMER | BPF_WORKQUEUE) ? reg.id : reg.info.mapUid;
    reg.info = mapInfo(inner, uid);
  } else if (map.type === bpf_map_type.BPF_MAP_TYPE_XSKMAP) {
    reg.type = PTR_TO_XDP_SOCK;
  } else if (map.type === bpf_map_type.BPF_MAP_TYPE_SOCKMAP || map.type === bpf_map_type.BPF_MAP_TYPE_SOCKHASH) {
    reg.type = PTR_TO_SOCKET;
  } else {
    reg.type = PTR_TO_MAP_VALUE;
  }
}

export function markPtrNotNullReg(reg: RegState): void {
  const { map } = reg.info;
  if (baseType(reg.type) === PTR_TO_MAP_VALUE && map !== undefined) markMapElement(reg, map);
  else reg.type &= ~PTR_MAYBE_NULL;
}

/** The node of a list or tree as a pointer into the object around it. */
export function markRegGraphNode(regs: RegState[], regno: number, dsHead: NonNullable<BtfField['graphRoot']>): void {
  const reg = regs[regno];
  markRegKnownZeroRaw(reg);
  reg.type = PTR_TO_BTF_ID | MEM_ALLOC;
  reg.info = btfInfo(dsHead.btf, dsHead.valueBtfId);
  reg.off = dsHead.nodeOffBytes;
}

/** Frame pointers, by frame. */
const FRAME_POINTERS: readonly RegContent[] = Array.from(
  { length: MAX_CALL_FRAMES },
  (_, frameno) => new RegContent(PTR_TO_STACK, 0, SCALAR_ZERO, 0, 0, NO_INFO, frameno, DEF_NOT_SUBREG, 0),
);

/** Makes a frame what a function begins with: nothing readable but the frame pointer. Source: `init_func_state`. */
export function initFuncState(
  env: VerifierEnv,
  state: FuncState,
  callsite: number,
  frameno: number,
  subprogno: number,
): void {
  state.begin(callsite, frameno, subprogno);
  const { regs } = state;
  for (let i = 0; i < MAX_BPF_REG; i++) {
    const reg = regs[i];
    reg.content = NOTHING;
    reg.owned = false;
    reg.live = REG_LIVE_NONE;
    reg.precise = !env.bpfCapable;
    reg.strayed = false;
  }
  regs[BPF_REG_FP].content = FRAME_POINTERS[frameno];
  env.markVerifierStateScratched();
}

export function regIsPktPointer(reg: RegState): boolean {
  const base = baseType(reg.type);
  return base === PTR_TO_PACKET || base === PTR_TO_PACKET_META;
}
export const regIsPktPointerAny = (reg: RegState): boolean => regIsPktPointer(reg) || reg.type === PTR_TO_PACKET_END;

export const regIsDynptrSlicePkt = (reg: RegState): boolean =>
  (reg.type & BPF_BASE_TYPE_MASK) === PTR_TO_MEM && (reg.type & (DYNPTR_TYPE_SKB | DYNPTR_TYPE_XDP)) !== 0;

const holdsZero = ({ scalar: s }: RegState): boolean => (s.maskHi | s.maskLo | s.valueHi | s.valueLo) === 0;

/** A packet pointer as it came from the context, whatever range it has got since. */
export const regIsInitPktPointer = (reg: RegState, which: number): boolean =>
  reg.type === which && reg.id === 0 && reg.off === 0 && holdsZero(reg);

/** Whether it holds the number 0. */
export const registerIsNull = (reg: RegState): boolean => reg.type === SCALAR_VALUE && holdsZero(reg);

/** Whether it, or its low half, is a constant; read it from `reg.scalar.valueHi`, `valueLo`. */
export const isRegConst = (reg: RegState, subreg32: boolean): boolean =>
  reg.type === SCALAR_VALUE && isConstFor(reg.scalar, subreg32);

/** Source: `__is_pointer_value`. */
export const isPointerValueRaw = (allowPtrLeaks: boolean, reg: RegState): boolean =>
  !allowPtrLeaks && reg.type !== SCALAR_VALUE;

/** Bits the largest value takes, 0 to 64. */
export const getRegWidth = (reg: RegState): number => scalarWidth(reg.scalar);

/** Unlinks a scalar from others. */
export function clearScalarId(reg: RegState): void {
  reg.id = 0;
  reg.off = 0;
}

/** Gives a scalar that is about to be copied an id, so that what is learnt of one copy holds for the other. */
export function assignScalarIdBeforeMov(env: VerifierEnv, srcReg: RegState): void {
  if (srcReg.type !== SCALAR_VALUE) return;
  // Linked to another register by a distance already; chains of those are not supported.
  if ((srcReg.id & BPF_ADD_CONST) !== 0) clearScalarId(srcReg);
  if (srcReg.id === 0 && !isConst(srcReg.scalar)) srcReg.id = env.newId();
}

/** Whether the slot holds more than plain bytes: a spilled register, a dynptr or an iterator. */
export function isStackSlotSpecial(slot: RegState): boolean {
  const type = slot.slotTypes >>> 28;
  return type === STACK_SPILL || type === STACK_DYNPTR || type === STACK_ITER;
}
export const isSpilledScalarReg = (slot: RegState): boolean => isSpilledReg(slot) && slot.type === SCALAR_VALUE;
/** All 8 bytes of a scalar. */
export const isSpilledScalarReg64 = (slot: RegState): boolean =>
  (slot.slotTypes & 15) === STACK_SPILL && slot.type === SCALAR_VALUE;

/** Byte `i` becomes any byte, unless it is known to be 0 or was never written. */
export function markStackSlotMisc(_env: VerifierEnv, slot: RegState, i: number): void {
  const type = slotTypeOf(slot, i);
  if (type !== STACK_ZERO && type !== STACK_INVALID) setSlotType(slot, i, STACK_MISC);
}
/** Byte `i` of a spilled register becomes any byte. */
export function scrubSpilledSlot(slot: RegState, i: number): void {
  if (slotTypeOf(slot, i) !== STACK_INVALID) setSlotType(slot, i, STACK_MISC);
}

/** Slot of the byte at `R10 + off`. Source: `__get_spi`. */
export const getSpi = (off: number): number => ((-off - 1) / 8) | 0;

/** Whether the `nrSlots` slots from `spi` downwards are all there. */
export const isSpiBoundsValid = (state: FuncState, spi: number, nrSlots: number): boolean =>
  spi - nrSlots + 1 >= 0 && spi < state.stack.length;

/** Makes a stack of at least `size` bytes, and notes it as the function's depth. */
export function growStackState(env: VerifierEnv, state: FuncState, size: number): void {
  const slots = (size + 7) >> 3;
  if (state.stack.length >= slots) return;
  state.resizeStack(slots);
  const subprog = env.subprogInfo(state.subprogno);
  if (subprog.stackDepthBytes < slots << 3) subprog.stackDepthBytes = slots << 3;
}
