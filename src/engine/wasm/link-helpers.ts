import { CALL, type Insn, makeInsn } from '../../isa/index.ts';
import type { BpfMap } from '../../maps/index.ts';
import type { EngineHost } from '../types.ts';
import { knownConstants } from './known-constants.ts';
import { surveyOf } from './survey.ts';

/** A helper call of a verified program. */
export interface HelperCall {
  readonly id: number;
  readonly slot: number;
  /** The map in R1, where the instructions before the call say which. */
  readonly map: BpfMap | undefined;
  /** Where the state of the run is that calls. */
  readonly stateAddr: number;
}

/**
 * A helper as BPF functions over the linear memory: R1..R5 to R0, as the helper has them; the first is called, others by it.
 * They are part of every program that calls them, so optimisers see them. Whoever calls has been verified.
 */
export interface HelperFunction {
  readonly insns: readonly Insn[];
  /** Bytes of stack of each of its functions. */
  readonly stackDepths: readonly number[];
}

/** What a call is made of in place of the gate to JavaScript; undefined: the gate. The same answer is put in once. */
export type LinkHelper = (call: HelperCall, host: EngineHost) => HelperFunction | undefined;

export interface LinkedProgram {
  readonly insns: readonly Insn[];
  /** Stack of the functions put behind the program's own. */
  readonly addedDepths: readonly number[];
}

/** Puts helpers that are BPF functions behind a program, and local calls in place of its helper calls. Slots stay what they were. */
export function linkHelpers(
  insns: readonly Insn[],
  host: EngineHost,
  link: LinkHelper,
  stateAddr: number,
): LinkedProgram {
  const linked: { readonly slot: number; readonly func: HelperFunction }[] = [];
  for (const call of helperCalls(insns, host, stateAddr)) {
    const func = link(call, host);
    if (func !== undefined) linked.push({ slot: call.slot, func });
  }
  if (linked.length === 0) return { insns, addedDepths: [] };
  const out = [...insns];
  const addedDepths: number[] = [];
  const starts = new Map<HelperFunction, number>();
  for (const { func } of linked) {
    if (starts.has(func)) continue;
    starts.set(func, out.length);
    out.push(...func.insns);
    addedDepths.push(...func.stackDepths);
  }
  for (const { slot, func } of linked) {
    out[slot] = makeInsn(CALL, 0, 1, 0, (starts.get(func) ?? 0) - slot - 1);
  }
  return { insns: out, addedDepths };
}

/** Helper calls in order, with what straight-line code before them puts into R1. */
function helperCalls(insns: readonly Insn[], host: EngineHost, stateAddr: number): readonly HelperCall[] {
  const slots = surveyOf(insns).calls.filter(slot => insns[slot].src === 0);
  if (slots.length === 0) return [];
  const { firstArgs } = knownConstants(insns);
  return slots.map(slot => {
    const map = firstArgs.get(slot);
    return { id: insns[slot].imm, slot, map: map === undefined ? undefined : host.env.mapAt(map), stateAddr };
  });
}
