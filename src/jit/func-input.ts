import type { Insn } from '../isa/index.ts';
import type { FuncInput } from './types.ts';

/** A function that calls nobody and uses nothing, alone in its program, but for what `more` says. */
export const plainFunc = (insns: readonly Insn[], more: Partial<FuncInput> = {}): FuncInput => ({
  index: 0,
  isFunc: false,
  insns,
  funcRefs: new Map(),
  stackDepthBytes: 0,
  tailCallReachable: false,
  exceptionBoundary: false,
  exceptionCallback: false,
  verifierZext: false,
  arena: undefined,
  kfuncAddr: () => undefined,
  ...more,
});
