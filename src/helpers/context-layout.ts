/**
 * Byte offsets of the fields of `struct __sk_buff` (`include/uapi/linux/bpf.h`), 192 bytes. Pointers to packet data
 * are 32 bits wide and hold addresses of the linear memory.
 */
export const SK_BUFF = {
  len: 0,
  pkt_type: 4,
  mark: 8,
  queue_mapping: 12,
  protocol: 16,
  vlan_present: 20,
  vlan_tci: 24,
  vlan_proto: 28,
  priority: 32,
  ingress_ifindex: 36,
  ifindex: 40,
  tc_index: 44,
  cb: 48,
  hash: 68,
  tc_classid: 72,
  data: 76,
  data_end: 80,
  napi_id: 84,
  family: 88,
  remote_ip4: 92,
  local_ip4: 96,
  remote_ip6: 100,
  local_ip6: 116,
  remote_port: 132,
  local_port: 136,
  data_meta: 140,
  flow_keys: 144,
  tstamp: 152,
  wire_len: 160,
  gso_segs: 164,
  sk: 168,
  gso_size: 176,
  tstamp_type: 180,
  hwtstamp: 184,
} as const;
export const SK_BUFF_BYTES = 192;

/** Byte offsets of the fields of `struct xdp_md`, 24 bytes. */
export const XDP_MD = {
  data: 0,
  data_end: 4,
  data_meta: 8,
  ingress_ifindex: 12,
  rx_queue_index: 16,
  egress_ifindex: 20,
} as const;
export const XDP_MD_BYTES = 24;

/** Byte offsets of the fields of `struct bpf_sock`, 80 bytes. */
export const BPF_SOCK = {
  bound_dev_if: 0,
  family: 4,
  type: 8,
  protocol: 12,
  mark: 16,
  priority: 20,
  src_ip4: 24,
  src_ip6: 28,
  src_port: 44,
  dst_port: 48,
  dst_ip4: 52,
  dst_ip6: 56,
  state: 72,
  rx_queue_mapping: 76,
} as const;
export const BPF_SOCK_BYTES = 80;

/** The only network device of a machine: the loopback device. */
export const LOOPBACK = { ifindex: 1, mtu: 65536, hardHeaderBytes: 14 } as const;
export const ETH_HEADER_BYTES = 14;
/** Ethernet protocols, in host order. */
export const ETH_P_IP = 0x0800;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_8021AD = 0x88a8;
