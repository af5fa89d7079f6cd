import type { Btf } from '../btf/index.ts';
import type { MapDef } from '../maps/index.ts';
import type { ObjectMap } from '../object/index.ts';
import { mapFieldPlaces } from '../verifier/index.ts';
import { keyAndValueFit } from './prepare/map-btf.ts';
import { WITHOUT_BTF } from './prepare/map-definitions.ts';

/** A definition with the special fields its BTF says values have, if maps of the type are made with their BTF at all. */
function withFields(def: MapDef, btf: Btf, keyTypeId: number, valueTypeId: number): MapDef {
  if (WITHOUT_BTF.has(def.type) || valueTypeId === 0 || def.fields !== undefined) return def;
  const fields = mapFieldPlaces(btf, valueTypeId, def);
  return fields.length === 0 || keyAndValueFit(btf, keyTypeId, valueTypeId, def) !== 0 ? def : { ...def, fields };
}

/** The definition of an object's map with the special fields of its values, and of those of the maps it holds. */
export function definitionWithFields(map: ObjectMap, btf: Btf | undefined): MapDef {
  const { def } = map;
  if (btf === undefined) return def;
  const { innerKeyTypeId = 0, innerValueTypeId = 0 } = map;
  const inner = def.inner === undefined ? undefined : withFields(def.inner, btf, innerKeyTypeId, innerValueTypeId);
  const own = withFields(def, btf, map.keyTypeId, map.valueTypeId);
  return inner === def.inner ? own : { ...own, inner };
}
