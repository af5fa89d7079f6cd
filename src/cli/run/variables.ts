import type { Btf } from '../../btf/index.ts';
import type { ObjectMap, ObjectSpec } from '../../object/index.ts';
import { FarcallError, withWhere } from '../../util/index.ts';
import { usageError } from '../failure.ts';
import { placeAt } from '../format/btf-place.ts';
import { BtfValueWriter } from '../format/btf-value-writer.ts';
import { parseGiven } from '../format/given-value.ts';
import { type CellShape, cellBytes } from './map-cell.ts';
import type { MapSetting } from './map-settings.ts';

/** A variable of a data section. */
interface Variable {
  readonly name: string;
  readonly map: ObjectMap;
  readonly typeId: number;
  readonly offBytes: number;
}

function variablesOf(spec: ObjectSpec, btf: Btf): Variable[] {
  return spec.maps.flatMap(map => {
    if (map.origin !== 'data' || map.valueTypeId === 0) return [];
    const type = btf.typeById(map.valueTypeId);
    if (type.kind !== 'DATASEC') return [];
    return type.vars.map(({ typeId, offBytes }) => ({ name: btf.nameOf(typeId), map, typeId, offBytes }));
  });
}

/** The variable a path begins with, by the longest name: names of static locals have dots. */
function variableAt(variables: readonly Variable[], path: string): Variable {
  const fits = variables.filter(
    ({ name }) => path.startsWith(name) && (path.length === name.length || /[.[]/.test(path[name.length])),
  );
  const longest = Math.max(0, ...fits.map(({ name }) => name.length));
  const found = fits.filter(({ name }) => name.length === longest);
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    const sections = found.map(({ map }) => map.section).join(', ');
    throw usageError(`--set: ${found.length} variables have this name`, `one, not those of ${sections}`, `'${path}'`);
  }
  const names = variables.slice(0, 40).map(({ name }) => name);
  const more = variables.length > names.length ? ` and ${variables.length - names.length} more` : '';
  throw new FarcallError({
    code: 'map.no-variable',
    message: 'no such variable',
    expected: `one of ${names.join(', ') || 'none'}${more}`,
    found: `'${path}'`,
  });
}

/** Contents of data maps as they are changed. */
class DataEdit {
  readonly #spec: ObjectSpec;
  readonly #data = new Map<ObjectMap, Uint8Array>();

  constructor(spec: ObjectSpec) {
    this.#spec = spec;
  }

  bytesOf(map: ObjectMap): Uint8Array {
    let bytes = this.#data.get(map);
    if (bytes === undefined) {
      bytes = new Uint8Array(map.def.valueSizeBytes);
      if (map.data !== undefined) bytes.set(map.data.subarray(0, bytes.length));
      this.#data.set(map, bytes);
    }
    return bytes;
  }

  done(): ObjectSpec {
    if (this.#data.size === 0) return this.#spec;
    const maps = this.#spec.maps.map(map => {
      const data = this.#data.get(map);
      return data === undefined ? map : { ...map, data };
    });
    return { ...this.#spec, maps };
  }
}

function setVariable(spec: ObjectSpec, edit: DataEdit, arg: string): void {
  const equals = arg.indexOf('=');
  if (equals <= 0) throw usageError('--set is not usable', 'VARIABLE=VALUE', `'${arg}'`);
  const { btf } = spec;
  if (btf === undefined) {
    throw usageError('--set needs an object with BTF', '--map-set .data:0=hex:…', `'${arg}'`);
  }
  const path = arg.slice(0, equals);
  const { name, map, typeId, offBytes } = variableAt(variablesOf(spec, btf), path);
  const place = placeAt(btf, typeId, path.slice(name.length));
  if ('expected' in place) {
    throw new FarcallError({
      code: 'map.no-variable',
      message: `the variable ${name} has no such part`,
      expected: place.expected,
      found: `'${path}'`,
    });
  }
  const writer = new BtfValueWriter(btf, edit.bytesOf(map), spec.order, true);
  writer.writePlace(place, parseGiven(arg.slice(equals + 1)), path, offBytes);
}

function setSection(spec: ObjectSpec, edit: DataEdit, map: ObjectMap, { entries, file }: MapSetting): void {
  const bytes = edit.bytesOf(map);
  const shape: CellShape = {
    what: map.section,
    sizeBytes: bytes.length,
    btf: spec.btf,
    typeId: map.valueTypeId,
    order: spec.order,
    dumped: file !== undefined,
  };
  for (const { value = null } of entries) {
    const given = withWhere({ file }, () => cellBytes(value, shape, bytes));
    bytes.set(given);
  }
}

/**
 * The object with variables of its data sections set, as a skeleton's user sets them before the object is loaded:
 * what `--map-set` says of data maps, then `--set` arguments. Throws `arg.usage`, `map.no-variable`, `map.value`.
 */
export function withVariables(spec: ObjectSpec, args: readonly string[], settings: readonly MapSetting[]): ObjectSpec {
  const edit = new DataEdit(spec);
  for (const setting of settings) {
    const map = spec.maps.find(
      ({ origin, section, def }) => origin === 'data' && (section === setting.map || def.name === setting.map),
    );
    if (map !== undefined) setSection(spec, edit, map, setting);
  }
  for (const arg of args) setVariable(spec, edit, arg);
  return edit.done();
}
