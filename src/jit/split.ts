import {
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  LD_IMM64,
  makeInsn,
} from '../isa/index.ts';
import type { Subprog, XlatedProgram } from '../verifier/index.ts';
import type { FuncInput } from './types.ts';

/** A local call's target is no function's start: the verifier's own bug, which Linux answers with -EFAULT. */
export class NoSubprog extends Error {
  override readonly name = 'NoSubprog';
  readonly slot: number;

  constructor(slot: number) {
    super(`verifier bug. No program starts at insn ${slot}`);
    this.slot = slot;
  }
}

const NO_REFS: ReadonlyMap<number, number> = new Map();

/**
 * A program marked for compilation: pass A of `jit_subprogs`. Local calls hold `off` = callee, `imm` = 1; a placeholder
 * that x86's JIT does not take for a call of nothing. Slots are marked where a function's are taken out of the program.
 */
export interface Marked {
  /** Slots of local calls, ascending, and the callee of each. */
  readonly callSlots: readonly number[];
  readonly callees: readonly number[];
  /** Callee of each `ld_imm64` of a function, by slot. */
  readonly funcRefs: ReadonlyMap<number, number>;
}

/** The marked slots of one function. */
export function markedInsns(
  { insns }: XlatedProgram,
  { callSlots, callees }: Marked,
  { start, end }: Subprog,
): readonly Insn[] {
  if (callSlots.length === 0 && start === 0 && end === insns.length) return insns;
  const own = insns.slice(start, end);
  let at = 0;
  for (let high = callSlots.length; at < high; ) {
    const mid = (at + high) >> 1;
    if (callSlots[mid] < start) at = mid + 1;
    else high = mid;
  }
  for (; at < callSlots.length && callSlots[at] < end; at++) {
    const slot = callSlots[at];
    const { code, dst, src } = insns[slot];
    own[slot - start] = makeInsn(code, dst, src, callees[at], 1);
  }
  return own;
}

/** Number of the function that begins at `slot`, by binary search; -1 for none (`find_subprog`). */
export function findSubprog(subprogs: readonly Subprog[], slot: number): number {
  let low = 0;
  let high = subprogs.length - 1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    const { start } = subprogs[mid];
    if (start === slot) return mid;
    if (start < slot) low = mid + 1;
    else high = mid - 1;
  }
  return -1;
}

/**
 * Names the callee in every local call and function address. Throws {@link NoSubprog}.
 *
 * @param enter told before each look-up, by slot
 */
export function markCalls({ insns, subprogs }: XlatedProgram, enter: (slot: number) => void): Marked {
  const callSlots: number[] = [];
  const callees: number[] = [];
  let funcRefs: Map<number, number> | undefined;
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    const call = isPseudoCall(insn);
    if (!call && !isPseudoFunc(insn)) {
      if (insn.code === LD_IMM64) slot++;
      continue;
    }
    enter(slot);
    const target = slot + insn.imm + 1;
    const callee = findSubprog(subprogs, target);
    if (callee < 0) throw new NoSubprog(target);
    if (call) {
      callSlots.push(slot);
      callees.push(callee);
    } else {
      funcRefs ??= new Map();
      funcRefs.set(slot, callee);
      slot++;
    }
  }
  return { callSlots, callees, funcRefs: funcRefs ?? NO_REFS };
}

/** Whether a program may end through `bpf_throw`. */
function throws(xlated: XlatedProgram): boolean {
  return xlated.kfuncs.length > 0 && xlated.kfuncs.some(kfunc => kfunc.name === 'bpf_throw');
}

/** Addresses of functions in one function, by its own slots. */
function refsWithin(refs: Marked['funcRefs'], { start, end }: Subprog): Marked['funcRefs'] {
  if (refs.size === 0) return refs;
  const own = new Map<number, number>();
  for (const [slot, callee] of refs) if (slot >= start && slot < end) own.set(slot - start, callee);
  return own;
}

/** What the target is given for function `index`: pass B's split. */
export function funcInput(
  xlated: XlatedProgram,
  marked: Marked,
  index: number,
  kfuncAddr: FuncInput['kfuncAddr'],
): FuncInput {
  const subprog = xlated.subprogs[index];
  return {
    index,
    isFunc: xlated.subprogs.length > 1,
    insns: markedInsns(xlated, marked, subprog),
    funcRefs: refsWithin(marked.funcRefs, subprog),
    stackDepthBytes: subprog.stackDepthBytes,
    tailCallReachable: subprog.tailCallReachable,
    exceptionBoundary: index === 0 && throws(xlated),
    exceptionCallback: subprog.isExceptionCallback,
    verifierZext: xlated.verifierZext,
    arena: xlated.arena,
    kfuncAddr,
    kfuncArgs: xlated.kfuncs.length === 0 ? NO_ARGS : kfuncArgs(xlated),
  };
}

const NO_ARGS = (): undefined => undefined;
const kfuncArgs =
  ({ kfuncs }: XlatedProgram): FuncInput['kfuncArgs'] =>
  (imm, off) =>
    kfuncs.find(kfunc => kfunc.imm === imm && kfunc.off === off)?.args;

/** Whether the program calls kernel functions by BTF (`bpf_prog_has_kfunc_call`). */
export function hasKfuncCall(insns: readonly Insn[]): boolean {
  return insns.some(insn => insn.code === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL);
}
