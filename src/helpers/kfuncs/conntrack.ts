import { ERRNO } from '../../uapi/index.ts';
import { readU32, writeU32 } from '../memory.ts';
import { ANY, CTX, MEM_IN, MEM_INOUT, SIZE } from '../proto.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning, silent } from './define.ts';

const { EINVAL, EPROTO, EAFNOSUPPORT, ENOENT } = ERRNO;

/** `struct bpf_ct_opts`; programs of before zones know the first 12 bytes. */
const OPTS = { netnsId: 0, error: 4, l4proto: 8, zoneId: 10, zoneDir: 12, reserved: 13, sizeBytes: 16 } as const;
const OLDER_OPTS_BYTES = 12;
const DEFAULT_ZONE_DIR = 3;
/** Tuples of `struct bpf_sock_tuple`: IPv4, IPv6. */
const TUPLE_BYTES: readonly number[] = [12, 36];
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const ENONET = 64;
const CURRENT_NETNS = -1;

/** Why a look-up fails: what the kernel looks at first, and then that no connection is known. */
function lookupError(env: HelperEnv, tuple: number, tupleBytes: number, opts: number, optsBytes: number): number {
  const { u8, view, littleEndian } = env.mem;
  if (tuple === 0 || (optsBytes !== OPTS.sizeBytes && optsBytes !== OLDER_OPTS_BYTES)) return EINVAL;
  if (optsBytes === OPTS.sizeBytes) {
    if (u8.subarray(opts + OPTS.reserved, opts + OPTS.sizeBytes).some(byte => byte !== 0)) return EINVAL;
  } else if (view.getUint16(opts + OPTS.zoneId, littleEndian) !== 0) return EINVAL;
  const protocol = u8[opts + OPTS.l4proto];
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return EPROTO;
  const netns = readU32(env, opts + OPTS.netnsId) | 0;
  if (netns < CURRENT_NETNS) return EINVAL;
  if (!TUPLE_BYTES.includes(tupleBytes)) return EAFNOSUPPORT;
  if (netns >= 0) return ENONET;
  if (optsBytes === OPTS.sizeBytes && u8[opts + OPTS.zoneDir] === 0) u8[opts + OPTS.zoneDir] = DEFAULT_ZONE_DIR;
  return ENOENT;
}

const lookup: HelperDef['run'] = (env, _ctx, tuple, tupleBytes, opts, optsBytes) => {
  const error = lookupError(env, tuple, tupleBytes, opts, optsBytes);
  if (optsBytes >= OPTS.error + 4) writeU32(env, opts + OPTS.error, -error >>> 0);
  return 0;
};
// The fifth argument of these is the size of the fourth.
const LOOKUP = [CTX, MEM_IN, SIZE, MEM_INOUT, SIZE] as const;

/** Connections (`net/netfilter/nf_conntrack_bpf.c`): none is known. */
export const CONNTRACK_KFUNCS: readonly HelperDef[] = [
  returning('bpf_skb_ct_lookup', '5.18', LOOKUP, lookup),
  returning('bpf_xdp_ct_lookup', '5.18', LOOKUP, lookup),
  silent('bpf_ct_release', '5.18', [ANY]),
];
