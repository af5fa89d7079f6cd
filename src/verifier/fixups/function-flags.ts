import { BPF_HELPER_CALL, CALL, type Insn, isPseudoCall, isPseudoFunc, isWide, TAIL_CALL } from '../../isa/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import type { FunctionTable } from './functions.ts';
import { RELATIVE, relativeTarget } from './relative.ts';

/** What is known of each function, by its number: 0 or 1. */
export interface FunctionFlags {
  readonly hasTailCall: Uint8Array;
  /** A tail call may happen in it or below it, or Linux thinks so. */
  readonly tailCallReachable: Uint8Array;
  /** A `ld_imm64` takes its address. */
  readonly addressTaken: Uint8Array;
}

const isTailCall = (insn: Insn): boolean =>
  insn.code === TAIL_CALL ||
  (insn.code === CALL && insn.src === BPF_HELPER_CALL && insn.imm === bpf_func_id.BPF_FUNC_tail_call);

/**
 * Tail calls and callbacks of each function, before fixups or after.
 *
 * Linux also marks what calls something behind the first tail call that its walk meets: the walk never forgets one. JITs
 * make longer code of that, so it is reproduced.
 *
 * Differs from Linux: a function that tail calls counts as one from which a tail call is reachable even when it calls nothing
 * (Linux's JITs add that themselves); all callbacks are walked into where their address is taken, asynchronous ones too.
 *
 * Source: `kernel/bpf/verifier.c: check_subprogs, check_max_stack_depth_subprog`.
 */
export function functionFlags(insns: readonly Insn[], functions: FunctionTable): FunctionFlags {
  const { count, funcOf } = functions;
  const hasTailCall = new Uint8Array(count);
  const addressTaken = new Uint8Array(count);
  const callersOf: Set<number>[] = Array.from({ length: count }, () => new Set());
  /** Of each function what it calls and what it takes the address of, in order. */
  const sites: number[][] = Array.from({ length: count }, () => []);
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (isPseudoFunc(insn)) {
      const callback = funcOf[relativeTarget(insn, idx, RELATIVE.func)];
      addressTaken[callback] = 1;
      sites[funcOf[idx]].push(callback);
    } else if (isPseudoCall(insn)) {
      const callee = funcOf[relativeTarget(insn, idx, RELATIVE.call)];
      callersOf[callee].add(funcOf[idx]);
      sites[funcOf[idx]].push(callee);
    } else if (isTailCall(insn)) hasTailCall[funcOf[idx]] = 1;
    if (isWide(insn)) idx++;
  }
  const tailCallReachable = hasTailCall.slice();
  const work: number[] = [];
  for (let func = 0; func < count; func++) if (hasTailCall[func] !== 0) work.push(func);
  if (work.length > 0) markBehind(sites, hasTailCall, tailCallReachable);
  for (let func = work.pop(); func !== undefined; func = work.pop()) {
    for (const caller of callersOf[func]) {
      if (tailCallReachable[caller] !== 0) continue;
      tailCallReachable[caller] = 1;
      work.push(caller);
    }
  }
  return { hasTailCall, tailCallReachable, addressTaken };
}

/** The kernel's walk from main, into a function once before and once behind the first tail call. */
function markBehind(sites: readonly (readonly number[])[], hasTailCall: Uint8Array, marked: Uint8Array): void {
  const frames: number[] = [0];
  const at: number[] = [0];
  const onStack = new Uint8Array(sites.length);
  const walked = [new Uint8Array(sites.length), new Uint8Array(sites.length)];
  onStack[0] = 1;
  let seen = 0;
  while (frames.length > 0) {
    const func = frames[frames.length - 1];
    const callee = sites[func][at[at.length - 1]++];
    if (callee === undefined) {
      frames.pop();
      at.pop();
      onStack[func] = 0;
      if (seen === 1) for (const caller of frames) marked[caller] = 1;
      continue;
    }
    if (hasTailCall[callee] !== 0) seen = 1;
    if (seen === 1) for (const caller of frames) marked[caller] = 1;
    if (onStack[callee] !== 0 || walked[seen][callee] !== 0) continue;
    walked[seen][callee] = 1;
    onStack[callee] = 1;
    frames.push(callee);
    at.push(0);
  }
}
