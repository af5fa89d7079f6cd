import { ERRNO } from '../../uapi/index.ts';
import type { PendingState, VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import { BPF_MAIN_FUNC, copyFuncState, FuncState, newRegs } from '../state/func-state.ts';
import type { KeptStates } from '../state/kept-states.ts';
import { initFuncState } from '../state/marks.ts';
import { copyVerifierState, NO_FRAMES, VerifierState } from '../state/verifier-state.ts';

/** Paths that may wait to be explored at a time. */
const BPF_COMPLEXITY_LIMIT_JMP_SEQ = 8192;

/** The topmost entry of the loops that a state with the loop entry `entry` is in; 0 for none. Shortens the way there. */
function topmostEntry(kept: KeptStates, entry: number): number {
  if (entry === 0) return 0;
  let topmost = entry;
  for (;;) {
    const next = kept.loopEntry(topmost);
    if (next === 0 || next === topmost) break;
    topmost = next;
  }
  for (let at = entry; at !== topmost; ) {
    const next = kept.loopEntry(at);
    kept.setLoopEntry(at, topmost);
    at = next;
  }
  return topmost;
}

/** The topmost entry of the loops a kept state is in; 0 for none. */
export function getLoopEntry(kept: KeptStates, state: number): number {
  const topmost = topmostEntry(kept, kept.loopEntry(state));
  if (topmost !== kept.loopEntry(state)) kept.setLoopEntry(state, topmost);
  return topmost;
}

/** A state at depth `dfsDepth` leads to `hdr`: whether that is on the path in hand, so that both are in one loop. */
function isInLoopOf(kept: KeptStates, dfsDepth: number, hdr: number): boolean {
  const topmost = getLoopEntry(kept, hdr) || hdr;
  return kept.branches(topmost) !== 0 && kept.dfsDepth(topmost) <= dfsDepth;
}

/** The state in hand leads to the kept state `hdr`. Source: `update_loop_entry`. */
export function updateLoopEntry(kept: KeptStates, cur: VerifierState, hdr: number): void {
  cur.loopEntry = topmostEntry(kept, cur.loopEntry);
  const depth = cur.loopEntry === 0 ? cur.dfsDepth : kept.dfsDepth(cur.loopEntry);
  if (!isInLoopOf(kept, depth, hdr)) return;
  cur.loopEntry = hdr;
  kept.useAsLoopEntry(hdr);
}

/** The same of a kept state that leads to `hdr`. */
export function updateKeptLoopEntry(kept: KeptStates, state: number, hdr: number): void {
  if (!isInLoopOf(kept, kept.dfsDepth(getLoopEntry(kept, state) || state), hdr)) return;
  kept.setLoopEntry(state, hdr);
  kept.useAsLoopEntry(hdr);
}

/** The path in hand ended: states all of whose paths have are complete. */
export function updateBranchCounts(env: VerifierEnv, cur: VerifierState): void {
  const { kept } = env;
  let branches = --cur.branches;
  let { loopEntry, parent } = cur;
  for (;;) {
    if (branches === 0 && parent !== 0 && loopEntry !== 0) updateKeptLoopEntry(kept, parent, loopEntry);
    if (branches < 0) env.bug('more paths ended than began');
    if (branches !== 0 || parent === 0) return;
    branches = kept.addBranches(parent, -1);
    loopEntry = kept.loopEntry(parent);
    parent = kept.parent(parent);
  }
}

/** A frame of no particular content. */
export const takeFrame = (env: VerifierEnv): FuncState =>
  env.spareFrames.pop() ?? new FuncState(BPF_MAIN_FUNC, 0, 0, newRegs());

/** All that a frame of a state put aside holds, on one line of the log. */
export function printImage(env: VerifierEnv, image: number): void {
  const frame = takeFrame(env);
  env.kept.images.restore(frame, image);
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
  state.image = env.kept.images.capture(state.frames, state.curframe + 1, false);
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
    const { images } = env.kept;
    const { frames } = cur;
    const count = state.curframe + 1;
    while (frames.length > count) env.spareFrames.push(frames.pop() as FuncState);
    while (frames.length < count) frames.push(takeFrame(env));
    for (let f = 0; f < count; f++) images.restore(frames[f], state.image + f);
    images.release(state.image, count);
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
  if (state.parent !== 0) env.kept.addBranches(state.parent, 1);
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
