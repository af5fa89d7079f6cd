import { CALL_ARGS, type Insn, isPseudoCall, isPseudoFunc, LD_IMM64, makeInsn } from '../isa/index.ts';
import type { KernelImage } from '../kernels/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import type { JitFailure, JitResult } from './program.ts';
import { findSubprog, hasKfuncCall } from './split.ts';

/** Interpreters exist for stacks of 32, 64 … 512 bytes (`kernel/bpf/core.c: interpreters_args`). */
const STACK_STEP_BYTES = 32;
const INTERPRETER_COUNT = 16;

const TEXTS = {
  kfunc: 'calling kernel functions are not allowed in non-JITed programs',
  tailCall: 'tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls',
  callback: 'callbacks are not allowed in non-JITed programs',
} as const;

/**
 * What becomes of a program that is not compiled: refused where the interpreter cannot carry it, else its local calls name
 * the interpreter for their callee's stack (`kernel/bpf/verifier.c: fixup_call_args`, `bpf_patch_call_args`;
 * `kernel/bpf/core.c: bpf_prog_select_runtime`).
 */
export function interpreted(
  xlated: XlatedProgram,
  tag: string,
  reason: JitFailure | undefined,
  alwaysOn: boolean,
): JitResult {
  const reject = (errno: number, message: string): JitResult => ({
    ok: false,
    rejection: { errno, message, failure: reason },
  });
  if (alwaysOn) return reject(reason?.errno ?? ERRNO.ENOTSUPP, '');
  const { insns, subprogs } = xlated;
  const multi = subprogs.length > 1;
  // With one function nothing is said: bpf_prog_select_runtime finds that it needed the JIT.
  if (hasKfuncCall(insns))
    return multi || reason === undefined ? reject(ERRNO.EINVAL, TEXTS.kfunc) : reject(ERRNO.ENOTSUPP, '');
  if (multi && subprogs.some(subprog => subprog.tailCallReachable)) return reject(ERRNO.EINVAL, TEXTS.tailCall);
  const out: Insn[] = insns.slice();
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (isPseudoFunc(insn)) return reject(ERRNO.EINVAL, TEXTS.callback);
    if (insn.code === LD_IMM64) {
      slot++;
      continue;
    }
    if (!isPseudoCall(insn)) continue;
    const callee = findSubprog(subprogs, slot + insn.imm + 1);
    if (callee < 0) return reject(ERRNO.EFAULT, `verifier bug. No program starts at insn ${slot + insn.imm + 1}`);
    const imm = argsInterpreter(xlated.kernel, subprogs[callee].stackDepthBytes);
    out[slot] = makeInsn(CALL_ARGS, insn.dst, insn.src, insn.imm, imm);
  }
  return { ok: true, prog: { jited: false, jitRequested: false, xlated, tag, insns: out, reason } };
}

/** Distance from `__bpf_call_base_args` of the interpreter for a stack of that depth. */
function argsInterpreter(kernel: KernelImage, stackDepthBytes: number): number {
  const size =
    Math.min(INTERPRETER_COUNT, Math.ceil(Math.max(stackDepthBytes, 1) / STACK_STEP_BYTES)) * STACK_STEP_BYTES;
  return kernel.symbolOffset(`__bpf_prog_run_args${size}`) - kernel.symbolOffset('__bpf_call_base_args');
}
