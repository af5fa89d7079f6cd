import type { JitCaps } from '../../types.ts';

/** What the JIT of Linux 6.12 for x86-64 supports (`arch/x86/net/bpf_jit_comp.c`). */
export const COMPAT_CAPS: JitCaps = {
  subprogTailCalls: true,
  kfuncCalls: true,
  farKfuncCalls: false,
  exceptions: true,
  arena: true,
  percpuInsn: true,
  ptrXchg: true,
  needsZext: false,
};
