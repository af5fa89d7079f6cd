import { BTF_LINKAGE, type Btf, btfIsPtr, btfIsStructLike, underModifiers } from '../../btf/index.ts';
import { btfTypeStr } from '../btf/resolve-size.ts';
import type { Rejection } from '../types.ts';
import type { VerifierLog } from '../verifier-log.ts';

/** A function in its BTF: `funcId` is a FUNC. */
export interface FuncRef {
  readonly btf: Btf;
  readonly funcId: number;
}

/** The kernel's `info` word of a type; number 0 (void) has none. */
const infoOf = (btf: Btf, id: number): string =>
  id === 0 ? 'VOID' : `${btf.kindOf(id)}:${btf.types.vlen(id)}:${btf.types.kindFlag(id)}`;

const hasSize = (btf: Btf, id: number): boolean =>
  id !== 0 && ['INT', 'STRUCT', 'UNION', 'ENUM', 'DATASEC', 'FLOAT', 'ENUM64'].includes(btf.kindOf(id));

const isNumber = (btf: Btf, id: number): boolean => id !== 0 && ['INT', 'ENUM', 'ENUM64'].includes(btf.kindOf(id));

/** Compares one parameter of an extension with that of what it replaces. */
function checkArg(a: FuncRef, b: FuncRef, arg: number, log: VerifierLog): Rejection | undefined {
  const name = a.btf.nameOf(a.funcId);
  const target = b.btf.nameOf(b.funcId);
  const paramOf = ({ btf, funcId }: FuncRef): number =>
    underModifiers(btf, btf.types.item(btf.types.third(funcId), arg, 1));
  const type = paramOf(a);
  const other = paramOf(b);
  if (infoOf(a.btf, type) !== infoOf(b.btf, other)) {
    return log.reject('extArgKind', [arg, name, btfTypeStr(a.btf, type), target, btfTypeStr(b.btf, other)]);
  }
  if (hasSize(a.btf, type) && a.btf.types.third(type) !== b.btf.types.third(other)) {
    return log.reject('extArgSize', [arg, name, a.btf.types.third(type), target, b.btf.types.third(other)]);
  }
  if (isNumber(a.btf, type)) return undefined;
  if (!btfIsPtr(a.btf, type)) return log.reject('extArgType', [arg, name]);
  const struct = underModifiers(a.btf, a.btf.types.third(type));
  const otherStruct = underModifiers(b.btf, b.btf.types.third(other));
  if (struct === 0 || !btfIsStructLike(a.btf, struct)) return log.reject('extArgCtx', [arg, name]);
  if (otherStruct === 0 || !btfIsStructLike(b.btf, otherStruct)) return log.reject('extArgCtx', [arg, target]);
  const structName = a.btf.nameOf(struct);
  const otherName = b.btf.nameOf(otherStruct);
  if (structName === otherName) return undefined;
  return log.reject('extArgStruct', [arg, name, structName, target, otherName]);
}

/**
 * Whether a function may stand in for another: both global, of the same numbers and contexts.
 * Source: `kernel/bpf/btf.c: btf_check_func_type_match`.
 */
export function btfCheckFuncTypeMatch(a: FuncRef, b: FuncRef, log: VerifierLog): Rejection | undefined {
  const name = a.btf.nameOf(a.funcId);
  const target = b.btf.nameOf(b.funcId);
  for (const { btf, funcId } of [a, b]) {
    if ((btf.types.vlen(funcId) & 0xffff) !== BTF_LINKAGE.global)
      return log.reject('extNotGlobal', [btf.nameOf(funcId)]);
  }
  const proto = a.btf.types.third(a.funcId);
  const otherProto = b.btf.types.third(b.funcId);
  const count = a.btf.types.vlen(proto);
  const otherCount = b.btf.types.vlen(otherProto);
  if (count !== otherCount) return log.reject('extArgCount', [name, count, target, otherCount]);
  const result = underModifiers(a.btf, a.btf.types.third(proto));
  const otherResult = underModifiers(b.btf, b.btf.types.third(otherProto));
  if (infoOf(a.btf, result) !== infoOf(b.btf, otherResult)) {
    return log.reject('extReturn', [btfTypeStr(a.btf, result), name, btfTypeStr(b.btf, otherResult), target]);
  }
  for (let arg = 0; arg < count; arg++) {
    const refused = checkArg(a, b, arg, log);
    if (refused !== undefined) return refused;
  }
  return undefined;
}
