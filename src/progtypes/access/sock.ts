import {
  BPF_SOCK,
  BPF_SOCK_BYTES,
  PTR_MAYBE_NULL,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
} from '../../helpers/index.ts';
import { bpf_attach_type } from '../../uapi/index.ts';
import {
  BPF_SK_LOOKUP,
  BPF_SK_LOOKUP_BYTES,
  BPF_SOCK_ADDR,
  BPF_SOCK_ADDR_BYTES,
  BPF_SOCK_OPS,
  BPF_SOCK_OPS_BYTES,
  SK_MSG_MD,
  SK_MSG_MD_BYTES,
  SK_REUSEPORT_MD,
  SK_REUSEPORT_MD_BYTES,
} from '../ctx-structs.ts';
import {
  type AccessRow,
  type AccessRule,
  at,
  field,
  narrow,
  narrowAccessOk,
  onRead,
  pointerOf,
  refused,
  sized,
  structRule,
  wideAccessOk,
} from './rules.ts';

const A = bpf_attach_type;
const WORD = sized(4);
const LONG = sized(8);
const NARROW_WORD = narrow(4);

const dstPort: AccessRule = (_off, size, _write, _prog, access) => {
  const bytes = size === 4 ? 4 : 2;
  access.ctxFieldSizeBytes = bytes;
  return narrowAccessOk(size, bytes);
};

const sockRule = structRule(
  BPF_SOCK_BYTES,
  [
    at(BPF_SOCK.state, NARROW_WORD),
    at(BPF_SOCK.family, NARROW_WORD),
    at(BPF_SOCK.type, NARROW_WORD),
    at(BPF_SOCK.protocol, NARROW_WORD),
    at(BPF_SOCK.src_port, NARROW_WORD),
    at(BPF_SOCK.rx_queue_mapping, NARROW_WORD),
    field(BPF_SOCK.src_ip4, 4, NARROW_WORD),
    field(BPF_SOCK.src_ip6, 16, NARROW_WORD),
    field(BPF_SOCK.dst_ip4, 4, NARROW_WORD),
    field(BPF_SOCK.dst_ip6, 16, NARROW_WORD),
    field(BPF_SOCK.dst_port, 2, dstPort),
    { from: BPF_SOCK.dst_port + 2, end: BPF_SOCK.dst_ip4, rule: refused },
  ],
  WORD,
);

/** Whether programs attached so may access a field, and how. Source: `__sock_filter_check_attach_type`. */
function sockFilterAttachType(off: number, write: boolean, attachType: number): boolean {
  const v4 = attachType === A.BPF_CGROUP_INET4_POST_BIND;
  const v6 = attachType === A.BPF_CGROUP_INET6_POST_BIND;
  if (off === BPF_SOCK.bound_dev_if || off === BPF_SOCK.mark || off === BPF_SOCK.priority) {
    return attachType === A.BPF_CGROUP_INET_SOCK_CREATE || attachType === A.BPF_CGROUP_INET_SOCK_RELEASE;
  }
  if (off >= BPF_SOCK.src_ip4 && off < BPF_SOCK.src_ip4 + 4) return v4 && !write;
  if (off >= BPF_SOCK.src_ip6 && off < BPF_SOCK.src_ip6 + 16) return v6 && !write;
  if (off >= BPF_SOCK.src_port && off < BPF_SOCK.src_port + 4) return (v4 || v6) && !write;
  return !write;
}

/** Source: `sock_filter_is_valid_access`. */
export const cgroupSockAccess: AccessRule = (off, size, write, prog, access) =>
  sockRule(off, size, write, prog, access) && sockFilterAttachType(off, write, prog.attachType);

const attachedTo =
  (types: readonly number[], rule: AccessRule): AccessRule =>
  (off, size, write, prog, access) =>
    types.includes(prog.attachType) && rule(off, size, write, prog, access);

const addrWord: AccessRule = (off, size, write, _prog, access) => {
  if (!write) access.ctxFieldSizeBytes = 4;
  if (wideAccessOk(off, size, BPF_SOCK_ADDR.user_ip6, 16)) return true;
  if (wideAccessOk(off, size, BPF_SOCK_ADDR.msg_src_ip6, 16)) return true;
  return write ? size === 4 : narrowAccessOk(size, 4);
};
const READ_WORD = onRead(WORD);

/** Source: `sock_addr_is_valid_access`. */
export const cgroupSockAddrAccess: AccessRule = structRule(
  BPF_SOCK_ADDR_BYTES,
  [
    field(
      BPF_SOCK_ADDR.user_ip4,
      4,
      attachedTo(
        [
          A.BPF_CGROUP_INET4_BIND,
          A.BPF_CGROUP_INET4_CONNECT,
          A.BPF_CGROUP_INET4_GETPEERNAME,
          A.BPF_CGROUP_INET4_GETSOCKNAME,
          A.BPF_CGROUP_UDP4_SENDMSG,
          A.BPF_CGROUP_UDP4_RECVMSG,
        ],
        addrWord,
      ),
    ),
    field(
      BPF_SOCK_ADDR.user_ip6,
      16,
      attachedTo(
        [
          A.BPF_CGROUP_INET6_BIND,
          A.BPF_CGROUP_INET6_CONNECT,
          A.BPF_CGROUP_INET6_GETPEERNAME,
          A.BPF_CGROUP_INET6_GETSOCKNAME,
          A.BPF_CGROUP_UDP6_SENDMSG,
          A.BPF_CGROUP_UDP6_RECVMSG,
        ],
        addrWord,
      ),
    ),
    field(BPF_SOCK_ADDR.msg_src_ip4, 4, attachedTo([A.BPF_CGROUP_UDP4_SENDMSG], addrWord)),
    field(BPF_SOCK_ADDR.msg_src_ip6, 16, attachedTo([A.BPF_CGROUP_UDP6_SENDMSG], addrWord)),
    field(BPF_SOCK_ADDR.user_port, 4, addrWord),
    field(BPF_SOCK_ADDR.sk, 8, onRead(pointerOf(PTR_TO_SOCKET))),
    field(BPF_SOCK_ADDR.user_family, 4, READ_WORD),
    field(BPF_SOCK_ADDR.family, 4, READ_WORD),
    field(BPF_SOCK_ADDR.type, 4, READ_WORD),
    field(BPF_SOCK_ADDR.protocol, 4, READ_WORD),
  ],
  refused,
);

const sockOpsLoads = structRule(
  BPF_SOCK_OPS_BYTES,
  [
    field(BPF_SOCK_OPS.bytes_received, 16, LONG),
    field(BPF_SOCK_OPS.sk, 8, pointerOf(PTR_TO_SOCKET | PTR_MAYBE_NULL)),
    field(BPF_SOCK_OPS.skb_data, 8, pointerOf(PTR_TO_PACKET)),
    field(BPF_SOCK_OPS.skb_data_end, 8, pointerOf(PTR_TO_PACKET_END)),
    at(BPF_SOCK_OPS.skb_tcp_flags, NARROW_WORD),
    field(BPF_SOCK_OPS.skb_hwtstamp, 8, LONG),
  ],
  WORD,
);
const sockOpsStores = structRule(
  BPF_SOCK_OPS_BYTES,
  [at(BPF_SOCK_OPS.reply, WORD), at(BPF_SOCK_OPS.sk_txhash, WORD)],
  refused,
);

/** Source: `sock_ops_is_valid_access`. */
export const sockOpsAccess: AccessRule = (off, size, write, prog, access) =>
  (write ? sockOpsStores : sockOpsLoads)(off, size, write, prog, access);

/** Source: `sk_msg_is_valid_access`. */
export const skMsgAccess: AccessRule = onRead(
  structRule(
    SK_MSG_MD_BYTES,
    [
      field(SK_MSG_MD.data, 8, pointerOf(PTR_TO_PACKET)),
      field(SK_MSG_MD.data_end, 8, pointerOf(PTR_TO_PACKET_END)),
      field(SK_MSG_MD.sk, 8, pointerOf(PTR_TO_SOCKET)),
      // family to size: words without gaps.
      { from: SK_MSG_MD.family, end: SK_MSG_MD.size + 4, rule: WORD },
    ],
    refused,
  ),
);

const SK_LOOKUP_NARROW: readonly AccessRow[] = [
  field(BPF_SK_LOOKUP.family, 4, NARROW_WORD),
  field(BPF_SK_LOOKUP.protocol, 4, NARROW_WORD),
  field(BPF_SK_LOOKUP.remote_ip4, 4, NARROW_WORD),
  field(BPF_SK_LOOKUP.local_ip4, 4, NARROW_WORD),
  field(BPF_SK_LOOKUP.remote_ip6, 16, NARROW_WORD),
  field(BPF_SK_LOOKUP.local_ip6, 16, NARROW_WORD),
  field(BPF_SK_LOOKUP.local_port, 4, NARROW_WORD),
  field(BPF_SK_LOOKUP.ingress_ifindex, 4, NARROW_WORD),
];
const NARROW_HALF = narrow(2);

/** Source: `sk_lookup_is_valid_access`. */
export const skLookupAccess: AccessRule = onRead(
  structRule(
    BPF_SK_LOOKUP_BYTES,
    [
      field(BPF_SK_LOOKUP.sk, 8, pointerOf(PTR_TO_SOCKET | PTR_MAYBE_NULL)),
      ...SK_LOOKUP_NARROW,
      // Four bytes of the two-byte port are what old programs load; the two behind it are zero.
      field(
        BPF_SK_LOOKUP.remote_port,
        2,
        (off, size, write, prog, access) => size === 4 || NARROW_HALF(off, size, write, prog, access),
      ),
      { from: BPF_SK_LOOKUP.remote_port + 2, end: BPF_SK_LOOKUP.local_ip4, rule: NARROW_HALF },
    ],
    refused,
  ),
);

/** Source: `sk_reuseport_is_valid_access`. */
export const skReuseportAccess: AccessRule = onRead(
  structRule(
    SK_REUSEPORT_MD_BYTES,
    [
      at(SK_REUSEPORT_MD.data, pointerOf(PTR_TO_PACKET)),
      at(SK_REUSEPORT_MD.data_end, pointerOf(PTR_TO_PACKET_END)),
      at(SK_REUSEPORT_MD.hash, WORD),
      at(SK_REUSEPORT_MD.sk, pointerOf(PTR_TO_SOCKET)),
      at(SK_REUSEPORT_MD.migrating_sk, pointerOf(PTR_TO_SOCK_COMMON | PTR_MAYBE_NULL)),
      field(
        SK_REUSEPORT_MD.eth_protocol,
        4,
        (off, size, write, prog, access) => size >= 2 && NARROW_WORD(off, size, write, prog, access),
      ),
      field(SK_REUSEPORT_MD.ip_protocol, 4, NARROW_WORD),
      field(SK_REUSEPORT_MD.bind_inany, 4, NARROW_WORD),
      field(SK_REUSEPORT_MD.len, 4, NARROW_WORD),
    ],
    refused,
  ),
);
