import { bpf_prog_type } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import {
  ANY,
  BTF_SOCK,
  btf,
  CTX,
  fixed,
  int,
  KEY,
  MAP,
  MEM,
  MEM_IN,
  MEM_IN_OR_NULL,
  MEM_INOUT,
  MEM_OUT,
  nothing,
  pointer,
  SIZE,
  SIZE_OR_ZERO,
  SOCKET_OR_NULL,
  toBtf,
} from './proto.ts';
import { type HelperDef, ProgramFault } from './types.ts';

/** A helper whose contract is known but whose behaviour needs parts of a kernel a machine does not have. */
function contractOnly(def: Omit<HelperDef, 'run'>): HelperDef {
  return defineHelper({
    ...def,
    implemented: false,
    run: () => {
      throw new ProgramFault('bad-call', `${def.name} is not implemented`);
    },
  });
}

/** Helpers with a contract only: programs that name them can be read and verified; calling one ends the run. */
export const CONTRACT_ONLY_HELPERS: readonly HelperDef[] = [
  contractOnly({ id: 21, name: 'bpf_skb_set_tunnel_key', since: '4.3', proto: int([CTX, MEM_IN, SIZE, ANY]) }),
  contractOnly({ id: 30, name: 'bpf_skb_set_tunnel_opt', since: '4.6', proto: int([CTX, MEM_IN, SIZE]) }),
  contractOnly({
    id: 49,
    name: 'bpf_setsockopt',
    since: '4.13',
    proto: int([CTX, ANY, ANY, MEM_IN, SIZE]),
    variants: [
      {
        progTypes: [
          bpf_prog_type.BPF_PROG_TYPE_LSM,
          bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCKOPT,
          bpf_prog_type.BPF_PROG_TYPE_TRACING,
        ],
        proto: int([BTF_SOCK, ANY, ANY, MEM_IN, SIZE]),
      },
    ],
  }),
  contractOnly({ id: 53, name: 'bpf_sock_map_update', since: '4.14', proto: int([CTX, MAP, KEY, ANY], 'pktAccess') }),
  contractOnly({
    id: 57,
    name: 'bpf_getsockopt',
    since: '4.15',
    proto: int([CTX, ANY, ANY, MEM_OUT, SIZE]),
    variants: [
      {
        progTypes: [
          bpf_prog_type.BPF_PROG_TYPE_LSM,
          bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCKOPT,
          bpf_prog_type.BPF_PROG_TYPE_TRACING,
        ],
        proto: int([BTF_SOCK, ANY, ANY, MEM_OUT, SIZE]),
      },
    ],
  }),
  contractOnly({ id: 59, name: 'bpf_sock_ops_cb_flags_set', since: '4.16', proto: int([CTX, ANY]) }),
  contractOnly({ id: 61, name: 'bpf_msg_apply_bytes', since: '4.17', proto: int([CTX, ANY]) }),
  contractOnly({ id: 62, name: 'bpf_msg_cork_bytes', since: '4.17', proto: int([CTX, ANY]) }),
  contractOnly({ id: 63, name: 'bpf_msg_pull_data', since: '4.17', proto: int([CTX, ANY, ANY, ANY]) }),
  contractOnly({ id: 64, name: 'bpf_bind', since: '4.17', proto: int([CTX, MEM_IN, SIZE]) }),
  contractOnly({ id: 70, name: 'bpf_sock_hash_update', since: '4.18', proto: int([CTX, MAP, KEY, ANY], 'pktAccess') }),
  contractOnly({ id: 73, name: 'bpf_lwt_push_encap', since: '4.18', proto: int([CTX, ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 74, name: 'bpf_lwt_seg6_store_bytes', since: '4.18', proto: int([CTX, ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 75, name: 'bpf_lwt_seg6_adjust_srh', since: '4.18', proto: int([CTX, ANY, ANY]) }),
  contractOnly({ id: 76, name: 'bpf_lwt_seg6_action', since: '4.18', proto: int([CTX, ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 77, name: 'bpf_rc_repeat', since: '4.18', proto: int([CTX], 'gplOnly') }),
  contractOnly({ id: 78, name: 'bpf_rc_keydown', since: '4.18', proto: int([CTX, ANY, ANY, ANY], 'gplOnly') }),
  contractOnly({ id: 90, name: 'bpf_msg_push_data', since: '4.20', proto: int([CTX, ANY, ANY, ANY]) }),
  contractOnly({ id: 91, name: 'bpf_msg_pop_data', since: '5.0', proto: int([CTX, ANY, ANY, ANY]) }),
  contractOnly({ id: 92, name: 'bpf_rc_pointer_rel', since: '5.0', proto: int([CTX, ANY, ANY], 'gplOnly') }),
  contractOnly({ id: 101, name: 'bpf_sysctl_get_name', since: '5.2', proto: int([CTX, MEM, SIZE, ANY]) }),
  contractOnly({ id: 102, name: 'bpf_sysctl_get_current_value', since: '5.2', proto: int([CTX, MEM_OUT, SIZE]) }),
  contractOnly({ id: 103, name: 'bpf_sysctl_get_new_value', since: '5.2', proto: int([CTX, MEM_OUT, SIZE]) }),
  contractOnly({ id: 104, name: 'bpf_sysctl_set_new_value', since: '5.2', proto: int([CTX, MEM_IN, SIZE]) }),
  contractOnly({
    id: 111,
    name: 'bpf_skb_output',
    since: '5.5',
    proto: int([btf('sk_buff'), MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
  }),
  contractOnly({ id: 116, name: 'bpf_tcp_send_ack', since: '5.5', proto: int([btf('tcp_sock'), ANY]) }),
  contractOnly({
    id: 121,
    name: 'bpf_xdp_output',
    since: '5.7',
    proto: int([btf('xdp_buff'), MAP, ANY, MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
  }),
  contractOnly({
    id: 124,
    name: 'bpf_sk_assign',
    since: '5.7',
    proto: int([CTX, BTF_SOCK, ANY]),
    variants: [{ progTypes: [bpf_prog_type.BPF_PROG_TYPE_SK_LOOKUP], proto: int([CTX, SOCKET_OR_NULL, ANY]) }],
  }),
  contractOnly({
    id: 126,
    name: 'bpf_seq_printf',
    since: '5.8',
    proto: int([btf('seq_file'), MEM_IN, SIZE, MEM_IN_OR_NULL, SIZE_OR_ZERO], 'gplOnly'),
  }),
  contractOnly({
    id: 127,
    name: 'bpf_seq_write',
    since: '5.8',
    proto: int([btf('seq_file'), MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
  }),
  contractOnly({ id: 142, name: 'bpf_load_hdr_opt', since: '5.10', proto: int([CTX, MEM_INOUT, SIZE, ANY]) }),
  contractOnly({ id: 143, name: 'bpf_store_hdr_opt', since: '5.10', proto: int([CTX, MEM_IN, SIZE, ANY]) }),
  contractOnly({ id: 144, name: 'bpf_reserve_hdr_opt', since: '5.10', proto: int([CTX, ANY, ANY]) }),
  contractOnly({ id: 147, name: 'bpf_d_path', since: '5.10', proto: int([btf('path'), MEM, SIZE_OR_ZERO]) }),
  contractOnly({ id: 149, name: 'bpf_snprintf_btf', since: '5.10', proto: int([MEM, SIZE, MEM_IN, SIZE, ANY]) }),
  contractOnly({
    id: 150,
    name: 'bpf_seq_printf_btf',
    since: '5.10',
    proto: int([btf('seq_file'), MEM_IN, SIZE_OR_ZERO, ANY], 'gplOnly'),
  }),
  contractOnly({ id: 159, name: 'bpf_bprm_opts_set', since: '5.11', proto: int([btf('linux_binprm'), ANY]) }),
  contractOnly({
    id: 161,
    name: 'bpf_ima_inode_hash',
    since: '5.11',
    proto: int([btf('inode'), MEM_OUT, SIZE], 'mightSleep'),
  }),
  contractOnly({
    id: 162,
    name: 'bpf_sock_from_file',
    since: '5.11',
    proto: pointer(toBtf('socket', 'PTR_MAYBE_NULL'), [btf('file')]),
  }),
  contractOnly({ id: 166, name: 'bpf_sys_bpf', since: '5.14', proto: int([ANY, MEM_IN, SIZE]) }),
  contractOnly({ id: 167, name: 'bpf_btf_find_by_name_kind', since: '5.14', proto: int([MEM_IN, SIZE, ANY, ANY]) }),
  contractOnly({
    id: 175,
    name: 'bpf_task_pt_regs',
    since: '5.15',
    proto: pointer(toBtf('pt_regs'), [btf('task_struct')], 'gplOnly'),
  }),
  contractOnly({
    id: 193,
    name: 'bpf_ima_file_hash',
    since: '5.18',
    proto: int([btf('file'), MEM_OUT, SIZE], 'mightSleep'),
  }),
  contractOnly({
    id: 204,
    name: 'bpf_tcp_raw_gen_syncookie_ipv4',
    since: '6.0',
    proto: int([fixed(20), MEM, SIZE_OR_ZERO], 'gplOnly', 'pktAccess'),
  }),
  contractOnly({
    id: 205,
    name: 'bpf_tcp_raw_gen_syncookie_ipv6',
    since: '6.0',
    proto: int([fixed(40), MEM, SIZE_OR_ZERO], 'gplOnly', 'pktAccess'),
  }),
  contractOnly({
    id: 206,
    name: 'bpf_tcp_raw_check_syncookie_ipv4',
    since: '6.0',
    proto: int([fixed(20), fixed(20)], 'gplOnly', 'pktAccess'),
  }),
  contractOnly({
    id: 207,
    name: 'bpf_tcp_raw_check_syncookie_ipv6',
    since: '6.0',
    proto: int([fixed(40), fixed(20)], 'gplOnly', 'pktAccess'),
  }),
];

/** Engines carry out tail calls themselves and never call `run`. */
export const TAIL_CALL_HELPER: HelperDef = defineHelper({
  id: 12,
  name: 'bpf_tail_call',
  since: '4.2',
  proto: nothing([CTX, MAP, ANY]),
  run: () => {
    throw new ProgramFault('bad-call', 'bpf_tail_call is carried out by the engine');
  },
});
