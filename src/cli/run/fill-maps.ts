import { isProgArrayMap, isQueueStackMap } from '../../maps/index.ts';
import { ERRNO, errnoName, mapTypeName, bpf_map_type as TYPE } from '../../uapi/index.ts';
import { concatBytes, FarcallError, withWhere } from '../../util/index.ts';
import { bareType } from '../format/btf-place.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { cellBytes, keyShape, valueShape } from './map-cell.ts';
import type { GivenEntry, MapSetting } from './map-settings.ts';
import { canList, isMapOfMaps, isPerCpu, type MapView } from './map-view.ts';

/** Types that only programs and attachments fill: what a dump has of them cannot be put back. */
const NOT_FILLED: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_STACK_TRACE,
  TYPE.BPF_MAP_TYPE_CGROUP_STORAGE,
  TYPE.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
]);

/** What the kernel means by an error of an update. */
const REASONS: Readonly<Record<number, string>> = {
  [ERRNO.E2BIG]: 'the map is full, or the index is past its end',
  [ERRNO.EINVAL]: 'the map does not take this key or value',
  [ERRNO.EPERM]: 'the map is closed to user space',
  [ERRNO.EBADF]: 'there is no such map or program',
  [ERRNO.ENOENT]: 'nothing is there to be changed',
  [ERRNO.EOPNOTSUPP]: 'user space does not write maps of this type',
  [ERRNO.ENOTSUPP]: 'user space does not write maps of this type',
};

export function noSuchMap(name: string, names: readonly string[], file?: string): FarcallError {
  const expected = `one of ${names.join(', ') || 'none'}`;
  return new FarcallError({
    code: 'map.no-map',
    message: 'no such map',
    expected,
    found: `'${name}'`,
    where: file === undefined ? undefined : { file },
  });
}

const NO_KEY = new Uint8Array(0);

function keyBytes(view: MapView, { key }: GivenEntry, dumped: boolean): Uint8Array {
  const keyless = view.map.def.keySizeBytes === 0;
  if (keyless !== (key === undefined)) {
    const expected = keyless ? `no key: ${view.name}:=VALUE` : `a key: ${view.name}:KEY=VALUE`;
    throw new FarcallError({ code: 'map.value', message: 'the element cannot be set', expected });
  }
  return key === undefined ? NO_KEY : cellBytes(key, keyShape(view, dumped));
}

/** The id a program or map is written by: given by name, or as a number. */
function idOf(view: MapView, { value, target }: GivenEntry): BtfValue | undefined {
  if (!isProgArrayMap(view.map) && !isMapOfMaps(view.map)) return value;
  const name = target ?? (typeof value === 'string' ? value : undefined);
  const id = name === undefined ? undefined : view.idOfName(name);
  if (id !== undefined || typeof value !== 'string' || /^(hex:|[0-9a-f]{8}$)/i.test(value)) return id ?? value;
  const what = isProgArrayMap(view.map) ? 'program that is loaded' : 'map of this object';
  throw new FarcallError({
    code: 'map.value',
    message: 'the value does not fit',
    expected: `a ${what}`,
    found: `'${value}'`,
  });
}

function isArrayType({ btf, source }: MapView): boolean {
  const typeId = source?.valueTypeId ?? 0;
  return btf !== undefined && typeId !== 0 && btf.typeById(bareType(btf, typeId)).kind === 'ARRAY';
}

/** One value for each CPU: a list has one for each, anything else is for all. */
function perCpuBytes(view: MapView, entry: GivenEntry, dumped: boolean): Uint8Array {
  const { def, userValueSizeBytes } = view.map;
  const stride = Math.ceil(def.valueSizeBytes / 8) * 8;
  const cpuCount = userValueSizeBytes / stride;
  const shape = valueShape(view, dumped);
  const values = Array.from({ length: cpuCount }, () => new Uint8Array(stride));
  const put = (cpu: number, value: BtfValue): void => values[cpu].set(cellBytes(value, shape));
  const { value = null } = entry;
  if (entry.values !== undefined) {
    for (const { cpu, value } of entry.values) {
      if (values[cpu] === undefined) {
        throw new FarcallError({ code: 'map.value', message: `there is no CPU ${cpu}`, expected: `--cpus ${cpu + 1}` });
      }
      put(cpu, value);
    }
    return concatBytes(values);
  }
  const list = Array.isArray(value) ? (value as readonly BtfValue[]) : undefined;
  // Where values are arrays themselves, a list of lists is one for each CPU.
  if (list !== undefined && (!isArrayType(view) || list.every(item => Array.isArray(item)))) {
    if (list.length !== cpuCount) {
      const message = 'the list has not one value for each CPU';
      throw new FarcallError({ code: 'map.value', message, expected: `${cpuCount} values`, found: `${list.length}` });
    }
    for (const [cpu, item] of list.entries()) put(cpu, item);
  } else for (let cpu = 0; cpu < cpuCount; cpu++) put(cpu, value);
  return concatBytes(values);
}

function setEntry(view: MapView, entry: GivenEntry, dumped: boolean): void {
  const key = keyBytes(view, entry, dumped);
  const value = isPerCpu(view.map)
    ? perCpuBytes(view, entry, dumped)
    : cellBytes(idOf(view, entry) ?? null, valueShape(view, dumped));
  const errno = view.map.userUpdate(key, value);
  if (errno >= 0) return;
  throw new FarcallError({
    code: 'map.update',
    message: `the element cannot be set: ${REASONS[-errno] ?? 'refused'} (${errnoName(errno)})`,
  });
}

/**
 * Puts elements into maps as user space would before it attaches a program. Data sections are not among them: theirs is
 * `withVariables`. Throws `map.no-map`, `map.value`, `map.update`.
 */
export function fillMaps(views: readonly MapView[], settings: readonly MapSetting[], notes: string[]): void {
  for (const { map: name, entries, file } of settings) {
    const view = views.find(({ map, name: shown }) => shown === name || map.def.name === name);
    if (view === undefined)
      throw noSuchMap(
        name,
        views.map(({ name }) => name),
        file,
      );
    if (view.source?.origin === 'data') continue;
    const { map } = view;
    const dumped = file !== undefined;
    if (dumped && (NOT_FILLED.has(map.def.type) || !canList(map))) {
      const type = mapTypeName(map.def.type);
      if (entries.length > 0) notes.push(`map ${name}: only programs fill a ${type} map; what ${file} has is left out`);
      continue;
    }
    // Dumps have a stack's top first.
    const inOrder = isQueueStackMap(map) && map.def.type === TYPE.BPF_MAP_TYPE_STACK ? entries.toReversed() : entries;
    withWhere({ file, name: `map ${name}` }, () => {
      for (const entry of inOrder) setEntry(view, entry, dumped);
    });
  }
}
