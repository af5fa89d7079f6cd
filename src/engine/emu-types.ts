import type { FaultKind } from '../helpers/index.ts';
import type { LinearMemory } from '../mem/index.ts';

/** Where an emulated CPU finds code: images at kernel addresses. Looked up when control enters an address for the first time. */
export interface CodeSource {
  /** The image that holds `addr`, with the address of its first byte. */
  imageAt(addr: bigint): { readonly addr: bigint; readonly bytes: Uint8Array } | undefined;
}

/**
 * The kernel's own functions as an emulated CPU reaches them: at an address of kernel text. The CPU checks the calling
 * convention, calls the gate, poisons what a call may clobber, puts the result in the return register and returns.
 */
export interface KernelGate {
  readonly name: string;
  /** Arguments it takes, as far as that is known: what others registers hold does not matter. */
  readonly argCount?: number;
  /** Arguments as 64-bit halves through the CPU; returns low and high half in `out[0]`, `out[1]`. */
  call(cpu: EmulatedCpu, out: Int32Array): void;
}

export interface GateSource {
  /** The function whose text begins at `addr` (global entry). */
  gateAt(addr: bigint): KernelGate | undefined;
}

/** Why emulation ended without a result, beside the kinds programs share. */
export type EmuFaultKind =
  | FaultKind
  | 'illegal-instruction' // not decodable, or newer than the CPU
  | 'trap' // a trap instruction whose condition held
  | 'bad-fetch' // a branch outside every image and gate
  | 'bad-toc' // r2 or r12 not what the ABI wants at an entry
  | 'bad-stack' // misaligned, outside, or not restored
  | 'clobbered'; // a non-volatile register was not restored

/** Thrown inside an emulator, never out of `run`. */
export interface EmuFault {
  readonly kind: EmuFaultKind;
  /** One line: what was attempted. */
  readonly message: string;
  /** Address of the instruction. */
  readonly pc: bigint;
  readonly addr?: bigint;
  readonly sizeBytes?: number;
  /** General registers, unsigned. */
  readonly regs: readonly bigint[];
}

export type EmuResult = { readonly insnCount: number } & (
  | { readonly ok: true; readonly value: bigint }
  | { readonly ok: false; readonly fault: EmuFault }
);

/** A frame of the machine stack. */
export interface EmuFrame {
  /** Its stack pointer. */
  readonly sp: bigint;
  /** Where control returns to in the function that owns it. */
  readonly pc: bigint;
}

/** Where a gate that does not return to its caller goes on; see {@link EmulatedCpu.resumeAt}. */
export interface ResumePoint {
  /** What a function pointer to it holds. */
  readonly func: bigint;
  readonly args: readonly bigint[];
  /** The stack pointer it is entered with; default one below everything in use. */
  readonly sp?: bigint;
  /** Stack pointer of the frame it will return from: calls nested further in than that frame are given up. */
  readonly frameSp: bigint;
}

/** A CPU that executes bytes; it knows no BPF. */
export interface EmulatedCpu {
  readonly mem: LinearMemory;
  /** Integer argument `n` (0..7) of the call being made: halves. */
  argLo(n: number): number;
  argHi(n: number): number;
  /**
   * Calls the function a pointer holds (a descriptor on ELFv1) with up to eight integer arguments and runs until it returns. Inside a gate this
   * nests: registers are afterwards as before.
   */
  call(funcPointer: bigint, args: readonly bigint[], options?: { readonly insnBudget?: number }): EmuResult;
  /** Inside a gate: the frames on the stack, innermost (the gate's caller) first, through all nested calls. */
  frames(): readonly EmuFrame[];
  /**
   * Inside a gate: leaves it for good and enters a function instead, every register a callee may not rely on poisoned.
   * Throws to get out of the gate, which must let it pass.
   */
  resumeAt(to: ResumePoint): never;
}

export interface EmulatorOptions {
  readonly mem: LinearMemory;
  readonly code: CodeSource;
  readonly gates: GateSource;
  readonly cpu: string;
  /** The kernel's TOC (ppc64), 0 elsewhere. */
  readonly kernelToc: bigint;
  /** Addresses up to this are user space's: a probe access there faults into the exception table like any other. */
  readonly userLimit: bigint;
  /** Address of an exception's continuation for a faulting instruction at `pc`, or undefined: the kernel's exception table. */
  fixupFor?(pc: bigint): bigint | undefined;
}
