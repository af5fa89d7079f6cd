import type { HelperDef } from '../types.ts';
import { unimplemented } from './define.ts';

/** Objects of the program's own types, exceptions, work queues and network lookups: names, with no behaviour yet. */
export const NAMED_KFUNCS: readonly HelperDef[] = [
  unimplemented('bpf_obj_new_impl', '6.2'),
  unimplemented('bpf_obj_drop_impl', '6.2'),
  unimplemented('bpf_percpu_obj_new_impl', '6.7'),
  unimplemented('bpf_percpu_obj_drop_impl', '6.7'),
  unimplemented('bpf_refcount_acquire_impl', '6.4'),
  unimplemented('bpf_list_push_front_impl', '6.2'),
  unimplemented('bpf_list_push_back_impl', '6.2'),
  unimplemented('bpf_list_pop_front', '6.2'),
  unimplemented('bpf_list_pop_back', '6.2'),
  unimplemented('bpf_rbtree_add_impl', '6.3'),
  unimplemented('bpf_rbtree_remove', '6.3'),
  unimplemented('bpf_rbtree_first', '6.3'),
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
