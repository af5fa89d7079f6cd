import {
  ARG_ANYTHING,
  ARG_PTR_TO_ARENA,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_CTX,
  ARG_PTR_TO_DYNPTR,
  ARG_PTR_TO_MEM,
  baseType,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_MEM,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { bpf_prog_type } from '../../uapi/index.ts';
import { btfPrepareFuncArgs } from '../btf/func-args.ts';
import type { VerifierEnv } from '../env.ts';
import { BPF_MAIN_FUNC } from '../state/func-state.ts';
import { KeptStates } from '../state/kept-states.ts';
import { initFuncState, markDynptrReg, markRegKnownZero, markRegUnknown } from '../state/marks.ts';
import { BPF_DYNPTR_TYPE_LOCAL, btfInfo, memInfo } from '../state/reg.ts';
import { VerifierState } from '../state/verifier-state.ts';
import type { SubprogArg } from '../subprogs.ts';
import { BPF_LOG_LEVEL, BPF_LOG_LEVEL2 } from '../verifier-log.ts';
import { takeFrame } from './branches.ts';
import { subprogIsExcCb, subprogIsGlobal, subprogName } from './subprog-facts.ts';
import { doCheck } from './walk.ts';

/** What a global function may count on of an argument. */
function markArg(env: VerifierEnv, regno: number, arg: SubprogArg): void {
  const { regs } = env;
  const reg = regs[regno];
  const { argType } = arg;
  const nullable = argType & PTR_MAYBE_NULL;
  switch (baseType(argType)) {
    case ARG_PTR_TO_CTX:
      reg.type = PTR_TO_CTX;
      markRegKnownZero(env, regs, regno);
      return;
    case ARG_ANYTHING:
      reg.type = SCALAR_VALUE;
      markRegUnknown(env, regs, regno);
      return;
    case ARG_PTR_TO_DYNPTR:
      markDynptrReg(reg, BPF_DYNPTR_TYPE_LOCAL, true, env.newId());
      return;
    case ARG_PTR_TO_MEM:
      reg.type = PTR_TO_MEM | nullable;
      markRegKnownZero(env, regs, regno);
      reg.info = memInfo(arg.memSize);
      reg.id = env.newId();
      return;
    case ARG_PTR_TO_BTF_ID:
      reg.type = PTR_TO_BTF_ID | (argType & (PTR_MAYBE_NULL | PTR_UNTRUSTED | PTR_TRUSTED));
      markRegKnownZero(env, regs, regno);
      if (env.kernel.btf !== undefined) reg.info = btfInfo(env.kernel.btf, arg.btfId);
      reg.id = env.newId();
      return;
    case ARG_PTR_TO_ARENA:
      // Callers may pass a pointer or a number.
      markRegUnknown(env, regs, regno);
      return;
    default:
      env.bug(`argument R${regno} has type ${argType}`);
  }
}

/** Walks one function on its own: main, or a global one. Source: `kernel/bpf/verifier.c: do_check_common`. */
function doCheckCommon(env: VerifierEnv, subprogno: number): void {
  const { log } = env;
  const sub = env.subprogInfo(subprogno);
  env.lines.forget();
  env.passCnt++;
  const state = new VerifierState();
  state.branches = 1;
  const frame = takeFrame(env);
  state.frames = [frame];
  env.curState = state;
  initFuncState(env, frame, BPF_MAIN_FUNC, 0, subprogno);
  state.firstInsnIdx = sub.start;
  state.lastInsnIdx = -1;
  const { regs } = frame;
  if (subprogno !== 0 || env.prog.rawType === bpf_prog_type.BPF_PROG_TYPE_EXT) {
    if (env.logging) env.verbose(`Validating ${subprogName(env, subprogno)}() func#${subprogno}...\n`);
    const errno = btfPrepareFuncArgs(env, subprogno);
    if (errno !== 0) env.fail(errno);
    const args = sub.args ?? [];
    if (subprogIsExcCb(env, subprogno)) {
      frame.changeHead({ inExceptionCallbackFn: true });
      if (args.length !== 1 || args[0].argType !== ARG_ANYTHING) env.refuse('exceptionCallbackArgs');
    }
    args.forEach((arg, i) => {
      markArg(env, i + 1, arg);
    });
  } else {
    if (sub.func !== undefined) {
      const failed = btfPrepareFuncArgs(env, 0) !== 0;
      if (failed || sub.args?.length !== 1 || sub.args[0].argType !== ARG_PTR_TO_CTX) sub.unreliable = true;
    }
    regs[1].type = PTR_TO_CTX;
    markRegKnownZero(env, regs, 1);
  }
  doCheck(env);
  if ((log.level & BPF_LOG_LEVEL2) === 0) log.reset(0);
  env.explored = [];
  env.kept = new KeptStates();
}

/** Source: `do_check_main`. */
export function doCheckMain(env: VerifierEnv): void {
  env.insnIdx = 0;
  doCheckCommon(env, 0);
}

/**
 * Walks every global function that a verified one calls, until no new one turns up. Functions called from dead code only
 * are not looked at. Source: `do_check_subprogs`.
 */
export function doCheckSubprogs(env: VerifierEnv): void {
  const { list } = env.subprogs;
  if (list[0].func === undefined) return;
  if (env.exceptionCallbackSubprog !== 0) list[env.exceptionCallbackSubprog].called = true;
  for (let again = true; again; ) {
    again = false;
    for (let id = 1; id < list.length; id++) {
      const sub = list[id];
      if (!subprogIsGlobal(env, id) || !sub.called || sub.verified) continue;
      env.insnIdx = sub.start;
      doCheckCommon(env, id);
      if (env.logging && (env.log.level & BPF_LOG_LEVEL) !== 0)
        env.verbose(`Func#${id} ('${subprogName(env, id)}') is safe for any args that match its prototype\n`);
      sub.verified = true;
      again = true;
    }
  }
}
