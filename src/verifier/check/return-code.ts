import { bpfLsmIsBoolHook, SCALAR_VALUE } from '../../helpers/index.ts';
import type { ProgFacts } from '../../progtypes/index.ts';
import { bpf_attach_type as A, ERRNO, bpf_prog_type as T } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import type { RetvalRange } from '../state/func-state.ts';
import { elseRefuse } from './else-refuse.ts';
import { checkRegArg, SRC_OP } from './liveness.ts';
import { isPointerValue } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { retvalRangeWithin, verboseInvalidScalar } from './subprog-facts.ts';

const range = (min: number, max: number): RetvalRange => ({ min, max });
const ZERO = range(0, 0);
const ZERO_OR_ONE = range(0, 1);
const ONE = range(1, 1);

/** Hooks of cgroup_sock_addr programs that may only let pass. */
const ALWAYS_ALLOW: ReadonlySet<number> = new Set([
  A.BPF_CGROUP_UDP4_RECVMSG,
  A.BPF_CGROUP_UDP6_RECVMSG,
  A.BPF_CGROUP_UNIX_RECVMSG,
  A.BPF_CGROUP_INET4_GETPEERNAME,
  A.BPF_CGROUP_INET6_GETPEERNAME,
  A.BPF_CGROUP_UNIX_GETPEERNAME,
  A.BPF_CGROUP_INET4_GETSOCKNAME,
  A.BPF_CGROUP_INET6_GETSOCKNAME,
  A.BPF_CGROUP_UNIX_GETSOCKNAME,
]);

const MAX_ERRNO = 4095;

const returnsVoid = (prog: ProgFacts): boolean =>
  prog.attachBtf === undefined || prog.attachBtf.types.third(prog.attachFuncProtoId) === 0;

/** What an LSM hook may return; undefined where it returns nothing. Source: `bpf_lsm_get_retval_range`. */
export function lsmRetvalRange(prog: ProgFacts): RetvalRange | undefined {
  if (returnsVoid(prog)) return undefined;
  return bpfLsmIsBoolHook(prog.attachFuncName) ? ZERO_OR_ONE : range(-MAX_ERRNO, 0);
}

/** The range of what a function that is traced returns, where it is known. Source: `get_func_retval_range`. */
export const getFuncRetvalRange = (prog: ProgFacts): RetvalRange | undefined =>
  prog.type === T.BPF_PROG_TYPE_LSM && prog.attachType === A.BPF_LSM_MAC ? lsmRetvalRange(prog) : undefined;

function tracingRange(attachType: number): RetvalRange | 'any' | 'unsupported' {
  switch (attachType) {
    case A.BPF_TRACE_FENTRY:
    case A.BPF_TRACE_FEXIT:
      return ZERO;
    case A.BPF_TRACE_RAW_TP:
    case A.BPF_MODIFY_RETURN:
      return 'any';
    case A.BPF_TRACE_ITER:
      return ZERO_OR_ONE;
    default:
      return 'unsupported';
  }
}

/** What a program's main function may return. */
function programRange(prog: ProgFacts): RetvalRange | 'any' | 'unsupported' {
  const { attachType } = prog;
  switch (prog.type) {
    case T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
      if (ALWAYS_ALLOW.has(attachType)) return ONE;
      if (attachType === A.BPF_CGROUP_INET4_BIND || attachType === A.BPF_CGROUP_INET6_BIND) return range(0, 3);
      return ZERO_OR_ONE;
    case T.BPF_PROG_TYPE_CGROUP_SKB:
      return attachType === A.BPF_CGROUP_INET_EGRESS ? range(0, 3) : ZERO_OR_ONE;
    case T.BPF_PROG_TYPE_CGROUP_SOCK:
    case T.BPF_PROG_TYPE_SOCK_OPS:
    case T.BPF_PROG_TYPE_CGROUP_DEVICE:
    case T.BPF_PROG_TYPE_CGROUP_SYSCTL:
    case T.BPF_PROG_TYPE_CGROUP_SOCKOPT:
    case T.BPF_PROG_TYPE_SK_LOOKUP:
    case T.BPF_PROG_TYPE_NETFILTER:
      return ZERO_OR_ONE;
    case T.BPF_PROG_TYPE_RAW_TRACEPOINT:
      return prog.attachBtfId === 0 ? 'any' : ZERO;
    case T.BPF_PROG_TYPE_TRACING:
      return tracingRange(attachType);
    case T.BPF_PROG_TYPE_KPROBE:
      return attachType === A.BPF_TRACE_KPROBE_SESSION ? ZERO_OR_ONE : 'any';
    case T.BPF_PROG_TYPE_LSM:
      if (attachType === A.BPF_LSM_CGROUP) return returnsVoid(prog) ? ONE : ZERO_OR_ONE;
      return getFuncRetvalRange(prog) ?? 'any';
    default:
      return 'any';
  }
}

/**
 * What a program, a function verified on its own or a callback returns (or throws).
 * Source: `kernel/bpf/verifier.c: check_return_code`.
 */
export function checkReturnCode(env: VerifierEnv, regno: number, regName: string): void {
  const { prog } = env;
  const [main] = env.curState.frames;
  const isSubprog = main.subprogno !== 0;
  const isLsmCgroup = prog.type === T.BPF_PROG_TYPE_LSM && prog.attachType === A.BPF_LSM_CGROUP;
  if (!isSubprog || main.inExceptionCallbackFn) {
    const mayBeVoid = (prog.type === T.BPF_PROG_TYPE_LSM && !isLsmCgroup) || prog.type === T.BPF_PROG_TYPE_STRUCT_OPS;
    if (mayBeVoid && returnsVoid(prog)) return;
  }
  checkRegArg(env, regno, SRC_OP);
  if (isPointerValue(env, regno)) env.refuse('leaksReturn', regno);
  const reg = env.regs[regno];
  if (main.inAsyncCallbackFn) {
    enforce(env, regno, regName, ZERO, 'At async callback return', false);
    return;
  }
  if (isSubprog && !main.inExceptionCallbackFn) {
    if (reg.type !== SCALAR_VALUE) env.refuse('subprogReturn', regno, regTypeStr(reg.type));
    return;
  }
  if (!env.rules.checksLsmReturn && prog.type === T.BPF_PROG_TYPE_LSM && !isLsmCgroup) return;
  const allowed = programRange(prog);
  if (allowed === 'any') return;
  if (allowed === 'unsupported') env.refuse('returnAttachType');
  enforce(env, regno, regName, allowed, 'At program exit', prog.type === T.BPF_PROG_TYPE_LSM && !isLsmCgroup);
}

function enforce(
  env: VerifierEnv,
  regno: number,
  regName: string,
  allowed: RetvalRange,
  where: string,
  return32bit: boolean,
): void {
  const reg = env.regs[regno];
  if (reg.type !== SCALAR_VALUE) env.refuse('returnUnknown', where, regno, regTypeStr(reg.type));
  markChainPrecision(env, regno);
  if (retvalRangeWithin(allowed, reg, return32bit)) return;
  verboseInvalidScalar(env, reg, allowed, where, regName);
  const { prog } = env;
  const isSubprog = env.curState.frames[0].subprogno !== 0;
  if (!isSubprog && prog.type === T.BPF_PROG_TYPE_LSM && prog.attachType === A.BPF_LSM_CGROUP && returnsVoid(prog))
    env.refuse('returnVoidHook');
  env.fail(ERRNO.EINVAL);
}

/** Refuses to leave with references that were not given back. Source: `check_reference_leak`. */
export function checkReferenceLeak(env: VerifierEnv, exceptionExit: boolean): void {
  const { frame } = env;
  if (!exceptionExit && frame.frameno !== 0 && !frame.inCallbackFn) return;
  let lingering = false;
  for (const ref of frame.refs) {
    if (!exceptionExit && frame.inCallbackFn && ref.callbackRef !== frame.frameno) continue;
    env.say('referenceLeak', ref.id, ref.insnIdx);
    lingering = true;
  }
  if (lingering) env.fail(ERRNO.EINVAL);
}

/**
 * Refuses to go where what a program holds could not be given back any more, saying who would. Source: `check_resource_leak`
 * of 6.13 and later.
 */
export function checkResourceLeak(env: VerifierEnv, exceptionExit: boolean, checkLock: boolean, who: string): void {
  const state = env.curState;
  if (checkLock && state.activeLock !== undefined) env.refuse('usedInRegion', who, 'bpf_spin_lock');
  elseRefuse(
    env,
    () => checkReferenceLeak(env, exceptionExit),
    () => env.refuse('leaksReference', who),
  );
  if (checkLock && state.activeRcuLock) env.refuse('usedInRegion', who, 'bpf_rcu_read_lock');
  if (checkLock && state.activePreemptLock !== 0) env.refuse('usedInRegion', who, 'bpf_preempt_disable');
}
