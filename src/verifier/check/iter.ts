import type { Btf } from '../../btf/index.ts';
import { MEM_RCU, PTR_TO_STACK, PTR_UNTRUSTED, SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_DW, MAX_BPF_REG } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { btfCheckIterArg } from '../btf/iter-arg.ts';
import type { VerifierEnv } from '../env.ts';
import { iterStateStr, iterTypeStr } from '../print/reg-type-text.ts';
import {
  markPtrNotNullReg,
  markRegConstZero,
  markRegKnownZeroRaw,
  markRegNotInitRaw,
  markRegUnknownRaw,
} from '../state/marks.ts';
import { acquireReferenceState, releaseReference } from '../state/refs.ts';
import {
  BPF_ITER_STATE_ACTIVE,
  BPF_ITER_STATE_DRAINED,
  FIRST_SLOT,
  iterInfo,
  REG_LIVE_WRITTEN,
  type RegState,
} from '../state/reg.ts';
import {
  BPF_REG_SIZE,
  fillSlotTypes,
  isSpilledReg,
  STACK_INVALID,
  STACK_ITER,
  STACK_SPILL,
  slotTypeOf,
  slotTypesAll,
} from '../state/stack.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { pushStack } from './branches.ts';
import { regsExact, sameCallsites } from './compare.ts';
import { stackSlotObjGetSpi } from './dynptr.ts';
import {
  isIterDestroyKfunc,
  isIterKfunc,
  isIterNewKfunc,
  isKfuncRcuProtected,
  type KfuncCallArgMeta,
} from './kfunc-meta.ts';
import { markIterRead } from './liveness.ts';
import { checkMemAccess } from './mem-access.ts';
import { BPF_WRITE, func, inRcuCs } from './pointer-kinds.ts';
import { exploredState } from './prune.ts';
import { refuseUnfinished } from './unfinished.ts';

/** Source: `iter_get_spi`. */
const iterGetSpi = (env: VerifierEnv, reg: RegState, nrSlots: number): number =>
  stackSlotObjGetSpi(env, reg, 'iter', nrSlots);

/** The iterator's slots become its own; the first holds the reference. Source: `mark_stack_slots_iter`. */
function markStackSlotsIter(
  env: VerifierEnv,
  meta: KfuncCallArgMeta,
  reg: RegState,
  insnIdx: number,
  btf: Btf,
  btfId: number,
  nrSlots: number,
): void {
  const { stack } = func(env, reg);
  const spi = iterGetSpi(env, reg, nrSlots);
  if (spi < 0) env.fail(-spi);
  const id = acquireReferenceState(env, insnIdx);
  const info = iterInfo(btf, btfId, BPF_ITER_STATE_ACTIVE, 0);
  let type = PTR_TO_STACK;
  if (isKfuncRcuProtected(meta)) type |= inRcuCs(env) ? MEM_RCU : PTR_UNTRUSTED;
  for (let i = 0; i < nrSlots; i++) {
    const slot = stack[spi - i];
    markRegKnownZeroRaw(slot);
    slot.type = type;
    slot.live |= REG_LIVE_WRITTEN;
    slot.refObjId = i === 0 ? id : 0;
    slot.info = info;
    fillSlotTypes(slot, STACK_ITER);
    env.markStackSlotScratched(spi - i);
  }
}

/** Source: `unmark_stack_slots_iter`. */
function unmarkStackSlotsIter(env: VerifierEnv, reg: RegState, nrSlots: number): void {
  const { stack } = func(env, reg);
  const spi = iterGetSpi(env, reg, nrSlots);
  if (spi < 0) env.fail(-spi);
  for (let i = 0; i < nrSlots; i++) {
    const slot = stack[spi - i];
    if (i === 0) releaseReference(env, slot.refObjId);
    markRegNotInitRaw(env, slot);
    slot.live |= REG_LIVE_WRITTEN;
    fillSlotTypes(slot, STACK_INVALID);
    env.markStackSlotScratched(spi - i);
  }
}

/** Whether no iterator lies where a new one shall be. Source: `is_iter_reg_valid_uninit`. */
function isIterRegValidUninit(env: VerifierEnv, reg: RegState, nrSlots: number): boolean {
  const spi = iterGetSpi(env, reg, nrSlots);
  // A stack that does not reach that far yet is grown by the writes that follow.
  if (spi === -ERRNO.ERANGE) return true;
  if (spi < 0) return false;
  const { stack } = func(env, reg);
  for (let i = 0; i < nrSlots; i++) {
    const slot = stack[spi - i];
    for (let j = 0; j < BPF_REG_SIZE; j++) if (slotTypeOf(slot, j) === STACK_ITER) return false;
  }
  return true;
}

/**
 * Whether an iterator of that type lies there: 0, -EINVAL, or -EPROTO for one that RCU no longer protects.
 * Source: `is_iter_reg_valid_init`.
 */
function isIterRegValidInit(env: VerifierEnv, reg: RegState, btf: Btf, btfId: number, nrSlots: number): number {
  const spi = iterGetSpi(env, reg, nrSlots);
  if (spi < 0) return -ERRNO.EINVAL;
  const { stack } = func(env, reg);
  const all = slotTypesAll(STACK_ITER);
  for (let i = 0; i < nrSlots; i++) {
    const slot = stack[spi - i];
    if ((slot.type & PTR_UNTRUSTED) !== 0) return -ERRNO.EPROTO;
    if ((i === 0) !== (slot.refObjId !== 0)) return -ERRNO.EINVAL;
    if (slot.info.btf !== btf || slot.info.btfId !== btfId || slot.slotTypes !== all) return -ERRNO.EINVAL;
  }
  return 0;
}

/** Whether an argument is an iterator: the first of an iterator's own functions, or one named so. Source: `is_kfunc_arg_iter`. */
export const isKfuncArgIter = (meta: KfuncCallArgMeta, argIdx: number): boolean =>
  isIterKfunc(meta) ? argIdx === 0 : meta.proto.params[argIdx].suffix === '__iter';

/** An iterator as an argument: one to be made, stepped, or destroyed. Refuses. Source: `process_iter_arg`. */
export function processIterArg(env: VerifierEnv, regno: number, insnIdx: number, meta: KfuncCallArgMeta): void {
  const reg = env.regs[regno];
  if (reg.type !== PTR_TO_STACK) env.refuse('iterNotStack', regno - 1);
  const { btf } = meta;
  const btfId = btfCheckIterArg(btf, meta.proto.protoId, regno - 1);
  if (btfId === 0) env.refuse('iterArgType', regno - 1);
  const nrSlots = btf.types.third(btfId) >>> 3;
  if (isIterNewKfunc(meta)) {
    if (!isIterRegValidUninit(env, reg, nrSlots)) env.refuse('iterNotUninit', iterTypeStr(btf, btfId), regno - 1);
    for (let i = 0; i < nrSlots * BPF_REG_SIZE; i += BPF_REG_SIZE) {
      checkMemAccess(env, insnIdx, regno, i, BPF_DW, BPF_WRITE, -1, false, false);
    }
    markStackSlotsIter(env, meta, reg, insnIdx, btf, btfId, nrSlots);
    return;
  }
  const err = isIterRegValidInit(env, reg, btf, btfId, nrSlots);
  if (err === -ERRNO.EINVAL) env.refuse('iterNotInit', iterTypeStr(btf, btfId), regno - 1);
  if (err === -ERRNO.EPROTO) env.refuse('iterNoRcu', meta.funcName);
  const spi = iterGetSpi(env, reg, nrSlots);
  if (spi < 0) env.fail(-spi);
  markIterRead(env, reg, spi, nrSlots);
  meta.iterSpi = spi;
  meta.iterFrameno = reg.frameno;
  meta.refObjId = func(env, reg).stack[spi].refObjId;
  if (isIterDestroyKfunc(meta)) unmarkStackSlotsIter(env, reg, nrSlots);
}

/** The newest state on the path in hand above `dfsDepth` that stopped at `insnIdx`, of those `isSame` says; 0 for none. */
function findEntry(env: VerifierEnv, insnIdx: number, dfsDepth: number, isSame: (state: number) => boolean): number {
  const { kept } = env;
  for (let state = exploredState(env, insnIdx)?.newest ?? 0; state !== 0; state = kept.older(state)) {
    if (kept.insnIdx(state) !== insnIdx || kept.branches(state) === 0) continue;
    if (kept.dfsDepth(state) < dfsDepth && isSame(state)) return state;
  }
  return 0;
}

/**
 * The nearest state on the path to `cur` that stopped at the same instruction with the same callers: where the loop that
 * `cur` went round began. 0: none. Source: `find_prev_entry`.
 */
export const findPrevEntry = (env: VerifierEnv, cur: VerifierState, insnIdx: number): number =>
  findEntry(env, insnIdx, cur.dfsDepth, state => sameCallsites(env.kept, state, cur));

/** The same for the kept state `parent`, if there is one. */
export const findPrevEntryOfKept = (env: VerifierEnv, parent: number, insnIdx: number): number =>
  parent === 0 ? 0 : findEntry(env, insnIdx, env.kept.dfsDepth(parent), state => env.kept.sameCallsites(state, parent));

/** Source: `maybe_widen_reg`. */
function maybeWidenReg(env: VerifierEnv, old: number, place: number, rcur: RegState): void {
  const { images } = env.kept;
  const rold = images.contentOf(old, place);
  if (rold.type !== SCALAR_VALUE || rcur.type !== SCALAR_VALUE) return;
  if (images.isPrecise(old, place) || rcur.precise || regsExact(rold, rcur.content, env.idmapScratch)) return;
  markRegUnknownRaw(env, rcur);
}

/**
 * Forgets the numbers in `cur` that nobody relied on and that are not what they were a round ago, in `old`, so that going
 * round changes nothing any more sooner. Source: `widen_imprecise_scalars`.
 */
export function widenImpreciseScalars(env: VerifierEnv, old: number, cur: VerifierState): void {
  const { kept } = env;
  const { images } = kept;
  env.idmapScratch.reset(env.idGen);
  for (let fr = kept.curframe(old); fr >= 0; fr--) {
    const fold = kept.imageOf(old, fr);
    const { regs, stack } = cur.frames[fr];
    for (let i = 0; i < MAX_BPF_REG; i++) maybeWidenReg(env, fold, i, regs[i]);
    const slots = Math.min(images.slotCount(fold), stack.length);
    for (let i = 0; i < slots; i++) {
      const spilled = images.slotOf(fold, i).slotTypes >>> 28 === STACK_SPILL;
      if (spilled && isSpilledReg(stack[i])) maybeWidenReg(env, fold, FIRST_SLOT + i, stack[i]);
    }
  }
}

/** Source: `get_iter_from_state`. */
export const getIterFromState = (state: VerifierState, meta: KfuncCallArgMeta): RegState =>
  state.frames[meta.iterFrameno].stack[meta.iterSpi];

/**
 * Forks the path at a step of an iterator: this path goes on with the iterator at its end and NULL returned, the other,
 * queued, with another element. That the function returns NULL some day and ever after is its contract.
 *
 * Source: `kernel/bpf/verifier.c: process_iter_next_call`.
 */
export function processIterNextCall(env: VerifierEnv, insnIdx: number, meta: KfuncCallArgMeta): void {
  const cur = env.curState;
  const iter = getIterFromState(cur, meta);
  const { btf, btfId, iterState, iterDepth } = iter.info;
  if (btf === undefined || (iterState !== BPF_ITER_STATE_ACTIVE && iterState !== BPF_ITER_STATE_DRAINED)) {
    env.refuse('iterState', iterState, iterStateStr(iterState));
  }
  if (iterState === BPF_ITER_STATE_ACTIVE) {
    const { parent } = cur;
    if (parent === 0 || env.kept.insnIdx(parent) !== insnIdx || !sameCallsites(env.kept, parent, cur)) {
      refuseUnfinished(env, 'iterParent');
    }
    // Not from `cur`: its parent is the state that was just put down at this very instruction.
    const prev = findPrevEntryOfKept(env, parent, insnIdx);
    const queued = pushStack(env, insnIdx + 1, insnIdx, false, ERRNO.ENOMEM);
    getIterFromState(queued, meta).info = iterInfo(btf, btfId, BPF_ITER_STATE_ACTIVE, iterDepth + 1);
    if (prev !== 0) widenImpreciseScalars(env, prev, queued);
    markPtrNotNullReg(queued.frame.regs[0]);
  }
  iter.info = iterInfo(btf, btfId, BPF_ITER_STATE_DRAINED, iterDepth);
  markRegConstZero(env, env.regs[0]);
}
