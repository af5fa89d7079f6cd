import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { BPF_SOCK, LOOPBACK } from './context-layout.ts';
import { readU32 } from './memory.ts';
import {
  ANY,
  BTF_SOCK,
  BTF_SOCK_OR_NULL,
  BTF_SOCK_RELEASE,
  CTX,
  CTX_OR_NULL,
  int,
  KEY,
  MAP,
  MEM,
  MEM_IN,
  pointer,
  SIZE,
  SIZE_OR_ZERO,
  SOCK_COMMON,
  SOCKET_OR_NULL,
  TO_SOCK_COMMON_OR_NULL,
  TO_SOCKET_OR_NULL,
  TO_TCP_SOCK_OR_NULL,
  toBtf,
} from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EAFNOSUPPORT, ENODEV, ENOENT, EOPNOTSUPP } = ERRNO;
const AF_INET = 2;
const AF_INET6 = 10;
/** Bytes of `struct bpf_fib_lookup`, and its fields. */
const FIB_LOOKUP_BYTES = 64;
const FIB_IFINDEX = 8;
const FIB_FLAGS = 0x3f;
const FIB_LKUP_RET_FWD_DISABLED = 5;
const TCP_LISTEN = 10;

/** Routes: there is one device, and it does not forward (`bpf_ipv4_fib_lookup` as on a host with forwarding off). */
function fibLookup(env: HelperEnv, params: number, size: number, flags: number): number {
  if (size < FIB_LOOKUP_BYTES || (flags & ~FIB_FLAGS) !== 0) return -EINVAL;
  const family = env.mem.u8[params];
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  return readU32(env, params + FIB_IFINDEX) === LOOPBACK.ifindex ? FIB_LKUP_RET_FWD_DISABLED : -ENODEV;
}

/** Whether `addr` is a socket this run handed out; others are none. */
const isSocket = (env: HelperEnv, addr: number): boolean => addr !== 0 && env.mem.regionAt(addr)?.name === 'bpf_sock';

/** A lookup in a system without sockets. */
const notFound = (): number => 0;

/**
 * Routes and sockets of a system that has neither: lookups find nothing, and the only socket is the one a test run
 * gives its packet (`__sk_buff.sk`).
 */
export const SOCKET_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 69,
    name: 'bpf_fib_lookup',
    since: '4.18',
    proto: int([CTX, MEM, SIZE, ANY], 'gplOnly'),
    run: (env, _ctx, params, size, flags) => fibLookup(env, params, size, flags),
  }),
  defineHelper({
    id: 84,
    name: 'bpf_sk_lookup_tcp',
    since: '4.20',
    proto: pointer(TO_SOCKET_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY], 'pktAccess'),
    variants: [
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK_ADDR],
        proto: pointer(TO_SOCKET_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY]),
      },
    ],
    run: notFound,
  }),
  defineHelper({
    id: 85,
    name: 'bpf_sk_lookup_udp',
    since: '4.20',
    proto: pointer(TO_SOCKET_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY], 'pktAccess'),
    variants: [
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK_ADDR],
        proto: pointer(TO_SOCKET_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY]),
      },
    ],
    run: notFound,
  }),
  defineHelper({
    id: 99,
    name: 'bpf_skc_lookup_tcp',
    since: '5.2',
    proto: pointer(TO_SOCK_COMMON_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY], 'pktAccess'),
    variants: [
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK_ADDR],
        proto: pointer(TO_SOCK_COMMON_OR_NULL, [CTX, MEM_IN, SIZE_OR_ZERO, ANY, ANY]),
      },
    ],
    run: notFound,
  }),
  defineHelper({ id: 86, name: 'bpf_sk_release', since: '4.20', proto: int([BTF_SOCK_RELEASE]), run: () => 0 }),
  defineHelper({
    id: 95,
    name: 'bpf_sk_fullsock',
    since: '5.1',
    proto: pointer(TO_SOCKET_OR_NULL, [SOCK_COMMON]),
    run: (env, sk) => (isSocket(env, sk) ? sk : 0),
  }),
  defineHelper({
    id: 96,
    name: 'bpf_tcp_sock',
    since: '5.1',
    proto: pointer(TO_TCP_SOCK_OR_NULL, [SOCK_COMMON]),
    run: notFound,
  }),
  defineHelper({
    id: 98,
    name: 'bpf_get_listener_sock',
    since: '5.1',
    proto: pointer(TO_SOCKET_OR_NULL, [SOCK_COMMON]),
    run: (env, sk) => (isSocket(env, sk) && readU32(env, sk + BPF_SOCK.state) === TCP_LISTEN ? sk : 0),
  }),
  defineHelper({
    id: 136,
    name: 'bpf_skc_to_tcp6_sock',
    since: '5.9',
    proto: pointer(toBtf('tcp6_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 137,
    name: 'bpf_skc_to_tcp_sock',
    since: '5.9',
    proto: pointer(toBtf('tcp_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 138,
    name: 'bpf_skc_to_tcp_timewait_sock',
    since: '5.9',
    proto: pointer(toBtf('tcp_timewait_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 139,
    name: 'bpf_skc_to_tcp_request_sock',
    since: '5.9',
    proto: pointer(toBtf('tcp_request_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 140,
    name: 'bpf_skc_to_udp6_sock',
    since: '5.9',
    proto: pointer(toBtf('udp6_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 178,
    name: 'bpf_skc_to_unix_sock',
    since: '5.16',
    proto: pointer(toBtf('unix_sock', 'PTR_MAYBE_NULL'), [BTF_SOCK]),
    run: notFound,
  }),
  defineHelper({
    id: 196,
    name: 'bpf_skc_to_mptcp_sock',
    since: '5.19',
    proto: pointer(toBtf('mptcp_sock', 'PTR_MAYBE_NULL'), [SOCK_COMMON]),
    run: notFound,
  }),
  defineHelper({
    id: 46,
    name: 'bpf_get_socket_cookie',
    since: '4.12',
    proto: int([CTX]),
    variants: [{ progTypes: [bpf_prog_type.BPF_PROG_TYPE_TRACING], proto: int([BTF_SOCK_OR_NULL]) }],
    // bpf_get_socket_ptr_cookie: 0 for no socket.
    run: (_env, sk) => (sk === 0 ? 0 : 1),
  }),
  defineHelper({ id: 47, name: 'bpf_get_socket_uid', since: '4.12', proto: int([CTX]), run: env => env.task.uid }),
  defineHelper({ id: 122, name: 'bpf_get_netns_cookie', since: '5.7', proto: int([CTX_OR_NULL]), run: () => 1 }),
  defineHelper({
    id: 128,
    name: 'bpf_sk_cgroup_id',
    since: '5.8',
    proto: int([BTF_SOCK]),
    run: env => env.task.cgroupId,
  }),
  defineHelper({
    id: 129,
    name: 'bpf_sk_ancestor_cgroup_id',
    since: '5.8',
    proto: int([BTF_SOCK, ANY]),
    run: (env, _sk, level) => (level === 0 ? env.task.cgroupId : 0),
  }),
  defineHelper({
    id: 82,
    name: 'bpf_sk_select_reuseport',
    since: '4.19',
    proto: int([CTX, MAP, KEY, ANY]),
    run: () => -ENOENT,
  }),
  // No socket is there that could be given: in programs that look sockets up, no socket may be chosen.
  defineHelper({
    id: 124,
    name: 'bpf_sk_assign',
    since: '5.7',
    proto: int([CTX, BTF_SOCK, ANY]),
    variants: [{ progTypes: [bpf_prog_type.BPF_PROG_TYPE_SK_LOOKUP], proto: int([CTX, SOCKET_OR_NULL, ANY]) }],
    run: (env, _ctx, sk) => {
      const flags = env.arg64(3);
      if (env.progType === bpf_prog_type.BPF_PROG_TYPE_SK_LOOKUP) return flags > 3n || sk !== 0 ? -EINVAL : 0;
      return sk === 0 || flags !== 0n ? -EINVAL : -EOPNOTSUPP;
    },
  }),
  // A cookie is checked against a listening socket, and none listens.
  defineHelper({
    id: 100,
    name: 'bpf_tcp_check_syncookie',
    since: '5.2',
    proto: int([BTF_SOCK, MEM_IN, SIZE, MEM_IN, SIZE], 'gplOnly', 'pktAccess'),
    run: () => -EINVAL,
  }),
  defineHelper({
    id: 110,
    name: 'bpf_tcp_gen_syncookie',
    since: '5.3',
    proto: int([BTF_SOCK, MEM_IN, SIZE, MEM_IN, SIZE], 'gplOnly', 'pktAccess'),
    run: () => -EINVAL,
  }),
];
