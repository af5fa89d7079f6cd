import { BPF_REG_FP, MAX_BPF_REG, MAY_GOTO } from '../../isa/index.ts';
import { scalarEqual } from '../domain/index.ts';
import { ExploredList, type VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import { cleanImage, type FrameImage, imageOf, slotOf } from '../state/frame-image.ts';
import type { FuncState } from '../state/func-state.ts';
import { getSpi } from '../state/marks.ts';
import { BPF_ITER_STATE_ACTIVE, FIRST_SLOT, originFrameOf, REG_LIVE_NONE, sameInfo } from '../state/reg.ts';
import { STACK_ITER } from '../state/stack.ts';
import { copyVerifierState, VerifierState } from '../state/verifier-state.ts';
import { getLoopEntry, printImage, settlePending, updateLoopEntry } from './branches.ts';
import { EXACT, NOT_EXACT, RANGE_WITHIN, sameCallsites, statesEqual } from './compare.ts';
import { pushInsnHistory } from './history.ts';
import { propagateLiveness } from './liveness.ts';
import { propagatePrecision } from './precision.ts';

export { regsafe, regsExact, sameCallsites, statesEqual } from './compare.ts';

/** States kept for an instruction without CAP_BPF. */
const BPF_COMPLEXITY_LIMIT_STATES = 64;

/** Place in `env.explored` of the states at `insnIdx`, which other instructions may share. */
const exploredPlace = (env: VerifierEnv, insnIdx: number): number =>
  ((insnIdx ^ env.frame.callsite) >>> 0) % env.insns.length;

/** States that may be equivalent to one at `insnIdx`; some are of other instructions. Undefined: none. */
export const exploredState = (env: VerifierEnv, insnIdx: number): ExploredList | undefined =>
  env.explored[exploredPlace(env, insnIdx)];

const isDone = (st: VerifierState): boolean => st.images[0].done;

/** Cleans the states at `insnIdx` that are complete: every path through them has ended. */
function cleanLiveStates(list: ExploredList, insnIdx: number, cur: VerifierState): void {
  let kept: VerifierState | undefined;
  for (let state = list.newestUncleaned; state !== undefined; state = state.olderUncleaned) {
    if (mayClean(state, insnIdx, cur)) {
      for (const image of state.images) cleanImage(image);
      state.parent = undefined;
      if (kept === undefined) list.newestUncleaned = state.olderUncleaned;
      else kept.olderUncleaned = state.olderUncleaned;
    } else kept = state;
  }
}

/** Others than complete states are freed at the end of the verification only: `state` is not to be cleaned any more. */
function forgetUncleaned(list: ExploredList, state: VerifierState): void {
  let before: VerifierState | undefined;
  for (let at = list.newestUncleaned; at !== undefined && at !== state; at = at.olderUncleaned) before = at;
  if (before === undefined) list.newestUncleaned = state.olderUncleaned;
  else before.olderUncleaned = state.olderUncleaned;
}

function mayClean(state: VerifierState, insnIdx: number, cur: VerifierState): boolean {
  if (state.branches !== 0 || state.insnIdx !== insnIdx) return false;
  const loopEntry = getLoopEntry(state);
  return (loopEntry === undefined || loopEntry.branches === 0) && sameCallsites(state, cur);
}

/** Whether registers of the frame in hand are the very same, ids and all. */
function statesMaybeLooping(old: VerifierState, cur: VerifierState): boolean {
  const frame = cur.curframe;
  if (old.curframe !== frame) return false;
  const contents = old.images[frame].regs;
  const { regs } = cur.frames[frame];
  for (let i = 0; i < MAX_BPF_REG; i++) {
    const a = contents[i];
    const b = regs[i].content;
    if (a === b) continue;
    if (a.type !== b.type || a.off !== b.off || a.id !== b.id || a.refObjId !== b.refObjId) return false;
    if (!scalarEqual(a.scalar, b.scalar) || !sameInfo(a.info, b.info)) return false;
  }
  return true;
}

/** Whether an iterator that may give more has been asked another number of times. */
function iterActiveDepthsDiffer(old: VerifierState, cur: VerifierState): boolean {
  for (let f = old.curframe; f >= 0; f--) {
    const image = old.images[f];
    for (let spi = 0; spi < image.placeCount - FIRST_SLOT; spi++) {
      const slot = slotOf(image, spi);
      if ((slot.slotTypes & 15) !== STACK_ITER || slot.info.iterState !== BPF_ITER_STATE_ACTIVE) continue;
      if (cur.frames[f].stack[spi].info.iterDepth !== slot.info.iterDepth) return true;
    }
  }
  return false;
}

const isIterNextInsn = (env: VerifierEnv, insnIdx: number): boolean => env.insnAux[insnIdx].detail.isIterNext;

function isMayGotoInsnAt(env: VerifierEnv, insnIdx: number): boolean {
  const { code, src } = env.insns[insnIdx];
  return code === MAY_GOTO && src === 0;
}

/** Whether the iterator that R1 points to may give more. */
function isIterActive(env: VerifierEnv, cur: VerifierState): boolean {
  const reg = cur.frame.regs[1];
  const slot = env.curState.frames[reg.frameno].stack[getSpi(reg.off + reg.scalar.valueLo)];
  return slot.info.iterState === BPF_ITER_STATE_ACTIVE;
}

/** The path in hand goes through `old` a second time: whether that ends it. Refuses if it would never end. */
function isLoopVisited(env: VerifierEnv, old: VerifierState, cur: VerifierState, insnIdx: number): boolean {
  const frame = old.images[old.curframe].head;
  // Another entry of an asynchronous callback is no loop.
  if (frame.inAsyncCallbackFn && frame.asyncEntryCnt !== cur.frame.asyncEntryCnt) return false;
  if (isIterNextInsn(env, insnIdx)) {
    if (!statesEqual(env, old, cur, RANGE_WITHIN) || !isIterActive(env, cur)) return false;
    updateLoopEntry(cur, old);
    return true;
  }
  if (
    isMayGotoInsnAt(env, insnIdx) &&
    old.mayGotoDepth !== cur.mayGotoDepth &&
    statesEqual(env, old, cur, RANGE_WITHIN)
  ) {
    updateLoopEntry(cur, old);
    return true;
  }
  if (env.cfg.callsCallback[insnIdx] !== 0) return statesEqual(env, old, cur, RANGE_WITHIN);
  if (
    statesMaybeLooping(old, cur) &&
    statesEqual(env, old, cur, EXACT) &&
    !iterActiveDepthsDiffer(old, cur) &&
    old.mayGotoDepth === cur.mayGotoDepth &&
    old.callbackUnrollDepth === cur.callbackUnrollDepth
  )
    refuseLoop(env, old, cur, insnIdx);
  return false;
}

function refuseLoop(env: VerifierEnv, old: VerifierState, cur: VerifierState, insnIdx: number): never {
  env.lines.print(insnIdx, '; ');
  env.say('infiniteLoop', insnIdx);
  if (env.logging) {
    env.verbose('cur state:');
    printVerifierState(env, cur.frame, true);
    env.verbose('old state:');
    printImage(env, old.images[cur.curframe]);
  }
  env.fail(22);
}

/** An equivalent state was found: what its continuation needs, the one in hand needs. */
function prune(env: VerifierEnv, old: VerifierState, cur: VerifierState): true {
  old.hitCnt++;
  propagateLiveness(env, old, cur);
  if (env.cfg.jmpPoints[env.insnIdx] !== 0) pushInsnHistory(env, cur, 0, undefined);
  propagatePrecision(env, old);
  return true;
}

/**
 * Whether the path in hand may end at `insnIdx`, because from there on it is a special case of one that was explored.
 * If not, the state may be kept to be compared with later ones.
 *
 * Source: `kernel/bpf/verifier.c: is_state_visited`.
 */
export function isStateVisited(env: VerifierEnv, insnIdx: number): boolean {
  const cur = env.curState;
  const isCheckpoint = env.cfg.forceCheckpoint[insnIdx] !== 0;
  const forceNewState = env.testStateFreq || isCheckpoint || cur.insnHistEnd - cur.insnHistStart > 40;
  const jmps = env.jmpsProcessed - env.prevJmpsProcessed;
  const insns = env.insnProcessed - env.prevInsnProcessed;
  let addNewState = forceNewState || (jmps >= 2 && insns >= 8);
  const place = exploredPlace(env, insnIdx);
  const list = env.explored[place];
  const statesCount = list === undefined ? 0 : list.count;
  if (list !== undefined) {
    if (list.newestUncleaned !== undefined) cleanLiveStates(list, insnIdx, cur);
    let newer: VerifierState | undefined;
    for (let state = list.newest; state !== undefined; state = state.older) {
      if (state.insnIdx !== insnIdx) {
        newer = state;
        continue;
      }
      if (state.branches !== 0) {
        if (isLoopVisited(env, state, cur, insnIdx)) return prune(env, state, cur);
        if (!forceNewState && jmps < 20 && insns < 100) addNewState = false;
      } else {
        const loopEntry = getLoopEntry(state);
        const exactEntry = loopEntry !== undefined && loopEntry.branches > 0 ? loopEntry : undefined;
        if (statesEqual(env, state, cur, exactEntry === undefined ? NOT_EXACT : RANGE_WITHIN)) {
          if (exactEntry !== undefined) updateLoopEntry(cur, exactEntry);
          return prune(env, state, cur);
        }
      }
      if (addNewState) state.missCnt++;
      const patience = isCheckpoint && state.branches > 0 ? 64 : 3;
      if (state.missCnt <= state.hitCnt * patience + patience) {
        newer = state;
        continue;
      }
      list.count--;
      if (newer === undefined) list.newest = state.older;
      else newer.older = state.older;
      if (!isDone(state)) forgetUncleaned(list, state);
      else if (!state.usedAsLoopEntry) env.peakStates--;
    }
  }
  if (env.maxStatesPerInsn < statesCount) env.maxStatesPerInsn = statesCount;
  if (!env.bpfCapable && statesCount > BPF_COMPLEXITY_LIMIT_STATES) return false;
  if (addNewState) keepState(env, list ?? newList(env, place), cur, insnIdx);
  return false;
}

function newList(env: VerifierEnv, place: number): ExploredList {
  // Of its final size at once: holes far apart would make it a dictionary.
  if (env.explored.length === 0) env.explored = new Array(env.insns.length);
  const list = new ExploredList();
  env.explored[place] = list;
  return list;
}

/** Keeps a copy of the state in hand, which becomes the copy's child. */
function keepState(env: VerifierEnv, list: ExploredList, cur: VerifierState, insnIdx: number): void {
  env.totalStates++;
  env.peakStates++;
  env.prevJmpsProcessed = env.jmpsProcessed;
  env.prevInsnProcessed = env.insnProcessed;
  settlePending(env);
  const kept = new VerifierState();
  copyVerifierState(kept, cur);
  // Of its final size at once: there are many.
  const images: FrameImage[] = new Array(cur.curframe + 1);
  for (let f = 0; f <= cur.curframe; f++) images[f] = imageOf(cur.frames[f], env.bpfCapable);
  kept.images = images;
  kept.insnIdx = insnIdx;
  cur.parent = kept;
  cur.firstInsnIdx = insnIdx;
  cur.insnHistStart = cur.insnHistEnd;
  cur.dfsDepth = kept.dfsDepth + 1;
  kept.older = list.newest;
  list.newest = kept;
  kept.olderUncleaned = list.newestUncleaned;
  list.newestUncleaned = kept;
  list.count++;
  for (let f = 0; f <= cur.curframe; f++) beginAnew(cur.frames[f], images[f], f === cur.curframe);
}

/** What is read of a frame from now on, is read of the state just kept. */
function beginAnew(frame: FuncState, image: FrameImage, inHand: boolean): void {
  const { regs, stack } = frame;
  // Callers' R1 to R5 are linked to the state of the call, R0 comes from the callee.
  for (let i = 0; i < 6 && !inHand; i++) {
    const reg = regs[i];
    if (reg.strayed) continue;
    reg.originFrame = originFrameOf(reg);
    reg.originPlace = i;
    reg.strayed = true;
  }
  for (let i = 0; i < BPF_REG_FP; i++) {
    regs[i].live = REG_LIVE_NONE;
    if (inHand || i >= 6) regs[i].strayed = false;
  }
  for (let i = 0; i < stack.length; i++) {
    stack[i].live = REG_LIVE_NONE;
    stack[i].strayed = false;
  }
  frame.parent = image;
}
