import type { JitTarget } from '../types.ts';
import { COMPAT_CAPS, compatCompiler } from './compat/index.ts';
import { OWN_CAPS, ownCompiler } from './own/index.ts';

const EM_AARCH64 = 183;

/** 64-bit Arm, little-endian. */
export const ARM64: JitTarget = {
  name: 'arm64',
  arch: 'arm64',
  order: 'little',
  summary: 'Arm 64-bit (AArch64), little-endian',
  cpus: ['armv8-a', 'armv8.1-a'],
  // brk #0x100
  trap: Uint8Array.of(0x00, 0x20, 0x20, 0xd4),
  capstone: { arch: 'ARCH_ARM64', mode: ['MODE_LITTLE_ENDIAN'] },
  elf: { machine: EM_AARCH64, flags: 0 },
  alignBytes: 4,
  caps: mode => (mode === 'own' ? OWN_CAPS : COMPAT_CAPS),
  compiler: (func, env) => (env.mode === 'own' ? ownCompiler(func, env) : compatCompiler(func, env)),
};
