import { isRingbufMap, isUserRingbufMap, type RingbufMap, ringbufOfSample } from '../maps/index.ts';
import { ERRNO } from '../uapi/index.ts';
import { DYNPTR_BYTES, defineHelper } from './check.ts';
import { DYNPTR_TYPE, dynptrSizeError, readDynptr, setNullDynptr, writeDynptr } from './dynptr.ts';
import {
  ALLOC_SIZE,
  ANY,
  DYNPTR_RINGBUF_OUT,
  DYNPTR_RINGBUF_RELEASE,
  FUNC,
  int,
  MAP,
  MEM_IN,
  nothing,
  pointer,
  RINGBUF_MEM_RELEASE,
  SIZE_OR_ZERO,
  STACK_OR_NULL,
  TO_RINGBUF_MEM_OR_NULL,
} from './proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from './types.ts';

const { EINVAL, EAGAIN } = ERRNO;
/** BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP. */
const WAKEUP_FLAGS = 3n;
/** `RINGBUF_MAX_RECORD_SZ` */
const MAX_SIZE = 0x3fffffffn;

function ringbufAt(env: HelperEnv, addr: number): RingbufMap {
  const map = env.mapAt(addr);
  if (!isRingbufMap(map)) throw new ProgramFault('bad-argument', `${map?.def.name ?? 'the map'} is not a ring buffer`);
  return map;
}

function reserve(env: HelperEnv, mapAddr: number, size: bigint): number {
  const map = ringbufAt(env, mapAddr);
  return size > MAX_SIZE ? 0 : map.reserve(Number(size));
}

function commit(env: HelperEnv, addr: number, discard: boolean, flags: number): void {
  const map = ringbufOfSample(env, addr);
  if (map === undefined) throw new ProgramFault('bad-argument', 'not a reserved ring buffer record', BigInt(addr));
  map.commit(addr, discard, flags);
}

function output(env: HelperEnv, mapAddr: number, data: number): number {
  const flags = env.arg64(4);
  const size = env.arg64(3);
  const map = ringbufAt(env, mapAddr);
  if (flags > WAKEUP_FLAGS) return -EINVAL;
  return size > MAX_SIZE ? -EAGAIN : map.output(data, Number(size), Number(flags));
}

function reserveDynptr(env: HelperEnv, mapAddr: number, size: number, _flags: number, at: number): number {
  const error = env.arg64(3) !== 0n ? -EINVAL : dynptrSizeError(size);
  const data = error === 0 ? reserve(env, mapAddr, BigInt(size)) : 0;
  if (data === 0) {
    setNullDynptr(env, at);
    return error || -EINVAL;
  }
  writeDynptr(env, at, { data, type: DYNPTR_TYPE.ringbuf, readOnly: false, sizeBytes: size, offBytes: 0 });
  return 0;
}

/** Ends the record a dynptr stands for; a null dynptr has none. */
function commitDynptr(env: HelperEnv, at: number, discard: boolean, flags: number): void {
  const dynptr = readDynptr(env, at);
  if (dynptr.data !== 0) commit(env, dynptr.data, discard, flags);
  setNullDynptr(env, at);
}

/** `bpf_user_ringbuf_drain`: the callback gets a dynptr over each record. */
function drain(env: HelperEnv, mapAddr: number, func: number): number {
  const map = env.mapAt(mapAddr);
  if (!isUserRingbufMap(map))
    throw new ProgramFault('bad-argument', `${map?.def.name ?? 'the map'} is no user ring buffer`);
  const flags = env.arg64(4);
  if (flags > WAKEUP_FLAGS) return -EINVAL;
  const ctx = env.arg64(3);
  const at = env.mem.alloc(DYNPTR_BYTES);
  const region = env.mem.addRegion({
    kind: 'mem',
    name: 'sample',
    start: at,
    sizeBytes: DYNPTR_BYTES,
    writable: false,
  });
  const visit = (data: number, sizeBytes: number): number => {
    writeDynptr(env, at, { data, type: DYNPTR_TYPE.local, readOnly: false, sizeBytes, offBytes: 0 });
    return env.callFunc(func, at, ctx);
  };
  try {
    return map.drain(visit, Number(flags));
  } finally {
    env.mem.removeRegion(region);
    env.mem.free(at);
  }
}

/** Ring buffers (`kernel/bpf/ringbuf.c`). */
export const RINGBUF_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 130,
    name: 'bpf_ringbuf_output',
    since: '5.8',
    proto: int([MAP, MEM_IN, SIZE_OR_ZERO, ANY]),
    run: output,
  }),
  defineHelper({
    id: 131,
    name: 'bpf_ringbuf_reserve',
    since: '5.8',
    proto: pointer(TO_RINGBUF_MEM_OR_NULL, [MAP, ALLOC_SIZE, ANY]),
    run: (env, map) => (env.arg64(3) !== 0n ? 0 : reserve(env, map, env.arg64(2))),
  }),
  defineHelper({
    id: 132,
    name: 'bpf_ringbuf_submit',
    since: '5.8',
    proto: nothing([RINGBUF_MEM_RELEASE, ANY]),
    run: (env, addr, flags) => {
      commit(env, addr, false, flags);
      return 0;
    },
  }),
  defineHelper({
    id: 133,
    name: 'bpf_ringbuf_discard',
    since: '5.8',
    proto: nothing([RINGBUF_MEM_RELEASE, ANY]),
    run: (env, addr, flags) => {
      commit(env, addr, true, flags);
      return 0;
    },
  }),
  defineHelper({
    id: 134,
    name: 'bpf_ringbuf_query',
    since: '5.8',
    proto: int([MAP, ANY]),
    run: (env, map) => {
      const what = env.arg64(2);
      return what > 3n ? 0 : ringbufAt(env, map).query(Number(what));
    },
  }),
  defineHelper({
    id: 198,
    name: 'bpf_ringbuf_reserve_dynptr',
    since: '5.19',
    proto: int([MAP, ANY, ANY, DYNPTR_RINGBUF_OUT]),
    run: reserveDynptr,
  }),
  defineHelper({
    id: 199,
    name: 'bpf_ringbuf_submit_dynptr',
    since: '5.19',
    proto: nothing([DYNPTR_RINGBUF_RELEASE, ANY]),
    run: (env, at, flags) => {
      commitDynptr(env, at, false, flags);
      return 0;
    },
  }),
  defineHelper({
    id: 200,
    name: 'bpf_ringbuf_discard_dynptr',
    since: '5.19',
    proto: nothing([DYNPTR_RINGBUF_RELEASE, ANY]),
    run: (env, at, flags) => {
      commitDynptr(env, at, true, flags);
      return 0;
    },
  }),
  defineHelper({
    id: 209,
    name: 'bpf_user_ringbuf_drain',
    since: '6.1',
    proto: int([MAP, FUNC, STACK_OR_NULL, ANY]),
    run: drain,
  }),
];
