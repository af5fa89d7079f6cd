import type { VerifierEnv } from '../env.ts';
import type { VerifierObserver } from '../input.ts';
import { RegState } from '../state/reg.ts';
import { copyFrame, Held, type HeldFrame, heldAt, holdFrame, SLOT_PLACE, sameHeld } from './held.ts';

/** What an instruction did to one place. */
export interface Change {
  readonly frame: number;
  readonly place: number;
  readonly before: Held;
  readonly after: Held;
}

/** A frame that a call began or a return ended. */
export interface FrameChange {
  readonly frame: number;
  readonly before: HeldFrame | undefined;
  readonly after: HeldFrame | undefined;
}

/** An instruction of the path in hand. */
export class Step {
  readonly idx: number;
  /** Depth of the call it belongs to. */
  readonly frame: number;
  changes: readonly Change[] = NO_CHANGES;
  frames: readonly FrameChange[] = NO_FRAMES;

  constructor(idx: number, frame: number) {
    this.idx = idx;
    this.frame = frame;
  }
}
const NO_CHANGES: readonly Change[] = [];
const NO_FRAMES: readonly FrameChange[] = [];

/** Steps kept of one path: twice as many at most. */
const KEPT_STEPS = 100_000;
/** Visits of a loop's head that are remembered. */
const KEPT_VISITS = 4;

const NOTHING = new Held(new RegState());

/** Visits of an instruction that is jumped back to. */
export interface LoopHead {
  visits: number;
  /** The last visits, oldest first. */
  readonly last: HeldFrame[];
}

/**
 * Looks over the verifier's shoulder: the path from the entry of the function being walked to the instruction in hand, what
 * every instruction on it changed, and how often each was processed. When the verifier goes back to a state it had put aside,
 * the path goes back with it.
 */
export class PathRecorder implements VerifierObserver {
  env: VerifierEnv | undefined = undefined;
  readonly steps: Step[] = [];
  /** Steps forgotten before the first one. */
  base = 0;
  /** Frames as they were before `steps[0]`; undefined where that is forgotten. */
  initial: readonly HeldFrame[] | undefined = undefined;
  /** How often each instruction was processed. */
  readonly counts: Uint32Array;
  readonly loops = new Map<number, LoopHead>();
  readonly #withPath: boolean;
  /** What is known of `#frames` and the state in hand agree up to the last step's changes. */
  #frames: HeldFrame[] = [];
  #fresh = true;
  #prevIdx = -1;

  /** @param withPath false: only count, for verifications of many instructions */
  constructor(insnCount: number, withPath: boolean) {
    this.counts = new Uint32Array(insnCount);
    this.#withPath = withPath;
  }

  walkBegins(env: unknown): void {
    this.env = env as VerifierEnv;
    this.steps.length = 0;
    this.base = 0;
    this.#prevIdx = -1;
    this.#begin();
  }

  #begin(): void {
    this.#fresh = true;
    this.initial = undefined;
  }

  beforeInsn(insnIdx: number, env: unknown): void {
    const verifier = env as VerifierEnv;
    verifier.log.said.length = 0;
    this.counts[insnIdx]++;
    if (this.#withPath) {
      this.sync();
      if (this.steps.length >= 2 * KEPT_STEPS) this.#forgetOldest();
      this.steps.push(new Step(insnIdx, verifier.curState.curframe));
    } else if (insnIdx <= this.#prevIdx) this.#visitLoop(insnIdx, verifier);
    this.#prevIdx = insnIdx;
  }

  pathEnd(insnIdx: number, why: 'exit' | 'pruned' | 'dead'): void {
    if (why === 'pruned') this.counts[insnIdx]++;
  }

  pathPosition(): number {
    // Without a path, what matters is where the walk comes from.
    return this.#withPath ? this.base + this.steps.length : this.#prevIdx;
  }

  pathResumed(position: number): void {
    if (!this.#withPath) {
      this.#prevIdx = position;
      return;
    }
    if (position < this.base) {
      this.steps.length = 0;
      this.base = position;
      this.#begin();
      return;
    }
    while (this.base + this.steps.length > position) this.#undo(this.steps.pop() as Step);
    // The last step has another outcome on this path.
    const last = this.steps.at(-1);
    if (last === undefined) return;
    this.#undo(last);
    last.changes = NO_CHANGES;
    last.frames = NO_FRAMES;
  }

  /** Compares the state in hand with what was last seen: the difference is the last step's doing. */
  sync(): void {
    const { env } = this;
    if (env === undefined || !this.#withPath) return;
    const { frames, curframe } = env.curState;
    if (this.#fresh) {
      this.#frames = frames.slice(0, curframe + 1).map(holdFrame);
      this.initial = this.#frames.map(copyFrame);
      this.#fresh = false;
      return;
    }
    let changes: Change[] | undefined;
    let moved: FrameChange[] | undefined;
    for (let f = Math.max(curframe, this.#frames.length - 1); f >= 0; f--) {
      const seen = this.#frames[f] as HeldFrame | undefined;
      const frame = f <= curframe ? frames[f] : undefined;
      if (
        frame === undefined ||
        seen === undefined ||
        seen.subprogno !== frame.subprogno ||
        seen.callsite !== frame.callsite
      ) {
        moved ??= [];
        const after = frame === undefined ? undefined : holdFrame(frame);
        moved.push({ frame: f, before: seen, after });
        if (after !== undefined) this.#frames[f] = copyFrame(after);
        continue;
      }
      const { regs, stack } = frame;
      for (let i = 0; i < 10; i++) {
        if (sameHeld(seen.regs[i], regs[i])) continue;
        const after = new Held(regs[i]);
        changes ??= [];
        changes.push({ frame: f, place: i, before: seen.regs[i], after });
        seen.regs[i] = after;
      }
      for (let i = 0; i < stack.length; i++) {
        const before = (seen.stack[i] as Held | undefined) ?? NOTHING;
        if (i >= seen.stack.length) seen.stack.push(NOTHING);
        if (sameHeld(before, stack[i])) continue;
        const after = new Held(stack[i]);
        changes ??= [];
        changes.push({ frame: f, place: SLOT_PLACE + i, before, after });
        seen.stack[i] = after;
      }
    }
    this.#frames.length = curframe + 1;
    const last = this.steps.at(-1);
    if (last === undefined) return;
    if (changes !== undefined) last.changes = last.changes.concat(changes);
    if (moved !== undefined) last.frames = last.frames.concat(moved);
  }

  #undo(step: Step): void {
    const { changes, frames } = step;
    for (let i = frames.length - 1; i >= 0; i--) {
      const { frame, before } = frames[i];
      if (before !== undefined) this.#frames[frame] = before;
      else this.#frames.length = frame;
    }
    for (let i = changes.length - 1; i >= 0; i--) {
      const { frame, place, before } = changes[i];
      const at = this.#frames[frame];
      if (place >= SLOT_PLACE) at.stack[place - SLOT_PLACE] = before;
      else at.regs[place] = before;
    }
  }

  #forgetOldest(): void {
    this.steps.splice(0, KEPT_STEPS);
    this.base += KEPT_STEPS;
    this.initial = undefined;
  }

  #visitLoop(insnIdx: number, { frame }: VerifierEnv): void {
    let loop = this.loops.get(insnIdx);
    if (loop === undefined) {
      loop = { visits: 0, last: [] };
      this.loops.set(insnIdx, loop);
    }
    loop.visits++;
    if (loop.last.push(holdFrame(frame)) > KEPT_VISITS) loop.last.shift();
  }

  /** What a place held before step `at` (an index of `steps`); undefined where nobody knows any more. */
  heldBefore(at: number, frame: number, place: number): Held | undefined {
    for (let q = at - 1; q >= 0; q--) {
      const { changes, frames } = this.steps[q];
      for (const moved of frames) {
        if (moved.frame === frame) return moved.after === undefined ? undefined : heldAt(moved.after, place);
      }
      for (let i = changes.length - 1; i >= 0; i--) {
        if (changes[i].frame === frame && changes[i].place === place) return changes[i].after;
      }
    }
    const begun = this.initial?.[frame];
    return begun === undefined ? undefined : heldAt(begun, place);
  }
}
