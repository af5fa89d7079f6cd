import {
  BPF_CALL,
  BPF_EXIT,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_PSEUDO_CALL,
  type Insn,
  isPseudoFunc,
  isWide,
  LD_IMM64,
  MAY_GOTO,
} from '../isa/index.ts';
import { CALLBACK_HELPERS, CHANGES_PKT_DATA } from './callback-helpers.ts';
import {
  isIterNext,
  isKfuncCall,
  type KfuncCalls,
  kfuncAsyncCallbackArg,
  kfuncSyncCallbackArg,
} from './kfunc-calls.ts';
import type { SourceLines } from './source-lines.ts';
import { isHelperCall, type SubprogTable } from './subprogs.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

/** What the walk over the control flow leaves behind, a byte a slot (`struct bpf_insn_aux_data`). */
export interface CfgMarks {
  /** States are compared here. */
  readonly prunePoints: Uint8Array;
  /** A jump arrives here: the history of a path names it. */
  readonly jmpPoints: Uint8Array;
  /** A state is kept here, however short the path was. */
  readonly forceCheckpoint: Uint8Array;
  /** A helper or kernel function called here calls the program back before it returns. */
  readonly callsCallback: Uint8Array;
}

const DISCOVERED = 0x10;
const EXPLORED = 0x20;
const FALLTHROUGH = 1;
const BRANCH = 2;

const MAY_GOTO_SRC = 0;

export interface CfgSource {
  readonly insns: readonly Insn[];
  readonly subprogs: SubprogTable;
  readonly kfuncs: KfuncCalls;
  readonly capBpf: boolean;
  readonly lines: SourceLines;
  readonly log: VerifierLog;
}

type Step = 'done' | 'keep' | Rejection;

/**
 * Walks the control flow depth first from slot 0, then from the exception callback: fall-through edges before branch
 * edges, callees as branches of their calls. Every instruction has to be reached, no jump may lead into a `ld_imm64`,
 * and without CAP_BPF no edge may lead back.
 *
 * ```
 *   0x00 not seen   0x10 on the stack   0x11 fall-through taken   0x12 branch taken   0x20 done
 * ```
 *
 * Source: `kernel/bpf/verifier.c: check_cfg, visit_insn, push_insn`.
 */
export function checkCfg(source: CfgSource): Rejection | CfgMarks {
  return new CfgWalk(source).run();
}

class CfgWalk {
  readonly #source: CfgSource;
  readonly #state: Uint8Array;
  readonly #stack: Int32Array;
  #depth = 0;
  readonly #marks: CfgMarks;

  constructor(source: CfgSource) {
    const length = source.insns.length;
    this.#source = source;
    this.#state = new Uint8Array(length);
    this.#stack = new Int32Array(length);
    this.#marks = {
      prunePoints: new Uint8Array(length),
      jmpPoints: new Uint8Array(length),
      forceCheckpoint: new Uint8Array(length),
      callsCallback: new Uint8Array(length),
    };
  }

  run(): Rejection | CfgMarks {
    const callback = this.#source.subprogs.list.find(subprog => subprog.isExceptionCallback);
    const refused = this.#walkFrom(0) ?? (callback === undefined ? undefined : this.#walkFrom(callback.start));
    return refused ?? this.#findUnreached() ?? this.#marks;
  }

  #walkFrom(root: number): Rejection | undefined {
    const state = this.#state;
    const stack = this.#stack;
    state[root] = DISCOVERED;
    stack[0] = root;
    this.#depth = 1;
    while (this.#depth > 0) {
      const idx = stack[this.#depth - 1];
      const step = this.#visit(idx);
      if (step === 'keep') continue;
      if (step !== 'done') return step;
      state[idx] = EXPLORED;
      this.#depth--;
    }
    return undefined;
  }

  #findUnreached(): Rejection | undefined {
    const { insns, log } = this.#source;
    for (let idx = 0; idx < insns.length; idx++) {
      if (this.#state[idx] !== EXPLORED) return log.reject('unreachable', [idx], idx);
      if (insns[idx].code !== LD_IMM64) continue;
      if (this.#state[idx + 1] !== 0) return log.reject('intoLdImm64', [idx], idx);
      idx++;
    }
    return undefined;
  }

  #visit(idx: number): Step {
    const insn = this.#source.insns[idx];
    if (isPseudoFunc(insn)) return this.#visitCall(idx, insn, true);
    const cls = insn.code & 0x07;
    if (cls !== BPF_JMP && cls !== BPF_JMP32) return this.#push(idx, idx + (isWide(insn) ? 2 : 1), FALLTHROUGH);
    switch (insn.code & 0xf0) {
      case BPF_EXIT:
        return 'done';
      case BPF_CALL:
        this.#markCall(idx, insn);
        return this.#visitCall(idx, insn, insn.src === BPF_PSEUDO_CALL);
      case BPF_JA:
        return this.#visitJump(idx, insn, cls);
      default:
        return this.#visitConditional(idx, insn);
    }
  }

  #visitJump(idx: number, insn: Insn, cls: number): Step {
    const target = idx + 1 + (cls === BPF_JMP ? insn.off : insn.imm);
    const step = this.#push(idx, target, FALLTHROUGH);
    if (step !== 'done') return step;
    this.#marks.prunePoints[target] = 1;
    this.#marks.jmpPoints[target] = 1;
    return 'done';
  }

  #visitConditional(idx: number, insn: Insn): Step {
    this.#marks.prunePoints[idx] = 1;
    if (insn.code === MAY_GOTO && insn.src === MAY_GOTO_SRC) this.#marks.forceCheckpoint[idx] = 1;
    const step = this.#push(idx, idx + 1, FALLTHROUGH);
    return step === 'done' ? this.#push(idx, idx + 1 + insn.off, BRANCH) : step;
  }

  // Everything a call of the kernel means for the marks.
  #markCall(idx: number, insn: Insn): void {
    const { kfuncs, subprogs } = this.#source;
    const { prunePoints, jmpPoints, forceCheckpoint, callsCallback } = this.#marks;
    const helper = isHelperCall(insn) ? CALLBACK_HELPERS.get(insn.imm) : undefined;
    const kfunc = isKfuncCall(insn) ? kfuncs.nameAt(idx) : undefined;
    if (helper?.async === true || kfuncAsyncCallbackArg(kfunc) !== 0) prunePoints[idx] = 1;
    if (helper?.async === false || kfuncSyncCallbackArg(kfunc) !== 0) {
      callsCallback[idx] = 1;
      forceCheckpoint[idx] = 1;
      prunePoints[idx] = 1;
      jmpPoints[idx] = 1;
    }
    if (isHelperCall(insn) && CHANGES_PKT_DATA.has(insn.imm)) {
      subprogs.list[subprogs.containing(idx)].changesPktData = true;
    }
    if (isIterNext(kfunc)) {
      prunePoints[idx] = 1;
      forceCheckpoint[idx] = 1;
    }
  }

  #visitCall(idx: number, insn: Insn, visitCallee: boolean): Step {
    const { prunePoints, jmpPoints } = this.#marks;
    const next = idx + (isWide(insn) ? 2 : 1);
    const step = this.#push(idx, next, FALLTHROUGH);
    if (step !== 'done') return step;
    prunePoints[next] = 1;
    jmpPoints[next] = 1;
    if (!visitCallee) return 'done';
    const callee = idx + insn.imm + 1;
    prunePoints[idx] = 1;
    const { list } = this.#source.subprogs;
    const caller = list[this.#source.subprogs.containing(idx)];
    caller.changesPktData ||= list[this.#source.subprogs.containing(callee)].changesPktData;
    return this.#push(idx, callee, BRANCH);
  }

  #push(from: number, to: number, edge: typeof FALLTHROUGH | typeof BRANCH): Step {
    const { insns, capBpf, lines, log } = this.#source;
    const state = this.#state;
    if (state[from] >= (DISCOVERED | edge)) return 'done';
    if (to < 0 || to >= insns.length) {
      lines.print(from, `${from}: `);
      return log.reject('jumpOutOfRange', [from, to], from);
    }
    if (edge === BRANCH) {
      this.#marks.prunePoints[to] = 1;
      this.#marks.jmpPoints[to] = 1;
    }
    if (state[to] === 0) {
      state[from] = DISCOVERED | edge;
      state[to] = DISCOVERED;
      this.#stack[this.#depth++] = to;
      return 'keep';
    }
    if (state[to] === EXPLORED) {
      state[from] = DISCOVERED | edge;
      return 'done';
    }
    if (capBpf) return 'done';
    lines.print(from, `${from}: `);
    lines.print(to, `${to}: `);
    return log.reject('backEdge', [from, to], from);
  }
}
