import type { JitCaps } from '../../types.ts';

/** What 6.12's riscv64 JIT says it can do (`bpf_jit_supports_*`, defaults in kernel/bpf/core.c). */
export const COMPAT_CAPS: JitCaps = {
  subprogTailCalls: false,
  kfuncCalls: true,
  farKfuncCalls: false,
  exceptions: false,
  arena: true,
  percpuInsn: true,
  ptrXchg: true,
  needsZext: true,
};
