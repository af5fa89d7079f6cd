import type { JitCaps } from '../../types.ts';

/** Own mode does all that Linux' JIT for x86-64 does. */
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
