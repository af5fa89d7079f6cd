import type { JitTarget } from '../types.ts';
import { COMPAT_CAPS, compatCompiler } from './compat/index.ts';
import { OWN_CAPS, ownCompiler } from './own/index.ts';

const EM_RISCV = 243;
/** EF_RISCV_RVC and EF_RISCV_FLOAT_ABI_DOUBLE. */
const FLAGS = 0x5;

/** RISC-V, 64 bits: LP64. */
export const RISCV64: JitTarget = {
  name: 'riscv64',
  arch: 'riscv64',
  order: 'little',
  summary: 'RISC-V 64-bit, LP64, little-endian',
  cpus: ['rv64gc', 'rv64gc_zba_zbb'],
  // c.ebreak
  trap: Uint8Array.of(0x02, 0x90),
  capstone: { arch: 'ARCH_RISCV', mode: ['MODE_RISCV64', 'MODE_RISCVC'] },
  elf: { machine: EM_RISCV, flags: FLAGS },
  alignBytes: 2,
  caps: mode => (mode === 'own' ? OWN_CAPS : COMPAT_CAPS),
  compiler: (func, env) => (env.mode === 'own' ? ownCompiler(func, env) : compatCompiler(func, env)),
};
