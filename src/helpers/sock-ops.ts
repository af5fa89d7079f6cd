import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { readU32, writeU32 } from './memory.ts';
import { ANY, btf, CTX, int, KEY, MAP, MEM_IN, MEM_INOUT, SIZE } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EPERM, ENOENT, ENOSPC, EOPNOTSUPP, EAFNOSUPPORT, EADDRNOTAVAIL } = ERRNO;

/** Fields of `struct bpf_sock_ops`. */
const SOCK_OPS = { op: 0, isFullsock: 72, cbFlags: 84 } as const;
const ALL_CB_FLAGS = 0x7f;
const OP = { activeEstablished: 4, passiveEstablished: 5, tcpListen: 11, hdrOptLen: 14, writeHdrOpt: 15 } as const;
const MAPPABLE: readonly number[] = [OP.activeEstablished, OP.passiveEstablished, OP.tcpListen];

const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const EXPERIMENTAL: readonly number[] = [253, 254];
const LOAD_FROM_SYN = 1n;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN_BYTES = 16;
const SIN6_LEN_RFC2133 = 24;
const LOOPBACK_NET = 127;

const field = (env: HelperEnv, off: number): number => readU32(env, env.ctxAddr + off);
const isFullsock = (env: HelperEnv): boolean => field(env, SOCK_OPS.isFullsock) !== 0;

/** No packet is there whose options could be read. */
function loadOption(env: HelperEnv, _ctx: number, search: number, size: number): number {
  const flags = env.arg64(4);
  if (size < 2 || (flags & ~LOAD_FROM_SYN) !== 0n) return -EINVAL;
  const kind = env.mem.u8[search];
  const length = env.mem.u8[search + 1];
  if (length > size || kind === TCPOPT_NOP || kind === TCPOPT_EOL) return -EINVAL;
  if (EXPERIMENTAL.includes(kind) ? length !== 4 && length !== 6 : length !== 0) return -EINVAL;
  return flags === 0n ? -EPERM : -ENOENT;
}

/** No room was reserved in a header. */
function storeOption(env: HelperEnv, _ctx: number, from: number, size: number): number {
  if (field(env, SOCK_OPS.op) !== OP.writeHdrOpt) return -EPERM;
  if (size < 2 || env.arg64(4) !== 0n) return -EINVAL;
  const kind = env.mem.u8[from];
  const length = env.mem.u8[from + 1];
  if (length > size || kind === TCPOPT_NOP || kind === TCPOPT_EOL) return -EINVAL;
  return -ENOSPC;
}

function reserveOption(env: HelperEnv, _ctx: number, size: number): number {
  if (field(env, SOCK_OPS.op) !== OP.hdrOptLen) return -EPERM;
  return env.arg64(3) !== 0n || size < 2 ? -EINVAL : -ENOSPC;
}

/** Puts the socket into a map: it is the one a machine has, and maps know it by the number 1. */
function mapSocket(env: HelperEnv, _ctx: number, mapAddr: number, key: number): number {
  if (!isFullsock(env) || !MAPPABLE.includes(field(env, SOCK_OPS.op))) return -EOPNOTSUPP;
  const map = env.mapAt(mapAddr)!;
  const value = new Uint8Array(map.def.valueSizeBytes);
  new DataView(value.buffer).setUint32(0, 1, env.mem.littleEndian);
  const flags = env.arg64(4);
  return flags > 0xffffffffn ? -EINVAL : map.userUpdate(env.mem.read(key, map.def.keySizeBytes), value, Number(flags));
}

/** Addresses of the loopback device, and any, can be bound to. */
function bind(env: HelperEnv, _ctx: number, addr: number, size: number): number {
  if (size < 2) return -EINVAL;
  const { view, u8, littleEndian } = env.mem;
  const family = view.getUint16(addr, littleEndian);
  if (family === AF_INET) {
    if (size < SOCKADDR_IN_BYTES) return -EINVAL;
    const ip = view.getUint32(addr + 4, false);
    return ip === 0 || ip >>> 24 === LOOPBACK_NET ? 0 : -EADDRNOTAVAIL;
  }
  if (family !== AF_INET6) return -EAFNOSUPPORT;
  if (size < SIN6_LEN_RFC2133) return -EINVAL;
  const ip = u8.subarray(addr + 8, addr + 24);
  return ip.subarray(0, 15).every(byte => byte === 0) && ip[15] <= 1 ? 0 : -EADDRNOTAVAIL;
}

/**
 * What programs on socket operations and addresses do with the socket (`net/core/filter.c`, `net/core/sock_map.c`). A context whose
 * `is_fullsock` is set has one.
 */
export const SOCK_OPS_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 53,
    name: 'bpf_sock_map_update',
    since: '4.14',
    proto: int([CTX, MAP, KEY, ANY], 'pktAccess'),
    run: mapSocket,
  }),
  defineHelper({
    id: 70,
    name: 'bpf_sock_hash_update',
    since: '4.18',
    proto: int([CTX, MAP, KEY, ANY], 'pktAccess'),
    run: mapSocket,
  }),
  defineHelper({
    id: 59,
    name: 'bpf_sock_ops_cb_flags_set',
    since: '4.16',
    proto: int([CTX, ANY]),
    run: (env, ctx, flags) => {
      if (!isFullsock(env)) return -EINVAL;
      writeU32(env, ctx + SOCK_OPS.cbFlags, flags & ALL_CB_FLAGS);
      return flags & ~ALL_CB_FLAGS;
    },
  }),
  defineHelper({ id: 64, name: 'bpf_bind', since: '4.17', proto: int([CTX, MEM_IN, SIZE]), run: bind }),
  // Nothing leaves the machine.
  defineHelper({
    id: 116,
    name: 'bpf_tcp_send_ack',
    since: '5.5',
    proto: int([btf('tcp_sock'), ANY]),
    run: () => 0,
  }),
  defineHelper({
    id: 142,
    name: 'bpf_load_hdr_opt',
    since: '5.10',
    proto: int([CTX, MEM_INOUT, SIZE, ANY]),
    run: loadOption,
  }),
  defineHelper({
    id: 143,
    name: 'bpf_store_hdr_opt',
    since: '5.10',
    proto: int([CTX, MEM_IN, SIZE, ANY]),
    run: storeOption,
  }),
  defineHelper({
    id: 144,
    name: 'bpf_reserve_hdr_opt',
    since: '5.10',
    proto: int([CTX, ANY, ANY]),
    run: reserveOption,
  }),
];
