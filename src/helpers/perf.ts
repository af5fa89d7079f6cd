import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { concatBytes } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { packetLength } from './packet.ts';
import { ANY, btf, CTX, int, MAP, MEM_IN, MEM_OR_NULL, MEM_OUT, SIZE, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EFAULT, E2BIG, ENOENT, EOPNOTSUPP } = ERRNO;
const INDEX_MASK = 0xffffffffn;
const CTXLEN_MASK = 0xfffffn << 32n;
const CURRENT_CPU = 0xffffffff;

/** Program types whose contexts may add packet bytes to a record. */
const WITH_PACKET: ReadonlySet<number> = new Set([
  bpf_prog_type.BPF_PROG_TYPE_SOCKET_FILTER,
  bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS,
  bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT,
  bpf_prog_type.BPF_PROG_TYPE_XDP,
  bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB,
  bpf_prog_type.BPF_PROG_TYPE_LWT_IN,
  bpf_prog_type.BPF_PROG_TYPE_LWT_OUT,
  bpf_prog_type.BPF_PROG_TYPE_LWT_XMIT,
  bpf_prog_type.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  bpf_prog_type.BPF_PROG_TYPE_SK_SKB,
]);

/** The first `size` bytes of the packet, fragments included; undefined when it is shorter. */
function packetBytes(env: HelperEnv, size: number): Uint8Array | undefined {
  const packet = env.packet;
  if (packet === undefined || size > packetLength(packet) + packet.frags.length) return undefined;
  const linear = Math.min(size, packetLength(packet));
  return concatBytes([env.mem.read(packet.data, linear), packet.frags.subarray(0, size - linear)]);
}

/** The slot `flags` name, or -errno. */
function slotOf(env: HelperEnv, mapAddr: number, flags: bigint): number {
  const index = Number(flags & INDEX_MASK);
  const slot = index === CURRENT_CPU ? env.cpu : index;
  return slot >= env.mapAt(mapAddr)!.def.maxEntries ? -E2BIG : slot;
}

/** `bpf_perf_event_output` and its variants for skbs and XDP: `data`, then as much of the packet as the flags ask. */
function perfOutput(env: HelperEnv, _ctx: number, mapAddr: number, _flags: number, data: number, size: number): number {
  const flags = env.arg64(3);
  const withPacket = WITH_PACKET.has(env.progType);
  if ((flags & ~(withPacket ? INDEX_MASK | CTXLEN_MASK : INDEX_MASK)) !== 0n) return -EINVAL;
  const packetSize = Number((flags & CTXLEN_MASK) >> 32n);
  const packet = packetSize === 0 ? undefined : packetBytes(env, packetSize);
  if (packetSize !== 0 && packet === undefined) return -EFAULT;
  const bytes = env.mem.read(data, size);
  return record(env, mapAddr, flags, packet === undefined ? bytes : concatBytes([bytes, packet]));
}

function record(env: HelperEnv, mapAddr: number, flags: bigint, bytes: Uint8Array): number {
  const slot = slotOf(env, mapAddr, flags);
  if (slot < 0) return slot;
  // An event only takes records from the CPU it is bound to, and slot n is CPU n's.
  return slot === env.cpu ? env.perfOutput(env.mapAt(mapAddr)!, slot, bytes) : -EOPNOTSUPP;
}

function objectOutput(
  env: HelperEnv,
  _object: number,
  mapAddr: number,
  _flags: number,
  data: number,
  size: number,
): number {
  const flags = env.arg64(3);
  if ((flags & ~(INDEX_MASK | CTXLEN_MASK)) !== 0n) return -EINVAL;
  return (flags & CTXLEN_MASK) === 0n ? record(env, mapAddr, flags, env.mem.read(data, size)) : -EFAULT;
}

/** Counters: the slots hold output events, nothing that counts. */
function perfRead(env: HelperEnv, mapAddr: number): number {
  const flags = env.arg64(2);
  if ((flags & ~INDEX_MASK) !== 0n) return -EINVAL;
  const slot = slotOf(env, mapAddr, flags);
  return slot < 0 ? slot : -ENOENT;
}

/** Perf events (`kernel/trace/bpf_trace.c`). */
export const PERF_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 25,
    name: 'bpf_perf_event_output',
    since: '4.4',
    proto: int([CTX, MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
    run: perfOutput,
  }),
  // Tracing programs name a packet of the kernel's by a pointer to it; there are none but of the length 0.
  defineHelper({
    id: 111,
    name: 'bpf_skb_output',
    since: '5.5',
    proto: int([btf('sk_buff'), MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
    run: objectOutput,
  }),
  defineHelper({
    id: 121,
    name: 'bpf_xdp_output',
    since: '5.7',
    proto: int([btf('xdp_buff'), MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
    run: objectOutput,
  }),
  defineHelper({ id: 22, name: 'bpf_perf_event_read', since: '4.3', proto: int([MAP, ANY], 'gplOnly'), run: perfRead }),
  defineHelper({
    id: 55,
    name: 'bpf_perf_event_read_value',
    since: '4.15',
    proto: int([MAP, ANY, MEM_OUT, SIZE], 'gplOnly'),
    run: (env, map, _flags, buf, size) => {
      env.mem.u8.fill(0, buf, buf + size);
      return size === 24 ? perfRead(env, map) : -EINVAL;
    },
  }),
  defineHelper({
    id: 56,
    name: 'bpf_perf_prog_read_value',
    since: '4.15',
    proto: int([CTX, MEM_OUT, SIZE], 'gplOnly'),
    run: (env, _ctx, buf, size) => {
      env.mem.u8.fill(0, buf, buf + size);
      return -EINVAL;
    },
  }),
  defineHelper({
    id: 119,
    name: 'bpf_read_branch_records',
    since: '5.6',
    proto: int([CTX, MEM_OR_NULL, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: () => -ENOENT,
  }),
  defineHelper({
    id: 176,
    name: 'bpf_get_branch_snapshot',
    since: '5.16',
    proto: int([MEM_OUT, SIZE_OR_ZERO], 'gplOnly'),
    run: env => (env.arg64(3) === 0n ? -ENOENT : -EINVAL),
  }),
];
