import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, type Insn } from '../isa/index.ts';
import type { KernelImage, KernelSpace } from '../kernels/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { Callee, FuncInput } from './types.ts';
import { JitError } from './types.ts';

/**
 * Where a call goes: through the shared table for local calls, never through `imm`, which cannot hold the distance
 * (`kernel/bpf/core.c: bpf_jit_get_func_addr`). 0 for a local call before the last pass. Throws JitError EINVAL for a
 * callee that does not exist.
 */
export function callTarget(
  insn: Insn,
  callees: readonly Callee[] | undefined,
  space: KernelSpace,
  kfuncAddr: FuncInput['kfuncAddr'],
): bigint {
  if (insn.src === BPF_PSEUDO_CALL) {
    if (callees === undefined) return 0n;
    const callee = callees[insn.off];
    if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${insn.off}`);
    return callee.bpfFunc;
  }
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const addr = kfuncAddr(insn.imm, insn.off);
    if (addr === undefined) throw new JitError(ERRNO.EINVAL, `kernel function ${insn.imm} is not there`);
    return addr;
  }
  return space.callBase + BigInt(insn.imm);
}

/** Functions behind `bpf_get_smp_processor_id`, by program type. */
export const PROCESSOR_ID_FUNCTIONS: readonly string[] = ['bpf_get_smp_processor_id', 'bpf_get_raw_cpu_id'];

/** Whether the distance in a helper call is that of one of these functions. */
export function isCallOf(kernel: KernelImage, imm: number, names: readonly string[]): boolean {
  return names.some(name => kernel.hasSymbol(name) && kernel.symbolOffset(name) === imm);
}

/** What a JIT that trusts the signed 32 bits of `imm` would call instead (the bug the 64-bit table cures). */
export function immTarget(callBase: bigint, callee: bigint): bigint {
  return BigInt.asUintN(64, callBase + BigInt.asIntN(32, callee - callBase));
}
