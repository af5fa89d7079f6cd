import type { FrameImage } from './frame-image.ts';
import type { FuncState } from './func-state.ts';

const NO_IMAGES: readonly FrameImage[] = [];
/** Never added to: who makes a state with frames gives it a list of its own. */
export const NO_FRAMES: FuncState[] = [];

const SPECULATIVE = 1;
const ACTIVE_RCU_LOCK = 2;
const USED_AS_LOOP_ENTRY = 4;
const IN_SLEEPABLE = 8;
const SCALARS_FORCED = 16;

/** A point in the exploration: frames and what holds across them (`struct bpf_verifier_state`). */
export class VerifierState {
  /** `frames[0]` is main's; as many as `curframe + 1`. None in a state that is kept or waits for its turn. */
  frames: FuncState[] = NO_FRAMES;
  /** The frames of a state that is kept or waits for its turn. */
  images: readonly FrameImage[] = NO_IMAGES;
  parent: VerifierState | undefined = undefined;
  branches = 0;
  insnIdx = 0;
  curframe = 0;
  /** The map or BTF whose spin lock is held, and the id of the register that names the object; undefined: none. */
  activeLock: { readonly ptr: object; readonly id: number } | undefined = undefined;
  activePreemptLock = 0;
  firstInsnIdx = 0;
  lastInsnIdx = 0;
  loopEntry: VerifierState | undefined = undefined;
  /** Range of the environment's instruction history. */
  insnHistStart = 0;
  insnHistEnd = 0;
  dfsDepth = 0;
  callbackUnrollDepth = 0;
  mayGotoDepth = 0;
  /** One word for what is true or not: there may be a million states. */
  #flags = 0;
  /** Kept states: how often another was and was not equivalent. */
  hitCnt = 0;
  missCnt = 0;
  /** Kept states: the next of their `ExploredList`. */
  older: VerifierState | undefined = undefined;
  olderUncleaned: VerifierState | undefined = undefined;

  get speculative(): boolean {
    return (this.#flags & SPECULATIVE) !== 0;
  }
  set speculative(value: boolean) {
    this.#set(SPECULATIVE, value);
  }
  get activeRcuLock(): boolean {
    return (this.#flags & ACTIVE_RCU_LOCK) !== 0;
  }
  set activeRcuLock(value: boolean) {
    this.#set(ACTIVE_RCU_LOCK, value);
  }
  get usedAsLoopEntry(): boolean {
    return (this.#flags & USED_AS_LOOP_ENTRY) !== 0;
  }
  set usedAsLoopEntry(value: boolean) {
    this.#set(USED_AS_LOOP_ENTRY, value);
  }
  get inSleepable(): boolean {
    return (this.#flags & IN_SLEEPABLE) !== 0;
  }
  set inSleepable(value: boolean) {
    this.#set(IN_SLEEPABLE, value);
  }
  /** Every scalar here and in the states before was made precise. Not in Linux, which looks at all of them again. */
  get scalarsForced(): boolean {
    return (this.#flags & SCALARS_FORCED) !== 0;
  }
  set scalarsForced(value: boolean) {
    this.#set(SCALARS_FORCED, value);
  }
  #set(flag: number, value: boolean): void {
    this.#flags = value ? this.#flags | flag : this.#flags & ~flag;
  }
  /** All but {@link scalarsForced}. */
  copyFlags(from: VerifierState): void {
    this.#flags = (this.#flags & SCALARS_FORCED) | (from.#flags & ~SCALARS_FORCED);
  }

  get frame(): FuncState {
    return this.frames[this.curframe];
  }
  /** Where the function in frame `f` was called. */
  callsiteOf(f: number): number {
    return (this.images.length !== 0 ? this.images[f] : this.frames[f]).head.callsite;
  }
}

/** Makes `to` what `from` is, but for its frames. Source: `copy_verifier_state`. */
export function copyVerifierState(to: VerifierState, from: VerifierState): void {
  to.copyFlags(from);
  to.activePreemptLock = from.activePreemptLock;
  to.curframe = from.curframe;
  to.activeLock = from.activeLock;
  to.branches = from.branches;
  to.parent = from.parent;
  to.firstInsnIdx = from.firstInsnIdx;
  to.lastInsnIdx = from.lastInsnIdx;
  to.insnHistStart = from.insnHistStart;
  to.insnHistEnd = from.insnHistEnd;
  to.dfsDepth = from.dfsDepth;
  to.callbackUnrollDepth = from.callbackUnrollDepth;
  to.mayGotoDepth = from.mayGotoDepth;
  to.loopEntry = from.loopEntry;
}
