import type { FuncState } from './func-state.ts';

/** What is true of a state or not. Bits 8 to 15: kept states have others beside them. */
export const SPECULATIVE = 1 << 8;
export const ACTIVE_RCU_LOCK = 1 << 9;
export const IN_SLEEPABLE = 1 << 10;

/** Never added to: who makes a state with frames gives it a list of its own. */
export const NO_FRAMES: FuncState[] = [];

/** The map or BTF whose spin lock is held, and the id of the register that names the object. */
export interface HeldLock {
  readonly ptr: object;
  readonly id: number;
}

/**
 * The point the exploration is at, or one that waits for its turn (`struct bpf_verifier_state`). States that are kept are
 * numbers, see `KeptStates`.
 */
export class VerifierState {
  /** `frames[0]` is main's; as many as `curframe + 1`. None in a state that waits for its turn and is settled. */
  frames: FuncState[] = NO_FRAMES;
  /** The frames of a settled one: the first of `curframe + 1` images; 0 otherwise. */
  image = 0;
  /** The kept state it began from; 0 for none. */
  parent = 0;
  branches = 0;
  curframe = 0;
  activeLock: HeldLock | undefined = undefined;
  activePreemptLock = 0;
  /** {@link SPECULATIVE}, {@link ACTIVE_RCU_LOCK}, {@link IN_SLEEPABLE}. */
  flags = 0;
  firstInsnIdx = 0;
  lastInsnIdx = 0;
  /** The kept state at the beginning of the loop it is in; 0 for none. */
  loopEntry = 0;
  /** Range of the environment's instruction history. */
  insnHistStart = 0;
  insnHistEnd = 0;
  dfsDepth = 0;
  callbackUnrollDepth = 0;
  mayGotoDepth = 0;

  get frame(): FuncState {
    return this.frames[this.curframe];
  }
  get speculative(): boolean {
    return (this.flags & SPECULATIVE) !== 0;
  }
  set speculative(value: boolean) {
    this.#set(SPECULATIVE, value);
  }
  get activeRcuLock(): boolean {
    return (this.flags & ACTIVE_RCU_LOCK) !== 0;
  }
  set activeRcuLock(value: boolean) {
    this.#set(ACTIVE_RCU_LOCK, value);
  }
  get inSleepable(): boolean {
    return (this.flags & IN_SLEEPABLE) !== 0;
  }
  set inSleepable(value: boolean) {
    this.#set(IN_SLEEPABLE, value);
  }
  #set(flag: number, value: boolean): void {
    this.flags = value ? this.flags | flag : this.flags & ~flag;
  }
}

/** Makes `to` what `from` is, but for its frames. Source: `copy_verifier_state`. */
export function copyVerifierState(to: VerifierState, from: VerifierState): void {
  to.flags = from.flags;
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
