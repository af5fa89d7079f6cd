import type { Btf } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import type { KernelArch, KernelImage } from '../kernels/index.ts';
import type { ReachedSlots } from './stack-reach.ts';
import type { BtfRecord } from './state/record.ts';
import type { InfoTable } from './structure-input.ts';
import type { XlatedPlaces, XlatedProgram } from './types.ts';

/** A map as the verifier sees it (`struct bpf_map`). Compared by identity. */
export interface VerifierMap {
  readonly name: string;
  /** `BPF_MAP_TYPE_*` */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `BPF_F_*` of its creation. */
  readonly flags: number;
  readonly mapExtra: bigint;
  /** BTF of the map, if it was made with one; ids of its key and value there. */
  readonly btf: Btf | undefined;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
  /** Special fields of the value; undefined for none. */
  readonly record: BtfRecord | undefined;
  /** Maps of maps: the template of those inside. */
  readonly inner: VerifierMap | undefined;
  /** User space can no longer change it (`BPF_MAP_FREEZE`). */
  readonly frozen: boolean;
  /** Its one value, where the map is frozen and its contents are known: what `bpf_map_direct_read` reads. */
  readonly data: Uint8Array | undefined;
  /**
   * Who made it may not bypass the masks against speculation (`!map->bypass_spec_v1`). Default: as the loader of the program.
   */
  readonly unprivileged?: boolean | undefined;
}

/** What a program that extends or traces another BPF program is attached to. */
export interface TargetProgram {
  readonly name: string;
  readonly type: number;
  readonly attachType: number;
  readonly btf: Btf | undefined;
  /** Types of its functions, by subprog. */
  readonly funcTypeIds: readonly number[];
  readonly linkage: readonly ('static' | 'global' | 'extern')[];
  readonly unreliable: readonly boolean[];
  readonly jited: boolean;
  readonly sleepable: boolean;
  readonly mightChangePktData: boolean;
  readonly attachesToTracing: boolean;
}

/** What `bpf(BPF_PROG_LOAD)` is given. */
export interface VerifyInput {
  readonly name: string;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** `expected_attach_type` */
  readonly attachType: number;
  /** `BPF_F_*` of `prog_flags`. */
  readonly flags: number;
  readonly gplCompatible: boolean;
  /**
   * As libbpf passes them, but that what names a map by file descriptor names it by its place in `maps` (imm of the
   * first slot of a `ld_imm64` with src 1, 2, 5 or 6), and kernel functions and variables are named by id in the
   * kernel's BTF.
   */
  readonly insns: readonly Insn[];
  /** As a process has file descriptors: undefined for one that is no map. */
  readonly maps: readonly (VerifierMap | undefined)[];
  readonly btf?: Btf | undefined;
  readonly funcInfo?: InfoTable | undefined;
  readonly lineInfo?: InfoTable | undefined;
  readonly coreRelos?: InfoTable | undefined;
  /** Id in the kernel's BTF (or the target program's) of what the program is attached to; 0 for none. */
  readonly attachBtfId?: number;
  readonly attachProg?: TargetProgram | undefined;
}

/** The kernel that judges. */
export interface VerifierKernel {
  /** `6.12`, `6.1`, `7.2` */
  readonly version: string;
  readonly arch: KernelArch;
  readonly btf: Btf | undefined;
  readonly image: KernelImage;
  /** CPUs it runs on (`nr_cpu_ids`): what `bpf_get_smp_processor_id` may return. Default 1. */
  readonly cpus?: number;
}

/** How to verify. */
export interface VerifyOptions {
  readonly kernel: VerifierKernel;
  /** `BPF_LOG_LEVEL1`, 2, `BPF_LOG_STATS` (4), `BPF_LOG_FIXED` (8) and their sums; 0 writes no log. */
  readonly logLevel?: number;
  /** Bytes of the log buffer; what does not fit rotates out (or is cut off with BPF_LOG_FIXED). Default 16 MiB. */
  readonly logSizeBytes?: number;
  /** Default: everything root has. */
  readonly caps?: {
    readonly bpf: boolean;
    readonly perfmon: boolean;
    readonly netAdmin: boolean;
    readonly sysAdmin: boolean;
  };
  /** CPU mitigations against speculation are on; default true. They matter only without CAP_PERFMON. */
  readonly mitigations?: boolean;
  readonly jitRequested?: boolean;
  /** Where maps and the arena are, for `Verdict.xlated`; default: places of farcall's own. */
  readonly places?: XlatedPlaces;
  /** Called after every verified instruction; for tests of soundness and for the explanation. Default: nobody. */
  readonly observer?: VerifierObserver;
  /**
   * Differs from Linux: a state stands for another only if it holds all its numbers, those nobody relies on too. Then what was
   * recorded at an instruction covers every run; for tests of soundness.
   */
  readonly exactScalars?: boolean;
  /** Differs from Linux: give up after that many instructions (default one million, as Linux). */
  readonly insnLimit?: number;
}

/** Told of the walk's progress; states it is handed are only valid during the call. */
export interface VerifierObserver {
  /** Before instruction `insnIdx` is checked in `env.curState`. */
  beforeInsn?(insnIdx: number, env: unknown): void;
  /** The path in hand ended, and another begins. */
  pathEnd?(insnIdx: number, why: 'exit' | 'pruned' | 'dead'): void;
  /** A function's walk begins: no path was looked at yet. */
  walkBegins?(env: unknown): void;
  /** A state is put aside: what {@link pathResumed} is told when its turn comes. */
  pathPosition?(): number;
  /** The state put aside at `position` is the one in hand now. */
  pathResumed?(position: number): void;
}

/** Figures of a verification (`print_verification_stats`). */
export interface VerifierStats {
  readonly processedInsns: number;
  readonly maxStatesPerInsn: number;
  readonly totalStates: number;
  readonly peakStates: number;
  readonly markRead: number;
  /** By subprog, in bytes. */
  readonly stackDepth: readonly number[];
  /** By subprog: slots of its frame that may be touched other than by an instruction whose base register is R10; see {@link ReachedSlots}. */
  readonly stackReach: readonly ReachedSlots[];
  readonly verificationUs: number;
}

/** A message of the catalogue as it was said. */
export interface SaidMessage {
  readonly id: string;
  readonly args: readonly (string | number)[];
}

/** What the kernel would say. */
export interface Verdict {
  readonly ok: boolean;
  /** Positive; 0 if accepted. */
  readonly errno: number;
  /** Last line of the log before the figures; '' if accepted. */
  readonly message: string;
  /** Key of the message in the catalogue, where it has one. */
  readonly messageId: string | undefined;
  /** Messages of the catalogue said last, with their parameters; the deciding one last. Empty if accepted. */
  readonly said: readonly SaidMessage[];
  /** Slot at which the program was refused; undefined where a whole stage refused. */
  readonly insnIdx: number | undefined;
  readonly stage: string;
  readonly stats: VerifierStats;
  /** Text of the log at the level asked for. */
  readonly log: string;
  /** What of the log did not fit would have needed: bytes (`log_true_size`). */
  readonly logTrueSize: number;
  /** Accepted programs. */
  readonly xlated: XlatedProgram | undefined;
}
