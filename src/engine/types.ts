import type { Btf } from '../btf/index.ts';
import type { HelperDef, HelperEnv } from '../helpers/index.ts';
import type { Insn } from '../isa/index.ts';
import type { BpfMap } from '../maps/index.ts';
import type { ProgramSpec } from '../object/index.ts';
import type { Verdict } from '../verifier/index.ts';
import type { EmuFaultKind } from './emu-types.ts';

/**
 * A program as engines take it: every `ld_imm64` of a map, map value, variable or kernel symbol has become a plain
 * `lddw` of an address; `lddw_func`, local calls and helper calls are as in the object.
 */
export interface EngineProgram {
  readonly name: string;
  /** `BPF_PROG_TYPE_*`; 0 where nobody knows. */
  readonly type: number;
  readonly insns: readonly Insn[];
  /** Machine-wide number of the program, 1, 2, … */
  readonly id: number;
  /** Address of its handle, laid out as {@link PROG_HANDLE}; 0 for programs no map can hold. */
  readonly handle: number;
  /** As it was loaded, map references still pseudo: what tags are computed of. Default `insns`. */
  readonly original?: readonly Insn[];
  /** Where it came from: names, line and function records by slot. */
  readonly spec?: ProgramSpec;
  readonly btf?: Btf;
  /** What the verifier said of exactly these instructions; absent where nobody asked it. */
  readonly proof?: Verdict;
  /** Slot of the function `bpf_throw` ends in, given the cookie; without one the cookie is what the program returns. */
  readonly exceptionCallback?: number;
}

/**
 * A program's handle in the linear memory, what elements of prog arrays point to: as much of `struct bpf_prog` as
 * compiled code reaches into. Offsets in bytes.
 */
export const PROG_HANDLE = {
  /** u32 */
  id: 0,
  /** u32: offset of its entry among those of native code (`NATIVE_ENTRIES`), 0 for none. */
  nativeEntry: 4,
  /** u64: where compiled code enters it, 0 while it is interpreted. */
  bpfFunc: 8,
  sizeBytes: 16,
} as const;

/** What an engine asks of the machine; `env` is what it hands to helpers. */
export interface EngineHost {
  readonly env: HelperEnv;
  helper(id: number): HelperDef | undefined;
  /** A kernel function by the two fields of the call: BTF id and index of the BTF it counts in. */
  kfunc(btfId: number, fdIdx: number): HelperDef | undefined;
  /** Bytes of the packet in network order for `ld_abs` and `ld_ind`, or undefined outside it (the program then ends with 0). */
  packetLoad(offBytes: number, sizeBytes: 1 | 2 | 4): number | undefined;
  /** The program in slot `index` of the prog array whose handle is `mapAddr`; undefined if there is none. */
  /** Arenas and other maps of the machine. */
  readonly maps: readonly BpfMap[];
  tailCallTarget(mapAddr: number, index: number): LoadedProgram | undefined;
  /** The engine names the function that `env.callFunc` reaches while it runs; it restores the previous one. */
  setCallFunc(call: HelperEnv['callFunc']): HelperEnv['callFunc'];
}

/** Why and where a run ended without a result. */
export interface Fault {
  /** Beside what programs do wrong, what code on an emulated CPU can. */
  readonly kind: EmuFaultKind;
  /** Program the fault is in: after tail calls not the one started. */
  readonly prog: string;
  /** Slot index. */
  readonly insnIdx: number;
  /** One line: what was attempted. */
  readonly message: string;
  /** The address, for memory faults. */
  readonly addr?: bigint;
  readonly sizeBytes?: number;
  /** The base register of the access. */
  readonly reg?: number;
  /** R0..R10 at the fault, unsigned. */
  readonly regs: readonly bigint[];
  /** Call frames, innermost first: the slot each is at. */
  readonly frames: readonly number[];
}

interface RunCounts {
  /** undefined where the engine did not count: verified programs in WebAssembly, and what was counted when they faulted. */
  readonly insnCount: number | undefined;
  /** Loads that read 0 because nothing was there; see {@link RunOptions.probeReads}. */
  readonly probedReads: number;
}

export type RunResult = RunCounts &
  ({ readonly ok: true; readonly r0: bigint } | { readonly ok: false; readonly fault: Fault });

export interface RunOptions {
  /** Instructions the run may execute, tail calls and callbacks included; default 10^9, none for verified programs that are compiled. */
  readonly insnBudget?: number;
  /**
   * Loads from addresses where nothing is read 0 instead of faulting, as Linux's loads through BTF pointers do
   * (BPF_PROBE_MEM and its exception table). Stores and atomic operations fault all the same.
   */
  readonly probeReads?: boolean;
  /** Count instructions, where that costs something; see `insnCount`. Default: where there is a budget. */
  readonly countInsns?: boolean;
  /** The second argument, R2; bpf_conformance programs want the memory's length there. */
  readonly r2?: bigint;
}

/** What a {@link ProgramRunner} is opened for. */
export interface RunnerOptions extends RunOptions {
  /** Address of the context that packets get. */
  readonly ctxAddr: number;
}

/** Packets ready to be run, by a program that makes their contexts; see {@link ProgramRunner.over}. */
export interface PacketWays {
  /** Runs on one of them: as {@link ProgramRunner.packet}. 0, and no run, behind the last one. */
  readonly nth: (index: number) => number;
  /** Runs on all of them in order: as {@link ProgramRunner.batch}. */
  readonly all: () => void;
}

/**
 * A program held ready to run many times, without a result object each: low halves of R0 as signed numbers, and 0 after a
 * fault, which is in `fault` until the next run. Between opening and closing it nothing else of the machine runs.
 */
export interface ProgramRunner {
  /** What ended the last run, or the last of several. */
  readonly fault: Fault | undefined;
  /** Runs completed by the last {@link repeat} or {@link batch}. */
  readonly done: number;
  /** Loads that found nothing since it was opened. */
  readonly probedReads: number;
  /** All of R0 of the last {@link run} or {@link repeat}, whatever else ran since. */
  readonly r0: bigint;
  run(ctx: number): number;
  /** {@link run} on the context it was opened for: the least there is between JavaScript and the program. */
  readonly ready: () => number;
  /** Runs `count` times on the same context, at least once, and ends with a fault. */
  repeat(ctx: number, count: number): number;
  /**
   * Makes the context of a packet in the memory and runs on it; undefined where contexts are not made by compiled code:
   * types without packets, programs that call functions outside, programs that nobody verified.
   */
  readonly packet: ((data: number, sizeBytes: number) => number) | undefined;
  /** The same for each pair of address and length in a list, u32 each; results go to `verdicts`, u32 each. */
  readonly batch: ((list: number, count: number, verdicts: number) => void) | undefined;
  /** The same, of one list, which has to stay where it is until another one is named. */
  readonly over: ((list: number, count: number, verdicts: number) => PacketWays) | undefined;
  close(): void;
}

/** A program an engine has prepared; may be run any number of times. */
export interface LoadedProgram {
  readonly program: EngineProgram;
  /** Runs to `exit` or to a fault; never throws for anything a program does. @param ctx R1 */
  run(ctx: bigint, options?: RunOptions): RunResult;
  /** Of engines that have a faster way than {@link run} to run often; undefined for programs they do not compile. */
  open?(options: RunnerOptions): ProgramRunner | undefined;
  free(): void;
}

export interface Engine {
  readonly name: string;
  /** Calls a function a program gave out the address of, between runs: a timer's callback. R1.. are `args`. */
  callFunction(host: EngineHost, funcAddr: number, args: readonly bigint[]): RunResult;
  /** Prepares a program. Does not judge it: what is wrong with it shows when it runs. */
  load(program: EngineProgram, host: EngineHost): LoadedProgram;
}
