import { MAX_BPF_STACK, MAX_CALL_FRAMES } from '../isa/index.ts';
import { alignUp } from '../util/index.ts';
import { type CallSites, SITE } from './call-graph.ts';
import type { SubprogInfo, SubprogTable } from './subprogs.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

/** Stack that callers of a function with a tail call may hold: 33 tail calls of it make 8 KiB. */
const MAX_DEPTH_BEFORE_TAIL_CALL = 256;
const JIT_GRAIN = 16;
const INTERPRETER_GRAIN = 32;

/** What a frame of this depth takes: whole steps of the JIT's alignment or of the interpreter's stack sizes. */
export function roundStackDepth(depthBytes: number, jitRequested: boolean): number {
  return jitRequested ? alignUp(depthBytes, JIT_GRAIN) : alignUp(Math.max(depthBytes, 1), INTERPRETER_GRAIN);
}

/**
 * Adds up the stack of every chain of calls, from main and from each asynchronous callback, with the rules that hang on
 * it: 512 bytes, 8 frames, 256 bytes above a tail call, no tail call under an exception callback, no exception thrown
 * under a callback. Marks the functions below which a tail call may happen. `stackDepthBytes`, `isCallback` and
 * `isAsyncCallback` of the functions have to be known.
 *
 * Dead code counts, as it does in the kernel. Functions met again at the same depth are not walked again, which the
 * kernel would do with the same outcome.
 *
 * Source: `kernel/bpf/verifier.c: check_max_stack_depth, check_max_stack_depth_subprog`. No JIT of 6.12 has private
 * stacks, so those are left out.
 */
export function checkMaxStackDepth(
  subprogs: SubprogTable,
  sites: CallSites,
  jitRequested: boolean,
  log: VerifierLog,
): Rejection | undefined {
  const { list } = subprogs;
  for (let id = list.length - 1; id >= 0; id--) {
    if (id !== 0 && !list[id].isAsyncCallback) continue;
    const refused = new DepthWalk(list, sites, jitRequested, log).run(id);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

class DepthWalk {
  readonly #list: readonly SubprogInfo[];
  readonly #sites: CallSites;
  readonly #jitRequested: boolean;
  readonly #log: VerifierLog;
  readonly #retSite = new Int32Array(MAX_CALL_FRAMES);
  readonly #retProg = new Int32Array(MAX_CALL_FRAMES);
  /** How each open frame was entered, for `#walked`. */
  readonly #keys = new Int32Array(MAX_CALL_FRAMES);
  readonly #walked = new Set<number>();
  #depth = 0;
  #frame = 0;
  // Once a tail call was met below the root, every frame that ends from then on marks its callers.
  #tailCallSeen = false;

  constructor(list: readonly SubprogInfo[], sites: CallSites, jitRequested: boolean, log: VerifierLog) {
    this.#list = list;
    this.#sites = sites;
    this.#jitRequested = jitRequested;
    this.#log = log;
  }

  run(root: number): Rejection | undefined {
    const { first } = this.#sites;
    let id = root;
    let refused = this.#enter(id);
    let site = first[id];
    while (refused === undefined) {
      const callee = site < first[id + 1] ? this.#step(id, site) : -2;
      if (typeof callee !== 'number') return callee;
      if (callee === -1) {
        site++;
      } else if (callee >= 0) {
        this.#retSite[this.#frame] = site + 1;
        this.#retProg[this.#frame] = id;
        if (this.#list[callee].hasTailCall) this.#tailCallSeen = true;
        this.#frame++;
        if (this.#frame >= MAX_CALL_FRAMES) return this.#log.reject('stackFrames', [this.#frame]);
        id = callee;
        const key = this.#key(id);
        if (this.#walked.has(key)) site = first[id + 1];
        else {
          this.#keys[this.#frame] = key;
          site = first[id];
        }
        refused = this.#enter(id);
      } else {
        refused = this.#markTailCall();
        if (refused !== undefined || this.#frame === 0) break;
        this.#depth -= this.#rounded(id);
        this.#walked.add(this.#keys[this.#frame]);
        this.#frame--;
        site = this.#retSite[this.#frame];
        id = this.#retProg[this.#frame];
      }
    }
    return refused;
  }

  /** Everything the walk of a function depends on, in one number: the depth is a multiple of 16 up to 512. */
  #key(id: number): number {
    let callback = this.#list[id].isCallback;
    for (let frame = 0; frame < this.#frame; frame++) callback ||= this.#list[this.#retProg[frame]].isCallback;
    const flags = (this.#tailCallSeen ? 1 : 0) | (callback ? 2 : 0);
    return (((id * MAX_CALL_FRAMES + this.#frame) * 64 + this.#depth / JIT_GRAIN) << 2) | flags;
  }

  #rounded(id: number): number {
    return roundStackDepth(this.#list[id].stackDepthBytes, this.#jitRequested);
  }

  #enter(id: number): Rejection | undefined {
    if (id !== 0 && this.#list[id].hasTailCall && this.#depth >= MAX_DEPTH_BEFORE_TAIL_CALL) {
      return this.#log.reject('tailCallDepth', [this.#depth], this.#list[id].start);
    }
    this.#depth += this.#rounded(id);
    if (this.#depth <= MAX_BPF_STACK) return undefined;
    return this.#log.reject('combinedStack', [this.#frame + 1, this.#depth], this.#list[id].start);
  }

  /** The function to go into at a site, -1 to go on behind it. */
  #step(id: number, site: number): number | Rejection {
    const { kind, callee, insnIdx } = this.#sites;
    if (kind[site] === SITE.throw) {
      let callback = this.#list[id].isCallback;
      for (let frame = 0; frame < this.#frame; frame++) callback ||= this.#list[this.#retProg[frame]].isCallback;
      return callback ? this.#log.reject('throwFromCallback', [insnIdx[site], id], insnIdx[site]) : -1;
    }
    const target = this.#list[callee[site]];
    if (!target.isAsyncCallback) return callee[site];
    if (target.hasTailCall) return this.#log.reject('asyncTailCall', [], insnIdx[site]);
    // An asynchronous callback takes stack here only where it is called directly.
    if (kind[site] !== SITE.call) return -1;
    if (target.isExceptionCallback) return this.#log.reject('callsExceptionCallback', [insnIdx[site]], insnIdx[site]);
    return callee[site];
  }

  #markTailCall(): Rejection | undefined {
    if (!this.#tailCallSeen) return undefined;
    for (let frame = 0; frame < this.#frame; frame++) {
      const caller = this.#list[this.#retProg[frame]];
      if (caller.isExceptionCallback) return this.#log.reject('exceptionTailCall', []);
      caller.tailCallReachable = true;
    }
    return undefined;
  }
}
