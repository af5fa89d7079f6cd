import type { Btf } from './btf.ts';
import { BTF_INT_BOOL, BTF_INT_CHAR, BTF_INT_SIGNED, type BtfEnum, type BtfEnum64, type BtfType } from './type.ts';

/** A field of a raw dump: JSON key and value. */
export type RawValue = string | number | bigint;
type Fields = Readonly<Record<string, RawValue>>;

/** One type of a raw dump as data, with the keys of `bpftool -j btf dump`. */
export interface RawType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly fields: Fields;
  /** Key of the list of members, enumerators, parameters or variables, if the kind has one. */
  readonly listKey?: string;
  readonly list?: readonly Fields[];
}

type Detail = Pick<RawType, 'fields' | 'listKey' | 'list'>;
/** The shape of a kind; two kinds may share one. */
type TypeOf<Kind> = BtfType extends infer T
  ? T extends { readonly kind: infer Kinds }
    ? Kind extends Kinds
      ? T
      : never
    : never
  : never;
type Describe = { readonly [Kind in BtfType['kind']]: (type: TypeOf<Kind>) => Detail };

const anon = (name: string): string => name || '(anon)';

const ENCODINGS: Readonly<Record<number, string>> = {
  0: '(none)',
  [BTF_INT_SIGNED]: 'SIGNED',
  [BTF_INT_CHAR]: 'CHAR',
  [BTF_INT_BOOL]: 'BOOL',
};
const LINKAGES = ['static', 'global', 'extern'];
const linkage = (value: number): string => LINKAGES[value] ?? '(unknown)';

const ref = (type: { readonly typeId: number }): Detail => ({ fields: { type_id: type.typeId } });

const composite: Describe['STRUCT'] = type => ({
  fields: { size: type.sizeBytes, vlen: type.members.length },
  listKey: 'members',
  list: type.members.map(({ name, typeId, bitOffset, bitSize }) => ({
    name: anon(name),
    type_id: typeId,
    bits_offset: bitOffset,
    ...(bitSize === 0 ? {} : { bitfield_size: bitSize }),
  })),
});

function enumDetail(type: BtfEnum | BtfEnum64): Detail {
  return {
    fields: { encoding: type.signed ? 'SIGNED' : 'UNSIGNED', size: type.sizeBytes, vlen: type.values.length },
    listKey: 'values',
    list: type.values.map(({ name, value }) => ({ name: anon(name), val: value })),
  };
}

const DESCRIBE: Describe = {
  VOID: () => ({ fields: {} }),
  INT: type => ({
    fields: {
      size: type.sizeBytes,
      bits_offset: type.bitOffset,
      nr_bits: type.bits,
      encoding: ENCODINGS[type.encoding] ?? 'UNKN',
    },
  }),
  PTR: ref,
  ARRAY: type => ({ fields: { type_id: type.typeId, index_type_id: type.indexTypeId, nr_elems: type.nelems } }),
  STRUCT: composite,
  UNION: composite,
  ENUM: enumDetail,
  ENUM64: enumDetail,
  FWD: type => ({ fields: { fwd_kind: type.of } }),
  TYPEDEF: ref,
  VOLATILE: ref,
  CONST: ref,
  RESTRICT: ref,
  FUNC: type => ({ fields: { type_id: type.typeId, linkage: linkage(type.linkage) } }),
  FUNC_PROTO: type => ({
    fields: { ret_type_id: type.returnTypeId, vlen: type.params.length },
    listKey: 'params',
    list: type.params.map(({ name, typeId }) => ({ name: anon(name), type_id: typeId })),
  }),
  VAR: type => ({ fields: { type_id: type.typeId, linkage: linkage(type.linkage) } }),
  DATASEC: type => ({
    fields: { size: type.sizeBytes, vlen: type.vars.length },
    listKey: 'vars',
    list: type.vars.map(({ typeId, offBytes, sizeBytes }) => ({ type_id: typeId, offset: offBytes, size: sizeBytes })),
  }),
  FLOAT: type => ({ fields: { size: type.sizeBytes } }),
  DECL_TAG: type => ({ fields: { type_id: type.typeId, component_idx: type.componentIdx } }),
  TYPE_TAG: ref,
  UNKNOWN: () => ({ fields: {} }),
};

/** One type as data. Throws `btf.type-id`. */
export function rawTypeOf(btf: Btf, id: number): RawType {
  const type = btf.typeById(id);
  const describe = DESCRIBE[type.kind] as (type: BtfType) => Detail;
  return { id, kind: type.kind, name: anon(type.name), ...describe(type) };
}

function joinFields(type: RawType): string {
  // bpftool puts a comma into the line of a variable, and there only.
  const separator = type.kind === 'VAR' ? ', ' : ' ';
  return Object.entries(type.fields)
    .map(([key, value]) => `${key}=${value}`)
    .join(separator);
}

function joinItem(btf: Btf, type: RawType, item: Fields): string {
  const wide = type.kind === 'ENUM64' ? (type.fields['encoding'] === 'SIGNED' ? 'LL' : 'ULL') : '';
  const parts = Object.entries(item).map(([key, value]) => (key === 'name' ? `'${value}'` : `${key}=${value}${wide}`));
  if (type.kind === 'DATASEC') {
    const id = Number(item['type_id']);
    parts.push(`(${btf.kindOf(id) === 'VOID' ? 'UNKNOWN' : btf.kindOf(id)} '${anon(btf.nameOf(id))}')`);
  }
  return `\n\t${parts.join(' ')}`;
}

/** One type as `bpftool btf dump` prints it, members on lines of their own, without a final newline. */
export function formatRawType(btf: Btf, id: number): string {
  const type = rawTypeOf(btf, id);
  const fields = joinFields(type);
  const list = (type.list ?? []).map(item => joinItem(btf, type, item)).join('');
  return `[${id}] ${type.kind} '${type.name}'${fields === '' ? '' : ` ${fields}`}${list}`;
}

function chosen(btf: Btf, rootIds: readonly number[] | undefined): Iterable<number> {
  if (rootIds !== undefined) return rootIds;
  return Array.from({ length: btf.typeCount - btf.startId }, (_, index) => btf.startId + index);
}

/**
 * What `bpftool btf dump file X format raw` prints: a line a type, members indented below it. Of a split BTF only its
 * own types, unless `rootIds` says which. Compared byte by byte with bpftool 7.5.
 */
export function dumpRaw(btf: Btf, rootIds?: readonly number[]): string {
  const out: string[] = [];
  for (const id of chosen(btf, rootIds)) out.push(formatRawType(btf, id), '\n');
  return out.join('');
}

/** JSON of a value; 64-bit integers in full. */
function jsonValue(value: RawValue): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}

function jsonFields(fields: Fields): string {
  return Object.entries(fields)
    .map(([key, value]) => `${JSON.stringify(key)}:${jsonValue(value)}`)
    .join(',');
}

/** What `bpftool -j btf dump file X` prints, without a final newline: `{"types":[…]}`. */
export function dumpRawJson(btf: Btf, rootIds?: readonly number[]): string {
  const out: string[] = [];
  for (const id of chosen(btf, rootIds)) {
    const { kind, name, fields, listKey, list = [] } = rawTypeOf(btf, id);
    const body = [jsonFields({ id, kind, name })];
    if (Object.keys(fields).length > 0) body.push(jsonFields(fields));
    if (listKey !== undefined) body.push(`"${listKey}":[${list.map(item => `{${jsonFields(item)}}`).join(',')}]`);
    out.push(`{${body.join(',')}}`);
  }
  return `{"types":[${out.join(',')}]}`;
}
