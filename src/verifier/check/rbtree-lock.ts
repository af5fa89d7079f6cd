import type { VerifierEnv } from '../env.ts';

/** Source: `is_bpf_rbtree_api_kfunc`. */
const RBTREE_KFUNCS: ReadonlySet<string> = new Set(['bpf_rbtree_add_impl', 'bpf_rbtree_remove', 'bpf_rbtree_first']);

/**
 * Whether the frame in hand is called back by a kernel function under the lock of a tree, which it must leave alone.
 * Source: `kernel/bpf/verifier.c: in_rbtree_lock_required_cb`.
 */
export function inRbtreeLockRequiredCb(env: VerifierEnv): boolean {
  const { frame } = env;
  return (
    env.curState.curframe !== 0 && frame.inCallbackFn && RBTREE_KFUNCS.has(env.kfuncs.nameAt(frame.callsite) ?? '')
  );
}
