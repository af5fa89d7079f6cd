import type { Insn } from '../isa/index.ts';
import type { KernelArch } from '../kernels/index.ts';
import { ARM64_LINEAR } from './arm64/linear/index.ts';
import { writeArm64Addon } from './arm64/node-addon.ts';
import {
  compileLinear,
  type LinearEmission,
  type LinearOptions,
  type LinearProgram,
  type LinearTarget,
  numberGates,
} from './linear/index.ts';
import { X86_LINEAR } from './x86_64/linear/index.ts';
import { writeX86Addon } from './x86_64/node-addon.ts';

/** A CPU whose hosts run programs natively. */
export interface NativeTarget {
  /** See `compileLinear`. */
  compile(insns: readonly Insn[], options: LinearOptions): LinearProgram;
  /** A program's code with its gates numbered from `first` on. */
  numbered(program: LinearProgram, first: number): Uint8Array<ArrayBuffer>;
  /** An addon for Node on this CPU and Linux: what maps, protects and calls code, with the functions of `ADDON_FUNCTIONS`. */
  writeAddon(): Uint8Array;
}

const nativeTarget = <E extends LinearEmission>(
  target: LinearTarget<E>,
  writeAddon: () => Uint8Array,
): NativeTarget => ({
  compile: (insns, options) => compileLinear(insns, options, target),
  numbered: (program, first) => numberGates(program, first, target),
  writeAddon,
});

/** CPUs that run programs natively, one row each. */
export const NATIVE_TARGETS: Partial<Record<KernelArch, NativeTarget>> = {
  arm64: nativeTarget(ARM64_LINEAR, writeArm64Addon),
  x86_64: nativeTarget(X86_LINEAR, writeX86Addon),
};
