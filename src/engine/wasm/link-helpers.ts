import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, type Insn, LD_IMM64, makeInsn } from '../../isa/index.ts';
import type { BpfMap } from '../../maps/index.ts';
import type { EngineHost } from '../types.ts';

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
  if (!insns.some(({ code, src }) => code === CALL && src === 0)) return { insns, addedDepths: [] };
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

const MOV64_REG = 0xbf;

const JMP = 5;
const JMP32 = 6;
const OP_MASK = 0xf0;

/** Slots that jumps lead to or that begin functions. By opcode alone: the programs here were verified. */
function leaders(insns: readonly Insn[]): Uint8Array {
  const found = new Uint8Array(insns.length + 1);
  for (let slot = 0; slot < insns.length; slot++) {
    const { code, src, off, imm } = insns[slot];
    const class_ = code & 7;
    if (code === LD_IMM64) {
      if (src === BPF_PSEUDO_FUNC) found[slot + 1 + imm] = 1;
      slot++;
    } else if (code === CALL) {
      if (src === BPF_PSEUDO_CALL) found[slot + 1 + imm] = 1;
    } else if (code === GOTOL) found[slot + 1 + imm] = 1;
    else if ((class_ === JMP || class_ === JMP32) && (code & OP_MASK) !== EXIT_OP) found[slot + 1 + off] = 1;
  }
  return found;
}

const EXIT_OP = 0x90;
/** `gotol`, whose distance is in imm. */
const GOTOL = 0x06;

/** Helper calls in order, with what straight-line code before them puts into R1. */
function* helperCalls(insns: readonly Insn[], host: EngineHost, stateAddr: number): Generator<HelperCall> {
  const joins = leaders(insns);
  const known: (number | undefined)[] = new Array(11).fill(undefined);
  for (let slot = 0; slot < insns.length; slot++) {
    if (joins[slot] === 1) known.fill(undefined);
    const { code, dst, src, imm } = insns[slot];
    if (code === LD_IMM64) {
      known[dst] = src === 0 && insns[slot + 1]?.imm === 0 ? imm >>> 0 : undefined;
      slot++;
    } else if (code === CALL) {
      const map = known[1];
      if (src === 0) yield { id: imm, slot, map: map === undefined ? undefined : host.env.mapAt(map), stateAddr };
      known.fill(undefined, 0, 6);
    } else if (code === MOV64_REG) known[dst] = insns[slot].off === 0 ? known[src] : undefined;
    else {
      // Whatever it writes: the destination, or of fetching operations the source or R0; legacy loads clobber R0..R5.
      known[dst] = undefined;
      if ((code & 7) === 3) known[src] = known[0] = undefined;
      if ((code & 7) === 0) known.fill(undefined, 0, 6);
    }
  }
}
