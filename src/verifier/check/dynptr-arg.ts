import { CONST_PTR_TO_DYNPTR, MEM_RDONLY, MEM_UNINIT, PTR_TO_STACK } from '../../helpers/index.ts';
import { BPF_DW } from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { dynptrTypeStr } from '../print/reg-type-text.ts';
import { BPF_DYNPTR_NR_SLOTS, BPF_REG_SIZE } from '../state/stack.ts';
import {
  argToDynptrType,
  isDynptrRegValidInit,
  isDynptrRegValidUninit,
  isDynptrTypeExpected,
  markStackSlotsDynptr,
} from './dynptr.ts';
import { markDynptrRead } from './liveness.ts';
import { checkMemAccess } from './mem-access.ts';
import { BPF_WRITE } from './pointer-kinds.ts';

/** Bytes of a `struct bpf_dynptr`. */
export const BPF_DYNPTR_SIZE = BPF_DYNPTR_NR_SLOTS * BPF_REG_SIZE;

/**
 * A dynptr as an argument: one to be made (MEM_UNINIT), one that is only looked through (MEM_RDONLY), or one that may be
 * changed. A register points to one on the stack, or is a constant one that a callback was handed. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: process_dynptr_func`.
 */
export function processDynptrFunc(
  env: VerifierEnv,
  regno: number,
  insnIdx: number,
  argType: number,
  cloneRefObjId: number,
): void {
  const reg = env.regs[regno];
  if (reg.type !== PTR_TO_STACK && reg.type !== CONST_PTR_TO_DYNPTR) env.refuse('dynptrArgPointer', regno - 1);
  if ((argType & MEM_UNINIT) !== 0 && (argType & MEM_RDONLY) !== 0) env.bug('misconfigured dynptr helper type flags');

  if ((argType & MEM_UNINIT) !== 0) {
    if (!isDynptrRegValidUninit(env, reg)) env.refuse('dynptrNotUninit');
    for (let i = 0; i < BPF_DYNPTR_SIZE; i += BPF_REG_SIZE) {
      checkMemAccess(env, insnIdx, regno, i, BPF_DW, BPF_WRITE, -1, false, false);
    }
    markStackSlotsDynptr(env, reg, argType, insnIdx, cloneRefObjId);
    return;
  }
  if (reg.type === CONST_PTR_TO_DYNPTR && (argType & MEM_RDONLY) === 0) env.refuse('dynptrConst');
  if (!isDynptrRegValidInit(env, reg)) env.refuse('dynptrNotInit', regno - 1);
  if (!isDynptrTypeExpected(env, reg, argType & ~MEM_RDONLY)) {
    env.refuse('dynptrKind', dynptrTypeStr(argToDynptrType(argType)), regno - 1);
  }
  markDynptrRead(env, reg);
}
