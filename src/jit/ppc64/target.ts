import type { FuncCompiler, FuncInput, JitTarget, TargetEnv } from '../types.ts';
import { COMPAT_CAPS, compatCompiler } from './compat/index.ts';
import { ELFV1, ELFV2, OWN_CAPS, type OwnAbi, ownCompilers } from './own/index.ts';

const CPUS = ['power8', 'power9', 'power10'] as const;
const EM_PPC64 = 21;

/** `trap`, as bytes. */
const TRAP_LE = Uint8Array.of(0x08, 0x00, 0xe0, 0x7f);
const TRAP_BE = Uint8Array.of(0x7f, 0xe0, 0x00, 0x08);

function target(abi: OwnAbi, name: string, summary: string): JitTarget {
  const little = abi.order === 'little';
  const own = ownCompilers(abi);
  return {
    name,
    arch: 'ppc64',
    order: abi.order,
    summary,
    cpus: CPUS,
    trap: little ? TRAP_LE : TRAP_BE,
    capstone: { arch: 'ARCH_PPC', mode: ['MODE_64', little ? 'MODE_LITTLE_ENDIAN' : 'MODE_BIG_ENDIAN'] },
    elf: { machine: EM_PPC64, flags: abi.descriptors ? 1 : 2 },
    alignBytes: 4,
    caps: mode => (mode === 'own' ? OWN_CAPS : COMPAT_CAPS),
    compiler: (func: FuncInput, env: TargetEnv): FuncCompiler =>
      env.mode === 'own'
        ? own(func, env)
        : compatCompiler(func, env, { elf: abi.descriptors ? 1 : 2, order: abi.order }),
  };
}

/** PowerPC, 64 bits, little-endian: ELFv2. */
export const PPC64LE: JitTarget = target(ELFV2, 'ppc64le', 'PowerPC 64-bit, ELFv2, little-endian');
/** PowerPC, 64 bits, big-endian: ELFv1, images begin with a function descriptor. */
export const PPC64: JitTarget = target(ELFV1, 'ppc64', 'PowerPC 64-bit, ELFv1, big-endian');
