import type { JitCaps } from '../../types.ts';

/** Own mode does all that any Linux JIT for arm64 ever did. */
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
