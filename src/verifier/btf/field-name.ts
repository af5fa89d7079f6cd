import {
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  BPF_LIST_HEAD,
  BPF_LIST_NODE,
  BPF_RB_NODE,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
} from '../state/record.ts';

const FIELD_NAMES: ReadonlyMap<number, string> = new Map([
  [BPF_SPIN_LOCK, 'bpf_spin_lock'],
  [BPF_TIMER, 'bpf_timer'],
  [BPF_WORKQUEUE, 'bpf_wq'],
  [BPF_KPTR_UNREF, 'kptr'],
  [BPF_KPTR_REF, 'kptr'],
  [BPF_KPTR_PERCPU, 'percpu_kptr'],
  [BPF_LIST_HEAD, 'bpf_list_head'],
  [BPF_LIST_NODE, 'bpf_list_node'],
  [BPF_RB_ROOT, 'bpf_rb_root'],
  [BPF_RB_NODE, 'bpf_rb_node'],
  [BPF_REFCOUNT, 'bpf_refcount'],
]);

/** Name of a kind of special field in messages. Source: `include/linux/bpf.h: btf_field_type_name`. */
export const btfFieldTypeName = (type: number): string => FIELD_NAMES.get(type) ?? 'unknown';
