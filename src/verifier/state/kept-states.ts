import { FrameImages } from './frame-images.ts';
import { firstRecords, moreRecords, RECORD_BITS, RecordValues } from './records.ts';
import { ACTIVE_RCU_LOCK, type HeldLock, IN_SLEEPABLE, SPECULATIVE, type VerifierState } from './verifier-state.ts';

/** Words of a kept state's record. */
const INSN_IDX = 0;
const BRANCHES = 1;
const MISS_CNT = 2;
const HIT_CNT = 3;
const OLDER = 4;
const OLDER_UNCLEANED = 5;
const IMAGE = 6;
/** `curframe` in bits 0..7, flags above. */
const FRAME_AND_FLAGS = 7;
const DFS_DEPTH = 8;
const LOOP_ENTRY = 9;
const PARENT = 10;
const FIRST_INSN_IDX = 11;
const LAST_INSN_IDX = 12;
const INSN_HIST_START = 13;
const INSN_HIST_END = 14;
const MAY_GOTO_DEPTH = 15;

const CURFRAME_MASK = 255;
const USED_AS_LOOP_ENTRY = 1 << 16;
const SCALARS_FORCED = 1 << 17;
const HAS_RARE = 1 << 18;

/** What few states have: locks held, callbacks gone round. */
export interface RareFacts {
  readonly activeLock: HeldLock | undefined;
  readonly activePreemptLock: number;
  readonly callbackUnrollDepth: number;
}
const NOTHING_RARE: RareFacts = { activeLock: undefined, activePreemptLock: 0, callbackUnrollDepth: 0 };

/**
 * States kept to be compared with later ones and to remember what is read and precise, by number; 0 is none. There may be
 * a million, so they are words of records.
 */
export class KeptStates {
  /** Their frames, and those of states that wait for their turn. */
  readonly images = new FrameImages();
  #words = firstRecords();
  #end = 1;
  readonly #rare = new RecordValues<RareFacts>(1);
  readonly #free: number[] = [];
  /** How many have become complete: every path through them has ended. */
  completions = 0;

  /**
   * Keeps what `cur` is at `insnIdx`. With `forget` no scalar matters any more, neither in it nor in what is kept.
   * Source: `copy_verifier_state`.
   */
  keep(cur: VerifierState, insnIdx: number, forget: boolean): number {
    const state = this.#free.pop() ?? this.#add();
    const image = this.images.capture(cur.frames, cur.curframe + 1, forget);
    const { activeLock, activePreemptLock, callbackUnrollDepth } = cur;
    const isRare = activeLock !== undefined || activePreemptLock !== 0 || callbackUnrollDepth !== 0;
    this.#rare.set(state, 0, isRare ? { activeLock, activePreemptLock, callbackUnrollDepth } : NOTHING_RARE);
    const words = this.#words;
    const at = state << RECORD_BITS;
    words[at | INSN_IDX] = insnIdx;
    words[at | BRANCHES] = cur.branches;
    words[at | MISS_CNT] = 0;
    words[at | HIT_CNT] = 0;
    words[at | OLDER] = 0;
    words[at | OLDER_UNCLEANED] = 0;
    words[at | IMAGE] = image;
    words[at | FRAME_AND_FLAGS] = cur.curframe | cur.flags | (isRare ? HAS_RARE : 0);
    words[at | DFS_DEPTH] = cur.dfsDepth;
    words[at | LOOP_ENTRY] = cur.loopEntry;
    words[at | PARENT] = cur.parent;
    words[at | FIRST_INSN_IDX] = cur.firstInsnIdx;
    words[at | LAST_INSN_IDX] = cur.lastInsnIdx;
    words[at | INSN_HIST_START] = cur.insnHistStart;
    words[at | INSN_HIST_END] = cur.insnHistEnd;
    words[at | MAY_GOTO_DEPTH] = cur.mayGotoDepth;
    return state;
  }

  #add(): number {
    const state = this.#end++;
    if (this.#words.length < this.#end << RECORD_BITS) this.#words = moreRecords(this.#words);
    this.#rare.reserve(this.#end);
    return state;
  }

  /** Nobody needs the state any more; its number may be given to another. */
  release(state: number): void {
    this.images.release(this.imageOf(state, 0), this.curframe(state) + 1);
    this.#free.push(state);
  }

  insnIdx(state: number): number {
    return this.#words[(state << RECORD_BITS) | INSN_IDX];
  }
  branches(state: number): number {
    return this.#words[(state << RECORD_BITS) | BRANCHES];
  }
  /** Adds to the number of branches; what it is then. */
  addBranches(state: number, count: number): number {
    const at = (state << RECORD_BITS) | BRANCHES;
    const branches = this.#words[at] + count;
    this.#words[at] = branches;
    if (branches === 0) this.completions++;
    return branches;
  }
  /** How often another was, and was not, equivalent to it. */
  hitCnt(state: number): number {
    return this.#words[(state << RECORD_BITS) | HIT_CNT];
  }
  missCnt(state: number): number {
    return this.#words[(state << RECORD_BITS) | MISS_CNT];
  }
  countHit(state: number): void {
    this.#words[(state << RECORD_BITS) | HIT_CNT] += 1;
  }
  countMiss(state: number): void {
    this.#words[(state << RECORD_BITS) | MISS_CNT] += 1;
  }
  /** The next of its `ExploredList`; 0 for none. */
  older(state: number): number {
    return this.#words[(state << RECORD_BITS) | OLDER];
  }
  setOlder(state: number, older: number): void {
    this.#words[(state << RECORD_BITS) | OLDER] = older;
  }
  olderUncleaned(state: number): number {
    return this.#words[(state << RECORD_BITS) | OLDER_UNCLEANED];
  }
  setOlderUncleaned(state: number, older: number): void {
    this.#words[(state << RECORD_BITS) | OLDER_UNCLEANED] = older;
  }
  curframe(state: number): number {
    return this.#words[(state << RECORD_BITS) | FRAME_AND_FLAGS] & CURFRAME_MASK;
  }
  /** The image of frame `f`. */
  imageOf(state: number, f: number): number {
    return this.#words[(state << RECORD_BITS) | IMAGE] + f;
  }
  /** Where the function in frame `f` was called. */
  callsiteOf(state: number, f: number): number {
    return this.images.callsite(this.imageOf(state, f));
  }
  /** Frames of both were called at the same places. */
  sameCallsites(a: number, b: number): boolean {
    const curframe = this.curframe(a);
    if (curframe !== this.curframe(b)) return false;
    for (let f = curframe; f >= 0; f--) {
      if (this.callsiteOf(a, f) !== this.callsiteOf(b, f)) return false;
    }
    return true;
  }
  dfsDepth(state: number): number {
    return this.#words[(state << RECORD_BITS) | DFS_DEPTH];
  }
  loopEntry(state: number): number {
    return this.#words[(state << RECORD_BITS) | LOOP_ENTRY];
  }
  setLoopEntry(state: number, entry: number): void {
    this.#words[(state << RECORD_BITS) | LOOP_ENTRY] = entry;
  }
  parent(state: number): number {
    return this.#words[(state << RECORD_BITS) | PARENT];
  }
  forgetParent(state: number): void {
    this.#words[(state << RECORD_BITS) | PARENT] = 0;
  }
  firstInsnIdx(state: number): number {
    return this.#words[(state << RECORD_BITS) | FIRST_INSN_IDX];
  }
  lastInsnIdx(state: number): number {
    return this.#words[(state << RECORD_BITS) | LAST_INSN_IDX];
  }
  /** Range of the environment's instruction history. */
  insnHistStart(state: number): number {
    return this.#words[(state << RECORD_BITS) | INSN_HIST_START];
  }
  insnHistEnd(state: number): number {
    return this.#words[(state << RECORD_BITS) | INSN_HIST_END];
  }
  mayGotoDepth(state: number): number {
    return this.#words[(state << RECORD_BITS) | MAY_GOTO_DEPTH];
  }
  rare(state: number): RareFacts {
    return this.#has(state, HAS_RARE) ? this.#rare.get(state, 0) : NOTHING_RARE;
  }

  isSpeculative(state: number): boolean {
    return this.#has(state, SPECULATIVE);
  }
  /** Whether RCU sections and sleeping are the same in both. */
  sameSections(state: number, cur: VerifierState): boolean {
    return (
      ((this.#words[(state << RECORD_BITS) | FRAME_AND_FLAGS] ^ cur.flags) & (ACTIVE_RCU_LOCK | IN_SLEEPABLE)) === 0
    );
  }
  isUsedAsLoopEntry(state: number): boolean {
    return this.#has(state, USED_AS_LOOP_ENTRY);
  }
  useAsLoopEntry(state: number): void {
    this.#flag(state, USED_AS_LOOP_ENTRY);
  }
  /** Every scalar here and in the states before was made precise. Not in Linux, which looks at all of them again. */
  areScalarsForced(state: number): boolean {
    return this.#has(state, SCALARS_FORCED);
  }
  forceScalars(state: number): void {
    this.#flag(state, SCALARS_FORCED);
  }
  #has(state: number, flag: number): boolean {
    return (this.#words[(state << RECORD_BITS) | FRAME_AND_FLAGS] & flag) !== 0;
  }
  #flag(state: number, flag: number): void {
    this.#words[(state << RECORD_BITS) | FRAME_AND_FLAGS] |= flag;
  }
}
