/**
 * Byte offsets of the contexts and sockets programs see (`include/uapi/linux/bpf.h`), beside those helpers need
 * themselves (`__sk_buff`, `xdp_md`, `bpf_sock`). They are the same on every kernel.
 */
export const BPF_SOCK_ADDR = {
  user_family: 0,
  user_ip4: 4,
  user_ip6: 8,
  user_port: 24,
  family: 28,
  type: 32,
  protocol: 36,
  msg_src_ip4: 40,
  msg_src_ip6: 44,
  sk: 64,
} as const;
export const BPF_SOCK_ADDR_BYTES = 72;

export const BPF_SOCK_OPS = {
  op: 0,
  reply: 4,
  replylong: 4,
  family: 20,
  remote_ip4: 24,
  local_ip4: 28,
  remote_ip6: 32,
  local_ip6: 48,
  remote_port: 64,
  local_port: 68,
  is_fullsock: 72,
  snd_cwnd: 76,
  srtt_us: 80,
  bpf_sock_ops_cb_flags: 84,
  state: 88,
  rtt_min: 92,
  snd_ssthresh: 96,
  rcv_nxt: 100,
  snd_nxt: 104,
  snd_una: 108,
  mss_cache: 112,
  ecn_flags: 116,
  rate_delivered: 120,
  rate_interval_us: 124,
  packets_out: 128,
  retrans_out: 132,
  total_retrans: 136,
  segs_in: 140,
  data_segs_in: 144,
  segs_out: 148,
  data_segs_out: 152,
  lost_out: 156,
  sacked_out: 160,
  sk_txhash: 164,
  bytes_received: 168,
  bytes_acked: 176,
  sk: 184,
  skb_data: 192,
  skb_data_end: 200,
  skb_len: 208,
  skb_tcp_flags: 212,
  skb_hwtstamp: 216,
} as const;
export const BPF_SOCK_OPS_BYTES = 224;

export const SK_MSG_MD = {
  data: 0,
  data_end: 8,
  family: 16,
  remote_ip4: 20,
  local_ip4: 24,
  remote_ip6: 28,
  local_ip6: 44,
  remote_port: 60,
  local_port: 64,
  size: 68,
  sk: 72,
} as const;
export const SK_MSG_MD_BYTES = 80;

export const BPF_SOCKOPT = {
  sk: 0,
  optval: 8,
  optval_end: 16,
  level: 24,
  optname: 28,
  optlen: 32,
  retval: 36,
} as const;
export const BPF_SOCKOPT_BYTES = 40;

export const BPF_SYSCTL = { write: 0, file_pos: 4 } as const;
export const BPF_SYSCTL_BYTES = 8;

export const BPF_CGROUP_DEV_CTX = { access_type: 0, major: 4, minor: 8 } as const;
export const BPF_CGROUP_DEV_CTX_BYTES = 12;

export const BPF_SK_LOOKUP = {
  sk: 0,
  family: 8,
  protocol: 12,
  remote_ip4: 16,
  remote_ip6: 20,
  remote_port: 36,
  local_ip4: 40,
  local_ip6: 44,
  local_port: 60,
  ingress_ifindex: 64,
} as const;
export const BPF_SK_LOOKUP_BYTES = 72;

export const SK_REUSEPORT_MD = {
  data: 0,
  data_end: 8,
  len: 16,
  eth_protocol: 20,
  ip_protocol: 24,
  bind_inany: 28,
  hash: 32,
  sk: 40,
  migrating_sk: 48,
} as const;
export const SK_REUSEPORT_MD_BYTES = 56;

export const BPF_NF_CTX = { state: 0, skb: 8 } as const;
export const BPF_NF_CTX_BYTES = 16;

export const BPF_TCP_SOCK = {
  snd_cwnd: 0,
  srtt_us: 4,
  rtt_min: 8,
  snd_ssthresh: 12,
  rcv_nxt: 16,
  snd_nxt: 20,
  snd_una: 24,
  mss_cache: 28,
  ecn_flags: 32,
  rate_delivered: 36,
  rate_interval_us: 40,
  packets_out: 44,
  retrans_out: 48,
  total_retrans: 52,
  segs_in: 56,
  data_segs_in: 60,
  segs_out: 64,
  data_segs_out: 68,
  lost_out: 72,
  sacked_out: 76,
  bytes_received: 80,
  bytes_acked: 88,
  dsack_dups: 96,
  delivered: 100,
  delivered_ce: 104,
  icsk_retransmits: 108,
} as const;

export const BPF_XDP_SOCK = { queue_id: 0 } as const;
