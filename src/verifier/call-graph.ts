import { BPF_PSEUDO_CALL, CALL, type Insn, isPseudoFunc } from '../isa/index.ts';
import { isBpfThrow, isKfuncCall, type KfuncCalls } from './kfunc-calls.ts';
import { calleeSlot, type SubprogTable } from './subprogs.ts';

/** What a place in a function does with functions. */
export const SITE = { call: 0, reference: 1, throw: 2 } as const;

/**
 * Every place of a program that calls a function of it, takes the address of one, or throws, grouped by the function
 * it lies in, in program order.
 */
export interface CallSites {
  /** Sites of function `id` are `first[id]` .. `first[id + 1] - 1`. */
  readonly first: Int32Array;
  readonly insnIdx: Int32Array;
  /** A {@link SITE} value. */
  readonly kind: Uint8Array;
  /** Id of the function called or referred to; -1 for throws. */
  readonly callee: Int32Array;
}

export function findCallSites(insns: readonly Insn[], subprogs: SubprogTable, kfuncs: KfuncCalls): CallSites {
  const first = new Int32Array(subprogs.count + 1);
  const insnIdx: number[] = [];
  const kind: number[] = [];
  const callee: number[] = [];
  const add = (idx: number, what: number, target: number): void => {
    insnIdx.push(idx);
    kind.push(what);
    callee.push(target);
  };
  subprogs.list.forEach((subprog, id) => {
    first[id] = insnIdx.length;
    for (let idx = subprog.start; idx < subprog.end; idx++) {
      const insn = insns[idx];
      if (insn.code === CALL && insn.src === BPF_PSEUDO_CALL) add(idx, SITE.call, subprogs.at(calleeSlot(insn, idx)));
      else if (isPseudoFunc(insn)) add(idx, SITE.reference, subprogs.at(calleeSlot(insn, idx)));
      else if (isKfuncCall(insn) && insn.off === 0 && isBpfThrow(kfuncs.nameAt(idx))) add(idx, SITE.throw, -1);
    }
  });
  first[subprogs.count] = insnIdx.length;
  return {
    first,
    insnIdx: Int32Array.from(insnIdx),
    kind: Uint8Array.from(kind),
    callee: Int32Array.from(callee),
  };
}
