import type { Insn } from '../../isa/index.ts';
import { CALLBACK_HELPERS } from '../callback-helpers.ts';
import type { VerifierEnv } from '../env.ts';
import { isKfuncCall, kfuncAsyncCallbackArg, kfuncSyncCallbackArg } from '../kfunc-calls.ts';
import { isHelperCall } from '../subprogs.ts';

/** The call has a function of the program called before it returns. Source: `is_sync_callback_calling_insn`. */
export const isSyncCallbackCallingInsn = (env: VerifierEnv, insn: Insn, idx: number): boolean =>
  isHelperCall(insn)
    ? CALLBACK_HELPERS.get(insn.imm)?.async === false
    : isKfuncCall(insn) && kfuncSyncCallbackArg(env.kfuncs.nameAt(idx)) !== 0;

/** The call arranges for one to be called later. Source: `is_async_callback_calling_insn`. */
export const isAsyncCallbackCallingInsn = (env: VerifierEnv, insn: Insn, idx: number): boolean =>
  isHelperCall(insn)
    ? CALLBACK_HELPERS.get(insn.imm)?.async === true
    : isKfuncCall(insn) && kfuncAsyncCallbackArg(env.kfuncs.nameAt(idx)) !== 0;

/** Source: `is_bpf_wq_set_callback_impl_kfunc`. */
export const isWqSetCallback = (env: VerifierEnv, insn: Insn, idx: number): boolean =>
  isKfuncCall(insn) && env.kfuncs.nameAt(idx) === 'bpf_wq_set_callback_impl';
