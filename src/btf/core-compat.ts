import type { Btf } from './btf.ts';
import { CoreBudget, coreError } from './core-kind.ts';
import { ANY_ENUM_MASK, COMPOSITE_MASK, isIn, K, kindMask } from './kind.ts';
import { essentialName, essentialNameLength } from './name-index.ts';
import { BTF_INT_SIGNED } from './type.ts';

/** How many pointers and arrays are followed, and how deep function types and members nest. */
const MAX_DEPTH = 32;

/** A type in its BTF. */
export interface TypeRef {
  readonly btf: Btf;
  readonly id: number;
}

function tooDeep(): Error {
  return coreError('core.too-deep', 'types nest too deep to compare', `${MAX_DEPTH} levels at most`);
}

function at(ref: TypeRef, id: number): TypeRef {
  return { btf: ref.btf, id };
}

function bare(ref: TypeRef): TypeRef {
  return at(ref, ref.btf.skipModifiers(ref.id));
}

function kindOf({ btf, id }: TypeRef): number {
  return btf.types.kind(id);
}

/** ENUM and ENUM64 count as one kind. */
export function kindsAreCompat(a: number, b: number): boolean {
  return a === b || (isIn(ANY_ENUM_MASK, a) && isIn(ANY_ENUM_MASK, b));
}

/** Bits 16 to 23 of an INT's data: integers that start inside their storage are relics nothing is compatible with. */
function intStartsAtZero({ btf, id }: TypeRef): boolean {
  return ((btf.types.extra(id, 0) >>> 16) & 0xff) === 0;
}

const BY_KIND_ALONE = kindMask(K.VOID, K.STRUCT, K.UNION, K.ENUM, K.FWD, K.ENUM64);

/**
 * Whether a target type can stand for a local one in type relocations: same kinds all the way down, names ignored.
 * The caller has compared the names of the roots. Throws `core.too-deep`, `btf.loop`. Source:
 * `tools/lib/bpf/relo_core.c: __bpf_core_types_are_compat`.
 */
export function coreTypesAreCompat(local: TypeRef, target: TypeRef): boolean {
  return typesAreCompat(local, target, MAX_DEPTH, new CoreBudget());
}

function typesAreCompat(local: TypeRef, target: TypeRef, level: number, budget: CoreBudget): boolean {
  if (!kindsAreCompat(kindOf(local), kindOf(target))) return false;
  let l = local;
  let t = target;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    budget.spend();
    l = bare(l);
    t = bare(t);
    const kind = kindOf(l);
    if (!kindsAreCompat(kind, kindOf(t))) return false;
    if (isIn(BY_KIND_ALONE, kind)) return true;
    if (kind === K.INT) return intStartsAtZero(l) && intStartsAtZero(t);
    if (kind === K.FUNC_PROTO) {
      const count = l.btf.types.vlen(l.id);
      if (count !== t.btf.types.vlen(t.id)) return false;
      for (let i = 0; i < count; i++) {
        if (level <= 0) throw tooDeep();
        const lp = bare(at(l, l.btf.types.item(l.id, i, 1)));
        const tp = bare(at(t, t.btf.types.item(t.id, i, 1)));
        if (!typesAreCompat(lp, tp, level - 1, budget)) return false;
      }
    }
    const next = followed(kind, l, t);
    if (next === undefined) return false;
    [l, t] = next;
  }
  throw tooDeep();
}

/** What a pointer, array or function type leads on to: pointee, element, return type. */
function followed(kind: number, l: TypeRef, t: TypeRef): [TypeRef, TypeRef] | undefined {
  if (kind === K.PTR || kind === K.FUNC_PROTO) {
    return [at(l, l.btf.types.third(l.id)), at(t, t.btf.types.third(t.id))];
  }
  if (kind === K.ARRAY) return [at(l, l.btf.types.extra(l.id, 0)), at(t, t.btf.types.extra(t.id, 0))];
  return undefined;
}

const NAMED_IF_AT_ALL = kindMask(K.FWD, K.ENUM, K.ENUM64);

/**
 * Whether a field of the target type can be read where one of the local type is meant: structs and unions mix freely,
 * any pointers and floats agree, integers agree whatever their size, arrays by their elements, enums and forward
 * declarations unless both have names that differ. Source: `relo_core.c: bpf_core_fields_are_compat`.
 */
export function coreFieldsAreCompat(local: TypeRef, target: TypeRef): boolean {
  let l = local;
  let t = target;
  for (let depth = 0; depth < 1024; depth++) {
    l = bare(l);
    t = bare(t);
    const kind = kindOf(l);
    if (isIn(COMPOSITE_MASK, kind) && isIn(COMPOSITE_MASK, kindOf(t))) return true;
    if (!kindsAreCompat(kind, kindOf(t))) return false;
    if (kind === K.PTR || kind === K.FLOAT) return true;
    if (kind === K.INT) return intStartsAtZero(l) && intStartsAtZero(t);
    if (isIn(NAMED_IF_AT_ALL, kind)) {
      const a = essentialName(l.btf.nameOf(l.id));
      const b = essentialName(t.btf.nameOf(t.id));
      return a === '' || b === '' || a === b;
    }
    if (kind !== K.ARRAY) return false;
    l = at(l, l.btf.types.extra(l.id, 0));
    t = at(t, t.btf.types.extra(t.id, 0));
  }
  throw tooDeep();
}

/** Whether two names agree but for CO-RE flavors; anonymous only with anonymous. */
function namesMatch(local: Btf, localOff: number, target: Btf, targetOff: number): boolean {
  const a = local.stringAt(localOff);
  const b = target.stringAt(targetOff);
  if (a === b) return true;
  if (b === '') return false;
  const length = essentialNameLength(b);
  return essentialNameLength(a) === length && a.slice(0, length) === b.slice(0, length);
}

function enumsMatch(l: TypeRef, t: TypeRef, budget: CoreBudget): boolean {
  const a = l.btf.types;
  const b = t.btf.types;
  if (a.third(l.id) !== b.third(t.id) || a.vlen(l.id) > b.vlen(t.id)) return false;
  for (let i = 0; i < a.vlen(l.id); i++) {
    let matched = false;
    for (let j = 0; j < b.vlen(t.id) && !matched; j++) {
      if ((j & 63) === 0) budget.spend();
      matched = namesMatch(l.btf, a.item(l.id, i, 0), t.btf, b.item(t.id, j, 0));
    }
    if (!matched) return false;
  }
  return true;
}

function compositesMatch(l: TypeRef, t: TypeRef, behindPtr: boolean, level: number, budget: CoreBudget): boolean {
  const a = l.btf.types;
  const b = t.btf.types;
  if (a.vlen(l.id) > b.vlen(t.id)) return false;
  for (let i = 0; i < a.vlen(l.id); i++) {
    let matched = false;
    for (let j = 0; j < b.vlen(t.id) && !matched; j++) {
      if ((j & 63) === 0) budget.spend();
      if (!namesMatch(l.btf, a.item(l.id, i, 0), t.btf, b.item(t.id, j, 0))) continue;
      matched = typesMatch(at(l, a.item(l.id, i, 1)), at(t, b.item(t.id, j, 1)), behindPtr, level - 1, budget);
    }
    if (!matched) return false;
  }
  return true;
}

/** Whether a forward declaration (`flag`: of a union) can mean a type of this kind. */
function forwardMeans(flag: boolean, kind: number): boolean {
  return kind === (flag ? K.UNION : K.STRUCT);
}

function forwardMatches(l: TypeRef, t: TypeRef, behindPtr: boolean): boolean {
  const flag = l.btf.types.kindFlag(l.id);
  if (kindOf(t) === K.FWD) return flag === t.btf.types.kindFlag(t.id);
  return behindPtr && forwardMeans(flag, kindOf(t));
}

function compositeMatches(l: TypeRef, t: TypeRef, behindPtr: boolean, level: number, budget: CoreBudget): boolean {
  const same = kindOf(l) === kindOf(t);
  if (!behindPtr) return same && compositesMatch(l, t, behindPtr, level, budget);
  return same || (kindOf(t) === K.FWD && forwardMeans(t.btf.types.kindFlag(t.id), kindOf(l)));
}

function intMatches(l: TypeRef, t: TypeRef): boolean {
  if (kindOf(t) !== K.INT) return false;
  const sign = ({ btf, id }: TypeRef): number => (btf.types.extra(id, 0) >>> 24) & BTF_INT_SIGNED;
  return l.btf.types.third(l.id) === t.btf.types.third(t.id) && sign(l) === sign(t);
}

/**
 * Whether a target type has everything a local one has (`bpf_core_type_matches`): names, kinds, integer sizes and
 * signs, array lengths, each local member and enumerator; behind pointers structs agree by kind and name. Throws
 * `core.too-deep`, `btf.loop`. Source: `relo_core.c: __bpf_core_types_match`.
 */
export function coreTypesMatch(local: TypeRef, target: TypeRef): boolean {
  return typesMatch(local, target, false, MAX_DEPTH, new CoreBudget());
}

function typesMatch(
  local: TypeRef,
  target: TypeRef,
  behindPtrAtFirst: boolean,
  level: number,
  budget: CoreBudget,
): boolean {
  if (level <= 0) throw tooDeep();
  let l = local;
  let t = target;
  let behindPtr = behindPtrAtFirst;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    budget.spend();
    l = bare(l);
    t = bare(t);
    if (!namesMatch(l.btf, l.btf.types.nameOff(l.id), t.btf, t.btf.types.nameOff(t.id))) return false;
    const kind = kindOf(l);
    if (kind === K.VOID) return kindOf(t) === K.VOID;
    if (kind === K.FWD) return forwardMatches(l, t, behindPtr);
    if (isIn(ANY_ENUM_MASK, kind)) return isIn(ANY_ENUM_MASK, kindOf(t)) && enumsMatch(l, t, budget);
    if (isIn(COMPOSITE_MASK, kind)) return compositeMatches(l, t, behindPtr, level, budget);
    if (kind === K.INT) return intMatches(l, t);
    if (kind !== kindOf(t)) return false;
    if (kind === K.PTR) behindPtr = true;
    if (kind === K.ARRAY && l.btf.types.extra(l.id, 2) !== t.btf.types.extra(t.id, 2)) return false;
    if (kind === K.FUNC_PROTO) {
      const count = l.btf.types.vlen(l.id);
      if (count !== t.btf.types.vlen(t.id)) return false;
      for (let i = 0; i < count; i++) {
        const lp = at(l, l.btf.types.item(l.id, i, 1));
        const tp = at(t, t.btf.types.item(t.id, i, 1));
        if (!typesMatch(lp, tp, behindPtr, level - 1, budget)) return false;
      }
    }
    const next = followed(kind, l, t);
    if (next === undefined) return false;
    [l, t] = next;
  }
  throw tooDeep();
}
