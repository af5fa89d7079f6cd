import type { JitCaps, JitTarget } from '../types.ts';
import { COMPAT_CAPS, type CompatAbi, compatCompiler } from './compat/index.ts';

const OWN_CAPS: JitCaps = {
  subprogTailCalls: true,
  kfuncCalls: true,
  farKfuncCalls: true,
  exceptions: true,
  arena: true,
  percpuInsn: true,
  ptrXchg: true,
  needsZext: false,
};

const EM_PPC64 = 21;
/** `trap`, which the kernel too fills holes with. */
const TRAP = [0x7f, 0xe0, 0x00, 0x08] as const;

function target(name: string, abi: CompatAbi, summary: string): JitTarget {
  const little = abi.order === 'little';
  return {
    name,
    arch: 'ppc64',
    order: abi.order,
    summary,
    cpus: ['power8', 'power9', 'power10'],
    trap: Uint8Array.from(little ? [...TRAP].reverse() : TRAP),
    capstone: { arch: 'ARCH_PPC', mode: ['MODE_64', little ? 'MODE_LITTLE_ENDIAN' : 'MODE_BIG_ENDIAN'] },
    elf: { machine: EM_PPC64, flags: abi.elf },
    alignBytes: 4,
    caps: mode => (mode === 'compat' ? COMPAT_CAPS : OWN_CAPS),
    compiler: (func, env) => compatCompiler(func, env, abi),
  };
}

/** PowerPC 64-bit: both ABIs. */
export const PPC64_TARGETS: readonly JitTarget[] = [
  target('ppc64le', { elf: 2, order: 'little' }, 'PowerPC 64-bit, ELFv2, little-endian'),
  target('ppc64', { elf: 1, order: 'big' }, 'PowerPC 64-bit, ELFv1, big-endian'),
];
