import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { SK_BUFF } from './context-layout.ts';
import { writeU32 } from './memory.ts';
import { packetLength, packetOf } from './packet.ts';
import { ANY, CTX, int, MEM_IN, MEM_OUT, SIZE } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const RECOMPUTE_OR_INVALIDATE = 3n;
const BPF_F_INVALIDATE_HASH = 2;

/** Copies packet bytes out; zeroes and -EFAULT when they are not all there. */
function copyOut(env: HelperEnv, from: number, to: number, size: number): number {
  const { u8 } = env.mem;
  if (from < 0) {
    u8.fill(0, to, to + size);
    return -ERRNO.EFAULT;
  }
  u8.copyWithin(to, from, from + size);
  return 0;
}

/** Bytes of an skb (`net/core/filter.c`). Packets are linear: whatever is in the packet may be accessed directly. */
export const SKB_BYTES_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 9,
    name: 'bpf_skb_store_bytes',
    since: '4.1',
    proto: int([CTX, ANY, MEM_IN, SIZE, ANY]),
    run: (env, skb, offset, from, size) => {
      const packet = packetOf(env);
      const flags = env.arg64(5);
      if (flags > RECOMPUTE_OR_INVALIDATE) return -ERRNO.EINVAL;
      if (offset > 0x7fffffff || offset + size > packetLength(packet)) return -ERRNO.EFAULT;
      env.mem.u8.copyWithin(packet.data + offset, from, from + size);
      if ((Number(flags) & BPF_F_INVALIDATE_HASH) !== 0) writeU32(env, skb + SK_BUFF.hash, 0);
      return 0;
    },
  }),
  defineHelper({
    id: 26,
    name: 'bpf_skb_load_bytes',
    since: '4.5',
    proto: int([CTX, ANY, MEM_OUT, SIZE]),
    run: (env, _skb, offset, to, size) => {
      const packet = packetOf(env);
      const inside = offset <= 0x7fffffff && offset + size <= packetLength(packet);
      return copyOut(env, inside ? packet.data + offset : -1, to, size);
    },
  }),
  defineHelper({
    id: 68,
    name: 'bpf_skb_load_bytes_relative',
    since: '4.18',
    proto: int([CTX, ANY, MEM_OUT, SIZE, ANY]),
    run: (env, _skb, offset, to, size, header) => {
      const packet = packetOf(env);
      const start = header === 0 ? packet.macAddr : header === 1 ? packet.networkAddr : -1;
      const inside = start >= 0 && offset <= 0xffff && start + offset + size <= packet.dataEnd;
      return copyOut(env, inside ? start + offset : -1, to, size);
    },
  }),
  defineHelper({
    id: 39,
    name: 'bpf_skb_pull_data',
    since: '4.9',
    proto: int([CTX, ANY]),
    run: (env, _skb, size) => (size > packetLength(packetOf(env)) ? -ERRNO.ENOMEM : 0),
  }),
];
