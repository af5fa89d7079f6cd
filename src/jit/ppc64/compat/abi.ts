import type { ByteOrder } from '../../../util/index.ts';

/** What of an ABI the kernel's JIT depends on. */
export interface CompatAbi {
  /** 1: a function pointer is the address of a descriptor. 2: it is the address of the code, which sets r2 up itself. */
  readonly elf: 1 | 2;
  readonly order: ByteOrder;
}

/** Back chain, saved registers and parameters at the bottom of a frame: `STACK_FRAME_MIN_SIZE`. */
export const frameHeaderBytes = (abi: CompatAbi): number => (abi.elf === 1 ? 112 : 32);

/** Entry, TOC and environment in front of the code: `FUNCTION_DESCR_SIZE`. */
export const descriptorBytes = (abi: CompatAbi): number => (abi.elf === 1 ? 24 : 0);

/**
 * Members of `struct paca_struct`, to which r13 points. A PC-relative kernel has no `kernel_toc`, and what follows it
 * moves up.
 */
export const PACA_KERNEL_TOC = 16;
export const PACA_KERNELBASE_PCREL = 16;

/** Where r1's caller frame keeps the link register: the same in both ABIs. */
export const LR_SAVE = 16;
