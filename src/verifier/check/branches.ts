import { ERRNO } from '../../uapi/index.ts';
import type { PendingState, VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import { type FrameImage, imageOf, restoreFrame } from '../state/frame-image.ts';
import { BPF_MAIN_FUNC, copyFuncState, FuncState, newRegs } from '../state/func-state.ts';
import { initFuncState } from '../state/marks.ts';
import { copyVerifierState, NO_FRAMES, VerifierState } from '../state/verifier-state.ts';

/** Paths that may wait to be explored at a time. */
const BPF_COMPLEXITY_LIMIT_JMP_SEQ = 8192;

/** The topmost entry of the loops a state is in, if it is in any; shortens the way there. */
export function getLoopEntry(st: VerifierState): VerifierState | undefined {
  let topmost = st.loopEntry;
  while (topmost?.loopEntry !== undefined && topmost !== topmost.loopEntry) topmost = topmost.loopEntry;
  let at: VerifierState | undefined = st;
  while (at !== undefined && at.loopEntry !== topmost) {
    const old: VerifierState | undefined = at.loopEntry;
    at.loopEntry = topmost;
    at = old;
  }
  return topmost;
}

/** `cur` leads to `hdr`: where that is on the path in hand, both are in one loop. */
export function updateLoopEntry(cur: VerifierState, hdr: VerifierState): void {
  const cur1 = getLoopEntry(cur) ?? cur;
  const hdr1 = getLoopEntry(hdr) ?? hdr;
  if (hdr1.branches !== 0 && hdr1.dfsDepth <= cur1.dfsDepth) {
    cur.loopEntry = hdr;
    hdr.usedAsLoopEntry = true;
  }
}

/** A path ended: states all of whose paths have are complete. */
export function updateBranchCounts(env: VerifierEnv, st: VerifierState | undefined): void {
  let at = st;
  while (at !== undefined) {
    const branches = --at.branches;
    if (branches === 0 && at.parent !== undefined && at.loopEntry !== undefined)
      updateLoopEntry(at.parent, at.loopEntry);
    if (branches < 0) env.bug('more paths ended than began');
    if (branches !== 0) break;
    at = at.parent;
  }
}

/** A frame of no particular content. */
export const takeFrame = (env: VerifierEnv): FuncState =>
  env.spareFrames.pop() ?? new FuncState(BPF_MAIN_FUNC, 0, 0, newRegs());

/** All that a frame of a state put aside holds, on one line of the log. */
export function printImage(env: VerifierEnv, image: FrameImage): void {
  const frame = takeFrame(env);
  restoreFrame(frame, image);
  printVerifierState(env, frame, true);
  env.spareFrames.push(frame);
}

/**
 * Whoever put a state aside last may have changed it since. Now that the next one is, or that the path goes on from a new
 * state, it needs no frames of its own any more.
 */
export function settlePending(env: VerifierEnv): void {
  const state = env.unsettled;
  if (state === undefined) return;
  env.unsettled = undefined;
  state.images = state.frames.map(frame => imageOf(frame, false));
  env.spareFrames.push(...state.frames);
  state.frames = NO_FRAMES;
}

/**
 * Goes on with the path put aside last: `env.curState` becomes it. The caller sets `env.insnIdx`. Undefined when there
 * is none left. With `popLog` the log forgets what was said since.
 */
export function popStack(env: VerifierEnv, popLog: boolean): PendingState | undefined {
  const elem = env.pending.pop();
  if (elem === undefined) return undefined;
  const { state } = elem;
  const cur = env.curState;
  copyVerifierState(cur, state);
  if (state === env.unsettled) {
    env.unsettled = undefined;
    env.spareFrames.push(...cur.frames);
    cur.frames = state.frames;
  } else {
    const { images } = state;
    const { frames } = cur;
    while (frames.length > images.length) env.spareFrames.push(frames.pop() as FuncState);
    while (frames.length < images.length) frames.push(takeFrame(env));
    for (let f = 0; f < images.length; f++) restoreFrame(frames[f], images[f]);
  }
  if (popLog) env.log.reset(elem.logPos);
  env.observer?.pathResumed?.(elem.pathPos);
  return elem;
}

/**
 * Puts a copy of the state in hand aside, to be explored from `insnIdx` on. Undefined, and said why, where too many are
 * waiting. Source: `push_stack`.
 */
export function tryPushStack(
  env: VerifierEnv,
  insnIdx: number,
  prevInsnIdx: number,
  speculative: boolean,
): VerifierState | undefined {
  const state = new VerifierState();
  const { pending } = env;
  pending.push({ state, insnIdx, prevInsnIdx, logPos: env.log.position, pathPos: env.observer?.pathPosition?.() ?? 0 });
  settlePending(env);
  const cur = env.curState;
  copyVerifierState(state, cur);
  const frames: FuncState[] = [];
  for (let f = 0; f <= cur.curframe; f++) {
    const frame = takeFrame(env);
    copyFuncState(frame, cur.frames[f]);
    frames.push(frame);
  }
  state.frames = frames;
  env.unsettled = state;
  if (speculative) state.speculative = true;
  if (pending.length > BPF_COMPLEXITY_LIMIT_JMP_SEQ) {
    env.say('jumpsTooComplex', pending.length);
    pending.length = 0;
    env.unsettled = undefined;
    return undefined;
  }
  if (state.parent !== undefined) state.parent.branches++;
  return state;
}

/** {@link tryPushStack}, refusing with `errno` where too many are waiting. */
export function pushStack(
  env: VerifierEnv,
  insnIdx: number,
  prevInsnIdx: number,
  speculative: boolean,
  errno: number = ERRNO.EFAULT,
): VerifierState {
  return tryPushStack(env, insnIdx, prevInsnIdx, speculative) ?? env.fail(errno);
}

/** Puts a function aside that is called back later, on a stack of its own. */
export function pushAsyncCb(
  env: VerifierEnv,
  insnIdx: number,
  prevInsnIdx: number,
  subprog: number,
  isSleepable: boolean,
): VerifierState {
  const state = new VerifierState();
  const { pending } = env;
  pending.push({ state, insnIdx, prevInsnIdx, logPos: env.log.position, pathPos: env.observer?.pathPosition?.() ?? 0 });
  if (pending.length > BPF_COMPLEXITY_LIMIT_JMP_SEQ) env.refuse('jumpsTooComplexAsync', pending.length);
  settlePending(env);
  env.unsettled = state;
  state.branches = 1;
  state.inSleepable = isSleepable;
  // Nothing of the caller matters but that its history is not written over.
  state.insnHistStart = env.curState.insnHistEnd;
  state.insnHistEnd = state.insnHistStart;
  const frame = takeFrame(env);
  initFuncState(env, frame, BPF_MAIN_FUNC, 0, subprog);
  state.frames = [frame];
  return state;
}
