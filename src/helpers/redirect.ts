import { bpf_map_type, bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { LOOPBACK, SK_BUFF } from './context-layout.ts';
import { readU32 } from './memory.ts';
import { packetOf } from './packet.ts';
import { ANY, CTX, int, KEY, MAP, MEM_IN_OR_NULL, SIZE_OR_ZERO } from './proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from './types.ts';

/** Where a program sent a packet. */
export interface Redirect {
  readonly helper: string;
  /** Interface index, or index into the map. */
  readonly target: number;
  /** Id of the map, 0 without one. */
  readonly mapId: number;
  readonly flags: bigint;
  /** The bytes sent on, for helpers that send a copy at once. */
  readonly data?: Uint8Array;
}

const REDIRECTS = Symbol('redirects');

/** The redirects programs of this machine have asked for, oldest first; the machine empties the list. */
export function redirectsOf(env: Pick<HelperEnv, 'state'>): Redirect[] {
  return env.state<Redirect[]>(REDIRECTS, () => []);
}

const TC_ACT_SHOT = 2;
const TC_ACT_REDIRECT = 7;
const XDP_ABORTED = 0;
const XDP_REDIRECT = 4;
const SK_DROP = 0;
const BPF_F_INGRESS = 1n;
/** Bytes of `struct bpf_redir_neigh`. */
const REDIR_NEIGH_BYTES = 20;

function record(env: HelperEnv, helper: string, target: number, flags: bigint, mapId = 0, data?: Uint8Array): void {
  const list = redirectsOf(env);
  // Nobody may be reading: keep the latest thousand.
  if (list.length >= 1000) list.shift();
  list.push(data === undefined ? { helper, target, mapId, flags } : { helper, target, mapId, flags, data });
}

function redirect(env: HelperEnv, ifindex: number): number {
  const flags = env.arg64(2);
  if (env.progType === bpf_prog_type.BPF_PROG_TYPE_XDP) {
    if (flags !== 0n) return XDP_ABORTED;
    record(env, 'bpf_redirect', ifindex, flags);
    return XDP_REDIRECT;
  }
  if ((flags & ~BPF_F_INGRESS) !== 0n) return TC_ACT_SHOT;
  record(env, 'bpf_redirect', ifindex, flags);
  return TC_ACT_REDIRECT;
}

/** Flags beyond the fallback action that each map type's redirect takes. */
const BROADCAST = 8n;
const MAP_FLAGS: Readonly<Record<number, bigint>> = {
  [bpf_map_type.BPF_MAP_TYPE_DEVMAP]: BROADCAST | 16n,
  [bpf_map_type.BPF_MAP_TYPE_DEVMAP_HASH]: BROADCAST | 16n,
  [bpf_map_type.BPF_MAP_TYPE_CPUMAP]: 0n,
  [bpf_map_type.BPF_MAP_TYPE_XSKMAP]: 0n,
};
const ACTION_MASK = 3n;

function keyBytes(env: HelperEnv, key: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, key, env.mem.littleEndian);
  return bytes;
}

/** Whether the map has something at `key`: a zero target is what an empty slot of an array reads as. */
function hasTarget(env: HelperEnv, mapAddr: number, key: number): boolean {
  const value = env.mapAt(mapAddr)!.userLookup(keyBytes(env, key));
  return value instanceof Uint8Array && value.subarray(0, 4).some(byte => byte !== 0);
}

/** `__bpf_xdp_redirect_map`. */
function redirectMap(env: HelperEnv, mapAddr: number, key: number): number {
  const map = env.mapAt(mapAddr)!;
  const allowed = MAP_FLAGS[map.def.type];
  if (allowed === undefined)
    throw new ProgramFault('bad-argument', 'bpf_redirect_map: not a map of devices, CPUs or sockets');
  const flags = env.arg64(3);
  if ((flags & ~(ACTION_MASK | allowed)) !== 0n) return XDP_ABORTED;
  if (!hasTarget(env, mapAddr, key) && (flags & BROADCAST) === 0n) return Number(flags & ACTION_MASK);
  record(env, 'bpf_redirect_map', key, flags, map.id);
  return XDP_REDIRECT;
}

function cloneRedirect(env: HelperEnv, skb: number, ifindex: number): number {
  const flags = env.arg64(3);
  if ((flags & ~BPF_F_INGRESS) !== 0n) return -ERRNO.EINVAL;
  if (readU32(env, skb + SK_BUFF.gso_size) !== 0) return -ERRNO.EBADMSG;
  if (ifindex !== LOOPBACK.ifindex) return -ERRNO.EINVAL;
  const packet = packetOf(env);
  record(env, 'bpf_clone_redirect', ifindex, flags, 0, env.mem.read(packet.data, packet.dataEnd - packet.data));
  return 0;
}

/**
 * Sending packets elsewhere. A machine has one device and no neighbours: what Linux would send is recorded
 * ({@link redirectsOf}), and the program gets the answer of a system where the target exists.
 */
export const REDIRECT_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 23, name: 'bpf_redirect', since: '4.4', proto: int([ANY, ANY]), run: redirect }),
  defineHelper({ id: 51, name: 'bpf_redirect_map', since: '4.14', proto: int([MAP, ANY, ANY]), run: redirectMap }),
  defineHelper({ id: 13, name: 'bpf_clone_redirect', since: '4.2', proto: int([CTX, ANY, ANY]), run: cloneRedirect }),
  defineHelper({
    id: 155,
    name: 'bpf_redirect_peer',
    since: '5.10',
    proto: int([ANY, ANY]),
    run: (env, ifindex) => {
      if (env.arg64(2) !== 0n) return TC_ACT_SHOT;
      record(env, 'bpf_redirect_peer', ifindex, 0n);
      return TC_ACT_REDIRECT;
    },
  }),
  defineHelper({
    id: 152,
    name: 'bpf_redirect_neigh',
    since: '5.10',
    proto: int([ANY, MEM_IN_OR_NULL, SIZE_OR_ZERO, ANY]),
    run: (env, ifindex, _params, size) => {
      if ((size !== 0 && size < REDIR_NEIGH_BYTES) || env.arg64(4) !== 0n) return TC_ACT_SHOT;
      record(env, 'bpf_redirect_neigh', ifindex, 0n);
      return TC_ACT_REDIRECT;
    },
  }),
  // Socket maps hold no sockets: there is nobody to redirect to.
  defineHelper({
    id: 52,
    name: 'bpf_sk_redirect_map',
    since: '4.14',
    proto: int([CTX, MAP, ANY, ANY]),
    run: () => SK_DROP,
  }),
  defineHelper({
    id: 72,
    name: 'bpf_sk_redirect_hash',
    since: '4.18',
    proto: int([CTX, MAP, KEY, ANY]),
    run: () => SK_DROP,
  }),
  defineHelper({
    id: 60,
    name: 'bpf_msg_redirect_map',
    since: '4.17',
    proto: int([CTX, MAP, ANY, ANY]),
    run: () => SK_DROP,
  }),
  defineHelper({
    id: 71,
    name: 'bpf_msg_redirect_hash',
    since: '4.18',
    proto: int([CTX, MAP, KEY, ANY]),
    run: () => SK_DROP,
  }),
];
