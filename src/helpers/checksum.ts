import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { packetLength, packetOf } from './packet.ts';
import { ANY, CTX, int, MEM_IN_OR_NULL, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

// Internet checksums (RFC 1071). Sums are one's complement, so they may be taken in the machine's byte order.

const csumAdd = (a: number, b: number): number => {
  const sum = (a >>> 0) + (b >>> 0);
  return (sum >>> 0) + (sum > 0xffffffff ? 1 : 0);
};
const csumFold = (csum: number): number => {
  const sum = (csum >>> 16) + (csum & 0xffff);
  return ~(sum + (sum >>> 16)) & 0xffff;
};
const csum16Add = (a: number, b: number): number => {
  const sum = (a & 0xffff) + (b & 0xffff);
  return (sum & 0xffff) + (sum >>> 16);
};

/** The checksum after 16 bits under it changed (`csum_replace2`). */
export const csumReplace2 = (sum: number, from: number, to: number): number =>
  ~csum16Add(csum16Add(~sum, ~from), to) & 0xffff;
const csumReplace4 = (sum: number, from: number, to: number): number =>
  csumFold(csumAdd(csumAdd(~sum & 0xffff, ~from), to));
const csumReplaceByDiff = (sum: number, diff: number): number => csumFold(csumAdd(diff, ~sum & 0xffff));

const BPF_F_HDR_FIELD_MASK = 0xfn;
const BPF_F_MARK_MANGLED_0 = 0x20n;
const BPF_F_MARK_ENFORCE = 0x40n;
const L4_FLAGS = 0xffn;
/** What UDP sends for a computed checksum of zero. */
const CSUM_MANGLED_0 = 0xffff;

type Replace = (sum: number, from: number, to: number) => number;

/** Replaces by field size: 0 takes a difference in `to`. */
const L3: Readonly<Record<number, Replace>> = {
  0: (sum, _from, to) => csumReplaceByDiff(sum, to),
  2: csumReplace2,
  4: csumReplace4,
};
const L4: Readonly<Record<number, Replace>> = {
  0: (sum, _from, to) => csumReplaceByDiff(sum, to),
  2: (sum, from, to) => csumReplace4(sum, from & 0xffff, to & 0xffff),
  4: csumReplace4,
};

/** Replaces the checksum `offset` bytes into the packet. */
function csumReplace(
  env: HelperEnv,
  offset: number,
  table: Readonly<Record<number, Replace>>,
  allowed: bigint,
): number {
  const flags = env.arg64(5);
  if ((flags & ~allowed) !== 0n) return -ERRNO.EINVAL;
  const packet = packetOf(env);
  if (offset > 0xffff || (offset & 1) !== 0 || offset + 2 > packetLength(packet)) return -ERRNO.EFAULT;
  const { view, littleEndian } = env.mem;
  const at = packet.data + offset;
  const sum = view.getUint16(at, littleEndian);
  const mangled = allowed === L4_FLAGS && (flags & BPF_F_MARK_MANGLED_0) !== 0n;
  if (mangled && (flags & BPF_F_MARK_ENFORCE) === 0n && sum === 0) return 0;
  const size = Number(flags & BPF_F_HDR_FIELD_MASK);
  const replace = table[size];
  if (replace === undefined || (size === 0 && env.arg64(3) !== 0n)) return -ERRNO.EINVAL;
  const next = replace(sum, env.regs[6], env.regs[8]);
  view.setUint16(at, mangled && next === 0 ? CSUM_MANGLED_0 : next, littleEndian);
  return 0;
}

/** Largest sum of both sizes `csum_diff` takes: its scratch buffer. */
const MAX_DIFF_BYTES = 512;

function csumDiff(env: HelperEnv, from: number, fromSize: number, to: number, toSize: number, seed: number): number {
  if (((fromSize | toSize) & 3) !== 0 || fromSize + toSize > MAX_DIFF_BYTES) return -ERRNO.EINVAL;
  const { view, littleEndian } = env.mem;
  let sum = seed;
  for (let i = 0; i < fromSize; i += 4) sum += ~view.getInt32(from + i, littleEndian) >>> 0;
  for (let i = 0; i < toSize; i += 4) sum += view.getUint32(to + i, littleEndian);
  return csumAdd(Math.floor(sum / 2 ** 32), sum % 2 ** 32);
}

/** What `bpf_csum_level` does to {@link PacketAccess.csumLevel}, by its second argument. */
const MAX_CSUM_LEVEL = 3;
const LEVEL: readonly ((level: number) => number)[] = [
  level => level,
  level => (level < MAX_CSUM_LEVEL ? level + 1 : level),
  level => (level < 0 ? level : level - 1),
  () => -1,
];

/** Checksums of packets (`net/core/filter.c`). Packets of a test run carry none the device has verified. */
export const CHECKSUM_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 10,
    name: 'bpf_l3_csum_replace',
    since: '4.1',
    proto: int([CTX, ANY, ANY, ANY, ANY]),
    run: (env, _skb, offset) => csumReplace(env, offset, L3, BPF_F_HDR_FIELD_MASK),
  }),
  defineHelper({
    id: 11,
    name: 'bpf_l4_csum_replace',
    since: '4.1',
    proto: int([CTX, ANY, ANY, ANY, ANY]),
    run: (env, _skb, offset) => csumReplace(env, offset, L4, L4_FLAGS),
  }),
  defineHelper({
    id: 28,
    name: 'bpf_csum_diff',
    since: '4.6',
    proto: int([MEM_IN_OR_NULL, SIZE_OR_ZERO, MEM_IN_OR_NULL, SIZE_OR_ZERO, ANY], 'pktAccess'),
    run: csumDiff,
  }),
  defineHelper({ id: 40, name: 'bpf_csum_update', since: '4.9', proto: int([CTX, ANY]), run: () => -ERRNO.ENOTSUPP }),
  defineHelper({
    id: 135,
    name: 'bpf_csum_level',
    since: '5.8',
    proto: int([CTX, ANY]),
    run: env => {
      const packet = packetOf(env);
      const op = env.arg64(2);
      if (op > 3n) return -ERRNO.EINVAL;
      if (op === 0n) return packet.csumLevel < 0 ? -ERRNO.EACCES : packet.csumLevel;
      packet.csumLevel = LEVEL[Number(op)](packet.csumLevel);
      return 0;
    },
  }),
];
