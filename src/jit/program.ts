import type { Insn } from '../isa/index.ts';
import type { ImageSlot, KernelSpace } from '../kernels/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import type { Callee, CallSite, ExtableEntry, JitMode, JitTarget } from './types.ts';

/** One function of a compiled program, at its address. */
export interface JitedFunc extends Callee {
  /** Its number; 0 is main. */
  readonly index: number;
  /** BTF name, or what kallsyms has without one: '' for main, `F` for others. */
  readonly name: string;
  /** `bpf_prog_6deef7357e7b4530_handle`, as kallsyms lists it. */
  readonly symbol: string;
  /** Of its own slots, as `prog_tags` has it. */
  readonly tag: string;
  readonly slot: ImageSlot;
  /** Address of the image's first byte. */
  readonly addr: bigint;
  /** Short images share one ArrayBuffer: it is nobody's to change or to transfer. */
  readonly bytes: Uint8Array;
  /** Bytes of it that user space is told of (`jited_len`): without fixups and exception table where the JIT says so. */
  readonly jitedLen: number;
  /** Where tail calls enter. */
  readonly tailEntry: bigint;
  /** Its slots as compiled; first of them in the program is `start`. */
  readonly insns: readonly Insn[];
  readonly start: number;
  readonly slotOffs: Int32Array;
  /** What line records say of each slot, from `bpfFunc`. */
  readonly lineOffs: Int32Array;
  readonly sites: readonly CallSite[];
  readonly extable: readonly ExtableEntry[];
}

/**
 * The table all functions of a program share (`aux->func`, `func_cnt`, `real_func_cnt`): a call finds its callee at
 * `func[insn.off]`. One object a program, never one a caller.
 */
export interface AuxFuncs {
  readonly func: readonly Callee[];
  /** What user space is told: without hidden functions. */
  readonly funcCount: number;
  readonly realFuncCount: number;
}

/** A program whose functions are images at addresses. */
export interface JitedProgram {
  readonly jited: true;
  readonly xlated: XlatedProgram;
  readonly target: JitTarget;
  readonly cpu: string;
  readonly mode: JitMode;
  readonly space: KernelSpace;
  readonly aux: AuxFuncs;
  /** All of them, hidden ones last. */
  readonly funcs: readonly JitedFunc[];
  /** Of the program as loaded. */
  readonly tag: string;
  /** The slots after the last pass, local calls in the form `encoding` says. */
  readonly insns: readonly Insn[];
  readonly encoding: DumpEncoding;
  /** Emissions of the whole program until nothing changed, the proving one included. */
  readonly rounds: number;
  /** Takes images and symbols out of the space. */
  free(): void;
}

/** A program left to the interpreter: what `jit_subprogs` and `fixup_call_args` make of it without a JIT. */
export interface InterpretedProgram {
  readonly jited: false;
  readonly jitRequested: false;
  readonly xlated: XlatedProgram;
  readonly tag: string;
  /** Local calls are CALL_ARGS: off the distance, imm the interpreter for the callee's stack. */
  readonly insns: readonly Insn[];
  /** Why it is not compiled; undefined when nobody asked for it. */
  readonly reason: JitFailure | undefined;
}

/** What stopped the JIT. */
export interface JitFailure {
  /** Positive. */
  readonly errno: number;
  readonly message: string;
  /** The step, as {@link FaultInjector} names it. */
  readonly site: string;
}

/** A program Linux refuses to load at this point. */
export interface JitRejection {
  readonly errno: number;
  /** In the kernel's words; '' where it says nothing. */
  readonly message: string;
  readonly failure: JitFailure | undefined;
}

export type JitResult =
  | { readonly ok: true; readonly prog: JitedProgram | InterpretedProgram }
  | { readonly ok: false; readonly rejection: JitRejection };

/**
 * How dumps show a local call of a compiled program, distances having outgrown the 16 bits of `off`:
 *
 * - `6.12`: `off` is the low half of the distance, `imm` the number of the function that half leads to, or -2 (-ENOENT);
 * - `7.2`: `off` is the distance, or 0 where it does not fit, `imm` the callee's number, as 7.2.13 has it;
 * - `7.1`: `off` is the callee's number, `imm` the distance, as proposed for 7.1; no release at hand has it.
 */
export type DumpEncoding = '6.12' | '7.1' | '7.2';
