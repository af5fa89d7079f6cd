import { type ElfFile, type ElfSymbol, STT_FILE, STT_FUNC, STT_SECTION, type SymbolTable } from '../elf/index.ts';
import type { MapDef } from '../maps/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import { ByteView } from '../util/index.ts';
import type { MapTable } from './map-table.ts';
import { objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';

/** `struct bpf_map_def` up to and with map_flags, and without. */
const MIN_DEF_BYTES = 16;
/** iproute2's and Cilium's `struct bpf_elf_map`: …, id, pinning, inner_id, inner_idx. */
const ELF_MAP_BYTES = 36;
const WORD = {
  type: 0,
  keySize: 4,
  valueSize: 8,
  maxEntries: 12,
  flags: 16,
  fifth: 20,
  sixth: 24,
  innerId: 28,
  innerIdx: 32,
};
const BPF_F_NUMA_NODE = 4;
const NO_INDEX = 0xffffffff;

interface LegacyMap {
  readonly position: number;
  readonly def: MapDef;
  readonly id: number;
  readonly innerId: number;
  readonly innerIdx: number;
  /** samples/bpf: position of the template. */
  readonly innerMapIdx: number | undefined;
}

const isMapInMap = (type: number): boolean =>
  type === bpf_map_type.BPF_MAP_TYPE_ARRAY_OF_MAPS || type === bpf_map_type.BPF_MAP_TYPE_HASH_OF_MAPS;

/**
 * Reads the maps of legacy sections: one structure a symbol, told apart by size.
 *
 * ```
 *   bytes        0     4         8           12           16         20             24          28        32
 *   bpf_map_def  type  key_size  value_size  max_entries  map_flags  inner_map_idx  numa_node                      samples/bpf
 *   aya                                                              id             pinning
 *   bpf_elf_map                                                      id             pinning     inner_id  inner_idx
 *   gobpf                                                            pinning        namespace[256]
 * ```
 *
 * Throws `object.map` for structures under 16 bytes or outside the section. Source: iproute2's `include/bpf_elf.h`,
 * `samples/bpf/bpf_load.h`, aya's `bpf_map_def`. Differs from Linux: libbpf 1.0 and later refuse such objects.
 */
export function readLegacyMaps(
  file: ElfFile,
  symtab: SymbolTable,
  section: ObjectSection,
  maps: MapTable,
  notes: string[],
): void {
  const symbols = symbolsOf(symtab, section.index);
  const data = section.elf.data;
  const read: LegacyMap[] = [];
  symbols.forEach((symbol, index) => {
    const off = symbol.value;
    const next = symbols[index + 1]?.value ?? data.length;
    const size = symbol.size === 0 || off + symbol.size > next ? next - off : symbol.size;
    const name = symtab.nameOrUndefined(symbol) ?? '';
    const where = { ...file.where, section: section.name, name, offBytes: off };
    if (size < MIN_DEF_BYTES || off + size > data.length) {
      throw objectError('object.map', where, 'map definition is cut off', `${MIN_DEF_BYTES} bytes`, `${size} bytes`);
    }
    const view = new ByteView(data.subarray(off, off + size), file.order, where);
    read.push(readOne(view, maps, section, off, name, notes));
  });
  linkInner(read, maps, notes);
}

function symbolsOf(symtab: SymbolTable, sectionIndex: number): ElfSymbol[] {
  const found = new Map<number, ElfSymbol>();
  for (let i = 1; i < symtab.length; i++) {
    const symbol = symtab.at(i);
    if (symbol.place !== 'section' || symbol.sectionIndex !== sectionIndex) continue;
    if (symbol.type === STT_SECTION || symbol.type === STT_FILE || symbol.type === STT_FUNC) continue;
    if (symtab.nameOrUndefined(symbol) === undefined) continue;
    if (!found.has(symbol.value)) found.set(symbol.value, symbol);
  }
  return [...found.values()].sort((a, b) => a.value - b.value);
}

function readOne(
  view: ByteView,
  maps: MapTable,
  section: ObjectSection,
  offBytes: number,
  symbolName: string,
  notes: string[],
): LegacyMap {
  const word = (off: number): number => (off + 4 <= view.length ? view.u32(off) : 0);
  const type = word(WORD.type);
  const flags = word(WORD.flags);
  const isElfMap = view.length >= ELF_MAP_BYTES && view.length < 64;
  const isGobpf = view.length >= 64;
  const fromSample = !isElfMap && !isGobpf && (isMapInMap(type) || (flags & BPF_F_NUMA_NODE) !== 0);
  const pinning = isGobpf ? word(WORD.fifth) : fromSample ? 0 : word(WORD.sixth);
  if (pinning > 1) notes.push(`map '${symbolName}': pinning ${pinning} of its legacy definition taken for by name`);
  const def: MapDef = {
    name: maps.freeName(symbolName),
    type,
    keySizeBytes: word(WORD.keySize),
    valueSizeBytes: word(WORD.valueSize),
    maxEntries: word(WORD.maxEntries),
    flags,
    ...(fromSample && (flags & BPF_F_NUMA_NODE) !== 0 ? { numaNode: word(WORD.sixth) } : {}),
  };
  const position = maps.all.length;
  maps.addDeclared(section.index, offBytes, {
    def,
    origin: 'maps',
    section: section.name,
    keyTypeId: 0,
    valueTypeId: 0,
    pinning: pinning === 0 ? 0 : 1,
    autocreate: true,
    initialValues: [],
  });
  return {
    position,
    def,
    id: isElfMap ? word(WORD.fifth) : 0,
    innerId: isElfMap ? word(WORD.innerId) : 0,
    innerIdx: isElfMap ? word(WORD.innerIdx) : NO_INDEX,
    innerMapIdx: fromSample && isMapInMap(type) ? word(WORD.fifth) : undefined,
  };
}

/** Gives maps of maps their templates, and the entries that bpf_elf_map asks for through inner_idx. */
function linkInner(read: readonly LegacyMap[], maps: MapTable, notes: string[]): void {
  const byId = new Map(read.filter(map => map.id !== 0 && !isMapInMap(map.def.type)).map(map => [map.id, map]));
  for (const outer of read) {
    if (!isMapInMap(outer.def.type)) continue;
    const inner = outer.innerMapIdx === undefined ? byId.get(outer.innerId) : read[outer.innerMapIdx];
    if (inner === undefined || inner === outer) {
      notes.push(`map '${outer.def.name}' names no template for its inner maps`);
      continue;
    }
    const entry = inner.innerIdx === NO_INDEX ? [] : [{ index: inner.innerIdx, map: inner.def.name }];
    const def = { ...outer.def, inner: { ...inner.def, inner: undefined } };
    maps.all[outer.position] = { ...maps.all[outer.position], def, initialValues: entry };
  }
}
