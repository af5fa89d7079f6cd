import { type Btf, btfIsPtr, btfIsStructLike, underModifiers } from '../../btf/index.ts';
import { findCanonicalProgCtxType, isUserPtRegs } from '../../progtypes/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

const isInt64 = (btf: Btf, id: number): boolean => btf.kindOf(id) === 'INT' && btf.types.third(id) === 8;

/** Types whose context may also be written as a `u64 *`, by attach type where it matters. */
function mayBeU64(progType: number, attachType: number): boolean {
  const { BPF_PROG_TYPE_TRACING } = bpf_prog_type;
  switch (progType) {
    case bpf_prog_type.BPF_PROG_TYPE_RAW_TRACEPOINT:
    case bpf_prog_type.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
    case bpf_prog_type.BPF_PROG_TYPE_LSM:
    case bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS:
      return true;
    case BPF_PROG_TYPE_TRACING:
      return attachType !== bpf_attach_type.BPF_TRACE_ITER;
    default:
      return false;
  }
}

/** The struct that stands behind `bpf_user_pt_regs_t` on an architecture. */
const USER_REGS: Readonly<Record<string, string>> = {
  x86_64: 'pt_regs',
  arm64: 'user_pt_regs',
  ppc64: 'user_pt_regs',
  riscv64: 'user_regs_struct',
  s390x: 'user_pt_regs',
};

/** Names a struct may have beside the canonical one. */
function mayBeCalled(env: VerifierEnv, name: string, progType: number, attachType: number): boolean {
  switch (progType) {
    case bpf_prog_type.BPF_PROG_TYPE_KPROBE:
      return name === 'pt_regs';
    case bpf_prog_type.BPF_PROG_TYPE_PERF_EVENT:
      return name === USER_REGS[env.kernel.arch];
    case bpf_prog_type.BPF_PROG_TYPE_TRACING:
      if (attachType === bpf_attach_type.BPF_TRACE_RAW_TP) return name === 'bpf_raw_tracepoint_args';
      return attachType === bpf_attach_type.BPF_TRACE_ITER && name.startsWith('bpf_iter__');
    default:
      return false;
  }
}

/**
 * Checks an argument that is tagged as context. Says why not and gives false otherwise.
 * Source: `kernel/bpf/btf.c: btf_validate_prog_ctx_type`.
 */
export function btfValidateProgCtxType(
  env: VerifierEnv,
  btf: Btf,
  typeId: number,
  arg: number,
  progType: number,
  attachType: number,
): boolean {
  if (!btfIsPtr(btf, typeId)) {
    env.say('argNotPointer', arg);
    return false;
  }
  const pointeeId = btf.types.third(typeId);
  const mayBeTypedef =
    progType === bpf_prog_type.BPF_PROG_TYPE_KPROBE || progType === bpf_prog_type.BPF_PROG_TYPE_PERF_EVENT;
  if (mayBeTypedef && isUserPtRegs(btf, pointeeId)) return true;
  const id = underModifiers(btf, pointeeId);
  if (id === 0) return true;
  const name = btf.nameOf(id);
  if (name === '') {
    env.say('argTypeUnnamed', arg);
    return false;
  }
  const isStruct = btf.kindOf(id) === 'STRUCT';
  if (isStruct && mayBeCalled(env, name, progType, attachType)) return true;
  if (mayBeU64(progType, attachType) && isInt64(btf, id)) return true;
  if (
    progType === bpf_prog_type.BPF_PROG_TYPE_TRACEPOINT ||
    progType === bpf_prog_type.BPF_PROG_TYPE_SYSCALL ||
    progType === bpf_prog_type.BPF_PROG_TYPE_EXT
  )
    return true;
  const kernelBtf = env.kernel.btf;
  const canonical = findCanonicalProgCtxType(kernelBtf, progType);
  if (kernelBtf === undefined || canonical === undefined) {
    env.verbose('btf_vmlinux is malformed\n');
    return false;
  }
  const ctx = underModifiers(kernelBtf, canonical);
  if (kernelBtf.kindOf(ctx) !== 'STRUCT') {
    env.say('argShouldBeVoid', arg);
    return false;
  }
  const ctxName = kernelBtf.nameOf(ctx);
  if (isStruct && ctxName === name) return true;
  env.say('argShouldBe', arg, ctxName);
  return false;
}

/** Whether a pointer points to `struct bpf_dynptr`. Source: `btf_is_dynptr_ptr`. */
export function btfIsDynptrPtr(btf: Btf, ptrId: number): boolean {
  const id = underModifiers(btf, btf.types.third(ptrId));
  const forward = btf.kindOf(id) === 'FWD' && !btf.types.kindFlag(id);
  return (btfIsStructLike(btf, id) || forward) && btf.nameOf(id) === 'bpf_dynptr';
}
