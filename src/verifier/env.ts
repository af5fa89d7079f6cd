import { BPF_REG_FP, type Insn } from '../isa/index.ts';
import type { ProgFacts, ProgTypeContract } from '../progtypes/index.ts';
import { InternalError } from '../util/index.ts';
import type { CfgMarks } from './cfg.ts';
import { type Scalar, scalarOfInt32 } from './domain/index.ts';
import type { VerifierKernel, VerifierMap, VerifierObserver } from './input.ts';
import type { InsnAux } from './insn-aux.ts';
import { type KernelRules, kernelRules } from './kernel-rules.ts';
import type { KfuncCalls } from './kfunc-calls.ts';
import { MESSAGES, type MessageArgs, type MessageId } from './messages.ts';
import type { SourceLines } from './source-lines.ts';
import { StackReach } from './stack-reach.ts';
import { BacktrackState } from './state/backtrack.ts';
import type { FuncState } from './state/func-state.ts';
import { IdMap } from './state/idmap.ts';
import { InsnHistory, NO_ENTRY } from './state/insn-history.ts';
import { KeptStates } from './state/kept-states.ts';
import { RegState } from './state/reg.ts';
import type { VerifierState } from './state/verifier-state.ts';
import type { JitSupport } from './structure-input.ts';
import type { SubprogInfo, SubprogTable } from './subprogs.ts';
import type { VerifierLog } from './verifier-log.ts';

/** Thrown by `env.fail`: the program is refused. Caught by whoever began the walk; never leaves the room. */
export class Refusal {
  readonly errno: number;
  constructor(errno: number) {
    this.errno = errno;
  }
}

/** A state to be explored later (`struct bpf_verifier_stack_elem`). */
export interface PendingState {
  readonly state: VerifierState;
  readonly insnIdx: number;
  readonly prevInsnIdx: number;
  /** Position of the log when it was put aside. */
  readonly logPos: number;
  /** What the observer made of it. */
  readonly pathPos: number;
}

/**
 * The states kept for comparison at one place, as a list through `KeptStates.older` (`struct bpf_verifier_state_list`);
 * those that may still be read of also as one through `olderUncleaned`. 0 ends a list.
 */
export class ExploredList {
  newest = 0;
  newestUncleaned = 0;
  /** `KeptStates.completions` when none was left that could be cleaned. */
  cleanedAt = 0;
  count = 0;
}

/** What is to be verified, by whom, with which rights. */
export interface EnvInit {
  readonly prog: ProgFacts;
  readonly contract: ProgTypeContract;
  readonly insns: Insn[];
  readonly maps: readonly (VerifierMap | undefined)[];
  readonly kernel: VerifierKernel;
  readonly log: VerifierLog;
  readonly subprogs: SubprogTable;
  readonly kfuncs: KfuncCalls;
  readonly cfg: CfgMarks;
  readonly insnAux: InsnAux[];
  readonly lines: SourceLines;
  readonly jit: JitSupport;
  readonly jitRequested: boolean;
  readonly strictAlignment: boolean;
  readonly testStateFreq: boolean;
  readonly testRegInvariants: boolean;
  readonly mitigations: boolean;
  readonly insnLimit: number;
  readonly exactScalars: boolean;
  readonly exceptionCallbackSubprog: number;
  readonly observer: VerifierObserver | undefined;
}

/** Everything one verification knows and does (`struct bpf_verifier_env`). */
export class VerifierEnv {
  readonly prog: ProgFacts;
  readonly contract: ProgTypeContract;
  readonly insns: Insn[];
  readonly maps: readonly (VerifierMap | undefined)[];
  readonly kernel: VerifierKernel;
  /** What this kernel's release does differently. */
  readonly rules: KernelRules;
  readonly log: VerifierLog;
  /** The log takes text: build it only then. */
  readonly logging: boolean;
  readonly subprogs: SubprogTable;
  readonly kfuncs: KfuncCalls;
  readonly cfg: CfgMarks;
  readonly insnAux: InsnAux[];
  readonly lines: SourceLines;
  readonly jit: JitSupport;
  readonly jitRequested: boolean;
  readonly strictAlignment: boolean;
  readonly testStateFreq: boolean;
  readonly testRegInvariants: boolean;
  readonly insnLimit: number;
  readonly exactScalars: boolean;
  readonly exceptionCallbackSubprog: number;
  readonly observer: VerifierObserver | undefined;
  readonly bpfCapable: boolean;
  readonly allowPtrLeaks: boolean;
  readonly allowUninitStack: boolean;
  readonly bypassSpecV1: boolean;
  readonly bypassSpecV4: boolean;

  insnIdx = 0;
  prevInsnIdx = -1;
  curState!: VerifierState;
  /** To be explored: the last is next. */
  readonly pending: PendingState[] = [];
  /** The state put aside last, as long as it may be changed; frames for others to come. */
  unsettled: VerifierState | undefined = undefined;
  readonly spareFrames: FuncState[] = [];
  kept = new KeptStates();
  /** By instruction and call site, see `check/prune.ts`. */
  explored: (ExploredList | undefined)[] = [];
  idGen = 0;
  passCnt = 0;
  seenDirectWrite = false;
  seenException = false;
  exploreAluLimits = false;
  /** Largest offsets accessed (`aux->max_ctx_offset`, `max_pkt_offset`, `max_rdonly_access`, `max_rdwr_access`, `max_tp_access`). */
  maxCtxOffset = 0;
  maxPktOffset = 0;
  maxRdonlyAccess = 0;
  maxRdwrAccess = 0;
  maxTpAccess = 0;
  /** The program's arena, if it uses one. */
  arena: VerifierMap | undefined = undefined;
  verifierZext = true;

  /** History of the paths; `curHistEnt` is the entry of the instruction in hand, if it has one. */
  readonly insnHist = new InsnHistory();
  curHistEnt = NO_ENTRY;

  /** What is touched of frames other than through R10. */
  readonly stackReach: StackReach;

  insnProcessed = 0;
  prevInsnProcessed = 0;
  jmpsProcessed = 0;
  prevJmpsProcessed = 0;
  maxStatesPerInsn = 0;
  totalStates = 0;
  peakStates = 0;
  longestMarkReadWalk = 0;

  /** What changed since the log last showed it: registers by bit, stack slots 0..31 and 32..63. */
  scratchedRegs = 0;
  scratchedSlotsLo = 0;
  scratchedSlotsHi = 0;
  prevLogPos = 0;
  prevInsnPrintPos = 0;

  /** Ids of two states being compared; what is being traced back. */
  readonly idmapScratch = new IdMap();
  readonly bt = new BacktrackState();
  /** Constants of instructions as 64-bit numbers, once one was asked for. */
  #imms: Scalar[] = [];
  /** Texts of instructions that were logged. */
  insnTexts: string[] = [];
  /** What each instruction writes, for walks back; made when the first one begins. */
  writtenRegs: Uint8Array = new Uint8Array(0);

  /** `KF_*` of kernel functions the program may call, by their ids, once one was called. */
  readonly kfuncFlags = new Map<number, number>();

  /** Constants as registers. */
  readonly fakeReg: readonly [RegState, RegState] = [new RegState(), new RegState()];

  constructor(init: EnvInit) {
    const { prog, log } = init;
    this.prog = prog;
    this.contract = init.contract;
    this.insns = init.insns;
    this.maps = init.maps;
    this.kernel = init.kernel;
    this.rules = kernelRules(init.kernel.version);
    this.log = log;
    this.logging = log.needed;
    this.subprogs = init.subprogs;
    this.kfuncs = init.kfuncs;
    this.cfg = init.cfg;
    this.insnAux = init.insnAux;
    this.lines = init.lines;
    this.jit = init.jit;
    this.jitRequested = init.jitRequested;
    this.strictAlignment = init.strictAlignment;
    this.testStateFreq = init.testStateFreq;
    this.testRegInvariants = init.testRegInvariants;
    this.insnLimit = init.insnLimit;
    this.exactScalars = init.exactScalars;
    this.exceptionCallbackSubprog = init.exceptionCallbackSubprog;
    this.observer = init.observer;
    this.stackReach = new StackReach(init.subprogs.list.length);
    this.bpfCapable = prog.capBpf;
    this.allowPtrLeaks = prog.capPerfmon;
    this.allowUninitStack = prog.capPerfmon;
    this.bypassSpecV1 = prog.capPerfmon || !init.mitigations;
    this.bypassSpecV4 = prog.capPerfmon || !init.mitigations;
  }

  /** The frame in hand (`cur_func`). */
  get frame(): FuncState {
    const state = this.curState;
    return state.frames[state.curframe];
  }
  /** Its registers (`cur_regs`). */
  get regs(): RegState[] {
    const state = this.curState;
    return state.frames[state.curframe].regs;
  }
  /** What is learnt of the instruction in hand (`cur_aux`). */
  get aux(): InsnAux {
    return this.insnAux[this.insnIdx];
  }
  subprogInfo(subprogno: number): SubprogInfo {
    return this.subprogs.list[subprogno];
  }

  /** The constant of the instruction in hand, sign-extended. */
  get imm(): Scalar {
    const { insnIdx, insns } = this;
    // Of its final size at once: holes far apart would make it a dictionary.
    if (this.#imms.length === 0) this.#imms = new Array(insns.length);
    return (this.#imms[insnIdx] ??= scalarOfInt32(insns[insnIdx].imm));
  }

  newId(): number {
    return ++this.idGen;
  }

  markRegScratched(regno: number): void {
    this.scratchedRegs |= 1 << regno;
  }
  markStackSlotScratched(spi: number): void {
    if (spi < 32) this.scratchedSlotsLo |= 1 << spi;
    else this.scratchedSlotsHi |= 1 << (spi - 32);
  }
  /** The whole state is shown next time. */
  markVerifierStateScratched(): void {
    this.scratchedRegs = (2 << BPF_REG_FP) - 1;
    this.scratchedSlotsLo = -1;
    this.scratchedSlotsHi = -1;
  }

  /** Text for the log, with its newline. Ask `logging` first where making the text costs anything. */
  verbose(text: string): void {
    this.log.write(text);
  }
  /** Says a message of the catalogue and goes on: for failures that somebody comments on or forgives. */
  say<Id extends MessageId>(id: Id, ...args: MessageArgs<Id>): void {
    this.log.say(id, args);
  }
  /** Refuses; what was said last is the reason. @param errno positive */
  fail(errno: number): never {
    throw new Refusal(errno);
  }
  /** Says a message of the catalogue and refuses with its errno. */
  refuse<Id extends MessageId>(id: Id, ...args: MessageArgs<Id>): never {
    this.log.say(id, args);
    throw new Refusal(MESSAGES[id].errno);
  }
  /** The same message with another errno. */
  refuseWith<Id extends MessageId>(errno: number, id: Id, ...args: MessageArgs<Id>): never {
    this.log.say(id, args);
    throw new Refusal(errno);
  }
  /** `verifier bug: …`: what cannot happen, unless farcall is wrong. */
  bug(what: string): never {
    throw new InternalError(`verifier: ${what} at instruction ${this.insnIdx}`);
  }
}
