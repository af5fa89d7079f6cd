import type { Btf, BtfComposite, BtfType } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { encodeText } from '../../util/index.ts';
import { btfResolveErrno } from './btf-resolve.ts';

const KSYM_NAME_LEN = 512;
const MAX_INT_BITS = 128;
const IDENTIFIER = /^[A-Za-z_.][A-Za-z0-9_.]*$/;
const PRINTABLE = /^[\x20-\x7e]+$/;

const fits = (name: string): boolean => name.length <= KSYM_NAME_LEN && encodeText(name).length <= KSYM_NAME_LEN;
const isIdentifier = (name: string): boolean => IDENTIFIER.test(name) && fits(name);
const isIdentifierOrNone = (name: string): boolean => name === '' || isIdentifier(name);

type Of<Kind extends BtfType['kind']> = Extract<BtfType, { kind: Kind }>;
interface Checking {
  readonly btf: Btf;
  /** Prototypes all of whose parameters have names. */
  readonly named: Map<number, boolean>;
  /** What libbpf rewrites before it sends the BTF. */
  readonly rewritten: ReadonlySet<number>;
}
type Check<T> = (type: T, checking: Checking) => boolean;

const UNSIZED: ReadonlySet<string> = new Set(['VOID', 'FWD', 'FUNC', 'FUNC_PROTO', 'VAR', 'DATASEC', 'DECL_TAG']);
const isPow2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
const hasSize = (btf: Btf, id: number): boolean => typeof btf.trySizeOf(id) === 'number';

const isInt: Check<Of<'INT'>> = ({ bits, bitOffset, sizeBytes, encoding }) =>
  bits + bitOffset <= MAX_INT_BITS && bits + bitOffset <= sizeBytes * 8 && [0, 1, 2, 4].includes(encoding);

const isComposite: Check<BtfComposite> = ({ name, kind, members, sizeBytes }, { btf }) => {
  if (!isIdentifierOrNone(name)) return false;
  let last = 0;
  for (const { name: member, typeId, bitOffset, bitSize } of members) {
    if (!isIdentifierOrNone(member) || (kind !== 'STRUCT' && bitOffset !== 0) || bitOffset < last) return false;
    const size = btf.trySizeOf(typeId);
    if (UNSIZED.has(btf.kindOf(typeId)) || typeof size !== 'number') return false;
    const bits = bitSize === 0 ? size * 8 : bitSize;
    if (bitOffset + bits > sizeBytes * 8) return false;
    last = bitOffset;
  }
  return true;
};

const isEnum: Check<Of<'ENUM'> | Of<'ENUM64'>> = ({ name, sizeBytes, values }) =>
  sizeBytes <= 8 && isPow2(sizeBytes) && isIdentifierOrNone(name) && values.every(value => isIdentifier(value.name));

const isFunc: Check<Of<'FUNC'>> = ({ id, name, typeId, linkage }, { btf, rewritten, named }) => {
  const proto = btf.typeById(typeId);
  if (rewritten.has(id)) return true;
  if (!isIdentifier(name) || linkage > 1 || proto.kind !== 'FUNC_PROTO') return false;
  let allNamed = named.get(typeId);
  if (allNamed === undefined) {
    allNamed = proto.params.every(param => param.name !== '' || param.typeId === 0 || rewritten.has(proto.id));
    named.set(typeId, allNamed);
  }
  return allNamed;
};

const isProto: Check<Of<'FUNC_PROTO'>> = ({ returnTypeId, params }, { btf }) => {
  if (returnTypeId !== 0 && !hasSize(btf, returnTypeId)) return false;
  const last = params.at(-1);
  const vararg = last !== undefined && last.typeId === 0;
  if (vararg && last.name !== '') return false;
  const named = vararg ? params.slice(0, -1) : params;
  return named.every(param => isIdentifierOrNone(param.name) && param.typeId !== 0 && hasSize(btf, param.typeId));
};

const isVar: Check<Of<'VAR'>> = ({ id, name, typeId, linkage }, { btf, rewritten }) =>
  rewritten.has(id) || (isIdentifier(name) && typeId !== 0 && linkage <= 1 && hasSize(btf, typeId));

const isDatasec: Check<Of<'DATASEC'>> = ({ id, name, sizeBytes, vars }, { btf, rewritten }) => {
  if (rewritten.has(id)) return true;
  if (sizeBytes === 0 || !PRINTABLE.test(name) || !fits(name)) return false;
  let end = 0;
  for (const { typeId, offBytes, sizeBytes: size } of vars) {
    if (btf.kindOf(typeId) !== 'VAR' || offBytes < end || size === 0 || offBytes + size > sizeBytes) return false;
    end = offBytes + size;
  }
  return true;
};

type OfKind<Kind> = Kind extends 'STRUCT' | 'UNION' ? BtfComposite : Extract<BtfType, { kind: Kind }>;
const CHECKS: { readonly [Kind in BtfType['kind']]?: Check<OfKind<Kind>> } = {
  INT: isInt,
  STRUCT: isComposite,
  UNION: isComposite,
  ENUM: isEnum,
  ENUM64: isEnum,
  FWD: ({ name }) => isIdentifier(name),
  TYPEDEF: ({ name }) => isIdentifier(name),
  TYPE_TAG: ({ name }) => name !== '',
  DECL_TAG: ({ name, componentIdx }) => name !== '' && componentIdx >= -1,
  FUNC: isFunc,
  FUNC_PROTO: isProto,
  VAR: isVar,
  DATASEC: isDatasec,
};

/** Externs: libbpf gives their section a size, makes them defined, and names the parameters of functions among them. */
function rewrittenTypes(btf: Btf): Set<number> {
  const rewritten = new Set<number>();
  for (const name of ['.ksyms', '.kconfig']) {
    for (const id of btf.allByName(name)) {
      const section = btf.typeById(id);
      if (section.kind !== 'DATASEC') continue;
      rewritten.add(id);
      for (const { typeId } of section.vars) {
        rewritten.add(typeId);
        const type = btf.typeById(typeId);
        if (type.kind === 'FUNC') rewritten.add(type.typeId);
      }
    }
  }
  return rewritten;
}

const CACHE = new WeakMap<Btf, number>();

/**
 * 0, or the negative errno with which the kernel would not take an object's BTF (`BPF_BTF_LOAD`); a loader goes on without it then. The
 * usual reason is a function whose parameters have no names.
 *
 * Differs from Linux: names, sizes, places and references are checked; what a type's bytes may hold is checked when it is read.
 * Source: `kernel/bpf/btf.c: btf_check_meta, btf_func_check, btf_func_proto_check, btf_struct_resolve`.
 */
export function btfLoadErrno(btf: Btf): number {
  const known = CACHE.get(btf);
  if (known !== undefined) return known;
  const checking = { btf, named: new Map<number, boolean>(), rewritten: rewrittenTypes(btf) };
  let errno = 0;
  for (let id = btf.startId; id < btf.typeCount && errno === 0; id++) {
    if (id === 0) continue;
    const type = btf.typeById(id);
    const check = CHECKS[type.kind] as Check<BtfType> | undefined;
    if (check?.(type, checking) === false) errno = -ERRNO.EINVAL;
  }
  if (errno === 0) errno = btfResolveErrno(btf, checking.rewritten);
  CACHE.set(btf, errno);
  return errno;
}
