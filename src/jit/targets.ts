import { FarcallError } from '../util/index.ts';
import { ARM64 } from './arm64/index.ts';
import { PPC64, PPC64LE } from './ppc64/index.ts';
import { RISCV64 } from './riscv64/index.ts';
import { S390X } from './s390x/index.ts';
import type { JitTarget } from './types.ts';
import { X86_64 } from './x86_64/index.ts';

/** Every CPU and ABI that can be compiled for. */
export const TARGETS: readonly JitTarget[] = [PPC64LE, PPC64, X86_64, ARM64, RISCV64, S390X];

/** The target called `name`; throws `arg.target`. */
export function findTarget(name: string): JitTarget {
  const target = TARGETS.find(row => row.name === name);
  if (target !== undefined) return target;
  throw new FarcallError({
    code: 'arg.target',
    message: 'no such target',
    expected: TARGETS.map(row => row.name).join(', '),
    found: name,
  });
}
