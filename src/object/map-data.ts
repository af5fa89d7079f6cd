import type { Btf } from '../btf/index.ts';
import { BTF_LINKAGE } from '../btf/index.ts';
import { SHT_NOBITS } from '../elf/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import { encodeText, type Where } from '../util/index.ts';
import type { MapTable } from './map-table.ts';
import { objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';
import type { ObjectMap } from './types.ts';

export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_MMAPABLE = 1 << 10;
/** What the kernel keeps of a name (`BPF_OBJ_NAME_LEN` less the NUL). */
export const MAX_NAME_BYTES = 15;
const MIN_SUFFIX = 7;

/** Bytes of a name as the kernel takes them: letters, digits, `_` and `.`. */
export function kernelName(name: string): string {
  const bytes = encodeText(name).subarray(0, MAX_NAME_BYTES);
  return Array.from(bytes, byte => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_.]/.test(char) ? char : '_';
  }).join('');
}

/**
 * The name libbpf gives the map of a data section: for .data, .rodata, .bss and .kconfig the beginning of the object's
 * name and the section's, together 15 bytes with at least 7 kept free for the section; for `.data.x` and `.rodata.x` the
 * section's, in full; for `.bss.x` its first 15 bytes.
 *
 * Source: `tools/lib/bpf/libbpf.c: internal_map_name, map_uses_real_name`.
 */
export function dataMapName(objectName: string, section: string): string {
  if (section.indexOf('.', 1) > 0) return section.startsWith('.bss') ? kernelName(section) : section;
  const room = MAX_NAME_BYTES - Math.min(MAX_NAME_BYTES, Math.max(MIN_SUFFIX, section.length));
  const prefix = encodeText(objectName).subarray(0, room);
  return kernelName(String.fromCharCode(...prefix) + section);
}

/** What BTF says of the type of a section's name. */
interface Contents {
  readonly typeId: number;
  /** Whether user space may see a variable of it, so that the map can be mapped into memory. */
  readonly mmapable: boolean;
}

function contentsOf(btf: Btf | undefined, section: string): Contents {
  const typeId = btf?.findByName(section) ?? 0;
  const type = typeId === 0 ? undefined : btf?.typeById(typeId);
  if (btf === undefined || type?.kind !== 'DATASEC') return { typeId, mmapable: false };
  const mmapable = type.vars.some(({ typeId: id }) => {
    const variable = btf.typeById(id);
    return variable.kind === 'VAR' && variable.linkage !== BTF_LINKAGE.static;
  });
  return { typeId, mmapable };
}

function dataMap(
  name: string,
  section: string,
  sizeBytes: number,
  readOnly: boolean,
  contents: Contents,
  data: Uint8Array | undefined,
  where: Where,
): ObjectMap {
  if (sizeBytes > 0xffffffff) {
    throw objectError('object.map', { ...where, section }, 'section is too large for a map', '4 GiB', `${sizeBytes}`);
  }
  return {
    def: {
      name,
      type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
      keySizeBytes: 4,
      valueSizeBytes: sizeBytes,
      maxEntries: 1,
      flags: (readOnly ? BPF_F_RDONLY_PROG : 0) | (contents.mmapable ? BPF_F_MMAPABLE : 0),
    },
    origin: 'data',
    section,
    ...(data === undefined ? {} : { data }),
    keyTypeId: 0,
    valueTypeId: contents.typeId,
    pinning: 0,
    autocreate: true,
    initialValues: [],
  };
}

/** Makes the maps of the data sections, in section order. Source: `bpf_object__init_global_data_maps`. */
export function addDataMaps(
  objectName: string,
  sections: readonly ObjectSection[],
  btf: Btf | undefined,
  maps: MapTable,
  where: Where,
): void {
  const known = new Map<string, Contents>();
  for (const section of sections) {
    const { role, name, elf, sizeBytes } = section;
    if ((role !== 'data' && role !== 'rodata' && role !== 'bss') || sizeBytes === 0) continue;
    const data = elf.type === SHT_NOBITS ? undefined : elf.data.slice();
    const mapName = maps.freeName(dataMapName(objectName, name));
    const contents = known.get(name) ?? contentsOf(btf, name);
    known.set(name, contents);
    maps.addData(section.index, dataMap(mapName, name, sizeBytes, role === 'rodata', contents, data, where));
  }
}

/** Makes the map of the .kconfig variables and returns its name. Source: `bpf_object__init_kconfig_map`. */
export function addKconfigMap(
  objectName: string,
  sizeBytes: number,
  btf: Btf | undefined,
  maps: MapTable,
  where: Where,
): string | undefined {
  if (sizeBytes === 0) return undefined;
  const name = maps.freeName(dataMapName(objectName, '.kconfig'));
  maps.add(dataMap(name, '.kconfig', sizeBytes, true, contentsOf(btf, '.kconfig'), undefined, where));
  return name;
}

/** Lets the arena map hold the section of `__arena` variables. Source: `init_arena_map_data`. */
export function adoptArena(section: ObjectSection, maps: MapTable, notes: string[]): void {
  const position = maps.all.findIndex(map => map.def.type === bpf_map_type.BPF_MAP_TYPE_ARENA);
  if (position < 0) {
    notes.push(`section ${section.name}: to use global __arena variables the ARENA map should be declared in .maps`);
    return;
  }
  const data = section.elf.type === SHT_NOBITS ? undefined : section.elf.data.slice();
  maps.adopt(section.index, position, { ...maps.all[position], ...(data === undefined ? {} : { data }) });
}
