import {
  baseType,
  CONST_PTR_TO_MAP,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  SCALAR_VALUE,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import type { FuncState } from '../state/func-state.ts';
import { markPtrNotNullReg } from '../state/marks.ts';
import { releaseReferenceState } from '../state/refs.ts';
import type { RegState } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { isRcuReg, isTrustedReg, typeIsNonOwningRef, typeIsPtrAllocObj } from './pointer-kinds.ts';
import { regMayPointToSpinLock } from './reg-record.ts';

/** Whether a pointer is surely none to nothing. Source: `reg_not_null`. */
export function regNotNull(reg: RegState): boolean {
  if (typeMayBeNull(reg.type)) return false;
  switch (baseType(reg.type)) {
    case PTR_TO_SOCKET:
    case PTR_TO_TCP_SOCK:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MAP_KEY:
    case PTR_TO_SOCK_COMMON:
    case PTR_TO_MEM:
    case CONST_PTR_TO_MAP:
      return true;
    case PTR_TO_BTF_ID:
      return isTrustedReg(reg);
    default:
      return false;
  }
}

/** Source: `mark_ptr_or_null_reg`. */
export function markPtrOrNullReg(_state: FuncState, reg: RegState, id: number, isNull: boolean): void {
  if (!typeMayBeNull(reg.type) || reg.id !== id || !(isRcuReg(reg) || reg.id !== 0)) return;
  // Pointers that might be null are not moved; some results of kfuncs begin with an offset.
  const { scalar: s } = reg;
  const moved = s.sminHi | s.sminLo | s.smaxHi | s.smaxLo | s.valueHi | s.valueLo | s.maskHi | s.maskLo;
  if (moved !== 0) return;
  if (!(typeIsPtrAllocObj(reg.type) || typeIsNonOwningRef(reg.type)) && reg.off !== 0) return;
  if (isNull) {
    reg.type = SCALAR_VALUE;
    reg.id = 0;
    reg.refObjId = 0;
    return;
  }
  markPtrNotNullReg(reg);
  // Ids of what may hold a lock are needed to know the lock by.
  if (!regMayPointToSpinLock(reg)) reg.id = 0;
}

/** On one way of a comparison with 0: all copies of the pointer are null, or none is. Source: `mark_ptr_or_null_regs`. */
export function markPtrOrNullRegs(vstate: VerifierState, regno: number, isNull: boolean): void {
  const state = vstate.frame;
  const { refObjId, id } = state.regs[regno];
  // Nobody can have given the reference back before the comparison.
  if (refObjId !== 0 && refObjId === id && isNull) releaseReferenceState(state, id);
  forEachRegInVstate(vstate, (frame, reg) => markPtrOrNullReg(frame, reg, id, isNull));
}
