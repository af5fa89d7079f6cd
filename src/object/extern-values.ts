import { type Btf, coreTypesAreCompat, essentialName } from '../btf/index.ts';
import type { ExternSpec, ObjectSpec } from './types.ts';

/** What a kernel knows of symbols. */
export interface KernelSymbols {
  readonly targetBtf: Btf;
  /** BTF of the kernel's modules, split from `targetBtf`. */
  readonly moduleBtfs?: readonly Btf[];
  /** Address of a symbol (kallsyms); undefined for one the kernel does not have. */
  readonly addressOf?: (name: string) => bigint | undefined;
}

/** What a .ksyms extern comes to. */
export interface ExternValue {
  readonly extern: ExternSpec;
  /** `btf`: a VAR or FUNC of a BTF; `address`: an untyped symbol; `absent`: a weak extern that is not there, 0. */
  readonly status: 'btf' | 'address' | 'absent' | 'failed';
  /** The VAR or FUNC; 0 unless `btf`. */
  readonly btfId: number;
  /** Which BTF: 0 the kernel's, n the module's number n. */
  readonly btfIndex: number;
  readonly address: bigint;
  /** Why libbpf would refuse to load, in its words; '' unless `failed`. */
  readonly problem: string;
}

/**
 * Finds an object's kernel symbols: typed ones in BTF, where the declared type must be compatible, and untyped ones by
 * address. Functions are sought without their flavor (`___x`). Source: `tools/lib/bpf/libbpf.c:
 * bpf_object__resolve_ksym_var_btf_id, bpf_object__resolve_ksym_func_btf_id, bpf_object__resolve_externs`.
 */
export function externValues(spec: ObjectSpec, kernel: KernelSymbols): ExternValue[] {
  return spec.externs
    .filter(extern => extern.kind !== 'kconfig')
    .map(extern => (extern.kind === 'ksym_typeless' ? untyped(extern, kernel) : typed(extern, spec.btf, kernel)));
}

function outcome(extern: ExternSpec, status: ExternValue['status'], more: Partial<ExternValue> = {}): ExternValue {
  return { extern, status, btfId: 0, btfIndex: 0, address: 0n, problem: '', ...more };
}

function untyped(extern: ExternSpec, { addressOf }: KernelSymbols): ExternValue {
  const address = addressOf?.(extern.name);
  if (address !== undefined) return outcome(extern, 'address', { address });
  if (extern.weak) return outcome(extern, 'absent');
  return outcome(extern, 'failed', { problem: `extern '${extern.name}' (strong): not resolved` });
}

function typed(extern: ExternSpec, local: Btf | undefined, kernel: KernelSymbols): ExternValue {
  const isFunc = extern.kind === 'ksym_func';
  const label = `extern (${isFunc ? 'func' : 'var'} ksym) '${extern.name}'`;
  const found = findSymbol(isFunc ? essentialName(extern.name) : extern.name, isFunc ? 'FUNC' : 'VAR', kernel);
  if (found === undefined) {
    if (extern.weak) return outcome(extern, 'absent');
    const places = isFunc ? 'kernel or module BTFs' : 'kernel BTF';
    return outcome(extern, 'failed', { problem: `${label}: not found in ${places}` });
  }
  const { btf, btfId, btfIndex } = found;
  const target = btf.typeById(btfId);
  const targetId = 'typeId' in target ? btf.skipModifiers(target.typeId) : 0;
  // Without BTF of its own the object cannot disagree.
  const fits =
    local === undefined ||
    extern.declId === 0 ||
    coreTypesAreCompat({ btf: local, id: extern.typeId }, { btf, id: targetId });
  if (fits) return outcome(extern, 'btf', { btfId, btfIndex });
  if (isFunc && extern.weak) return outcome(extern, 'absent');
  const kinds = `[${extern.typeId}] ${local.kindOf(extern.typeId)} ${local.nameOf(extern.typeId)}`;
  const problem = isFunc
    ? `${label}: func_proto [${extern.typeId}] incompatible with [${targetId}]`
    : `${label}: incompatible types, expected ${kinds}, but kernel has [${targetId}] ${btf.kindOf(targetId)} ${btf.nameOf(targetId)}`;
  return outcome(extern, 'failed', { problem });
}

function findSymbol(name: string, kind: 'VAR' | 'FUNC', { targetBtf, moduleBtfs = [] }: KernelSymbols) {
  const btfs = [targetBtf, ...moduleBtfs];
  for (const [btfIndex, btf] of btfs.entries()) {
    const btfId = btf.allByName(name).find(id => btf.kindOf(id) === kind && (btfIndex === 0 || id >= btf.startId));
    if (btfId !== undefined) return { btf, btfId, btfIndex };
  }
  return undefined;
}
