import { BPF_HELPER_CALL, CALL, type Insn, isPseudoCall, isPseudoFunc, isWide, TAIL_CALL } from '../../isa/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import type { FunctionTable } from './functions.ts';
import { RELATIVE, relativeTarget } from './relative.ts';

/** What is known of each function, by its number: 0 or 1. */
export interface FunctionFlags {
  readonly hasTailCall: Uint8Array;
  /** A tail call may happen in it or below it. */
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
 * Differs from Linux: a function that tail calls counts as one from which a tail call is reachable even when it calls nothing (Linux's
 * JITs add that themselves), and callers of functions without tail calls are never marked (Linux marks those visited after the
 * first tail call too).
 *
 * Source: `kernel/bpf/verifier.c: check_subprogs, check_max_stack_depth_subprog`.
 */
export function functionFlags(insns: readonly Insn[], functions: FunctionTable): FunctionFlags {
  const { count, funcOf } = functions;
  const hasTailCall = new Uint8Array(count);
  const addressTaken = new Uint8Array(count);
  const callersOf: Set<number>[] = Array.from({ length: count }, () => new Set());
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (isPseudoFunc(insn)) addressTaken[funcOf[relativeTarget(insn, idx, RELATIVE.func)]] = 1;
    else if (isPseudoCall(insn)) callersOf[funcOf[relativeTarget(insn, idx, RELATIVE.call)]].add(funcOf[idx]);
    else if (isTailCall(insn)) hasTailCall[funcOf[idx]] = 1;
    if (isWide(insn)) idx++;
  }
  const tailCallReachable = hasTailCall.slice();
  const work: number[] = [];
  for (let func = 0; func < count; func++) if (hasTailCall[func] !== 0) work.push(func);
  for (let func = work.pop(); func !== undefined; func = work.pop()) {
    for (const caller of callersOf[func]) {
      if (tailCallReachable[caller] !== 0) continue;
      tailCallReachable[caller] = 1;
      work.push(caller);
    }
  }
  return { hasTailCall, tailCallReachable, addressTaken };
}
