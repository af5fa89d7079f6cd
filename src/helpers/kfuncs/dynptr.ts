import { bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { defineHelper } from '../check.ts';
import {
  DYNPTR_TYPE,
  type Dynptr,
  dynptrPlace,
  outsideDynptr,
  packetDynptr,
  readDynptr,
  setNullDynptr,
  writeDynptr,
} from '../dynptr.ts';
import { packetOf } from '../packet.ts';
import { ANY, CTX, DYNPTR_IN, fixed, int, MEM_OR_NULL } from '../proto.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { copyXdp } from '../xdp.ts';
import { returning } from './define.ts';

const { EINVAL, ERANGE } = ERRNO;
const POINTERS_TO_PACKETS = [
  bpf_prog_type.BPF_PROG_TYPE_TRACING,
  bpf_prog_type.BPF_PROG_TYPE_LSM,
  bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS,
  bpf_prog_type.BPF_PROG_TYPE_NETFILTER,
];
/** A dynptr the function fills. */
const OUT = fixed(16, 'MEM_UNINIT', 'MEM_WRITE');

/** `bpf_dynptr_slice`: the bytes themselves where they are in one piece, else a copy in `buf`. */
function slice(env: HelperEnv, dynptr: Dynptr, off: number, buf: number, size: number): number {
  if (dynptr.data === 0 || outsideDynptr(dynptr, off, size)) return 0;
  const place = dynptrPlace(env, dynptr, off, size);
  if (place !== 0 || dynptr.type !== DYNPTR_TYPE.xdp || buf === 0) return place;
  return copyXdp(env, packetOf(env), dynptr.offBytes + off, buf, size, false) === 0 ? buf : 0;
}

function adjust(env: HelperEnv, at: number, start: number, end: number): number {
  const dynptr = readDynptr(env, at);
  if (dynptr.data === 0 || start > end) return -EINVAL;
  if (start > dynptr.sizeBytes || end > dynptr.sizeBytes) return -ERANGE;
  writeDynptr(env, at, { ...dynptr, offBytes: dynptr.offBytes + start, sizeBytes: end - start });
  return 0;
}

function clone(env: HelperEnv, at: number, to: number): number {
  if (readDynptr(env, at).data === 0) {
    setNullDynptr(env, to);
    return -EINVAL;
  }
  env.mem.u8.copyWithin(to, at, at + 16);
  return 0;
}

/** `kernel/bpf/helpers.c`, `net/core/filter.c`: dynptrs beyond what the helpers offer. */
export const DYNPTR_KFUNCS: readonly HelperDef[] = [
  // Programs that are given a pointer to the packet rather than a context of it may have one to any packet.
  defineHelper({
    id: 0,
    name: 'bpf_dynptr_from_skb',
    since: '6.4',
    proto: int([CTX, ANY, OUT]),
    variants: [{ progTypes: POINTERS_TO_PACKETS, proto: int([ANY, ANY, OUT]) }],
    run: (env, _skb, _flags, at) => {
      if (env.packet !== undefined) return packetDynptr(env, at, env.arg64(2));
      setNullDynptr(env, at);
      return -EINVAL;
    },
  }),
  returning('bpf_dynptr_from_xdp', '6.4', [CTX, ANY, OUT], (env, _xdp, _flags, at) =>
    packetDynptr(env, at, env.arg64(2)),
  ),
  returning('bpf_dynptr_slice', '6.4', [DYNPTR_IN, ANY, MEM_OR_NULL], (env, at, off, buf, size) =>
    slice(env, readDynptr(env, at), off, buf, size),
  ),
  returning('bpf_dynptr_slice_rdwr', '6.4', [DYNPTR_IN, ANY, MEM_OR_NULL], (env, at, off, buf, size) => {
    const dynptr = readDynptr(env, at);
    return dynptr.readOnly ? 0 : slice(env, dynptr, off, buf, size);
  }),
  returning('bpf_dynptr_adjust', '6.5', [fixed(16, 'MEM_WRITE')], adjust),
  returning('bpf_dynptr_is_null', '6.5', [DYNPTR_IN], (env, at) => (readDynptr(env, at).data === 0 ? 1 : 0)),
  returning('bpf_dynptr_is_rdonly', '6.5', [DYNPTR_IN], (env, at) => {
    const { data, readOnly } = readDynptr(env, at);
    return data !== 0 && readOnly ? 1 : 0;
  }),
  returning('bpf_dynptr_size', '6.5', [DYNPTR_IN], (env, at) => {
    const { data, sizeBytes } = readDynptr(env, at);
    return data === 0 ? -EINVAL : sizeBytes;
  }),
  returning('bpf_dynptr_clone', '6.5', [DYNPTR_IN, OUT], clone),
];
