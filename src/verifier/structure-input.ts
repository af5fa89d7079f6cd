import type { Btf } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import type { KernelArch } from '../kernels/index.ts';
import type { CoreReloSpec, FuncInfo, LineInfo } from '../object/index.ts';
import type { Rejection } from './types.ts';

/**
 * A table as `bpf(BPF_PROG_LOAD)` takes it: `count` records of `recSizeBytes` each, as 32-bit words. Record sizes the
 * kernel does not like are its to refuse; fewer words than the records need are memory it cannot read (EFAULT).
 */
export interface InfoTable {
  readonly recSizeBytes: number;
  readonly count: number;
  readonly words: Uint32Array;
}

/** What to check: a program as `BPF_PROG_LOAD` gets it. */
export interface StructureInput {
  readonly insns: readonly Insn[];
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** Default true. */
  readonly gplCompatible?: boolean;
  /** The BTF the tables speak of. */
  readonly btf?: Btf;
  /** `insn_off` (slots), `type_id`. */
  readonly funcInfo?: InfoTable;
  /** `insn_off` (slots), `file_name_off`, `line_off`, `line << 10 | column`. */
  readonly lineInfo?: InfoTable;
  /** `insn_off` (bytes), `type_id`, `access_str_off`, `kind`; only their form is checked, none is applied. */
  readonly coreRelos?: InfoTable;
  /** Kernel functions that calls name where the BTF id in `imm` does not tell: slot → name. */
  readonly kfuncs?: ReadonlyMap<number, string>;
  /** Maps that `ld_imm64` instructions name: slot → the map's name. Only how many there are is checked. */
  readonly maps?: ReadonlyMap<number, string>;
}

/** What a kernel's JIT can do, as far as it decides whether a program is allowed. */
export interface JitSupport {
  readonly kfuncCalls: boolean;
  /** Tail calls in programs with more than one function. */
  readonly subprogTailCalls: boolean;
  readonly exceptions: boolean;
  /** It, or the verifier for it, replaces calls of `bpf_get_smp_processor_id` by instructions. */
  readonly inlinesProcessorId: boolean;
}

/** Source: `arch/<arch>/net/bpf_jit_comp*.c: bpf_jit_supports_*` of 6.12. */
export const JIT_SUPPORT: Readonly<Record<KernelArch, JitSupport>> = {
  x86_64: { kfuncCalls: true, subprogTailCalls: true, exceptions: true, inlinesProcessorId: true },
  arm64: { kfuncCalls: true, subprogTailCalls: true, exceptions: true, inlinesProcessorId: true },
  s390x: { kfuncCalls: true, subprogTailCalls: true, exceptions: true, inlinesProcessorId: false },
  ppc64: { kfuncCalls: true, subprogTailCalls: false, exceptions: false, inlinesProcessorId: false },
  riscv64: { kfuncCalls: true, subprogTailCalls: false, exceptions: false, inlinesProcessorId: true },
};

/** What a walk over the program's paths finds; by subprog. */
export interface WalkResult {
  /** Deepest byte below R10 touched, 0..512. */
  readonly stackDepthBytes: ArrayLike<number>;
  /** 1 where the function is called back from within a helper or kfunc. */
  readonly isCallback: ArrayLike<number>;
  /** 1 where it is called back later, on a stack of its own (timers, work queues). */
  readonly isAsyncCallback: ArrayLike<number>;
}

/** Who loads the program into which kernel. */
export interface StructureOptions {
  /** CAP_BPF; default true. Without it loops are refused and calls are not allowed. */
  readonly capBpf?: boolean;
  /** Default true: `net.core.bpf_jit_enable` is not 0. */
  readonly jitRequested?: boolean;
  /** Default that of x86_64. */
  readonly jit?: JitSupport;
  /** The kernel's own BTF, which kernel function calls name by id. Without it their ids are not checked. */
  readonly kernelBtf?: Btf;
  /** Whether the kernel has a function of that name beside its BTF (inlined ones are gone); default: it has all. */
  readonly hasKernelSymbol?: (name: string) => boolean;
  /**
   * The walk over the program's paths (`do_check`), which may refuse the program; by default depths and callbacks are
   * estimated. Functions by id.
   */
  readonly walk?: (subprogs: {
    readonly list: readonly { readonly start: number; readonly end: number }[];
  }) => WalkResult | Rejection;
}

/** func_info as libbpf sends it. */
export function funcInfoTable(records: readonly FuncInfo[]): InfoTable {
  const words = new Uint32Array(records.length * 2);
  records.forEach(({ insnIdx, typeId }, i) => {
    words.set([insnIdx, typeId], i * 2);
  });
  return { recSizeBytes: 8, count: records.length, words };
}

/** line_info as libbpf sends it. */
export function lineInfoTable(records: readonly LineInfo[]): InfoTable {
  const words = new Uint32Array(records.length * 4);
  records.forEach(({ insnIdx, fileNameOff, lineOff, line, column }, i) => {
    words.set([insnIdx, fileNameOff, lineOff, ((line << 10) | column) >>> 0], i * 4);
  });
  return { recSizeBytes: 16, count: records.length, words };
}

/** CO-RE relocations as a loader that leaves them to the kernel sends them. */
export function coreReloTable(records: readonly CoreReloSpec[]): InfoTable {
  const words = new Uint32Array(records.length * 4);
  records.forEach(({ insnIdx, typeId, accessStrOff, kind }, i) => {
    words.set([insnIdx * 8, typeId, accessStrOff, kind], i * 4);
  });
  return { recSizeBytes: 16, count: records.length, words };
}
