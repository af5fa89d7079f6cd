import type { KernelArch, KernelSpace } from '../../kernels/index.ts';
import type { ByteOrder } from '../../util/index.ts';
import type { ExtableEntry, JitMode, JitTarget } from '../types.ts';

/** Code at its address. */
export interface ExeImage {
  readonly addr: bigint;
  readonly bytes: Uint8Array;
  /** Symbol, and name of the section that holds it. */
  readonly name: string;
  /** Loads that may fault, and where they go on. */
  readonly extable?: readonly ExtableEntry[];
}

/** A function of the kernel that programs call: code is put at its address that answers from the log. */
export interface ExeGate {
  readonly addr: bigint;
  readonly name: string;
}

/** Bytes of the linear memory, at their address. */
export interface ExeMemory {
  readonly addr: number;
  readonly bytes: Uint8Array;
}

/** A range that goes into an entry's digest. */
export interface ExeRange {
  readonly addr: number;
  readonly sizeBytes: number;
}

/** One run of one function. */
export interface ExeEntry {
  /** What a pointer to the function holds: a descriptor's address on ELFv1. */
  readonly func: bigint;
  /** R1 to R5; those left out are 0. */
  readonly args: readonly bigint[];
  /** Stack pointer of the caller: the address of a frame that holds nothing, below it is free. 16-byte aligned. */
  readonly sp: bigint;
  /** What the kernel's functions answer, from {@link ReplayLog.finish}; undefined when none may be called. */
  readonly log?: Uint8Array;
  /** Zero all linear memory before the run: entries that share nothing. */
  readonly clear?: boolean;
  /** Put into memory before the run. */
  readonly patches?: readonly ExeMemory[];
  /** Zeroed before the run, after the patches. */
  readonly zero?: readonly ExeRange[];
  /** Memory whose digest (FNV-1a, 64 bits) is printed with the result. */
  readonly digest?: readonly ExeRange[];
  /** Print those ranges in hex, too. */
  readonly dump?: boolean;
}

export interface ExeInit {
  readonly target: JitTarget;
  readonly cpu: string;
  /** The address space the images were compiled for. All of it has to lie in user space. */
  readonly space: KernelSpace;
  readonly images: readonly ExeImage[];
  /** Calls in logs name them by index. */
  readonly gates: readonly ExeGate[];
  /** The linear memory at the start, ascending; zero elsewhere. */
  readonly memory: readonly ExeMemory[];
  /** End of the linear memory: addresses below it are mapped, from 64 KiB on. */
  readonly memoryEnd: number;
  readonly entries: readonly ExeEntry[];
  /**
   * `value`: R0 of the only entry, `0x2`. `lines`: one line an entry, `INDEX 0xR0 0xDIGEST`, and in place of the numbers
   * what went wrong.
   */
  readonly format: 'value' | 'lines';
  /** Seconds an entry may take; 0 for no limit. */
  readonly limitSeconds?: number;
}

/** Exit codes of executables. */
export const EXE_EXIT = {
  ok: 0,
  /** A call was not the one recorded, or a register was not restored. */
  mismatch: 2,
  /** A signal: a fault, or out of time. */
  fault: 3,
  /** The runtime could not do its own work. */
  broken: 4,
} as const;

/** Bytes of {@link EXE_STATE}'s block. */
export const EXE_STATE_BYTES = 0x1000;

/**
 * Offsets in the block that glue and runtime share, in bytes; doublewords. What lies below 0x100 is the architecture's
 * own (ppc64: what code reaches through r13).
 */
export const EXE_STATE = {
  /** Innermost frame on the runtime's stack that called a program; 0 while none runs. */
  runtimeSp: 0x100,
  /** The outermost such frame. */
  outerSp: 0x108,
  /** Where the runtime's stack begins. */
  stackTop: 0x110,
  /** Function pointers of the runtime's `main` and `gate`. */
  mainFunc: 0x118,
  gateFunc: 0x120,
  /** Bits that differed in registers a callee has to restore. */
  clobbered: 0x128,
  /** 0, or why the entry ended early. */
  status: 0x130,
  /** Of a signal: its number, where, and which address. */
  signal: 0x138,
  faultPc: 0x140,
  faultAddr: 0x148,
  /** Next event of the log, and its end. */
  cursor: 0x150,
  cursorEnd: 0x158,
  /** The entry that runs. */
  entry: 0x160,
  /** Bytes in the output buffer. */
  outLength: 0x168,
  /** What the process will exit with. */
  exitCode: 0x170,
  /** Calls of gates in this entry. */
  callCount: 0x178,
  /** Pairs of a load's address and its fixup's, ended by 0. */
  extable: 0x180,
  /** Seven words for system calls: number and arguments. */
  sys: 0x200,
  /** The output buffer, up to the block's end. */
  out: 0x400,
} as const;

/** What {@link ExeArch.glue} makes: code, and addresses in it. */
export interface ExeGlue {
  readonly bytes: Uint8Array;
  /** `e_entry` of the file. */
  readonly start: bigint;
  /** A function pointer for `rt_sigaction`. */
  readonly onSignal: bigint;
  /** Where handlers return to, on architectures whose kernel does not know (SA_RESTORER). */
  readonly restorer?: bigint;
  /** Where the code behind a gate goes on, the gate's index in the arch's register for it. */
  readonly gate: bigint;
  // The rest are called by the runtime as helpers are. The runtime's gate is given `(index, args)`: at `args` R1 to R5 of
  // the call, and behind them the caller's stack pointer.
  /** `(words)`: system call of seven doublewords, number first; result or -errno. */
  readonly sys: bigint;
  /** `(func, args, sp)`: calls a program's function with five doublewords at `args` and stack pointer `sp`. */
  readonly invoke: bigint;
  /** `(result)`: ends the outermost invoke, whatever runs in it. */
  readonly leave: bigint;
  /** `(addr, sizeBytes)`: makes instructions that were stored visible. */
  readonly syncCode: bigint;
  /**
   * `(func, args, sp, frameSp)`: never returns; enters `func` with five doublewords at `args` and stack pointer `sp`, in
   * the innermost invoke whose program's frames begin above `frameSp`.
   */
  readonly resume: bigint;
}

/** System call numbers. */
export interface ExeSyscalls {
  readonly write: number;
  readonly exitGroup: number;
  readonly mmap: number;
  readonly rtSigaction: number;
  readonly sigaltstack: number;
  readonly alarm: number;
}

/** What an executable needs beside compiled BPF: the few lines each architecture has to have of its own. */
export interface ExeArch {
  readonly arch: KernelArch;
  readonly syscalls: ExeSyscalls;
  /** What the runtime is compiled with; default `compat`, since what judges own code should not share its faults. */
  readonly runtimeMode?: JitMode;
  /**
   * How far below the stack pointer of a gate's caller functions begin that the gate calls back: as in the emulator, so
   * that addresses of the stack are the same numbers.
   */
  callbackGapBytes(order: ByteOrder): number;
  /** Bytes of {@link ExeGlue.bytes}, at most. */
  readonly glueBytes: number;
  glue(init: { readonly at: bigint; readonly state: bigint; readonly order: ByteOrder }): ExeGlue;
  /** Fills the state block's own part. */
  state(init: { readonly view: DataView; readonly order: ByteOrder; readonly space: KernelSpace }): void;
  /** Code at a gate's address: names the gate and goes to `common`. */
  gateStub(init: {
    readonly at: bigint;
    readonly index: number;
    readonly common: bigint;
    readonly order: ByteOrder;
  }): Uint8Array;
}
