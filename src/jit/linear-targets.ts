import type { Insn } from '../isa/index.ts';
import type { KernelArch } from '../kernels/index.ts';
import { ARM64_LINEAR } from './arm64/linear/index.ts';
import { writeArm64Addon } from './arm64/node-addon.ts';
import { compileLinear, type LinearOptions, type LinearProgram } from './linear/index.ts';
import { X86_LINEAR } from './x86_64/linear/index.ts';
import { writeX86Addon } from './x86_64/node-addon.ts';

/** A CPU whose hosts run programs natively. */
export interface NativeTarget {
  /** See `compileLinear`. */
  compile(insns: readonly Insn[], options: LinearOptions): LinearProgram;
  /** An addon for Node on this CPU and Linux: what maps, protects and calls code, with the functions of `ADDON_FUNCTIONS`. */
  writeAddon(): Uint8Array;
}

/** CPUs that run programs natively, one row each. */
export const NATIVE_TARGETS: Partial<Record<KernelArch, NativeTarget>> = {
  arm64: { compile: (insns, options) => compileLinear(insns, options, ARM64_LINEAR), writeAddon: writeArm64Addon },
  x86_64: { compile: (insns, options) => compileLinear(insns, options, X86_LINEAR), writeAddon: writeX86Addon },
};
