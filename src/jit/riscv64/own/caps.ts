import type { JitCaps } from '../../types.ts';

/** Own mode does all that any Linux JIT for riscv64 ever did, and tail calls in functions. */
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
