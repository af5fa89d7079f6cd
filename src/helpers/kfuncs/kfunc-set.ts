/** Flags and sets of kernel functions, as the kernel registers them (`include/linux/btf.h`). */
export const KF_ACQUIRE = 1 << 0;
export const KF_RELEASE = 1 << 1;
export const KF_RET_NULL = 1 << 2;
export const KF_TRUSTED_ARGS = 1 << 4;
export const KF_SLEEPABLE = 1 << 5;
export const KF_DESTRUCTIVE = 1 << 6;
export const KF_RCU = 1 << 7;
export const KF_ITER_NEW = 1 << 8;
export const KF_ITER_NEXT = 1 << 9;
export const KF_ITER_DESTROY = 1 << 10;
export const KF_RCU_PROTECTED = 1 << 11;

/** Kinds of programs functions are registered for (`enum btf_kfunc_hook`). */
export type KfuncHook =
  | 'common'
  | 'xdp'
  | 'tc'
  | 'struct_ops'
  | 'tracing'
  | 'syscall'
  | 'fmodret'
  | 'cgroup'
  | 'sched_act'
  | 'sk_skb'
  | 'socket_filter'
  | 'lwt'
  | 'netfilter'
  | 'kprobe';

/** A condition beyond the program's kind, by which its hook forbids the functions (`btf_kfunc_id_set.filter`). */
export type KfuncFilter =
  /** Attach type BPF_TRACE_ITER. */
  | 'iter'
  /** Attach type BPF_TRACE_KPROBE_SESSION. */
  | 'kprobe-session'
  /** Program type LSM. */
  | 'lsm';
/** One function of a set: name, first release, `KF_*`. */
export type KfuncRow = readonly [name: string, since: string, flags?: number];

/** Functions registered together. */
export interface KfuncSet {
  readonly hooks: readonly KfuncHook[];
  readonly filter?: KfuncFilter;
  readonly rows: readonly KfuncRow[];
}
