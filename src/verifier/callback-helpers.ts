import { bpf_func_id as F } from '../uapi/index.ts';

/** A helper that calls a function of the program. */
export interface CallbackHelper {
  /** Argument (1..5) that is the function. */
  readonly funcArg: number;
  /** Argument handed on to the function, and the function's argument that receives it; 0 for none. */
  readonly contextArg: number;
  readonly contextParam: number;
  /** The function runs later, on a stack of its own. */
  readonly async: boolean;
}

const row = (funcArg: number, contextArg: number, contextParam: number, async = false): CallbackHelper => ({
  funcArg,
  contextArg,
  contextParam,
  async,
});

/** Source: `kernel/bpf/verifier.c: is_sync_callback_calling_function, is_async_callback_calling_function, set_*_callback_state`. */
export const CALLBACK_HELPERS: ReadonlyMap<number, CallbackHelper> = new Map([
  [F.BPF_FUNC_for_each_map_elem, row(2, 3, 4)],
  [F.BPF_FUNC_find_vma, row(3, 4, 3)],
  [F.BPF_FUNC_loop, row(2, 3, 2)],
  [F.BPF_FUNC_user_ringbuf_drain, row(2, 3, 2)],
  [F.BPF_FUNC_timer_set_callback, row(2, 0, 0, true)],
]);

/** Helpers that may move packet data; a tail call may end in any of them (`net/core/filter.c: bpf_helper_changes_pkt_data`). */
export const CHANGES_PKT_DATA: ReadonlySet<number> = new Set([
  F.BPF_FUNC_clone_redirect,
  F.BPF_FUNC_l3_csum_replace,
  F.BPF_FUNC_l4_csum_replace,
  F.BPF_FUNC_lwt_push_encap,
  F.BPF_FUNC_lwt_seg6_action,
  F.BPF_FUNC_lwt_seg6_adjust_srh,
  F.BPF_FUNC_lwt_seg6_store_bytes,
  F.BPF_FUNC_msg_pop_data,
  F.BPF_FUNC_msg_pull_data,
  F.BPF_FUNC_msg_push_data,
  F.BPF_FUNC_skb_adjust_room,
  F.BPF_FUNC_skb_change_head,
  F.BPF_FUNC_skb_change_proto,
  F.BPF_FUNC_skb_change_tail,
  F.BPF_FUNC_skb_pull_data,
  F.BPF_FUNC_skb_store_bytes,
  F.BPF_FUNC_skb_vlan_pop,
  F.BPF_FUNC_skb_vlan_push,
  F.BPF_FUNC_store_hdr_opt,
  F.BPF_FUNC_xdp_adjust_head,
  F.BPF_FUNC_xdp_adjust_meta,
  F.BPF_FUNC_xdp_adjust_tail,
  F.BPF_FUNC_tail_call,
]);
