import {
  BPF_BASE_TYPE_MASK,
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_BUF,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  PTR_TO_TP_BUFFER,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { MAX_BPF_REG } from '../../isa/index.ts';
import { type Scalar, scalarEqual, scalarWithin, tnumIn } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { type FrameImages, REGS, SLOTS_HI, SLOTS_LO } from '../state/frame-images.ts';
import type { FuncState, RefState } from '../state/func-state.ts';
import { checkIds, checkScalarIds, type IdMap } from '../state/idmap.ts';
import type { KeptStates } from '../state/kept-states.ts';
import { ANY_NUMBER, BPF_ADD_CONST, FIRST_SLOT, type RegContent, type RegState, sameInfo } from '../state/reg.ts';
import {
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_ITER,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  slotTypesAll,
} from '../state/stack.ts';
import type { VerifierState } from '../state/verifier-state.ts';

/** How alike states have to be (`enum exact_level`). */
export const NOT_EXACT = 0;
export const EXACT = 1;
export const RANGE_WITHIN = 2;
export type ExactLevel = typeof NOT_EXACT | typeof EXACT | typeof RANGE_WITHIN;

/** Type, offset, target and number are the same: what comes before `id` in the kernel's struct. */
const sameContent = (a: RegContent, b: RegContent): boolean =>
  a.type === b.type && a.off === b.off && sameInfo(a.info, b.info) && scalarEqual(a.scalar, b.scalar);

export function regsExact(rold: RegContent, rcur: RegContent, idmap: IdMap): boolean {
  return (
    (rold === rcur || sameContent(rold, rcur)) &&
    checkIds(rold.id, rcur.id, idmap) &&
    checkIds(rold.refObjId, rcur.refObjId, idmap)
  );
}

const numberWithin = (old: Scalar, cur: Scalar): boolean => old === cur || (scalarWithin(old, cur) && tnumIn(old, cur));

function scalarsafe(
  env: VerifierEnv,
  rold: RegContent,
  precise: boolean,
  rcur: RegContent,
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  if (env.exploreAluLimits) return sameContent(rold, rcur) && checkScalarIds(rold.id, rcur.id, idmap);
  if (!precise && exact === NOT_EXACT && !env.exactScalars) return true;
  const oldId = rold.id;
  if (oldId !== 0) {
    const oldAdds = oldId & BPF_ADD_CONST;
    if (oldAdds !== (rcur.id & BPF_ADD_CONST)) return false;
    if (oldAdds !== 0 && rold.off !== rcur.off) return false;
    if (!checkScalarIds(oldId, rcur.id, idmap)) return false;
  }
  return numberWithin(rold.scalar, rcur.scalar);
}

/** Whether what was safe with `rold`, which somebody reads, is safe with `rcur`. `precise`: whether `rold`'s value matters. */
export function regsafe(
  env: VerifierEnv,
  rold: RegContent,
  precise: boolean,
  rcur: RegContent,
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  if (exact === EXACT) return regsExact(rold, rcur, idmap);
  const { type } = rold;
  if (exact === NOT_EXACT) {
    if (type === NOT_INIT) return true;
    if (type !== rcur.type) return false;
  } else {
    if (type !== rcur.type) return false;
    if (type === NOT_INIT) return true;
  }
  switch (type & BPF_BASE_TYPE_MASK) {
    case SCALAR_VALUE:
      return scalarsafe(env, rold, precise, rcur, idmap, exact);
    case PTR_TO_MAP_KEY:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MEM:
    case PTR_TO_BUF:
    case PTR_TO_TP_BUFFER:
      return (
        rold.off === rcur.off &&
        sameInfo(rold.info, rcur.info) &&
        numberWithin(rold.scalar, rcur.scalar) &&
        checkIds(rold.id, rcur.id, idmap) &&
        checkIds(rold.refObjId, rcur.refObjId, idmap)
      );
    case PTR_TO_PACKET_META:
    case PTR_TO_PACKET: {
      const oldRange = rold.info.range;
      const curRange = rcur.info.range;
      // Negative ranges are not ranges but AT_PKT_END and BEYOND_PKT_END.
      if (oldRange < 0 || curRange < 0 ? oldRange !== curRange : oldRange > curRange) return false;
      return rold.off === rcur.off && checkIds(rold.id, rcur.id, idmap) && numberWithin(rold.scalar, rcur.scalar);
    }
    case PTR_TO_STACK:
      return regsExact(rold, rcur, idmap) && rold.frameno === rcur.frameno;
    case PTR_TO_ARENA:
      return true;
    default:
      return regsExact(rold, rcur, idmap);
  }
}

const ALL_SPILL = slotTypesAll(STACK_SPILL);
const ALL_MISC = slotTypesAll(STACK_MISC);
const ALL_ZERO = slotTypesAll(STACK_ZERO);

/** Nobody wrote the bytes, or anything was written. `STACK_INVALID` is 0. */
const isStackAllMisc = (env: VerifierEnv, slot: RegContent): boolean =>
  slot.slotTypes === ALL_MISC || (env.allowUninitStack && (slot.slotTypes & ~ALL_MISC) === 0);

const isScalar64 = (slot: RegContent): boolean => (slot.slotTypes & 15) === STACK_SPILL && slot.type === SCALAR_VALUE;

/** The scalar that a load of all 8 bytes gives, if it gives one. */
function scalarRegForStack(env: VerifierEnv, slot: RegContent): RegContent | undefined {
  if (isScalar64(slot)) return slot;
  return isStackAllMisc(env, slot) ? ANY_NUMBER : undefined;
}

function stacksafe(
  env: VerifierEnv,
  images: FrameImages,
  old: number,
  cur: FuncState,
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  const { stack } = cur;
  if (exact !== NOT_EXACT) {
    const count = images.slotCount(old);
    if (count > stack.length) return false;
    for (let spi = 0; spi < count; spi++) {
      const isPrecise = images.isPrecise(old, FIRST_SLOT + spi);
      if (slotsafe(env, images.slotOf(old, spi), isPrecise, stack[spi].content, idmap, exact)) continue;
      images.setDifferingPlace(old, FIRST_SLOT + spi);
      return false;
    }
    return true;
  }
  return (
    readSlotsSafe(env, images, old, SLOTS_LO, stack, idmap) && readSlotsSafe(env, images, old, SLOTS_HI, stack, idmap)
  );
}

/** Slots of a group that are read: what nobody reads does not matter. */
function readSlotsSafe(
  env: VerifierEnv,
  images: FrameImages,
  image: number,
  group: typeof SLOTS_LO | typeof SLOTS_HI,
  stack: readonly RegState[],
  idmap: IdMap,
): boolean {
  let mask = images.readMask(image, group);
  if (mask === 0) return true;
  const precise = images.preciseMask(image, group);
  const from = (group - SLOTS_LO) << 5;
  for (; mask !== 0; mask &= mask - 1) {
    const bit = mask & -mask;
    const spi = from + 31 - Math.clz32(bit);
    if (readSlotSafe(env, images.capturedSlot(image, spi), (precise & bit) !== 0, stack, spi, idmap)) continue;
    images.setDifferingPlace(image, FIRST_SLOT + spi);
    return false;
  }
  return true;
}

function readSlotSafe(
  env: VerifierEnv,
  old: RegContent,
  precise: boolean,
  stack: readonly RegState[],
  spi: number,
  idmap: IdMap,
): boolean {
  const types = old.slotTypes;
  // Bytes of these kinds may be anything.
  const free = env.allowUninitStack ? ALL_MISC : 0;
  if ((types & ~free) === 0) return true;
  if (spi >= stack.length) return false;
  const cur = stack[spi].content;
  if (types === ALL_SPILL && cur.slotTypes === ALL_SPILL) return regsafe(env, old, precise, cur, idmap, NOT_EXACT);
  if (types === ALL_ZERO) return cur.slotTypes === ALL_ZERO;
  return slotsafe(env, old, precise, cur, idmap, NOT_EXACT);
}

/** One slot, byte by byte. */
function slotsafe(
  env: VerifierEnv,
  old: RegContent,
  precise: boolean,
  cur: RegContent,
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  for (let i = 0; i < 8; i++) {
    const oldType = (old.slotTypes >>> (i << 2)) & 15;
    const curType = (cur.slotTypes >>> (i << 2)) & 15;
    if (exact !== NOT_EXACT && oldType !== curType) return false;
    if (oldType === STACK_INVALID || (oldType === STACK_MISC && env.allowUninitStack)) continue;
    // A spilled scalar and plain bytes are both numbers.
    const oldReg = scalarRegForStack(env, old);
    if (oldReg !== undefined) {
      const curReg = scalarRegForStack(env, cur);
      if (curReg !== undefined) return regsafe(env, oldReg, oldReg === old && precise, curReg, idmap, exact);
    }
    if (oldType === STACK_MISC && curType === STACK_ZERO) continue;
    if (oldType !== curType) return false;
    if (i === 7 && !specialsafe(env, old, precise, cur, idmap, exact)) return false;
  }
  return true;
}

/** What the highest byte of both slots says is there. */
function specialsafe(
  env: VerifierEnv,
  old: RegContent,
  precise: boolean,
  cur: RegContent,
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  const a = old.info;
  const b = cur.info;
  switch (old.slotTypes >>> 28) {
    case STACK_SPILL:
      return regsafe(env, old, precise, cur, idmap, exact);
    case STACK_DYNPTR:
      return (
        a.dynptrType === b.dynptrType && a.firstSlot === b.firstSlot && checkIds(old.refObjId, cur.refObjId, idmap)
      );
    case STACK_ITER:
      // How often it was asked for more does not matter.
      return (
        a.btf === b.btf &&
        a.btfId === b.btfId &&
        a.iterState === b.iterState &&
        checkIds(old.refObjId, cur.refObjId, idmap)
      );
    default:
      return true;
  }
}

function refsafe(old: readonly RefState[], cur: readonly RefState[], idmap: IdMap): boolean {
  if (old.length !== cur.length) return false;
  for (let i = 0; i < old.length; i++) {
    if (!checkIds(old[i].id, cur[i].id, idmap)) return false;
  }
  return true;
}

function funcStatesEqual(env: VerifierEnv, old: number, cur: FuncState, exact: ExactLevel): boolean {
  const { images } = env.kept;
  if (images.callbackDepth(old) > cur.callbackDepth) return false;
  const idmap = env.idmapScratch;
  const preciseRegs = images.preciseMask(old, REGS);
  const { regs } = cur;
  // What nobody reads does not matter.
  const compared = exact === NOT_EXACT ? images.readMask(old, REGS) : -1;
  for (let i = 0; i < MAX_BPF_REG; i++) {
    const bit = 1 << i;
    if ((compared & bit) === 0) continue;
    if (regsafe(env, images.regOf(old, i), (preciseRegs & bit) !== 0, regs[i].content, idmap, exact)) continue;
    images.setDifferingPlace(old, i);
    return false;
  }
  return stacksafe(env, images, old, cur, idmap, exact) && refsafe(images.refs(old), cur.refs, idmap);
}

/** Frames of a kept state and of the one in hand were called at the same places. */
export function sameCallsites(kept: KeptStates, old: number, cur: VerifierState): boolean {
  const curframe = kept.curframe(old);
  if (curframe !== cur.curframe) return false;
  for (let f = curframe; f >= 0; f--) {
    if (kept.callsiteOf(old, f) !== cur.frames[f].callsite) return false;
  }
  return true;
}

/**
 * Most often the place differs that differed the last time. To look at it alone tells no less: ids seen before can only
 * make a difference more.
 */
function differsAgain(env: VerifierEnv, old: number, cur: VerifierState, exact: ExactLevel): boolean {
  const { kept, idmapScratch } = env;
  const { curframe } = cur;
  if (kept.curframe(old) !== curframe) return true;
  const { images } = kept;
  const image = kept.imageOf(old, curframe);
  const place = images.differingPlace(image);
  if (place < 0) return false;
  if (exact === NOT_EXACT && !images.isRead(image, place)) return false;
  const precise = images.isPrecise(image, place);
  const { regs, stack } = cur.frames[curframe];
  idmapScratch.reset(env.idGen);
  if (place < FIRST_SLOT)
    return !regsafe(env, images.regOf(image, place), precise, regs[place].content, idmapScratch, exact);
  const spi = place - FIRST_SLOT;
  const slot = images.slotOf(image, spi);
  if (exact === NOT_EXACT) return !readSlotSafe(env, slot, precise, stack, spi, idmapScratch);
  return spi >= stack.length || !slotsafe(env, slot, precise, stack[spi].content, idmapScratch, exact);
}

/** Whether `cur` needs no look because `old`, a kept state, was found to be safe, and it is a special case of that. */
export function statesEqual(env: VerifierEnv, old: number, cur: VerifierState, exact: ExactLevel): boolean {
  const { kept } = env;
  if (differsAgain(env, old, cur, exact) || !sameCallsites(kept, old, cur)) return false;
  const idmap = env.idmapScratch;
  idmap.reset(env.idGen);
  if (kept.isSpeculative(old) && !cur.speculative) return false;
  const { activeLock: oldLock, activePreemptLock } = kept.rare(old);
  const curLock = cur.activeLock;
  if (oldLock?.ptr !== curLock?.ptr) return false;
  if (oldLock !== undefined && curLock !== undefined && !checkIds(oldLock.id, curLock.id, idmap)) return false;
  if (activePreemptLock !== cur.activePreemptLock || !kept.sameSections(old, cur)) return false;
  for (let f = 0; f <= cur.curframe; f++) {
    if (!funcStatesEqual(env, kept.imageOf(old, f), cur.frames[f], exact)) return false;
  }
  return true;
}
