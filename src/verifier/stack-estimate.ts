import { BPF_JMP, BPF_JMP32, type Insn, MAX_BPF_STACK } from '../isa/index.ts';
import { StackFacts } from './estimate/facts.ts';
import { type CallbackMarks, FunctionWalk } from './estimate/function-walk.ts';
import { type FastcallMarks, withFastcalls } from './fastcall.ts';
import type { KfuncCalls } from './kfunc-calls.ts';
import type { WalkResult } from './structure-input.ts';
import type { SubprogTable } from './subprogs.ts';

/** Stack slots are spills: the verifier counts whole ones. */
const SLOT_BYTES = 8;

/** What a walk would find, and more than that never. */
export interface StackEstimate extends WalkResult {
  /** 1 where a path may lead. */
  readonly seen: Uint8Array;
}

/** 1 where a jump of any function arrives. */
function jumpTargets(insns: readonly Insn[]): Uint8Array {
  const targets = new Uint8Array(insns.length);
  insns.forEach((insn, idx) => {
    const cls = insn.code & 0x07;
    const op = insn.code & 0xf0;
    if ((cls !== BPF_JMP && cls !== BPF_JMP32) || op === 0x80 || op === 0x90) return;
    const target = idx + 1 + (insn.code === BPF_JMP32 ? insn.imm : insn.off);
    if (target >= 0 && target < insns.length) targets[target] = 1;
  });
  return targets;
}

/**
 * How deep each function's frame is at most, and which functions are callbacks, without walking the program's paths: a
 * flow of frame pointers plus constants through registers and stack slots, of pointers handed to callees, and of numbers
 * known not to be negative. Depths are upper bounds of what the verifier would count for a program it accepts, and 512
 * where a pointer's offset has no bound; the program has to have passed `checkCfg`.
 *
 * @param fastcalls spills that may go away; without, none do
 * @param reachableOnly functions no path enters have depth 0, as in the kernel; otherwise every function has its depth
 *
 * Differs from Linux, which takes depths from the paths it walks: only branches on plain constants are known here not
 * to be taken.
 */
export function estimateStackDepths(
  insns: readonly Insn[],
  subprogs: SubprogTable,
  kfuncs: KfuncCalls,
  fastcalls?: FastcallMarks,
  reachableOnly = false,
): StackEstimate {
  const count = subprogs.count;
  const facts = new StackFacts(count);
  const callbacks: CallbackMarks = {
    sync: new Uint8Array(count),
    async: new Uint8Array(count),
    unknownSync: false,
    unknownAsync: false,
  };
  const targets = jumpTargets(insns);
  const spills = fastcalls?.pattern ?? new Uint8Array(insns.length);
  const seen = new Uint8Array(insns.length);
  const reached = new Set([0]);
  const reach = (id: number): void => {
    reached.add(id);
  };
  subprogs.list.forEach((subprog, id) => {
    if (!reachableOnly || subprog.isExceptionCallback) reach(id);
  });
  const context = { insns, subprogs, kfuncs, facts, callbacks, targets, spills, seen, reach };
  // A set hands out what is added to it while it is gone through.
  for (const id of reached) new FunctionWalk(context, id).run();
  const depths = facts.solve(count, MAX_BPF_STACK);
  const stackDepthBytes = depths.map((depth, id) => {
    const whole = Math.ceil(depth / SLOT_BYTES) * SLOT_BYTES;
    return fastcalls === undefined ? whole : withFastcalls(fastcalls, id, whole);
  });
  subprogs.list.forEach(({ isReferenced }, id) => {
    if (!isReferenced || callbacks.sync[id] === 1 || callbacks.async[id] === 1) return;
    if (callbacks.unknownSync) callbacks.sync[id] = 1;
    else if (callbacks.unknownAsync) callbacks.async[id] = 1;
  });
  return {
    stackDepthBytes,
    isCallback: callbacks.sync.map((sync, id) => sync | callbacks.async[id]),
    isAsyncCallback: callbacks.async,
    seen,
  };
}
