import type { JitCaps } from '../../types.ts';

/** Own mode does all that any Linux JIT for s390x ever did. */
export const OWN_CAPS: JitCaps = {
  subprogTailCalls: true,
  kfuncCalls: true,
  farKfuncCalls: true,
  exceptions: true,
  arena: true,
  percpuInsn: true,
  ptrXchg: true,
  needsZext: false,
};

/** What 6.12's JIT for s390x supports (`arch/s390/net/bpf_jit_comp.c`). */
export const COMPAT_CAPS: JitCaps = {
  subprogTailCalls: true,
  kfuncCalls: true,
  farKfuncCalls: true,
  exceptions: true,
  arena: true,
  percpuInsn: false,
  ptrXchg: true,
  needsZext: true,
};
