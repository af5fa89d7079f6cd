import { type Btf, btfIsModifier, btfIsPtr, btfIsStructLike, underModifiers, underQualifiers } from '../btf/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { kernelStructId } from './kernel-struct.ts';

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(bpf_prog_type).map(([name, number]) => [number as number, name]),
);

/** The context's type, by id in the kernel's BTF: as programs see it, and as the kernel has it. */
interface CtxTypeIds {
  readonly prog: number;
  readonly kern: number;
}

const found = new WeakMap<Btf, Map<number, CtxTypeIds | undefined>>();

/** Undefined where the kernel's BTF has no table of them (`bpf_ctx_convert`). */
function ctxTypeIds(kernelBtf: Btf | undefined, progType: number): CtxTypeIds | undefined {
  if (kernelBtf === undefined) return undefined;
  let known = found.get(kernelBtf);
  if (known === undefined) {
    known = new Map();
    found.set(kernelBtf, known);
  }
  if (!known.has(progType)) known.set(progType, findCtxTypeIds(kernelBtf, progType));
  return known.get(progType);
}

function findCtxTypeIds(kernelBtf: Btf, progType: number): CtxTypeIds | undefined {
  const table = kernelStructId(kernelBtf, 'bpf_ctx_convert');
  if (table === 0) return undefined;
  const { types } = kernelBtf;
  const wanted = `${TYPE_NAMES.get(progType)}_prog`;
  // Members come in pairs. A type that the kernel was built without has none of its own; Linux then takes the first.
  let at = 0;
  for (let i = 0; i < types.vlen(table); i += 2) {
    if (kernelBtf.stringAt(types.item(table, i, 0)) === wanted) at = i;
  }
  return { prog: types.item(table, at, 1), kern: types.item(table, at + 1, 1) };
}

/** Source: `kernel/bpf/btf.c: find_canonical_prog_ctx_type`. */
export const findCanonicalProgCtxType = (kernelBtf: Btf | undefined, progType: number): number | undefined =>
  ctxTypeIds(kernelBtf, progType)?.prog;
/** Source: `find_kern_ctx_type_id`. */
export const findKernCtxTypeId = (kernelBtf: Btf | undefined, progType: number): number | undefined =>
  ctxTypeIds(kernelBtf, progType)?.kern;

/** Source: `btf_is_projection_of`. */
export const btfIsProjectionOf = (programName: string, kernelName: string): boolean =>
  (programName === '__sk_buff' && kernelName === 'sk_buff') || (programName === 'xdp_md' && kernelName === 'xdp_buff');

/** Types whose context may be named by the typedef of the CPU's registers. */
export const isUserPtRegs = (btf: Btf, pointeeId: number): boolean => {
  const id = underQualifiers(btf, pointeeId);
  return btf.kindOf(id) === 'TYPEDEF' && btf.nameOf(id) === 'bpf_user_pt_regs_t';
};

/**
 * Whether a parameter of type `ptrId` points to what programs of a type call their context; only names are compared.
 *
 * Source: `kernel/bpf/btf.c: btf_is_prog_ctx_type`.
 * @param log takes a line, without newline
 */
export function btfIsProgCtxType(
  log: (line: string) => void,
  btf: Btf,
  ptrId: number,
  progType: number,
  kernelBtf: Btf | undefined,
): boolean {
  if (!btfIsPtr(btf, ptrId)) return false;
  const pointeeId = btf.types.third(ptrId);
  if (progType === bpf_prog_type.BPF_PROG_TYPE_KPROBE && isUserPtRegs(btf, pointeeId)) return true;
  const id = underModifiers(btf, pointeeId);
  if (!btfIsStructLike(btf, id)) return false;
  const name = btf.nameOf(id);
  let ctx = findCanonicalProgCtxType(kernelBtf, progType);
  if (kernelBtf === undefined || ctx === undefined) {
    log('btf_vmlinux is malformed');
    return false;
  }
  for (;;) {
    const ctxName = kernelBtf.nameOf(ctx);
    if (ctxName === '') return false;
    if (btfIsProjectionOf(ctxName, name) || ctxName === name) return true;
    // bpf_user_pt_regs_t is a typedef of a struct that may be named instead.
    if (!btfIsModifier(kernelBtf, ctx)) return false;
    ctx = underModifiers(kernelBtf, ctx);
  }
}

/** Id of the kernel's context type, if the parameter is the context of that program type; 0 otherwise. Source: `btf_translate_to_vmlinux`. */
export const btfTranslateToVmlinux = (
  log: (line: string) => void,
  btf: Btf,
  ptrId: number,
  progType: number,
  kernelBtf: Btf | undefined,
): number =>
  btfIsProgCtxType(log, btf, ptrId, progType, kernelBtf) ? (findKernCtxTypeId(kernelBtf, progType) ?? 0) : 0;
