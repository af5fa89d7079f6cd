import { BPF_REG_FP } from '../../isa/index.ts';
import { ExploredList, type VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import type { KeptStates } from '../state/kept-states.ts';
import { FIRST_SLOT, originFrameOf, REG_LIVE_NONE } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { getLoopEntry, settlePending, updateLoopEntry } from './branches.ts';
import { NOT_EXACT, RANGE_WITHIN, sameCallsites, statesEqual } from './compare.ts';
import { pushInsnHistory } from './history.ts';
import { propagateLiveness } from './liveness.ts';
import { fingerprintOf, fingerprintOfImage, isLoopVisited, loopKindOf, NO_PRINT, PLAIN } from './loop-visit.ts';
import { propagatePrecision } from './precision.ts';

export { regsafe, regsExact, sameCallsites, statesEqual } from './compare.ts';

/** States kept for an instruction without CAP_BPF. */
const BPF_COMPLEXITY_LIMIT_STATES = 64;

/** With so many states to compare with, fingerprints of registers pay. */
const MANY_STATES = 4;

/** Place in `env.explored` of the states at `insnIdx`, which other instructions may share. */
const exploredPlace = (env: VerifierEnv, insnIdx: number): number =>
  ((insnIdx ^ env.frame.callsite) >>> 0) % env.insns.length;

/** States that may be equivalent to one at `insnIdx`; some are of other instructions. Undefined: none. */
export const exploredState = (env: VerifierEnv, insnIdx: number): ExploredList | undefined =>
  env.explored[exploredPlace(env, insnIdx)];

/** Cleans the states at `insnIdx` that are complete: every path through them has ended. */
function cleanLiveStates(kept: KeptStates, list: ExploredList, insnIdx: number, cur: VerifierState): void {
  if (list.cleanedAt === kept.completions) return;
  let before = 0;
  let left = false;
  for (let state = list.newestUncleaned; state !== 0; ) {
    const next = kept.olderUncleaned(state);
    const isComplete = kept.branches(state) === 0;
    if (isComplete && mayClean(kept, state, insnIdx, cur)) {
      for (let f = 0; f <= cur.curframe; f++) kept.images.clean(kept.imageOf(state, f));
      kept.forgetParent(state);
      if (before === 0) list.newestUncleaned = next;
      else kept.setOlderUncleaned(before, next);
    } else {
      before = state;
      left ||= isComplete;
    }
    state = next;
  }
  // Those of other instructions or callers, or in loops that go on, may be cleaned another time.
  if (!left) list.cleanedAt = kept.completions;
}

/** Others than complete states are freed at the end of the verification only: `state` is not to be cleaned any more. */
function forgetUncleaned(env: VerifierEnv, list: ExploredList, state: number): void {
  const { kept } = env;
  let before = 0;
  for (let at = list.newestUncleaned; at !== 0 && at !== state; at = kept.olderUncleaned(at)) before = at;
  if (before === 0) list.newestUncleaned = kept.olderUncleaned(state);
  else kept.setOlderUncleaned(before, kept.olderUncleaned(state));
  // A log that tells of precision shows them once more.
  if ((env.log.level & BPF_LOG_LEVEL2) !== 0) return;
  for (let f = kept.curframe(state); f >= 0; f--) kept.images.forgetValues(kept.imageOf(state, f));
}

/** A complete state: whether nobody reads it any more. */
function mayClean(kept: KeptStates, state: number, insnIdx: number, cur: VerifierState): boolean {
  if (kept.insnIdx(state) !== insnIdx) return false;
  const loopEntry = getLoopEntry(kept, state);
  return (loopEntry === 0 || kept.branches(loopEntry) === 0) && sameCallsites(kept, state, cur);
}

/** An equivalent state was found: what its continuation needs, the one in hand needs. */
function prune(env: VerifierEnv, old: number, cur: VerifierState): true {
  env.kept.countHit(old);
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
  const { curState: cur, kept } = env;
  const isCheckpoint = env.cfg.forceCheckpoint[insnIdx] !== 0;
  const forceNewState = env.testStateFreq || isCheckpoint || cur.insnHistEnd - cur.insnHistStart > 40;
  const jmps = env.jmpsProcessed - env.prevJmpsProcessed;
  const insns = env.insnProcessed - env.prevInsnProcessed;
  let addNewState = forceNewState || (jmps >= 2 && insns >= 8);
  const place = exploredPlace(env, insnIdx);
  const list = env.explored[place];
  const statesCount = list === undefined ? 0 : list.count;
  if (list !== undefined) {
    if (list.newestUncleaned !== 0) cleanLiveStates(kept, list, insnIdx, cur);
    const { frame } = cur;
    const kind = loopKindOf(env, insnIdx, frame);
    const print = kind === PLAIN && list.count >= MANY_STATES ? fingerprintOf(frame) : NO_PRINT;
    let newer = 0;
    for (let state = list.newest, older = 0; state !== 0; state = older) {
      older = kept.older(state);
      if (kept.insnIdx(state) !== insnIdx) {
        newer = state;
        continue;
      }
      const inHand = kept.branches(state) !== 0;
      const image = kept.imageOf(state, cur.curframe);
      let differs = kept.curframe(state) !== cur.curframe;
      if (inHand) {
        if (!differs) {
          if (kind !== PLAIN) differs = kept.images.surelyDiffers(image, frame, true);
          else if (kept.mayGotoDepth(state) !== cur.mayGotoDepth) differs = true;
          else if (print !== NO_PRINT) differs = fingerprintOfImage(kept.images, image) !== print;
        }
        if (!differs && isLoopVisited(env, state, cur, kind, insnIdx)) return prune(env, state, cur);
        if (!forceNewState && jmps < 20 && insns < 100) addNewState = false;
      } else {
        const loopEntry = getLoopEntry(kept, state);
        const isExact = loopEntry !== 0 && kept.branches(loopEntry) > 0;
        differs ||= kept.images.surelyDiffers(image, frame, isExact);
        if (!differs && statesEqual(env, state, cur, isExact ? RANGE_WITHIN : NOT_EXACT)) {
          if (isExact) updateLoopEntry(kept, cur, loopEntry);
          return prune(env, state, cur);
        }
      }
      if (addNewState) kept.countMiss(state);
      const patience = isCheckpoint && inHand ? 64 : 3;
      if (kept.missCnt(state) <= kept.hitCnt(state) * patience + patience) {
        newer = state;
        continue;
      }
      list.count--;
      if (newer === 0) list.newest = older;
      else kept.setOlder(newer, older);
      if (!kept.images.isDone(kept.imageOf(state, 0))) forgetUncleaned(env, list, state);
      else if (!kept.isUsedAsLoopEntry(state)) {
        env.peakStates--;
        kept.release(state);
      }
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
  const { kept } = env;
  const state = kept.keep(cur, insnIdx, env.bpfCapable);
  cur.parent = state;
  cur.firstInsnIdx = insnIdx;
  cur.insnHistStart = cur.insnHistEnd;
  cur.dfsDepth++;
  kept.setOlder(state, list.newest);
  list.newest = state;
  kept.setOlderUncleaned(state, list.newestUncleaned);
  list.newestUncleaned = state;
  list.count++;
  for (let f = 0; f <= cur.curframe; f++) beginAnew(cur.frames[f], kept.imageOf(state, f), f === cur.curframe);
}

/** What is read of a frame from now on, is read of the state just kept. */
function beginAnew(frame: FuncState, image: number, inHand: boolean): void {
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
  frame.beginFrom(image, FIRST_SLOT + stack.length);
}
