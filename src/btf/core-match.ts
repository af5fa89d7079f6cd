import type { Btf } from './btf.ts';
import { coreFieldsAreCompat, coreTypesAreCompat, coreTypesMatch } from './core-compat.ts';
import { CoreBudget, coreError } from './core-kind.ts';
import { CORE_SPEC_MAX_LEN, type CoreAccessor, type CoreSpec, elementBits, isFlexibleArray } from './core-spec.ts';
import { ANY_ENUM_MASK, COMPOSITE_MASK, isIn, K } from './kind.ts';
import { essentialName } from './name-index.ts';

/** A target spec while it grows. */
interface Growing {
  readonly btf: Btf;
  readonly accessors: CoreAccessor[];
  readonly raw: number[];
  bitOffset: number;
  /** Type reached so far. */
  id: number;
}

/**
 * The same path in a target type, or undefined if it has none: fields by name through anonymous structs and unions,
 * array indices within bounds, enumerators by essential name. Throws `core.access`, `core.too-deep`, `btf.loop`.
 * Source: `tools/lib/bpf/relo_core.c: bpf_core_spec_match`.
 */
export function matchCoreSpec(local: CoreSpec, target: Btf, targetId: number): CoreSpec | undefined {
  const growing: Growing = { btf: target, accessors: [], raw: [], bitOffset: 0, id: targetId };
  const found = MATCHERS[local.kind.basis](local, growing);
  if (!found) return undefined;
  const { accessors, raw, bitOffset } = growing;
  return { btf: target, rootTypeId: targetId, kind: local.kind, accessors, raw, bitOffset };
}

const MATCHERS: Readonly<Record<CoreSpec['kind']['basis'], (local: CoreSpec, target: Growing) => boolean>> = {
  type: matchType,
  enumval: matchEnumerator,
  field: matchField,
};

function matchType(local: CoreSpec, target: Growing): boolean {
  const compare = local.kind.kind === 'TYPE_MATCHES' ? coreTypesMatch : coreTypesAreCompat;
  return compare({ btf: local.btf, id: local.rootTypeId }, { btf: target.btf, id: target.id });
}

function matchEnumerator(local: CoreSpec, target: Growing): boolean {
  const { types } = target.btf;
  const id = target.btf.skipModifiers(target.id);
  if (!isIn(ANY_ENUM_MASK, types.kind(id))) return false;
  const wanted = essentialName(local.accessors[0].name ?? '');
  for (let idx = 0; idx < types.vlen(id); idx++) {
    const name = target.btf.stringAt(types.item(id, idx, 0));
    if (!name.startsWith(wanted) || essentialName(name) !== wanted) continue;
    target.accessors.push({ typeId: id, idx, name });
    target.raw.push(idx);
    return true;
  }
  return false;
}

function checkLength(target: Growing): void {
  if (target.raw.length < CORE_SPEC_MAX_LEN) return;
  throw coreError('core.access', 'access path in the target is too long', `${CORE_SPEC_MAX_LEN} steps`, 'more');
}

function matchField(local: CoreSpec, target: Growing): boolean {
  const { types } = target.btf;
  const budget = new CoreBudget();
  for (const [index, accessor] of local.accessors.entries()) {
    target.id = target.btf.skipModifiers(target.id);
    if (accessor.name !== undefined) {
      if (!matchMember(local.btf, accessor, accessor.name, target, target.id, budget)) return false;
      continue;
    }
    // The first index counts whole root types, as in `ptr[n]`.
    if (index > 0) {
      if (types.kind(target.id) !== K.ARRAY) return false;
      const flexible = isFlexibleArray(target.btf, target.accessors.at(-1), target.id);
      if (!flexible && accessor.idx >= types.extra(target.id, 2)) return false;
      target.id = target.btf.skipModifiers(types.extra(target.id, 0));
    }
    checkLength(target);
    target.accessors.push({ typeId: target.id, idx: accessor.idx, name: undefined });
    target.raw.push(accessor.idx);
    target.bitOffset += elementBits(target.btf, target.id, accessor.idx);
  }
  return true;
}

/** Looks for a member by name in a struct or union and in its anonymous members; extends `target` if found. */
function matchMember(
  local: Btf,
  accessor: CoreAccessor,
  name: string,
  target: Growing,
  typeId: number,
  budget: CoreBudget,
): boolean {
  const { btf } = target;
  const { types } = btf;
  const id = btf.skipModifiers(typeId);
  if (!isIn(COMPOSITE_MASK, types.kind(id))) return false;
  for (let idx = 0; idx < types.vlen(id); idx++) {
    const memberName = btf.stringAt(types.item(id, idx, 0));
    if (memberName !== '' && memberName !== name) continue;
    budget.spend();
    checkLength(target);
    const bitOffset = types.memberBitOffset(id, idx);
    const memberType = types.item(id, idx, 1);
    target.bitOffset += bitOffset;
    target.raw.push(idx);
    if (memberName === name) {
      const localType = local.types.item(accessor.typeId, accessor.idx, 1);
      const compatible = coreFieldsAreCompat({ btf: local, id: localType }, { btf, id: memberType });
      if (compatible) {
        target.accessors.push({ typeId: id, idx, name });
        target.id = memberType;
      } else {
        target.raw.pop();
        target.bitOffset -= bitOffset;
      }
      return compatible;
    }
    if (matchMember(local, accessor, name, target, memberType, budget)) return true;
    target.raw.pop();
    target.bitOffset -= bitOffset;
  }
  return false;
}
