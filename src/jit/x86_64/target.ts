import type { JitTarget } from '../types.ts';
import { COMPAT_CAPS, compatCompiler } from './compat/index.ts';
import { OWN_CAPS, ownCompiler } from './own/index.ts';

const EM_X86_64 = 62;
/** `int3` */
const TRAP = Uint8Array.of(0xcc);

/** x86-64, System V ABI; v3 is what has BMI2 and MOVBE. */
export const X86_64: JitTarget = {
  name: 'x86_64',
  arch: 'x86_64',
  order: 'little',
  summary: 'x86-64, System V ABI, little-endian',
  cpus: ['x86-64-v1', 'x86-64-v3'],
  trap: TRAP,
  capstone: { arch: 'ARCH_X86', mode: ['MODE_64'] },
  elf: { machine: EM_X86_64, flags: 0 },
  alignBytes: 1,
  caps: mode => (mode === 'own' ? OWN_CAPS : COMPAT_CAPS),
  compiler: (func, env) => (env.mode === 'own' ? ownCompiler(func, env) : compatCompiler(func, env)),
};
