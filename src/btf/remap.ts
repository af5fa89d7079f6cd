import type { BtfTypeInit } from './writer.ts';

type Rename = (typeId: number) => number;
type InitOf<Kind> = Extract<BtfTypeInit, { readonly kind: Kind }>;
/** A kind's shape; kinds that share one share it here too. */
type Remapper = (type: never, rename: Rename) => BtfTypeInit;

const same = (type: BtfTypeInit): BtfTypeInit => type;
const ref = <T extends BtfTypeInit & { readonly typeId: number }>(type: T, rename: Rename): T => ({
  ...type,
  typeId: rename(type.typeId),
});
function each<T extends { readonly typeId: number }>(items: readonly T[], rename: Rename): T[] {
  return items.map(item => ({ ...item, typeId: rename(item.typeId) }));
}
const composite = (type: Extract<BtfTypeInit, { readonly members: unknown }>, rename: Rename): BtfTypeInit => ({
  ...type,
  members: each(type.members, rename),
});

const REMAPPERS: Readonly<Record<BtfTypeInit['kind'], Remapper>> = {
  INT: same,
  FLOAT: same,
  ENUM: same,
  ENUM64: same,
  FWD: same,
  PTR: ref,
  TYPEDEF: ref,
  VOLATILE: ref,
  CONST: ref,
  RESTRICT: ref,
  FUNC: ref,
  VAR: ref,
  DECL_TAG: ref,
  TYPE_TAG: ref,
  STRUCT: composite,
  UNION: composite,
  ARRAY: (type: InitOf<'ARRAY'>, rename) => ({
    ...type,
    typeId: rename(type.typeId),
    indexTypeId: rename(type.indexTypeId),
  }),
  FUNC_PROTO: (type: InitOf<'FUNC_PROTO'>, rename) => ({
    ...type,
    returnTypeId: rename(type.returnTypeId),
    params: each(type.params, rename),
  }),
  DATASEC: (type: InitOf<'DATASEC'>, rename) => ({ ...type, vars: each(type.vars, rename) }),
};

/** The same type with every type id in it put through `rename`. */
export function remapTypeIds(type: BtfTypeInit, rename: Rename): BtfTypeInit {
  const remap = REMAPPERS[type.kind] as (type: BtfTypeInit, rename: Rename) => BtfTypeInit;
  return remap(type, rename);
}
