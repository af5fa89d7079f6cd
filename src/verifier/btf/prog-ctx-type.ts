import { type Btf, type BtfKind, kindNumber } from '../../btf/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

const PTR = kindNumber('PTR');
const STRUCT = kindNumber('STRUCT');
const UNION = kindNumber('UNION');
const INT = kindNumber('INT');
const FWD = kindNumber('FWD');
const TYPEDEF = kindNumber('TYPEDEF');
const MODIFIERS: ReadonlySet<number> = new Set(
  (['TYPEDEF', 'VOLATILE', 'CONST', 'RESTRICT', 'TYPE_TAG'] as const).map((kind: BtfKind) => kindNumber(kind)),
);

export const btfIsModifier = (btf: Btf, id: number): boolean => MODIFIERS.has(btf.types.kind(id));

/** The type under typedefs and qualifiers; chains are bounded by the number of types. */
export function skipModifiers(btf: Btf, id: number): number {
  for (let left = btf.typeCount; left > 0 && btfIsModifier(btf, id); left--) id = btf.types.third(id);
  return id;
}

export const btfIsPtr = (btf: Btf, id: number): boolean => btf.types.kind(id) === PTR;
/** Struct or union. Source: `btf_type_is_struct`. */
export const btfIsStructLike = (btf: Btf, id: number): boolean => {
  const kind = btf.types.kind(id);
  return kind === STRUCT || kind === UNION;
};

const TYPE_NAMES = new Map<number, string>(
  Object.entries(bpf_prog_type).map(([name, number]) => [number as number, name]),
);

/** Ids, in the kernel's BTF, of the context as programs of a type see it and as the kernel has it; undefined if it says nothing. */
function ctxConvert(kernelBtf: Btf | undefined, progType: number, which: 'prog' | 'kern'): number | undefined {
  if (kernelBtf === undefined) return undefined;
  const table = kernelBtf.findByName('bpf_ctx_convert', 'STRUCT');
  if (table === 0) return undefined;
  const wanted = `${TYPE_NAMES.get(progType)}_${which}`;
  const { types } = kernelBtf;
  for (let i = 0; i < types.vlen(table); i++) {
    if (kernelBtf.stringAt(types.item(table, i, 0)) === wanted) return types.item(table, i, 1);
  }
  // A type that the kernel was built without has no row of its own; Linux then takes the first one.
  return types.item(table, which === 'prog' ? 0 : 1, 1);
}

/** Source: `find_canonical_prog_ctx_type`. */
export const findCanonicalProgCtxType = (kernelBtf: Btf | undefined, progType: number): number | undefined =>
  ctxConvert(kernelBtf, progType, 'prog');
/** Source: `find_kern_ctx_type_id`. */
export const findKernCtxTypeId = (kernelBtf: Btf | undefined, progType: number): number | undefined =>
  ctxConvert(kernelBtf, progType, 'kern');

/** Source: `btf_is_projection_of`. */
export const btfIsProjectionOf = (programName: string, kernelName: string): boolean =>
  (programName === '__sk_buff' && kernelName === 'sk_buff') || (programName === 'xdp_md' && kernelName === 'xdp_buff');

/**
 * Whether the pointer type `ptrId` of `btf` points to what programs of this type call their context; only names are
 * compared. Source: `kernel/bpf/btf.c: btf_is_prog_ctx_type`.
 */
export function btfIsProgCtxType(env: VerifierEnv, btf: Btf, ptrId: number, progType: number): boolean {
  let id = btf.types.third(ptrId);
  if (progType === bpf_prog_type.BPF_PROG_TYPE_KPROBE) {
    for (let left = btf.typeCount; left > 0 && btfIsModifier(btf, id) && btf.types.kind(id) !== TYPEDEF; left--)
      id = btf.types.third(id);
    if (btf.types.kind(id) === TYPEDEF && btf.nameOf(id) === 'bpf_user_pt_regs_t') return true;
  }
  id = skipModifiers(btf, id);
  if (!btfIsStructLike(btf, id)) return false;
  const name = btf.nameOf(id);
  const kernelBtf = env.kernel.btf;
  let ctx = findCanonicalProgCtxType(kernelBtf, progType);
  if (kernelBtf === undefined || ctx === undefined) {
    env.verbose('btf_vmlinux is malformed\n');
    return false;
  }
  for (;;) {
    const ctxName = kernelBtf.nameOf(ctx);
    if (ctxName === '') return false;
    if (btfIsProjectionOf(ctxName, name) || ctxName === name) return true;
    if (!btfIsModifier(kernelBtf, ctx)) return false;
    ctx = skipModifiers(kernelBtf, ctx);
  }
}

const isInt64 = (btf: Btf, id: number): boolean => btf.types.kind(id) === INT && btf.types.third(id) === 8;

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
  let id = btf.types.third(typeId);
  if (progType === bpf_prog_type.BPF_PROG_TYPE_KPROBE || progType === bpf_prog_type.BPF_PROG_TYPE_PERF_EVENT) {
    for (let left = btf.typeCount; left > 0 && btfIsModifier(btf, id) && btf.types.kind(id) !== TYPEDEF; left--)
      id = btf.types.third(id);
    if (btf.types.kind(id) === TYPEDEF && btf.nameOf(id) === 'bpf_user_pt_regs_t') return true;
  }
  id = skipModifiers(btf, id);
  if (id === 0) return true;
  const name = btf.nameOf(id);
  if (name === '') {
    env.say('argTypeUnnamed', arg);
    return false;
  }
  const isStruct = btf.types.kind(id) === STRUCT;
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
  const ctx = skipModifiers(kernelBtf, canonical);
  if (kernelBtf.types.kind(ctx) !== STRUCT) {
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
  const id = skipModifiers(btf, btf.types.third(ptrId));
  const forward = btf.types.kind(id) === FWD && !btf.types.kindFlag(id);
  return (btfIsStructLike(btf, id) || forward) && btf.nameOf(id) === 'bpf_dynptr';
}
