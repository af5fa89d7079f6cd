import { defineHelper } from './check.ts';
import { readU32, readU64, writeU32, writeU64 } from './memory.ts';
import { btf, KPTR_DEST, nothing, pointer, SPIN_LOCK, toBtf } from './proto.ts';
import { type HelperDef, ProgramFault } from './types.ts';

/** Locks and pointers kept in maps (`kernel/bpf/helpers.c`). */
export const LOCK_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 93,
    name: 'bpf_spin_lock',
    since: '5.1',
    proto: nothing([SPIN_LOCK]),
    run: (env, addr) => {
      if (readU32(env, addr) !== 0)
        throw new ProgramFault('bad-argument', 'bpf_spin_lock: the lock is held', BigInt(addr));
      writeU32(env, addr, 1);
      return 0;
    },
  }),
  defineHelper({
    id: 94,
    name: 'bpf_spin_unlock',
    since: '5.1',
    proto: nothing([SPIN_LOCK]),
    run: (env, addr) => {
      if (readU32(env, addr) === 0)
        throw new ProgramFault('bad-argument', 'bpf_spin_unlock: the lock is not held', BigInt(addr));
      writeU32(env, addr, 0);
      return 0;
    },
  }),
  defineHelper({
    id: 194,
    name: 'bpf_kptr_xchg',
    since: '5.19',
    proto: pointer(toBtf(undefined, 'PTR_MAYBE_NULL'), [KPTR_DEST, btf(undefined, 'PTR_MAYBE_NULL', 'OBJ_RELEASE')]),
    run: (env, addr) => {
      const old = readU64(env, addr);
      writeU64(env, addr, env.arg64(2));
      return old;
    },
  }),
];
