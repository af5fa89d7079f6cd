import type { KernelArch } from '../../kernels/index.ts';
import { FarcallError } from '../../util/index.ts';
import { arm64Exe } from '../arm64/exe.ts';
import { ppc64Exe } from '../ppc64/exe.ts';
import { riscv64Exe } from '../riscv64/exe.ts';
import { s390xExe } from '../s390x/exe.ts';
import type { JitTarget } from '../types.ts';
import { x86Exe } from '../x86_64/exe.ts';
import type { ExeArch } from './types.ts';

/** What executables need of each architecture, one row each. */
const EXE_ARCHES: Partial<Record<KernelArch, ExeArch>> = {
  arm64: arm64Exe,
  ppc64: ppc64Exe,
  riscv64: riscv64Exe,
  x86_64: x86Exe,
  s390x: s390xExe,
};

/** Throws `arg.target` for CPUs executables are not written for. */
export function exeArch(target: JitTarget): ExeArch {
  const arch = EXE_ARCHES[target.arch];
  if (arch !== undefined) return arch;
  throw new FarcallError({
    code: 'arg.target',
    message: `no executables are written for ${target.name}`,
    expected: `a target of ${Object.keys(EXE_ARCHES).join(', ')}`,
    found: target.name,
  });
}
