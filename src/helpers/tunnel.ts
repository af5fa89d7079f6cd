import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { packetOf } from './packet.ts';
import { ANY, CTX, int, MEM_IN, MEM_OUT, SIZE } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, ENOENT, ENOMEM, EPROTO } = ERRNO;

/** `struct bpf_tunnel_key`. */
const KEY = { tunnelId: 0, remote: 4, tos: 20, ttl: 21, ext: 22, label: 24, local: 28, sizeBytes: 44 } as const;
/** Sizes older programs know the struct by: without the parts that came later. */
const REMOTE_IPV4_ONLY = KEY.remote + 4;
const OLDER_SIZES: readonly number[] = [KEY.local, KEY.label, KEY.ext];
const OPTIONS_MAX_BYTES = 255;
const LABEL_MASK = 0x000fffff;

const F = BPF_FLAGS;
const SET_FLAGS = BigInt(
  F.BPF_F_TUNINFO_IPV6 | F.BPF_F_ZERO_CSUM_TX | F.BPF_F_DONT_FRAGMENT | F.BPF_F_SEQ_NUMBER | F.BPF_F_NO_TUNNEL_KEY,
);
const GET_FLAGS = BigInt(F.BPF_F_TUNINFO_IPV6 | F.BPF_F_TUNINFO_FLAGS);

/** Bits of `IP_TUNNEL_*` as programs see them, in network order. */
const TUNNEL = {
  csum: 0x01,
  key: 0x04,
  sequence: 0x08,
  dontFragment: 0x0100,
  noCache: 0x2000,
  options: 0xd800,
} as const;

/** Where a packet is to be sent through a tunnel: metadata a program gave it. */
interface TunnelInfo {
  readonly ipv6: boolean;
  /** As the program wrote it, at its full size. */
  readonly key: Uint8Array;
  flags: number;
  options: Uint8Array;
}

const INFOS = Symbol('tunnel metadata');
const infosOf = (env: HelperEnv): WeakMap<object, TunnelInfo> =>
  env.state<WeakMap<object, TunnelInfo>>(INFOS, () => new WeakMap());

function setKey(env: HelperEnv, _skb: number, from: number, size: number): number {
  const flags = env.arg64(4);
  if ((flags & ~SET_FLAGS) !== 0n) return -EINVAL;
  if (size !== KEY.sizeBytes && size !== REMOTE_IPV4_ONLY && !OLDER_SIZES.includes(size)) return -EINVAL;
  const key = new Uint8Array(KEY.sizeBytes);
  key.set(env.mem.read(from, size));
  const view = new DataView(key.buffer);
  const little = env.mem.littleEndian;
  const has = (flag: number): boolean => (flags & BigInt(flag)) !== 0n;
  const ipv6 = has(F.BPF_F_TUNINFO_IPV6);
  if ((!ipv6 && view.getUint32(KEY.label, little) !== 0) || view.getUint16(KEY.ext, little) !== 0) return -EINVAL;
  view.setUint32(KEY.label, view.getUint32(KEY.label, little) & LABEL_MASK, little);
  const bits = [
    TUNNEL.noCache,
    has(F.BPF_F_DONT_FRAGMENT) ? TUNNEL.dontFragment : 0,
    has(F.BPF_F_ZERO_CSUM_TX) ? 0 : TUNNEL.csum,
    has(F.BPF_F_SEQ_NUMBER) ? TUNNEL.sequence : 0,
    has(F.BPF_F_NO_TUNNEL_KEY) ? 0 : TUNNEL.key,
  ];
  const info = { ipv6, key, flags: bits.reduce((sum, bit) => sum | bit, 0), options: new Uint8Array(0) };
  infosOf(env).set(packetOf(env), info);
  return 0;
}

/** What a packet that goes out by an IPv4 address would say if it came in: source and destination are the other way round. */
function readKey(info: TunnelInfo, withFlags: boolean, little: boolean): Uint8Array {
  const out = info.key.slice();
  const view = new DataView(out.buffer);
  const end = info.ipv6 ? 16 : 4;
  out.fill(0, KEY.remote, KEY.remote + 16);
  out.fill(0, KEY.local, KEY.local + 16);
  out.set(info.key.subarray(KEY.local, KEY.local + end), KEY.remote);
  out.set(info.key.subarray(KEY.remote, KEY.remote + end), KEY.local);
  view.setUint16(KEY.ext, 0, little);
  if (withFlags) view.setUint16(KEY.ext, info.flags, false);
  if (!info.ipv6) view.setUint32(KEY.label, 0, little);
  return out;
}

function getKey(env: HelperEnv, _skb: number, to: number, size: number): number {
  const flags = env.arg64(4);
  const info = infosOf(env).get(packetOf(env));
  const fail = (error: number): number => {
    env.mem.u8.fill(0, to, to + size);
    return -error;
  };
  if (info === undefined || (flags & ~GET_FLAGS) !== 0n) return fail(EINVAL);
  if (info.ipv6 !== ((flags & BigInt(F.BPF_F_TUNINFO_IPV6)) !== 0n)) return fail(EPROTO);
  const known = size === KEY.sizeBytes || OLDER_SIZES.includes(size) || (size === REMOTE_IPV4_ONLY && !info.ipv6);
  if (!known) return fail(EINVAL);
  const withFlags = (flags & BigInt(F.BPF_F_TUNINFO_FLAGS)) !== 0n;
  env.mem.write(to, readKey(info, withFlags, env.mem.littleEndian).subarray(0, size));
  return 0;
}

function setOptions(env: HelperEnv, _skb: number, from: number, size: number): number {
  const info = infosOf(env).get(packetOf(env));
  if (info === undefined || size % 4 !== 0) return -EINVAL;
  if (size > OPTIONS_MAX_BYTES) return -ENOMEM;
  info.options = env.mem.read(from, size);
  info.flags |= TUNNEL.options;
  return 0;
}

function getOptions(env: HelperEnv, _skb: number, to: number, size: number): number {
  const options = infosOf(env).get(packetOf(env))?.options ?? new Uint8Array(0);
  env.mem.u8.fill(0, to, to + size);
  if (options.length === 0) return -ENOENT;
  if (size < options.length) return -ENOMEM;
  env.mem.write(to, options);
  return options.length;
}

/** Metadata of collect-metadata tunnels (`net/core/filter.c`). No packet comes out of one: what is read is what was set. */
export const TUNNEL_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 20,
    name: 'bpf_skb_get_tunnel_key',
    since: '4.3',
    proto: int([CTX, MEM_OUT, SIZE, ANY]),
    run: getKey,
  }),
  defineHelper({
    id: 21,
    name: 'bpf_skb_set_tunnel_key',
    since: '4.3',
    proto: int([CTX, MEM_IN, SIZE, ANY]),
    run: setKey,
  }),
  defineHelper({
    id: 29,
    name: 'bpf_skb_get_tunnel_opt',
    since: '4.6',
    proto: int([CTX, MEM_OUT, SIZE]),
    run: getOptions,
  }),
  defineHelper({
    id: 30,
    name: 'bpf_skb_set_tunnel_opt',
    since: '4.6',
    proto: int([CTX, MEM_IN, SIZE]),
    run: setOptions,
  }),
];
