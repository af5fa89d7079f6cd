import type { Btf } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import type { KernelImage } from '../kernels/index.ts';
import type { FuncInfo, LineInfo } from '../object/index.ts';

/** A program is not allowed: the message of the first stage that refused, in the kernel's words, without its newline. */
export interface Rejection {
  readonly ok: false;
  /** Positive: 22 for -EINVAL. */
  readonly errno: number;
  readonly message: string;
  /** Slot the message is about; undefined where it is about the whole program. */
  readonly insnIdx?: number;
  /** Which stage of bpf_check refused. */
  readonly stage: string;
  /** Lines the kernel writes to the log at level 2 up to the message, the message last. */
  readonly log: readonly string[];
}

/** A function of a program (`struct bpf_subprog_info`). */
export interface Subprog {
  /** First slot. */
  readonly start: number;
  /** One past the last slot. */
  readonly end: number;
  /** Its BTF name, '' without func_info. */
  readonly name: string;
  /** Deepest byte below R10 it touches, as the verifier counts it, not rounded. */
  readonly stackDepthBytes: number;
  readonly hasTailCall: boolean;
  /** A tail call may happen below it, so its frame has to carry the count. */
  readonly tailCallReachable: boolean;
  /** Its address is taken: a callback. */
  readonly isCallback: boolean;
  readonly isExceptionCallback: boolean;
}

/** A kernel function as calls name it. */
export interface XlatedKfunc {
  readonly imm: number;
  readonly off: number;
  readonly name: string;
  /** Its parameters by the kernel's BTF (`struct btf_func_model`); absent: all take 8 bytes. */
  readonly args?: readonly { readonly sizeBytes: number; readonly signed: boolean }[];
}

/** A map as instructions see it: by address. */
export interface XlatedMap {
  readonly id: number;
  readonly name: string;
  /** What a `ld_imm64` of the map holds. */
  readonly addr: bigint;
  /** Range of addresses that a `ld_imm64` of a value may hold. */
  readonly values?: { readonly start: bigint; readonly sizeBytes: number };
}

/** Where a loader put what the program's instructions name. */
export interface XlatedPlaces {
  /** By place in the input's maps. */
  readonly maps?: readonly XlatedMap[];
  readonly arena?: { readonly kernVmStart: bigint; readonly userVmStart: bigint };
}

export declare const XLATED: unique symbol;

/**
 * A program as engines and JITs take it: what leaves the verifier's fixups and enters `jit_subprogs`.
 *
 * - helper calls: `imm` = distance of the kernel's function from `__bpf_call_base` in `kernel`; `bpf_tail_call` is TAIL_CALL;
 * - pseudo calls and `ld_imm64` of functions: still pc-relative;
 * - every other `ld_imm64` is plain, maps and values by address;
 * - kfunc calls: `imm` and `off` as in `kfuncs`;
 * - no ld_abs, ld_ind, may_goto; divisors of register divisions are known not to be 0.
 *
 * Only the verifier makes one; `xlateUnverified` is the one door around it.
 */
export interface XlatedProgram {
  readonly [XLATED]: true;
  /** False when nobody verified it. */
  readonly verified: boolean;
  readonly name: string;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  readonly gplCompatible: boolean;
  readonly insns: readonly Insn[];
  /** Ascending by start; main first. Hidden ones (an exception callback the verifier added) come last. */
  readonly subprogs: readonly Subprog[];
  readonly hiddenSubprogCount: number;
  readonly kernel: KernelImage;
  readonly maps: readonly XlatedMap[];
  /** Kernel functions called: `imm` and `off` of the call → symbol. */
  readonly kfuncs: readonly XlatedKfunc[];
  /** Helper ids behind the distances in helper calls. */
  readonly helpers: ReadonlyMap<number, number>;
  /** Kernel functions that fixups call themselves and no helper id names: distance → symbol (`bpf_skb_load_helper_8_no_cache`). */
  readonly internalCalls: ReadonlyMap<number, string>;
  readonly btf: Btf | undefined;
  /** By xlated slot. */
  readonly funcInfo: readonly FuncInfo[];
  readonly lineInfo: readonly LineInfo[];
  /** The verifier put zero extensions where they are needed, so 32-bit results need none of their own. */
  readonly verifierZext: boolean;
  readonly arena: { readonly kernVmStart: bigint; readonly userVmStart: bigint } | undefined;
  /** As loaded, with map references still pseudo: what the tag is computed of. */
  readonly original: readonly Insn[];
}
