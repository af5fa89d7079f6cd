import { PTR_TO_CTX } from '../../helpers/index.ts';
import { BPF_ABS, BPF_DW, BPF_IND, type Insn } from '../../isa/index.ts';
import { bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { markRegKnownZero, markRegNotInit, markRegUnknown } from '../state/marks.ts';
import { pushStack } from './branches.ts';
import { elseRefuse } from './else-refuse.ts';
import { prepareFuncExit } from './func-call.ts';
import { checkRegArg, DST_OP_NO_MARK, SRC_OP } from './liveness.ts';
import { checkPtrOffReg } from './mem-region.ts';
import { checkReferenceLeak, checkResourceLeak } from './return-code.ts';

/** R6 has the context, by convention of classic BPF. */
const CTX_REG = 6;
const CALLER_SAVED_REGS = 6;

/** Source: `may_access_skb`. */
const mayAccessSkb = (type: number): boolean =>
  type === bpf_prog_type.BPF_PROG_TYPE_SOCKET_FILTER ||
  type === bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS ||
  type === bpf_prog_type.BPF_PROG_TYPE_SCHED_ACT;

/**
 * `r0 = *(u8 *)skb[…]`: a call in disguise, which ends the function (with 0) if the packet is too short.
 * Source: `check_ld_abs`.
 */
export function checkLdAbs(env: VerifierEnv, insn: Insn): void {
  const mode = insn.code & 0xe0;
  if (!mayAccessSkb(env.prog.type)) env.refuse('ldAbsProgType');
  if (insn.dst !== 0 || insn.off !== 0 || (insn.code & 0x18) === BPF_DW || (mode === BPF_ABS && insn.src !== 0))
    env.refuse('ldAbsReserved');
  checkRegArg(env, CTX_REG, SRC_OP);
  const { curState, regs } = env;
  if (env.rules.checksResourceLeak) checkResourceLeak(env, false, true, 'BPF_LD_[ABS|IND]');
  else {
    elseRefuse(
      env,
      () => checkReferenceLeak(env, false),
      () => env.refuse('ldAbsReferences'),
    );
  }
  if (curState.activeLock !== undefined) env.refuse('ldAbsLocked');
  if (curState.activeRcuLock) env.refuse('ldAbsRcu');
  if (curState.activePreemptLock !== 0) env.refuse('ldAbsPreempt');
  if (regs[CTX_REG].type !== PTR_TO_CTX) env.refuse('ldAbsCtx');
  if (mode === BPF_IND) checkRegArg(env, insn.src, SRC_OP);
  checkPtrOffReg(env, regs[CTX_REG], CTX_REG);
  for (let i = 0; i < CALLER_SAVED_REGS; i++) {
    markRegNotInit(env, regs, i);
    checkRegArg(env, i, DST_OP_NO_MARK);
  }
  markRegUnknown(env, regs, 0);
  regs[0].subregDef = env.insnIdx + 1;
  if (curState.curframe === 0) return;
  // In a function that is not main its callers see the 0 too.
  env.markRegScratched(0);
  if (pushStack(env, env.insnIdx + 1, env.insnIdx, false) === undefined) env.fail(ERRNO.EFAULT);
  markRegKnownZero(env, regs, 0);
  prepareFuncExit(env);
  env.insnIdx--;
}
