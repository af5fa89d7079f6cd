import type { HelperDef } from '../types.ts';
import { unimplemented } from './define.ts';

/** Work queues, iterators and network lookups: names, with no behaviour yet. */
export const NAMED_KFUNCS: readonly HelperDef[] = [
  unimplemented('bpf_wq_init', '6.10'),
  unimplemented('bpf_wq_start', '6.10'),
  unimplemented('bpf_wq_set_callback_impl', '6.10'),
  unimplemented('bpf_iter_task_new', '6.7'),
  unimplemented('bpf_iter_task_next', '6.7'),
  unimplemented('bpf_iter_task_destroy', '6.7'),
  unimplemented('bpf_iter_task_vma_new', '6.7'),
  unimplemented('bpf_iter_task_vma_next', '6.7'),
  unimplemented('bpf_iter_task_vma_destroy', '6.7'),
  unimplemented('bpf_iter_css_new', '6.7'),
  unimplemented('bpf_iter_css_next', '6.7'),
  unimplemented('bpf_iter_css_destroy', '6.7'),
  unimplemented('bpf_skb_ct_lookup', '5.18'),
  unimplemented('bpf_xdp_ct_lookup', '5.18'),
  unimplemented('bpf_ct_release', '5.18'),
  unimplemented('bpf_sock_destroy', '6.5'),
];
