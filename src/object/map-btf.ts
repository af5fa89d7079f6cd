import type { Btf, BtfComposite, BtfMember } from '../btf/index.ts';
import { BTF_LINKAGE } from '../btf/index.ts';
import type { MapDef } from '../maps/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import type { Where } from '../util/index.ts';
import type { MapTable } from './map-table.ts';
import { objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';

/** What the members of one map's structure say, before defaults. */
export interface BtfMapDraft {
  type: number;
  keySizeBytes: number;
  valueSizeBytes: number;
  maxEntries: number;
  flags: number;
  numaNode: number;
  mapExtra: bigint;
  pinning: number;
  keyTypeId: number;
  valueTypeId: number;
  inner: BtfMapDraft | undefined;
}

const emptyDraft = (): BtfMapDraft => ({
  type: 0,
  keySizeBytes: 0,
  valueSizeBytes: 0,
  maxEntries: 0,
  flags: 0,
  numaNode: 0,
  mapExtra: 0n,
  pinning: 0,
  keyTypeId: 0,
  valueTypeId: 0,
  inner: undefined,
});

interface Reading {
  readonly btf: Btf;
  readonly map: string;
  readonly where: Where;
  readonly notes: string[];
  readonly inner: boolean;
}

type Attribute = (draft: BtfMapDraft, member: BtfMember, reading: Reading) => void;

function bad(reading: Reading, message: string, expected?: string, found?: string): Error {
  return objectError('object.map', reading.where, `map '${reading.map}': ${message}`, expected, found);
}

/** `__uint(name, N)`: a pointer to an array of N elements. */
function intOf(reading: Reading, member: BtfMember): number {
  const { btf } = reading;
  const pointer = btf.typeById(btf.skipModifiers(member.typeId));
  if (pointer.kind !== 'PTR') throw bad(reading, `attr '${member.name}'`, 'PTR', pointer.kind);
  const array = btf.typeById(pointer.typeId);
  if (array.kind !== 'ARRAY') throw bad(reading, `attr '${member.name}'`, 'ARRAY', array.kind);
  return array.nelems;
}

/** `__uint` or `__ulong(name, N)`: an enum with the one value N. */
function longOf(reading: Reading, member: BtfMember): bigint {
  const type = reading.btf.typeById(reading.btf.skipModifiers(member.typeId));
  if (type.kind === 'PTR') return BigInt(intOf(reading, member));
  if ((type.kind === 'ENUM' || type.kind === 'ENUM64') && type.values.length === 1) {
    return BigInt.asUintN(64, BigInt(type.values[0].value));
  }
  throw bad(reading, `attr '${member.name}'`, 'ENUM or ENUM64 of one value', type.kind);
}

/** `__type(name, T)`: a pointer to T. */
function pointeeOf(reading: Reading, member: BtfMember): number {
  const pointer = reading.btf.typeById(member.typeId);
  if (pointer.kind !== 'PTR') throw bad(reading, `${member.name} spec is not PTR`, 'PTR', pointer.kind);
  return pointer.typeId;
}

type SizeField = 'keySizeBytes' | 'valueSizeBytes';

function setSize(draft: BtfMapDraft, field: SizeField, size: number, reading: Reading): void {
  if (draft[field] !== 0 && draft[field] !== size) {
    const what = field === 'keySizeBytes' ? 'key' : 'value';
    throw bad(reading, `conflicting ${what} size ${draft[field]} != ${size}`);
  }
  draft[field] = size;
}

const uint =
  (field: 'type' | 'maxEntries' | 'flags' | 'numaNode'): Attribute =>
  (draft, member, reading) => {
    draft[field] = intOf(reading, member);
  };
const size =
  (field: SizeField): Attribute =>
  (draft, member, reading) =>
    setSize(draft, field, intOf(reading, member), reading);
const typed =
  (field: SizeField, idField: 'keyTypeId' | 'valueTypeId'): Attribute =>
  (draft, member, reading) => {
    const typeId = pointeeOf(reading, member);
    setSize(draft, field, reading.btf.sizeOf(typeId), reading);
    draft[idField] = typeId;
  };

const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map<string, Attribute>([
  ['type', uint('type')],
  ['max_entries', uint('maxEntries')],
  ['map_flags', uint('flags')],
  ['numa_node', uint('numaNode')],
  ['key_size', size('keySizeBytes')],
  ['value_size', size('valueSizeBytes')],
  ['key', typed('keySizeBytes', 'keyTypeId')],
  ['value', typed('valueSizeBytes', 'valueTypeId')],
  ['values', readValues],
  [
    'pinning',
    (draft, member, reading) => {
      if (reading.inner) throw bad(reading, "inner def can't be pinned");
      draft.pinning = intOf(reading, member);
      if (draft.pinning > 1) throw bad(reading, `invalid pinning value ${draft.pinning}`, '0 or 1');
    },
  ],
  [
    'map_extra',
    (draft, member, reading) => {
      draft.mapExtra = longOf(reading, member);
    },
  ],
]);

const isMapInMap = (type: number): boolean =>
  type === bpf_map_type.BPF_MAP_TYPE_ARRAY_OF_MAPS || type === bpf_map_type.BPF_MAP_TYPE_HASH_OF_MAPS;

/** `__array(values, T)`: the template of inner maps, or the prototype of a prog array's programs. */
function readValues(draft: BtfMapDraft, member: BtfMember, reading: Reading): void {
  const { btf } = reading;
  const inMap = isMapInMap(draft.type);
  if (reading.inner) throw bad(reading, 'multi-level inner maps not supported');
  if (!inMap && draft.type !== bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY) {
    throw bad(reading, 'should be map-in-map or prog-array');
  }
  setSize(draft, 'valueSizeBytes', 4, reading);
  const array = btf.typeById(member.typeId);
  const desc = inMap ? 'map-in-map inner' : 'prog-array value';
  if (array.kind !== 'ARRAY' || array.nelems !== 0) throw bad(reading, `${desc} spec is not a zero-sized array`);
  const pointer = btf.typeById(btf.skipModifiers(array.typeId));
  if (pointer.kind !== 'PTR') throw bad(reading, `${desc} def is of unexpected kind ${pointer.kind}`, 'PTR');
  const target = btf.typeById(btf.skipModifiers(pointer.typeId));
  if (!inMap) {
    if (target.kind !== 'FUNC_PROTO') throw bad(reading, `${desc} def is of unexpected kind ${target.kind}`);
    return;
  }
  if (target.kind !== 'STRUCT') throw bad(reading, `${desc} def is of unexpected kind ${target.kind}`, 'STRUCT');
  draft.inner = readStruct(unwrap(btf, target), { ...reading, map: `${reading.map}.inner`, inner: true });
}

function readStruct(type: BtfComposite, reading: Reading): BtfMapDraft {
  const draft = emptyDraft();
  type.members.forEach((member, index) => {
    const attribute = ATTRIBUTES.get(member.name);
    if (attribute === undefined) {
      reading.notes.push(`map '${reading.map}': unknown field '${member.name}' ignored`);
      return;
    }
    if (member.name === 'values' && index !== type.members.length - 1) {
      throw bad(reading, "'values' member should be last");
    }
    attribute(draft, member, reading);
  });
  if (draft.type === 0) throw bad(reading, "map type isn't specified");
  return draft;
}

const MAX_WRAPPERS = 8;

/**
 * The structure that holds the attributes: Rust's maps lie in cells, structures of one structure each
 * (`HashMap { __0: UnsafeCell { value: … } }`). Source: cilium/ebpf's `unwrapAyaBTFMapDef`.
 */
function unwrap(btf: Btf, type: BtfComposite): BtfComposite {
  let at = type;
  for (let depth = 0; depth < MAX_WRAPPERS && at.members.length === 1; depth++) {
    const inner = btf.typeById(btf.skipModifiers(at.members[0].typeId));
    // An attribute is a pointer, so a structure can only be a cell.
    if (inner.kind !== 'STRUCT') break;
    at = inner;
  }
  return at;
}

/** Reads a map's structure alone. Throws `object.map`. */
export function readMapStruct(btf: Btf, type: BtfComposite, map: string, where: Where, notes: string[]): BtfMapDraft {
  return readStruct(unwrap(btf, type), { btf, map, where, notes, inner: false });
}

const PAGE_BYTES = 4096;

/**
 * The size libbpf asks of kernels for a ring buffer: the next power of two of pages. Source: `tools/lib/bpf/libbpf.c:
 * adjust_ringbuf_sz`, for pages of 4096 bytes.
 */
export function ringbufSizeBytes(sizeBytes: number, pageBytes = PAGE_BYTES): number {
  if (sizeBytes === 0) return 0;
  for (let candidate = pageBytes; candidate <= 0xffffffff; candidate *= 2) {
    if (candidate === sizeBytes) return sizeBytes;
    if (candidate > sizeBytes) return candidate;
  }
  return sizeBytes;
}

const isRingbuf = (type: number): boolean =>
  type === bpf_map_type.BPF_MAP_TYPE_RINGBUF || type === bpf_map_type.BPF_MAP_TYPE_USER_RINGBUF;

function defOf(name: string, draft: BtfMapDraft): MapDef {
  return {
    name,
    type: draft.type,
    keySizeBytes: draft.keySizeBytes,
    valueSizeBytes: draft.valueSizeBytes,
    maxEntries: isRingbuf(draft.type) ? ringbufSizeBytes(draft.maxEntries) : draft.maxEntries,
    flags: draft.flags,
    ...(draft.mapExtra === 0n ? {} : { mapExtra: draft.mapExtra }),
    ...(draft.numaNode === 0 ? {} : { numaNode: draft.numaNode }),
    ...(draft.inner === undefined ? {} : { inner: defOf(`${name}.inner`, draft.inner) }),
  };
}

/** A variable of `.maps`, for the relocations that fill its `values`. */
export interface BtfMapPlace {
  readonly map: string;
  readonly position: number;
  readonly type: number;
  readonly offBytes: number;
  readonly sizeBytes: number;
  /** Where `values` begins inside the variable; undefined without such a member. */
  readonly valuesOff: number | undefined;
}

/**
 * Reads the maps that `.maps` declares through BTF, in order of their places. Throws `object.map` for a definition that
 * libbpf would refuse; fields it does not know are noted.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__init_user_btf_maps, parse_btf_map_def, fill_map_from_def`.
 */
export function readBtfMaps(
  btf: Btf,
  section: ObjectSection,
  maps: MapTable,
  where: Where,
  notes: string[],
): BtfMapPlace[] {
  const datasec = btf.findByName('.maps', 'DATASEC');
  const type = btf.typeById(datasec);
  if (type.kind !== 'DATASEC') {
    throw objectError('object.map', where, "DATASEC '.maps' not found", 'a DATASEC of that name', 'none');
  }
  const places: BtfMapPlace[] = [];
  const drafts = new Map<number, BtfMapDraft>();
  type.vars.forEach(({ typeId, offBytes, sizeBytes }, index) => {
    const variable = btf.typeById(typeId);
    const reading = { btf, map: variable.name, where: { ...where, name: variable.name }, notes, inner: false };
    if (variable.name === '') throw objectError('object.map', where, `map #${index}: empty name`);
    if (variable.kind !== 'VAR') throw bad(reading, 'unexpected var kind', 'VAR', variable.kind);
    if (variable.linkage === BTF_LINKAGE.extern) throw bad(reading, 'unsupported map linkage extern', 'global');
    const outer = btf.typeById(btf.skipModifiers(variable.typeId));
    if (outer.kind !== 'STRUCT') throw bad(reading, 'unexpected def kind', 'STRUCT', outer.kind);
    const struct = unwrap(btf, outer);
    if (offBytes + Math.max(sizeBytes, struct.sizeBytes) > section.sizeBytes) {
      const found = `offset ${offBytes}, ${Math.max(sizeBytes, struct.sizeBytes)} bytes`;
      throw bad(reading, 'BTF data is corrupted', `inside ${section.sizeBytes} bytes`, found);
    }
    const draft = drafts.get(struct.id) ?? readStruct(struct, reading);
    drafts.set(struct.id, draft);
    const name = maps.freeName(variable.name);
    const last = struct.members[struct.members.length - 1];
    const position = maps.all.length;
    maps.addDeclared(section.index, offBytes, {
      def: defOf(name, draft),
      origin: '.maps',
      section: section.name,
      keyTypeId: draft.keyTypeId,
      valueTypeId: draft.valueTypeId,
      pinning: draft.pinning,
      autocreate: true,
      initialValues: [],
      ...(draft.inner === undefined
        ? {}
        : { innerKeyTypeId: draft.inner.keyTypeId, innerValueTypeId: draft.inner.valueTypeId }),
    });
    places.push({
      map: name,
      position,
      type: draft.type,
      offBytes,
      sizeBytes: Math.max(sizeBytes, struct.sizeBytes),
      valuesOff: last?.name === 'values' ? last.bitOffset / 8 : undefined,
    });
  });
  return places;
}
