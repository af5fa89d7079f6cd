import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEMSX,
  BPF_REG_AX,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  type Insn,
  NOSPEC,
  TAIL_CALL,
  ZEXT_IMM,
} from '../../isa/index.ts';
import { exitsOf, flowOf, SlotStack } from './flow.ts';
import type { FunctionTable } from './functions.ts';
import { zextReg } from './insns.ts';
import type { Patch } from './patch.ts';

const END = 0xd0;
const MOV = 0xb0;
const NEG = 0x80;
const bit = (reg: number): number => 1 << reg;
const R0 = bit(0);
const ARGS = 0b111110;
const CALLER_SAVED = 0b111111;
const ALL = 0xfff;
/** R6..R9: what a local call gives back as it was. */
const CALLEE_SAVED = 0b1111000000;

/**
 * What an instruction does to the upper halves of registers: which it reads, and which it defines, with 64 bits or with 32
 * and the upper half left to the CPU. Bits 0..11 are R0..R10 and AX.
 */
interface Effect {
  readonly reads64: number;
  readonly writes: number;
  /** The register defined with 32 bits only, or -1: what a zero extension behind the instruction would name. */
  readonly def32: number;
}

const isZext = (insn: Insn): boolean => insn.code === (BPF_ALU | MOV | BPF_X) && insn.imm === ZEXT_IMM;

/** Arguments a call reads, by its instruction; unknown ones are taken to read all five. */
export type ArgCountOf = (insn: Insn) => number | undefined;

/** `kernel/bpf/verifier.c: is_reg64, insn_def_regno` for every kind of instruction, fixups' own included. */
function effectOf(insn: Insn, argCountOf: ArgCountOf): Effect {
  const { code, dst, src } = insn;
  if (isZext(insn)) return { reads64: 0, writes: bit(dst), def32: -1 };
  const isDw = (code & 0x18) === BPF_DW;
  const mode = code & 0xe0;
  switch (code & 7) {
    case BPF_ALU64:
    case BPF_ALU: {
      const op = code & 0xf0;
      const is64 = op === END ? insn.imm === 64 : (code & 7) === BPF_ALU64;
      const usesSrc = (code & BPF_X) !== 0 && op !== END && op !== NEG;
      const reads = (op === MOV ? 0 : bit(dst)) | (usesSrc ? bit(src) : 0);
      return { reads64: is64 ? reads : 0, writes: bit(dst), def32: is64 ? -1 : dst };
    }
    case BPF_LDX: {
      const is64 = isDw || mode === BPF_MEMSX || mode === BPF_PROBE_MEMSX;
      return { reads64: bit(src), writes: bit(dst), def32: is64 ? -1 : dst };
    }
    case BPF_STX:
      if (mode === BPF_ATOMIC || mode === BPF_PROBE_ATOMIC) return atomicEffect(insn, isDw);
      return { reads64: bit(dst) | (isDw ? bit(src) : 0), writes: 0, def32: -1 };
    case BPF_ST:
      return { reads64: code === NOSPEC ? 0 : bit(dst), writes: 0, def32: -1 };
    case BPF_LD:
      return { reads64: 0, writes: bit(dst), def32: -1 };
    default:
      return jumpEffect(insn, argCountOf);
  }
}

function atomicEffect({ dst, src, imm }: Insn, isDw: boolean): Effect {
  if (imm === BPF_LOAD_ACQ) return { reads64: bit(src), writes: bit(dst), def32: isDw ? -1 : dst };
  const operand = isDw ? bit(src) : 0;
  if (imm === BPF_STORE_REL) return { reads64: bit(dst) | operand, writes: 0, def32: -1 };
  if (imm === BPF_CMPXCHG) {
    return { reads64: bit(dst) | operand | (isDw ? R0 : 0), writes: R0, def32: isDw ? -1 : 0 };
  }
  const fetches = (imm & BPF_FETCH) !== 0;
  return { reads64: bit(dst) | operand, writes: fetches ? bit(src) : 0, def32: fetches && !isDw ? src : -1 };
}

function jumpEffect(insn: Insn, argCountOf: ArgCountOf): Effect {
  const { code, dst, src } = insn;
  if (code === EXIT) return { reads64: R0, writes: 0, def32: -1 };
  if (code === TAIL_CALL) return { reads64: 0b1110, writes: 0, def32: -1 };
  if (code === CALL || (code & 0xf0) === 0x80) {
    const args = code === CALL ? argCountOf(insn) : undefined;
    const pointer = code === CALL ? 0 : bit(dst);
    return {
      reads64: (args === undefined ? ARGS : ARGS & (bit(args + 1) - 1)) | pointer,
      writes: CALLER_SAVED,
      def32: -1,
    };
  }
  if ((code & 7) === BPF_JMP32) return { reads64: 0, writes: 0, def32: -1 };
  // ja reads nothing; gotox (0x0d) reads dst.
  if (code === BPF_JMP) return { reads64: 0, writes: 0, def32: -1 };
  return { reads64: bit(dst) | ((code & BPF_X) !== 0 && code !== 0x0d ? bit(src) : 0), writes: 0, def32: -1 };
}

/**
 * Which 32-bit definitions have their upper half read later: slot → register. Backward liveness of upper halves over the whole
 * program, calls and returns included: a callee reads what its caller set, a caller reads R0 as the callee left it. Every
 * register flips at most once a slot, so the time is linear in the program.
 *
 * Differs from Linux, whose verifier marks while it walks paths: no path is told apart here, so a definition may be marked whose
 * reading is never reached; none is left unmarked.
 *
 * @param returnsToKernel functions whose R0 the kernel reads: main and callbacks
 * @param always slots whose 32-bit definitions count as read
 */
export function upperHalvesRead(
  insns: readonly Insn[],
  functions: FunctionTable,
  returnsToKernel: (func: number) => boolean,
  argCountOf: ArgCountOf = () => undefined,
  always?: Uint8Array,
): Map<number, number> {
  const count = insns.length;
  const flow = flowOf(insns);
  const exits = exitsOf(insns, flow, functions.funcOf, functions.count);
  const { preds, predStart } = predecessors(flow, count);
  const callSites: number[][] = Array.from({ length: functions.count }, () => []);
  for (let idx = 0; idx < count; idx++) {
    if (flow.callee[idx] >= 0) callSites[functions.funcOf[flow.callee[idx]]].push(idx);
  }
  const reads64 = new Int32Array(count);
  const writes = new Int32Array(count);
  const def32 = new Int8Array(count);
  const liveIn = new Int32Array(count);
  const liveOut = new Int32Array(count);
  const work = new SlotStack(count);
  for (let idx = 0; idx < count; idx++) {
    if (flow.second[idx] !== 0) continue;
    const effect = effectOf(insns[idx], argCountOf);
    reads64[idx] = effect.reads64;
    writes[idx] = effect.writes;
    def32[idx] = effect.def32;
    work.push(idx);
  }
  const returned = new Uint8Array(functions.count);
  for (let idx = work.pop(); idx >= 0; idx = work.pop()) {
    const insn = insns[idx];
    let out = 0;
    if (flow.next[idx] >= 0) out |= liveIn[flow.next[idx]];
    if (flow.jump[idx] >= 0) out |= liveIn[flow.jump[idx]];
    liveOut[idx] = out;
    const func = functions.funcOf[idx];
    let live: number;
    if (flow.callee[idx] >= 0) {
      const callee = functions.funcOf[flow.callee[idx]];
      live = liveIn[flow.callee[idx]] | (out & CALLEE_SAVED);
      if ((out & R0) !== 0 && returned[callee] === 0) {
        returned[callee] = 1;
        for (const exit of exits[callee]) work.push(exit);
      }
    } else if (insn.code === EXIT) live = returned[func] !== 0 || returnsToKernel(func) ? R0 : 0;
    else if (isCopyToAx(insn)) live = (out & ~bit(BPF_REG_AX)) | ((out & bit(BPF_REG_AX)) !== 0 ? bit(insn.src) : 0);
    else live = (out & ~writes[idx]) | reads64[idx];
    live &= ALL;
    if (live === liveIn[idx]) continue;
    liveIn[idx] = live;
    for (let p = predStart[idx]; p < predStart[idx + 1]; p++) work.push(preds[p]);
    if (functions.starts[func] === idx) for (const site of callSites[func]) work.push(site);
  }
  const marked = new Map<number, number>();
  for (let idx = 0; idx < count; idx++) {
    const reg = flow.second[idx] === 0 ? def32[idx] : -1;
    if (reg >= 0 && ((liveOut[idx] & bit(reg)) !== 0 || always?.[idx] === 1)) marked.set(idx, reg);
  }
  return marked;
}

/** Fixups copy whole registers to AX even where they go on with its low half alone, as in guards of 32-bit divisions. */
const isCopyToAx = (insn: Insn): boolean =>
  insn.code === (BPF_ALU64 | MOV | BPF_X) && insn.dst === BPF_REG_AX && insn.off === 0;

/** Edges backwards, as one array cut by slot. */
function predecessors(
  flow: { readonly next: Int32Array; readonly jump: Int32Array },
  count: number,
): { preds: Int32Array; predStart: Int32Array } {
  const predStart = new Int32Array(count + 1);
  for (const to of [flow.next, flow.jump]) {
    for (let idx = 0; idx < count; idx++) if (to[idx] >= 0) predStart[to[idx] + 1]++;
  }
  for (let idx = 0; idx < count; idx++) predStart[idx + 1] += predStart[idx];
  const preds = new Int32Array(predStart[count]);
  const fill = predStart.slice();
  for (const to of [flow.next, flow.jump]) {
    for (let idx = 0; idx < count; idx++) if (to[idx] >= 0) preds[fill[to[idx]]++] = idx;
  }
  return { preds, predStart };
}

const isCmpxchg = (insn: Insn): boolean =>
  (insn.code & 7) === BPF_STX &&
  ((insn.code & 0xe0) === BPF_ATOMIC || (insn.code & 0xe0) === BPF_PROBE_ATOMIC) &&
  insn.imm === BPF_CMPXCHG;

/** Which zero extensions to put in. */
export interface ZextWanted {
  /** False: only those behind a 32-bit compare and exchange, which CPUs do or do not extend depending on the comparison. */
  readonly all: boolean;
  /** Slots whose 32-bit definitions get one in any case. */
  readonly always?: Uint8Array;
}

/**
 * The zero extensions a program needs when 32-bit instructions leave upper halves as they please.
 *
 * Source: `kernel/bpf/verifier.c: opt_subreg_zext_lo32_rnd_hi32`.
 */
export function zextPatches(
  insns: readonly Insn[],
  functions: FunctionTable,
  returnsToKernel: (func: number) => boolean,
  argCountOf: ArgCountOf,
  { all, always }: ZextWanted,
): Map<number, Patch> {
  const patches = new Map<number, Patch>();
  if (!all && !insns.some(isCmpxchg)) return patches;
  for (const [idx, reg] of upperHalvesRead(insns, functions, returnsToKernel, argCountOf, always)) {
    if (all || isCmpxchg(insns[idx])) patches.set(idx, { insns: [insns[idx], zextReg(reg)] });
  }
  return patches;
}
