import { ERRNO } from '../../uapi/index.ts';
import { type FuncCompiler, type FuncInput, JitError, type JitTarget, type TargetEnv } from '../types.ts';
import { COMPAT_CAPS, OWN_CAPS, ownCompiler } from './own/index.ts';

const EM_S390 = 22;

/** z/Architecture: big-endian, 64 bits. */
export const S390X: JitTarget = {
  name: 's390x',
  arch: 's390x',
  order: 'big',
  summary: 'z/Architecture (IBM Z), 64-bit, big-endian',
  cpus: ['z13', 'z15'],
  // An operation there is none of.
  trap: Uint8Array.of(0, 0),
  capstone: { arch: 'ARCH_SYSZ', mode: ['MODE_BIG_ENDIAN'] },
  elf: { machine: EM_S390, flags: 0 },
  alignBytes: 2,
  caps: mode => (mode === 'own' ? OWN_CAPS : COMPAT_CAPS),
  compiler(func: FuncInput, env: TargetEnv): FuncCompiler {
    if (env.mode === 'own') return ownCompiler(func, env);
    throw new JitError(ERRNO.ENOTSUPP, 's390x has no compatible mode');
  },
};
