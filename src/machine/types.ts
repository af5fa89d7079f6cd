import type { Engine, Fault, LoadedProgram } from '../engine/index.ts';
import type { Redirect, Sysctl, TaskInfo } from '../helpers/index.ts';
import type { Insn } from '../isa/index.ts';
import type { BpfMap } from '../maps/index.ts';
import type { ObjectSpec, ProgramSpec } from '../object/index.ts';
import type { RunInput } from '../progtypes/index.ts';
import type { ByteOrder } from '../util/index.ts';
import type { Verdict } from '../verifier/index.ts';
import type { Clock } from './clock.ts';

export interface MachineOptions {
  /** Byte order of memory; must be that of the objects loaded. Default little. */
  readonly order?: ByteOrder;
  /** Possible CPUs, default 1. */
  readonly cpuCount?: number;
  /** Default: a StepClock, so that runs repeat. */
  readonly clock?: Clock & { advance?(ns: bigint): void };
  /** Seed of every random number, default 1. */
  readonly seed?: number;
  readonly engine?: Engine;
  /** Threads can work in its memory: what {@link Machine.share} needs. Default false. */
  readonly shared?: boolean;
  /** The task programs find themselves in; what is left out is pid and tgid 1, root, comm `farcall`. */
  readonly task?: Partial<TaskInfo>;
}

/** A program in a machine. */
export interface MachineProgram {
  /** 1, 2, … in the order of loading. */
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** What the engine runs: addresses in place of maps and variables. */
  readonly insns: readonly Insn[];
  readonly loaded: LoadedProgram;
  /** Address of its handle in the linear memory, laid out as PROG_HANDLE: what a prog array's element holds. */
  readonly handle: number;
  /** Where it came from; undefined for raw instructions. */
  readonly spec: ProgramSpec | undefined;
}

export interface LoadObjectOptions {
  /** Names of the programs to load; all that have no problem and are not switched off by default. */
  readonly only?: readonly string[];
  /** Addresses of kernel symbols, for `.ksyms`. */
  readonly ksyms?: ReadonlyMap<string, number>;
  /** What the verifier said of programs, by name. Those it did not accept are run as what nobody verified. */
  readonly proofs?: ReadonlyMap<string, Verdict>;
}

/** An object in a machine: its maps and programs by name. */
export interface LoadedObject {
  readonly spec: ObjectSpec;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, MachineProgram>;
  /** What differs from what the object asked for. */
  readonly notes: readonly string[];
}

export interface RunRequest extends RunInput {
  /** How often to run on the same packet and context, as `BPF_PROG_TEST_RUN` does; default 1. */
  readonly repeat?: number;
  /** CPU to run on, default 0. */
  readonly cpu?: number;
  /** Instructions each run may take. */
  readonly insnBudget?: number;
  /** Count instructions even where the engine would not; default false. */
  readonly countInsns?: boolean;
  /**
   * Loads where nothing is read 0 instead of faulting. Default: for verified programs, whose other loads find something, and
   * for program types whose arguments are pointers to kernel objects (tracing, lsm, struct_ops). Differs from Linux: any
   * load, not those through BTF pointers alone, since nobody has told them apart.
   */
  readonly probeReads?: boolean;
  /** What `bpf_get_attach_cookie` says, default 0. */
  readonly cookie?: bigint;
  /** Tracing programs: arguments of the traced function in the context; default as many as ctxIn has. */
  readonly argCount?: number;
  /** Programs on settings: what is read or written, `kernel/hostname` where nothing is said. */
  readonly sysctl?: Sysctl;
  /** Tracing programs: whether the function's return value follows them. */
  readonly hasRet?: boolean;
}

/** What became of a run. */
export interface TestRunResult {
  /** undefined when the program ran to its end. */
  readonly fault: Fault | undefined;
  /** The low 32 bits of R0, unsigned; 0 after a fault. */
  readonly retval: number;
  /** R0, unsigned. */
  readonly r0: bigint;
  readonly dataOut: Uint8Array | undefined;
  readonly ctxOut: Uint8Array | undefined;
  /** Where the program sent the packet, or copies of it. */
  readonly redirects: readonly Redirect[];
  /** Instructions of all repeats; undefined where the engine did not count, see `RunResult`. */
  readonly insnCount: number | undefined;
  /** Loads that found nothing and read 0, see {@link RunRequest.probeReads}. */
  readonly probedReads: number;
  /** Host time a repeat took on average. */
  readonly durationNs: number;
}

/** A record a program handed to user space. */
export interface MachineEvent {
  readonly kind: 'perf' | 'ringbuf';
  readonly map: string;
  readonly cpu: number;
  readonly data: Uint8Array;
}
