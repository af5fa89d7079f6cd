import type { Btf, BtfComposite, BtfType } from '../btf/index.ts';
import { bpf_prog_type, progTypeName } from '../uapi/index.ts';
import type { CtxAccess } from './contract.ts';
import { kernelStructId } from './kernel-struct.ts';

const T = bpf_prog_type;

type Log = Pick<CtxAccess, 'log'>;

/** Ids of the context's type as programs see it and as the kernel has it, from the kernel's own table; 0 if it has none. */
export function ctxTypeIds(
  kernelBtf: Btf | undefined,
  progType: number,
): { readonly progTypeId: number; readonly kernTypeId: number } {
  const id = kernelStructId(kernelBtf, 'bpf_ctx_convert');
  const table = id === 0 || kernelBtf === undefined ? undefined : (kernelBtf.typeById(id) as BtfComposite);
  const name = `BPF_PROG_TYPE_${progTypeName(progType).toUpperCase()}`;
  const find = (suffix: string): number => table?.members.find(m => m.name === `${name}_${suffix}`)?.typeId ?? 0;
  return { progTypeId: find('prog'), kernTypeId: find('kern') };
}

/** The kernel's `bpf_ctx_convert` struct itself exists. */
const hasTable = (kernelBtf: Btf | undefined): kernelBtf is Btf => kernelStructId(kernelBtf, 'bpf_ctx_convert') !== 0;

/** Source: `btf_is_projection_of`. */
export const btfIsProjectionOf = (progName: string, kernelName: string): boolean =>
  (progName === '__sk_buff' && kernelName === 'sk_buff') || (progName === 'xdp_md' && kernelName === 'xdp_buff');

const isModifier = (type: BtfType): type is BtfType & { readonly typeId: number } =>
  type.kind === 'TYPEDEF' ||
  type.kind === 'CONST' ||
  type.kind === 'VOLATILE' ||
  type.kind === 'RESTRICT' ||
  type.kind === 'TYPE_TAG';

/** The type under qualifiers and tags, but not under typedefs. */
function underQualifiers(btf: Btf, typeId: number): BtfType {
  let type = btf.typeById(typeId);
  while (isModifier(type) && type.kind !== 'TYPEDEF') type = btf.typeById(type.typeId);
  return type;
}

/**
 * Whether a parameter of type `ptrTypeId` (a pointer) is the context of programs of a type.
 *
 * Source: `kernel/bpf/btf.c: btf_is_prog_ctx_type`.
 */
export function btfIsProgCtxType(
  log: Log,
  btf: Btf,
  ptrTypeId: number,
  progType: number,
  _arg: number,
  kernelBtf: Btf | undefined,
): boolean {
  const pointer = btf.typeById(ptrTypeId);
  if (pointer.kind !== 'PTR') return false;
  if (progType === T.BPF_PROG_TYPE_KPROBE) {
    const outer = underQualifiers(btf, pointer.typeId);
    if (outer.kind === 'TYPEDEF' && outer.name === 'bpf_user_pt_regs_t') return true;
  }
  const type = btf.typeById(btf.skipModifiers(pointer.typeId));
  if (type.kind !== 'STRUCT' && type.kind !== 'UNION') return false;
  const { progTypeId } = ctxTypeIds(kernelBtf, progType);
  if (kernelBtf === undefined || !hasTable(kernelBtf)) {
    log.log('btf_vmlinux is malformed');
    return false;
  }
  let ctx = kernelBtf.typeById(progTypeId);
  for (;;) {
    if (ctx.name === '') return false;
    if (btfIsProjectionOf(ctx.name, type.name) || ctx.name === type.name) return true;
    // bpf_user_pt_regs_t is a typedef of a struct that may be named instead.
    if (!isModifier(ctx)) return false;
    ctx = kernelBtf.typeById(kernelBtf.skipModifiers(ctx.typeId));
  }
}

/** Id of the kernel's context type, if the parameter is the context of that program type; 0 otherwise. Source: `btf_translate_to_vmlinux`. */
export function btfTranslateToVmlinux(
  log: Log,
  btf: Btf,
  ptrTypeId: number,
  progType: number,
  arg: number,
  kernelBtf: Btf | undefined,
): number {
  if (!btfIsProgCtxType(log, btf, ptrTypeId, progType, arg, kernelBtf)) return 0;
  return ctxTypeIds(kernelBtf, progType).kernTypeId;
}
