import { plain, row } from './row.ts';

/** What the verifier says of helper calls, their arguments and what stands behind them (dynptrs, locks, timers, kptrs). */
export const HELPER_CALL_MESSAGES = {
  // stack_slot_obj_get_spi
  stackObjNotConst: row('EINVAL', (kind: string) => `${kind} has to be at a constant offset`),
  stackObjAtOffset: row('EINVAL', (kind: string, off: number) => `cannot pass in ${kind} at an offset=${off}`),

  // unmark_stack_slots_dynptr, destroy_if_dynptr_stack_slot, process_dynptr_func
  dynptrRefMisconfigured: plain('EFAULT', 'verifier internal error: misconfigured ref_obj_id'),
  dynptrOverwriteReferenced: plain('EINVAL', 'cannot overwrite referenced dynptr'),
  dynptrArgPointer: row('EINVAL', (arg: number) => `arg#${arg} expected pointer to stack or const struct bpf_dynptr`),
  dynptrNotUninit: plain('EINVAL', 'Dynptr has to be an uninitialized dynptr'),
  dynptrConst: plain('EINVAL', 'cannot pass pointer to const bpf_dynptr, the helper mutates it'),
  dynptrNotInit: row('EINVAL', (arg: number) => `Expected an initialized dynptr as arg #${arg}`),
  dynptrKind: row('EINVAL', (kind: string, arg: number) => `Expected a dynptr of type ${kind} as arg #${arg}`),
} as const;
