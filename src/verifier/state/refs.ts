import { BPF_BASE_TYPE_MASK, MEM_ALLOC, NON_OWN_REF, PTR_TO_BTF_ID } from '../../helpers/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { forEachRegInVstate } from './each-reg.ts';
import type { FuncState } from './func-state.ts';
import { markRegInvalid } from './marks.ts';

/** Notes that the frame in hand has something to give back, got at `insnIdx`. Returns its id. */
export function acquireReferenceState(env: VerifierEnv, insnIdx: number): number {
  const state = env.frame;
  const id = env.newId();
  state.refs = [...state.refs, { id, insnIdx, callbackRef: state.inCallbackFn ? state.frameno : 0 }];
  return id;
}

/**
 * Forgets a reference: it was given back. 0, or -EINVAL where the frame has none of that id or a callback would give
 * back what its caller holds.
 */
export function releaseReferenceState(state: FuncState, ptrId: number): number {
  const { refs } = state;
  for (let i = 0; i < refs.length; i++) {
    if (refs[i].id !== ptrId) continue;
    if (state.inCallbackFn && refs[i].callbackRef !== state.frameno) return -ERRNO.EINVAL;
    // The last takes the place of the one that goes.
    const left = refs.slice(0, -1);
    if (i < left.length) left[i] = refs[left.length];
    state.refs = left;
    return 0;
  }
  return -ERRNO.EINVAL;
}

/** Gives a reference back: every register that holds it is of no use any more. 0, or -EINVAL. */
export function releaseReference(env: VerifierEnv, refObjId: number): number {
  const err = releaseReferenceState(env.frame, refObjId);
  if (err !== 0) return err;
  forEachRegInVstate(env.curState, (_frame, reg) => {
    if (reg.refObjId === refObjId) markRegInvalid(env, reg);
  });
  return 0;
}

const NON_OWNING = PTR_TO_BTF_ID | MEM_ALLOC | NON_OWN_REF;
const NON_OWNING_MASK = BPF_BASE_TYPE_MASK | MEM_ALLOC | NON_OWN_REF;

/** Pointers to objects others own are of no use once the lock that kept the objects there is gone. */
export function invalidateNonOwningRefs(env: VerifierEnv): void {
  forEachRegInVstate(env.curState, (_frame, reg) => {
    if ((reg.type & NON_OWNING_MASK) === NON_OWNING) markRegInvalid(env, reg);
  });
}
