import {
  BPF_ABS,
  BPF_CALL,
  BPF_EXIT,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  CALL,
  EXIT,
  GOTOL,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  JA,
  MODE_MASK,
  OP_MASK,
} from '../isa/index.ts';
import { bpf_func_id } from '../uapi/index.ts';
import type { FuncRecord } from './btf-info.ts';
import { findExceptionCallback } from './exception-callback.ts';
import { isKfuncCall, type KfuncCalls } from './kfunc-calls.ts';
import type { Rejection } from './types.ts';
import { BPF_LOG_LEVEL1, type VerifierLog } from './verifier-log.ts';

/** Functions a program may have, main included (`include/linux/bpf_verifier.h: BPF_MAX_SUBPROGS`). */
export const MAX_SUBPROGS = 256;

/** An argument of a global function (`struct bpf_subprog_arg_info`): `ARG_*` with flags as numbers. */
export interface SubprogArg {
  readonly argType: number;
  readonly memSize: number;
  readonly btfId: number;
}

/** One function while the stages learn about it (`struct bpf_subprog_info`). */
export interface SubprogInfo {
  start: number;
  /** One past its last slot; known once all functions are. */
  end: number;
  hasTailCall: boolean;
  tailCallReachable: boolean;
  /** It has LD_ABS or LD_IND instructions. */
  hasLdAbs: boolean;
  /** It, or a function it calls, may move packet data. */
  changesPktData: boolean;
  /** Its address is taken by a `ld_imm64`. */
  isReferenced: boolean;
  /** It is called back by a helper or kfunc. */
  isCallback: boolean;
  /** It runs later, on a stack of its own. */
  isAsyncCallback: boolean;
  isExceptionCallback: boolean;
  stackDepthBytes: number;
  /** Offset (negative) below which only spills around fastcalls were seen; see `fastcall.ts`. */
  fastcallStackOff: number;
  /** Those spills are looked at by others too and have to stay. */
  keepFastcallStack: boolean;
  /** Global functions: what BTF says of the arguments; undefined until asked for. */
  args: readonly SubprogArg[] | undefined;
  /** Its BTF could not be made sense of (static functions). */
  unreliable: boolean;
  /** Global functions: called from a verified function; verified on its own. */
  called: boolean;
  verified: boolean;
  /** Record of func_info; undefined without. */
  func: FuncRecord | undefined;
  /** Index of the line_info record of its first slot; -1 without. */
  lineInfoIdx: number;
}

export function newSubprog(start: number): SubprogInfo {
  return {
    start,
    end: start,
    hasTailCall: false,
    tailCallReachable: false,
    hasLdAbs: false,
    changesPktData: false,
    isReferenced: false,
    isCallback: false,
    isAsyncCallback: false,
    isExceptionCallback: false,
    stackDepthBytes: 0,
    fastcallStackOff: 0,
    keepFastcallStack: false,
    args: undefined,
    unreliable: false,
    called: false,
    verified: false,
    func: undefined,
    lineInfoIdx: -1,
  };
}

/** The functions of a program, ascending by start: a function's id is its place. */
export class SubprogTable {
  readonly list: SubprogInfo[] = [];

  get count(): number {
    return this.list.length;
  }

  /** Place of the last function that starts at or before a slot; -1 before the first. */
  containing(slot: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.list[middle].start <= slot) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Id of the function that starts at a slot; -1 where none does. */
  at(slot: number): number {
    const id = this.containing(slot);
    return id >= 0 && this.list[id].start === slot ? id : -1;
  }

  /** Adds a function unless there is one; false when there are too many. */
  add(slot: number): boolean {
    const before = this.containing(slot);
    if (before >= 0 && this.list[before].start === slot) return true;
    if (this.list.length >= MAX_SUBPROGS) return false;
    this.list.splice(before + 1, 0, newSubprog(slot));
    return true;
  }

  /** Gives every function its end: where the next one starts. */
  close(length: number): void {
    this.list.forEach((subprog, id) => {
      subprog.end = id + 1 < this.list.length ? this.list[id + 1].start : length;
    });
  }
}

/** Target slot of a pseudo call or of a `ld_imm64` of a function. */
export const calleeSlot = (insn: Insn, idx: number): number => idx + insn.imm + 1;

export const isHelperCall = (insn: Insn): boolean => insn.code === CALL && insn.src === 0;

/** What {@link addSubprogsAndKfuncs} needs to know of the program and its loader. */
export interface SubprogSource {
  readonly insns: readonly Insn[];
  readonly capBpf: boolean;
  readonly kfuncs: KfuncCalls;
  readonly funcInfo: readonly FuncRecord[];
  readonly log: VerifierLog;
}

/**
 * Finds the functions of a program: slot 0, the target of every pseudo call and of every `ld_imm64` of a function, in
 * program order, then the exception callback that main's declaration tag names. Kernel function calls are checked on
 * the way, so that the first thing wrong in program order decides.
 *
 * Source: `kernel/bpf/verifier.c: add_subprog_and_kfunc, add_subprog`.
 */
export function addSubprogsAndKfuncs(source: SubprogSource): Rejection | SubprogTable {
  const { insns, log } = source;
  const table = new SubprogTable();
  table.add(0);
  const add = (slot: number, insnIdx?: number): Rejection | undefined => {
    if (slot < 0 || slot >= insns.length) return log.reject('callDestination', [], insnIdx);
    return table.add(slot) ? undefined : log.reject('tooManySubprograms', [], insnIdx);
  };
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    const local = isPseudoCall(insn) || isPseudoFunc(insn);
    if (!local && !isKfuncCall(insn)) continue;
    if (!source.capBpf) return log.reject('callCapability', [], idx);
    const refused = local ? add(calleeSlot(insn, idx), idx) : source.kfuncs.add(insn, idx, log);
    if (refused !== undefined) return refused;
  }
  const callback = findExceptionCallback(source.funcInfo, log);
  if (typeof callback !== 'number') return callback;
  if (callback !== 0) {
    const refused = add(callback);
    if (refused !== undefined) return refused;
    const subprog = table.list[table.at(callback)];
    subprog.isCallback = true;
    subprog.isAsyncCallback = true;
    subprog.isExceptionCallback = true;
  }
  table.close(insns.length);
  for (let idx = 0; idx < insns.length; idx++) {
    if (isPseudoFunc(insns[idx])) table.list[table.at(calleeSlot(insns[idx], idx))].isReferenced = true;
  }
  if (log.level > BPF_LOG_LEVEL1) {
    table.list.forEach((subprog, id) => {
      log.print(`func#${id} @${subprog.start}`);
    });
  }
  return table;
}

/**
 * Checks that jumps stay inside their function and that no function runs on into the next, and notes tail calls and
 * packet loads.
 *
 * Source: `kernel/bpf/verifier.c: check_subprogs`.
 */
export function checkSubprogs(insns: readonly Insn[], table: SubprogTable, log: VerifierLog): Rejection | undefined {
  for (const subprog of table.list) {
    for (let idx = subprog.start; idx < subprog.end; idx++) {
      const insn = insns[idx];
      const cls = insn.code & 0x07;
      if (isHelperCall(insn) && insn.imm === bpf_func_id.BPF_FUNC_tail_call) {
        subprog.hasTailCall = true;
        subprog.tailCallReachable = true;
      }
      const mode = insn.code & MODE_MASK;
      if (cls === BPF_LD && (mode === BPF_ABS || mode === BPF_IND)) subprog.hasLdAbs = true;
      const op = insn.code & OP_MASK;
      if ((cls === BPF_JMP || cls === BPF_JMP32) && op !== BPF_CALL && op !== BPF_EXIT) {
        const target = idx + 1 + (insn.code === GOTOL ? insn.imm : insn.off);
        if (target < subprog.start || target >= subprog.end) return log.reject('jumpOutOfRange', [idx, target], idx);
      }
      if (idx === subprog.end - 1 && insn.code !== EXIT && insn.code !== JA && insn.code !== GOTOL) {
        return log.reject('lastInsn', [], idx);
      }
    }
  }
  return undefined;
}
