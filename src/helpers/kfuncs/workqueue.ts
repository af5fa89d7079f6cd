import type { BpfMap } from '../../maps/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { readU32, writeU32 } from '../memory.ts';
import { ANY, FUNC, fixed, MAP } from '../proto.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning } from './define.ts';

const { EINVAL, EBUSY } = ERRNO;
/** `struct bpf_wq`. */
const WQ = fixed(16, 'MEM_WRITE');
/** The first word of an initialised one. */
const INITIALISED = 1;

interface Work {
  readonly map: BpfMap;
  funcAddr: number;
}

const WORKS = Symbol('work queues');
const worksOf = (env: Pick<HelperEnv, 'state'>): Map<number, Work> =>
  env.state<Map<number, Work>>(WORKS, () => new Map());

/** The work at `addr`: a value that died and was made anew begins without. */
const workAt = (env: HelperEnv, addr: number): Work | undefined =>
  readU32(env, addr) === INITIALISED ? worksOf(env).get(addr) : undefined;

/** Forgets the work at `addr`, as when its map value dies. */
export function forgetWork(env: Pick<HelperEnv, 'state' | 'setTimer'>, addr: number): void {
  const work = worksOf(env).get(addr);
  if (work === undefined) return;
  worksOf(env).delete(addr);
  env.setTimer(addr, 0, work.map, undefined);
}

/** Work that is done later (`kernel/bpf/helpers.c`): here when the machine's clock is advanced, as timers that are due. */
export const WORKQUEUE_KFUNCS: readonly HelperDef[] = [
  returning('bpf_wq_init', '6.10', [WQ, MAP, ANY], (env, addr, map, flags) => {
    if (flags !== 0) return -EINVAL;
    if (workAt(env, addr) !== undefined) return -EBUSY;
    worksOf(env).set(addr, { map: env.mapAt(map)!, funcAddr: 0 });
    writeU32(env, addr, INITIALISED);
    return 0;
  }),
  returning('bpf_wq_set_callback_impl', '6.10', [WQ, FUNC, ANY, ANY], (env, addr, func, flags) => {
    const work = workAt(env, addr);
    if (flags !== 0 || work === undefined) return -EINVAL;
    work.funcAddr = func;
    return 0;
  }),
  returning('bpf_wq_start', '6.10', [WQ, ANY], (env, addr, flags) => {
    const work = workAt(env, addr);
    if (flags !== 0 || work === undefined) return -EINVAL;
    // Work without a callback is done by doing nothing.
    if (work.funcAddr !== 0) env.setTimer(addr, work.funcAddr, work.map, env.now('monotonic'));
    return 0;
  }),
];
