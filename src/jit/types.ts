import type { Insn } from '../isa/index.ts';
import type { KernelArch, KernelSpace } from '../kernels/index.ts';
import type { ByteOrder } from '../util/index.ts';
import type { Room } from './room.ts';

/** Why a target cannot compile a function: the JIT's errno, as a value thrown inside jit/ and never out of it. */
export class JitError extends Error {
  override readonly name = 'JitError';
  /** Positive: 34 for -ERANGE. */
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.errno = errno;
  }
}

/** What tags are made with: SHA-1 up to 6.17, SHA-256 since. */
export type TagHash = 'sha1' | 'sha256';

/** `own`: farcall's shortest code. `compat`: what the 6.12 kernel's JIT for that CPU emits, instruction by instruction. */
export type JitMode = 'own' | 'compat';

/** `bpf_jit_supports_*()` and `bpf_jit_needs_zext()` of a target in one mode. */
export interface JitCaps {
  readonly subprogTailCalls: boolean;
  readonly kfuncCalls: boolean;
  /** kfunc calls name BTF ids and the JIT finds the address; otherwise imm is the distance from `__bpf_call_base`. */
  readonly farKfuncCalls: boolean;
  readonly exceptions: boolean;
  readonly arena: boolean;
  readonly percpuInsn: boolean;
  readonly ptrXchg: boolean;
  /** The verifier has to add zero extensions. */
  readonly needsZext: boolean;
}

/**
 * One function as `jit_subprogs` hands it to a target (`struct bpf_prog` with is_func): its slots after the marking
 * pass, so that a local call has `off` = subprog and `imm` = 1, and a `ld_imm64` of a function has `off` = 0 and the
 * subprog in `funcRefs`.
 */
export interface FuncInput {
  /** Its number; 0 is main. */
  readonly index: number;
  /** Part of a program with more than one function. */
  readonly isFunc: boolean;
  readonly insns: readonly Insn[];
  /** Slot of a `ld_imm64` of a function → subprog. */
  readonly funcRefs: ReadonlyMap<number, number>;
  /** Not rounded. */
  readonly stackDepthBytes: number;
  readonly tailCallReachable: boolean;
  /** Main of a program that may throw: it saves every register a callee may, for the callback to restore. */
  readonly exceptionBoundary: boolean;
  readonly exceptionCallback: boolean;
  readonly verifierZext: boolean;
  readonly arena: { readonly kernVmStart: bigint; readonly userVmStart: bigint } | undefined;
  /** Address of a kfunc by the two fields of its call; undefined where the program may not call it. */
  kfuncAddr(imm: number, off: number): bigint | undefined;
  /** Its parameters by BTF (`struct btf_func_model`), for ABIs whose callers extend them; absent: all take 8 bytes. */
  kfuncArgs?(imm: number, off: number): readonly { readonly sizeBytes: number; readonly signed: boolean }[] | undefined;
}

/** What a target may know of the machine it compiles for. */
export interface TargetEnv {
  /** One of the target's `cpus`. */
  readonly cpu: string;
  readonly mode: JitMode;
  /** Address space of the images; `space.callBase + imm` is a helper. */
  readonly space: KernelSpace;
  /**
   * Addresses above this may be the kernel's: what probe loads test against. The layout's `userLimit`, or lower where
   * the data of the run lie in low memory.
   */
  readonly userLimit: bigint;
  /** Whether the kernel itself is built PC-relative (ppc64 CONFIG_PPC_KERNEL_PCREL): no TOC in r2. */
  readonly pcrel: boolean;
  /**
   * Code of a shared object (ppc64): its TOC, which r2 holds wherever a function is entered. Images have no descriptors then, and
   * helpers are C functions of anybody's, which leave what they like in r2. Undefined: as in a kernel.
   */
  readonly objectToc?: bigint;
  /**
   * Where compilers keep what they need from one emission to the next; whoever gave it takes it back when nobody will emit
   * again. Default: memory of each compiler's own.
   */
  readonly kept?: Room;
}

/** A compiled function's entries, as other functions see it: an element of the shared `aux->func` table. */
export interface Callee {
  /** What a function pointer to it holds: `bpf_func`. A descriptor on ELFv1. */
  readonly bpfFunc: bigint;
  /** Address of its first instruction. */
  readonly entry: bigint;
  /** Where a caller that already set up what the first instructions set up (the TOC) may enter. */
  readonly localEntry: bigint;
}

/** A call, and how it reaches its callee. */
export interface CallSite {
  /** Slot in the function. */
  readonly insnIdx: number;
  readonly kind: 'subprog' | 'helper' | 'kfunc' | 'tail_call';
  /** Byte offset of its first and one past its last instruction in the image. */
  readonly offBytes: number;
  readonly endBytes: number;
  /** Where it goes; 0 while unknown. */
  readonly target: bigint;
  /** subprog: its number. */
  readonly subprog: number;
  /** The target's own name of the form: `bl`, `toc`, `pla`, `imm64`, `placeholder`, `rel32` … */
  readonly form: string;
}

/** A tail call's site: where it goes is found when it runs. */
export const tailCallSite = (
  insnIdx: number,
  offBytes: number,
  endBytes: number,
  form: 'tail_call' | 'tail_call_direct' = 'tail_call',
): CallSite => ({ insnIdx, kind: 'tail_call', offBytes, endBytes, target: 0n, subprog: 0, form });

/** Where a fault in a probe access continues. Byte offsets in the image. */
export interface ExtableEntry {
  readonly insnOff: number;
  readonly fixupOff: number;
}

/** One emission of one function. */
export interface CompiledFunc {
  /** All of it: descriptor (ELFv1), code, fixups. Length is `jited_len` unless `jitedLen` says otherwise. */
  readonly bytes: Uint8Array;
  /** `jited_len` where it leaves the end of `bytes` out: kernels may not count fixups and exception table. */
  readonly jitedLen?: number;
  /** Offset of the first instruction: 24 behind a descriptor, else 0. */
  readonly entryOff: number;
  readonly localEntryOff: number;
  /** Where tail calls enter: behind what starts the count. */
  readonly tailEntryOff: number;
  /** Byte offset of each slot's code, and of the end: length = slots + 1. First passes that are not settled may leave it empty. */
  readonly slotOffs: Int32Array;
  /** What jited line records say, by slot and from `bpfFunc`, where a kernel's JIT says something else than `slotOffs`. */
  readonly lineOffs?: Int32Array;
  readonly sites: readonly CallSite[];
  readonly extable: readonly ExtableEntry[];
  /** A first pass that asked for no address: what every later emission would give. Absent: not known. */
  readonly settled?: boolean;
}

/**
 * Compiles one function, any number of times. Forms never shrink from one emission to the next of one compiler, so
 * emitting again until nothing changes ends; same inputs, same bytes.
 */
export interface FuncCompiler {
  /**
   * The first pass (`callees` undefined): callee addresses are unknown and every call takes its longest form, so no
   * later emission is longer; it does not count for the rule above. Throws JitError.
   *
   * Emissions with callees known and settled ones stay; arrays of other first passes live as long as `TargetEnv.kept`.
   *
   * @param at address of the image's first byte, undefined while it has none
   * @param callees the shared `aux->func` table: by subprog
   */
  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc;
}

/** A CPU and ABI that can be compiled for: a row of `TARGETS`. */
export interface JitTarget {
  /** As `--target` takes it: `ppc64le`, `ppc64`, `x86_64`, … */
  readonly name: string;
  readonly arch: KernelArch;
  readonly order: ByteOrder;
  /** For people: `PowerPC 64-bit, ELFv2, little-endian`. */
  readonly summary: string;
  /** Ascending; the first is the default. */
  readonly cpus: readonly string[];
  /** Filler between functions and behind the last: an instruction that traps, in the target's byte order. */
  readonly trap: Uint8Array;
  /** Arguments of `new Capstone(arch, mode)` by the names capstone gives its constants. */
  readonly capstone: { readonly arch: string; readonly mode: readonly string[] };
  /** `e_machine` and `e_flags` of an executable. */
  readonly elf: { readonly machine: number; readonly flags: number };
  /** Bytes of `nop`-free alignment an image's code needs. */
  readonly alignBytes: number;
  caps(mode: JitMode): JitCaps;
  compiler(func: FuncInput, env: TargetEnv): FuncCompiler;
}
