import type { ElfFile } from '../elf/index.ts';
import { INSN_SIZE_BYTES } from '../isa/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import type { FunctionTable } from './functions.ts';
import type { BtfMapPlace } from './map-btf.ts';
import type { MapTable } from './map-table.ts';
import { attempt, objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';

const POINTER_BYTES = 8;

/**
 * The initial contents of maps of maps and prog arrays: relocations of `.maps` inside a `values` member. Throws
 * `object.map` for one that points at nothing usable. Source: `tools/lib/bpf/libbpf.c: bpf_object__collect_map_relos`.
 */
export function collectMapValues(
  file: ElfFile,
  section: ObjectSection,
  places: readonly BtfMapPlace[],
  maps: MapTable,
  functions: FunctionTable,
): void {
  const values = new Map<number, Map<number, { map?: string; prog?: string }>>();
  const sorted = [...places].sort((a, b) => a.offBytes - b.offBytes);
  for (const table of file.relocsFor(section.index)) {
    for (const reloc of table) {
      const at = reloc.offset;
      const symbol = file.symbolOf(table, reloc.symbolIndex);
      const place = placeAt(sorted, at);
      const name = attempt(() => symbol.name);
      const label = name instanceof FarcallError ? '<?>' : name;
      const fail = (message: string): FarcallError => {
        const where = { ...file.where, section: section.name, name: place?.map, offBytes: at };
        return objectError('object.map', where, `.maps relo #${reloc.index}: ${message}`);
      };
      if (place === undefined) throw fail(`cannot find map '${label}' at rel->r_offset ${at}`);
      if (place.valuesOff === undefined) throw fail(`map '${place.map}' has no values to initialise`);
      const off = at - place.offBytes - place.valuesOff;
      if (off < 0 || off % POINTER_BYTES !== 0) throw fail(`offset ${off} is not that of a value`);
      const target =
        place.type === bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY
          ? progTarget(functions, symbol.sectionIndex, symbol.value)
          : mapTarget(maps, section, symbol.sectionIndex, symbol.value);
      if (target === undefined) {
        const what = place.type === bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY ? 'program' : 'map';
        throw fail(`'${label}' isn't a valid ${what} reference`);
      }
      const slots = values.get(place.position) ?? new Map();
      values.set(place.position, slots.set(off / POINTER_BYTES, target));
    }
  }
  for (const [position, slots] of values) {
    const initialValues = [...slots].map(([index, target]) => ({ index, ...target }));
    initialValues.sort((a, b) => a.index - b.index);
    maps.all[position] = { ...maps.all[position], initialValues };
  }
}

function placeAt(sorted: readonly BtfMapPlace[], off: number): BtfMapPlace | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (sorted[mid].offBytes <= off) low = mid + 1;
    else high = mid;
  }
  const place = sorted[low - 1];
  return place !== undefined && off + POINTER_BYTES <= place.offBytes + place.sizeBytes ? place : undefined;
}

function progTarget(functions: FunctionTable, sectionIndex: number, offBytes: number) {
  const insnIdx = offBytes / INSN_SIZE_BYTES;
  const fn = functions.find(sectionIndex, insnIdx);
  return fn !== undefined && fn.startIdx === insnIdx && fn.section.role === 'programs' ? { prog: fn.name } : undefined;
}

function mapTarget(maps: MapTable, section: ObjectSection, sectionIndex: number, offBytes: number) {
  const map = sectionIndex === section.index ? maps.declaredAt(sectionIndex, offBytes) : undefined;
  return map === undefined ? undefined : { map };
}
