import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { SK_BUFF } from './context-layout.ts';
import { readU32, readU64, writeU32, writeU64 } from './memory.ts';
import { packetLength, packetOf } from './packet.ts';
import {
  ALLOC_SIZE,
  ANY,
  DYNPTR_IN,
  DYNPTR_LOCAL_OUT,
  int,
  MEM_IN,
  MEM_OUT,
  pointer,
  SIZE_OR_ZERO,
  TO_MEM_OR_NULL,
} from './proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from './types.ts';
import { copyXdp } from './xdp.ts';

const { EINVAL, E2BIG, EFAULT } = ERRNO;

/**
 * What a dynptr points into. In memory it is laid out as `struct bpf_dynptr_kern` (`include/linux/bpf.h`):
 *
 * ```
 *   0          8                      12       16
 *   | data u64 | rdonly:1 type:3 size:28 | offset |     data 0 is the null dynptr; size uses 24 bits
 * ```
 */
export const DYNPTR_TYPE = { local: 1, ringbuf: 2, skb: 3, xdp: 4 } as const;
const MAX_SIZE = (1 << 24) - 1;
const TYPE_SHIFT = 28;
const RDONLY_BIT = 0x80000000;

export interface Dynptr {
  /** Address of the bytes; of the context for packets. 0 for null. */
  readonly data: number;
  readonly type: number;
  readonly readOnly: boolean;
  readonly sizeBytes: number;
  readonly offBytes: number;
}

export function readDynptr(env: HelperEnv, at: number): Dynptr {
  const word = readU32(env, at + 8);
  const data = readU64(env, at);
  return {
    data: data < BigInt(env.mem.u8.length) ? Number(data) : 0,
    type: (word >>> TYPE_SHIFT) & 7,
    readOnly: word >>> 31 === 1,
    sizeBytes: word & MAX_SIZE,
    offBytes: readU32(env, at + 12),
  };
}

export function writeDynptr(env: HelperEnv, at: number, dynptr: Dynptr): void {
  writeU64(env, at, BigInt(dynptr.data));
  writeU32(env, at + 8, (dynptr.sizeBytes | (dynptr.type << TYPE_SHIFT) | (dynptr.readOnly ? RDONLY_BIT : 0)) >>> 0);
  writeU32(env, at + 12, dynptr.offBytes);
}

export function setNullDynptr(env: HelperEnv, at: number): void {
  env.mem.u8.fill(0, at, at + 16);
}

/** `bpf_dynptr_check_size`. */
export const dynptrSizeError = (size: number): number => (size > MAX_SIZE ? -E2BIG : 0);

/** `bpf_dynptr_check_off_len`. */
export const outsideDynptr = (dynptr: Dynptr, off: number, size: number): boolean =>
  size > dynptr.sizeBytes || off > dynptr.sizeBytes - size;

/**
 * Address of `size` bytes at `off`: of the memory itself, or of a linear packet; 0 when they are not in one piece.
 * A forged dynptr ends the run instead of reaching other memory.
 */
export function dynptrPlace(env: HelperEnv, dynptr: Dynptr, off: number, size: number): number {
  const isPacket = dynptr.type === DYNPTR_TYPE.skb || dynptr.type === DYNPTR_TYPE.xdp;
  if (isPacket) {
    const packet = packetOf(env);
    const at = dynptr.offBytes + off;
    return at + size <= packetLength(packet) ? packet.data + at : 0;
  }
  const place = dynptr.data + dynptr.offBytes + off;
  if (size === 0 || env.mem.accessible(place, size, dynptr.readOnly ? 'read' : 'write') !== undefined) return place;
  throw new ProgramFault('out-of-bounds', 'the dynptr points outside memory', BigInt(place), size);
}

/** Copies between a buffer and a dynptr; returns 0 or -errno. */
function copyDynptr(env: HelperEnv, dynptr: Dynptr, off: number, buf: number, size: number, store: boolean): number {
  if (dynptr.data === 0) return -EINVAL;
  if (outsideDynptr(dynptr, off, size)) return -E2BIG;
  if (dynptr.type === DYNPTR_TYPE.xdp) return copyXdp(env, packetOf(env), dynptr.offBytes + off, buf, size, store);
  const place = dynptrPlace(env, dynptr, off, size);
  const { u8 } = env.mem;
  if (place === 0) {
    if (!store) u8.fill(0, buf, buf + size);
    return -EFAULT;
  }
  if (store) u8.copyWithin(place, buf, buf + size);
  else u8.copyWithin(buf, place, place + size);
  return 0;
}

/** BPF_F_RECOMPUTE_CSUM and BPF_F_INVALIDATE_HASH, for stores into packets. */
const STORE_FLAGS = 3n;
const BPF_F_INVALIDATE_HASH = 2n;

function dynptrWrite(env: HelperEnv, at: number, off: number, from: number, size: number): number {
  const flags = env.arg64(5);
  const dynptr = readDynptr(env, at);
  if (dynptr.data === 0 || dynptr.readOnly) return -EINVAL;
  if (outsideDynptr(dynptr, off, size)) return -E2BIG;
  if (flags > (dynptr.type === DYNPTR_TYPE.skb ? STORE_FLAGS : 0n)) return -EINVAL;
  const result = copyDynptr(env, dynptr, off, from, size, true);
  if (result === 0 && (flags & BPF_F_INVALIDATE_HASH) !== 0n) writeU32(env, env.ctxAddr + SK_BUFF.hash, 0);
  return result;
}

/** Program types that may write packets (`kernel/bpf/verifier.c: may_access_direct_pkt_data`); others get read-only dynptrs. */
const DIRECT_WRITE: ReadonlySet<number> = new Set([
  bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS,
  bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT,
  bpf_prog_type.BPF_PROG_TYPE_XDP,
  bpf_prog_type.BPF_PROG_TYPE_LWT_XMIT,
  bpf_prog_type.BPF_PROG_TYPE_SK_SKB,
  bpf_prog_type.BPF_PROG_TYPE_SK_MSG,
]);

/** The dynptr over the packet of this run: `bpf_dynptr_from_skb`, `bpf_dynptr_from_xdp`. */
export function packetDynptr(env: HelperEnv, at: number, flags: bigint): number {
  if (flags !== 0n) {
    setNullDynptr(env, at);
    return -EINVAL;
  }
  const packet = packetOf(env);
  const xdp = env.progType === bpf_prog_type.BPF_PROG_TYPE_XDP;
  const sizeBytes = packetLength(packet) + packet.frags.length;
  const type = xdp ? DYNPTR_TYPE.xdp : DYNPTR_TYPE.skb;
  const readOnly = !DIRECT_WRITE.has(env.progType);
  writeDynptr(env, at, { data: env.ctxAddr, type, readOnly, sizeBytes, offBytes: 0 });
  return 0;
}

/** Pointers that know their bounds (`kernel/bpf/helpers.c`). */
export const DYNPTR_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 197,
    name: 'bpf_dynptr_from_mem',
    since: '5.19',
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY, DYNPTR_LOCAL_OUT]),
    run: (env, data, size, _flags, at) => {
      const error = dynptrSizeError(size) || (env.arg64(3) !== 0n ? -EINVAL : 0);
      if (error !== 0) setNullDynptr(env, at);
      else writeDynptr(env, at, { data, type: DYNPTR_TYPE.local, readOnly: false, sizeBytes: size, offBytes: 0 });
      return error;
    },
  }),
  defineHelper({
    id: 201,
    name: 'bpf_dynptr_read',
    since: '5.19',
    proto: int([MEM_OUT, SIZE_OR_ZERO, DYNPTR_IN, ANY, ANY]),
    run: (env, buf, size, at, off) => {
      const dynptr = readDynptr(env, at);
      return env.arg64(5) !== 0n ? -EINVAL : copyDynptr(env, dynptr, off, buf, size, false);
    },
  }),
  defineHelper({
    id: 202,
    name: 'bpf_dynptr_write',
    since: '5.19',
    proto: int([DYNPTR_IN, ANY, MEM_IN, SIZE_OR_ZERO, ANY]),
    run: dynptrWrite,
  }),
  defineHelper({
    id: 203,
    name: 'bpf_dynptr_data',
    since: '5.19',
    proto: pointer(TO_MEM_OR_NULL, [DYNPTR_IN, ANY, ALLOC_SIZE]),
    run: (env, at, off, size) => {
      const dynptr = readDynptr(env, at);
      const direct = dynptr.type === DYNPTR_TYPE.local || dynptr.type === DYNPTR_TYPE.ringbuf;
      if (dynptr.data === 0 || outsideDynptr(dynptr, off, size) || dynptr.readOnly || !direct) return 0;
      return dynptrPlace(env, dynptr, off, size);
    },
  }),
];
