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

/** `arch/riscv/net` of 6.12: `bpf_jit_supports_kfunc_call`, `_ptr_xchg`, `_arena`, `_percpu_insn`; it adds its own extensions. */
export const COMPAT_CAPS: JitCaps = {
  subprogTailCalls: false,
  kfuncCalls: true,
  farKfuncCalls: false,
  exceptions: false,
  arena: true,
  percpuInsn: true,
  ptrXchg: true,
  needsZext: false,
};
