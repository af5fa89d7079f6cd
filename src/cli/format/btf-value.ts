import type { Btf, BtfInt, BtfType } from '../../btf/index.ts';
import { type ByteOrder, toHex } from '../../util/index.ts';

/** A value as data: JSON after `toJson`; hex numbers in text form are strings that begin with 0x. */
export type BtfValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly BtfValue[]
  | { readonly [name: string]: BtfValue };

/** Nesting no C compiler reaches; beyond it a value is shown as hex. */
const MAX_DEPTH = 64;
/** Parts of one value that are shown in full; arrays inside huge arrays end early. */
const MAX_PARTS = 200_000;

/**
 * Reads typed bytes: structs and unions as objects, arrays as arrays, character arrays as text, enumerators by name,
 * pointers and bitfields as numbers. Bytes that are missing or whose type has no layout come out as hex text.
 *
 * As bpftool shows them, except that members of anonymous structs and unions stand in the one around them, and that
 * bitfields are decimal. Which arrays are text follows `tools/bpf/bpftool/btf_dumper.c: is_str_array`: a NUL before anything unprintable.
 */
export class BtfValueReader {
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  readonly #little: boolean;
  readonly #view: DataView;
  readonly #network: boolean;
  #parts = 0;

  /** @param network for people: `__be16` in host order, `__be32` as a dotted address */
  constructor(btf: Btf, bytes: Uint8Array, order: ByteOrder, network = false) {
    this.#network = network;
    this.#btf = btf;
    this.#bytes = bytes;
    this.#little = order === 'little';
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(typeId: number, at = 0, depth = 0): BtfValue {
    const id = this.#resolve(typeId);
    const type = this.#btf.typeById(id);
    const size = this.#btf.trySizeOf(id);
    if (typeof size !== 'number') return null;
    if (at + size > this.#bytes.length || depth > MAX_DEPTH || ++this.#parts > MAX_PARTS) {
      return `0x${toHex(this.#bytes.subarray(at, at + Math.min(size, 64)))}`;
    }
    return this.#inNetworkOrder(typeId, at, size) ?? (READERS[type.kind] as Reader)(this, type, at, depth, size);
  }

  /** A value whose type is a typedef of `__be16` or `__be32`, or one of these, as people write it. */
  #inNetworkOrder(typeId: number, at: number, size: number): BtfValue | undefined {
    if (!this.#network || (size !== 2 && size !== 4)) return undefined;
    let type = this.#btf.typeById(typeId);
    for (let steps = 0; steps < 8 && 'typeId' in type && type.kind !== 'PTR' && type.kind !== 'ARRAY'; steps++) {
      if (size === 2 && type.name === '__be16') return this.#view.getUint16(at, false);
      if (size === 4 && type.name === '__be32') return this.#bytes.subarray(at, at + 4).join('.');
      type = this.#btf.typeById(type.typeId);
    }
    return undefined;
  }

  #resolve(typeId: number): number {
    const type = this.#btf.typeById(typeId);
    return type.kind === 'VAR' ? this.#btf.skipModifiers(type.typeId) : this.#btf.skipModifiers(typeId);
  }

  unsigned(at: number, size: number): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) {
      const byte = this.#bytes[this.#little ? at + size - 1 - i : at + i];
      value = (value << 8n) | BigInt(byte);
    }
    return value;
  }

  number(at: number, size: number, signed: boolean): number | bigint {
    const value = this.unsigned(at, size);
    const wide = signed ? BigInt.asIntN(8 * size, value) : value;
    return size <= 4 ? Number(wide) : wide;
  }

  /** `bits` bits that begin `bitOffset` bits into the value; big-endian counts from the top of each byte. */
  bits(bitOffset: number, bits: number, signed: boolean): BtfValue {
    const first = Math.floor(bitOffset / 8);
    const size = Math.ceil((bitOffset + bits) / 8) - first;
    if (first + size > this.#bytes.length) return null;
    const inByte = bitOffset % 8;
    const shift = this.#little ? inByte : 8 * size - inByte - bits;
    const raw = BigInt.asUintN(bits, this.unsigned(first, size) >> BigInt(shift));
    const value = signed ? BigInt.asIntN(bits, raw) : raw;
    return bits <= 32 ? Number(value) : value;
  }

  float(at: number, size: number): BtfValue {
    if (size === 4) return this.#view.getFloat32(at, this.#little);
    if (size === 8) return this.#view.getFloat64(at, this.#little);
    return `0x${toHex(this.#bytes.subarray(at, at + size))}`;
  }

  /** The text of a character array, or undefined when it is not one. */
  text(elemTypeId: number, at: number, count: number): string | undefined {
    const elem = this.#btf.typeById(this.#skipQualifiers(elemTypeId));
    if (elem.kind !== 'INT' || elem.sizeBytes !== 1 || !(elem.char || elem.name === 'char')) return undefined;
    let text = '';
    for (let i = at; i < at + count; i++) {
      const byte = this.#bytes[i];
      if (byte === 0) return text;
      if (byte < 0x20 || byte >= 0x7f) return undefined;
      text += String.fromCharCode(byte);
    }
    return undefined;
  }

  /** Qualifiers but not typedefs: a typedef of char is a number. */
  #skipQualifiers(typeId: number): number {
    let id = typeId;
    for (let steps = 0; steps < 32; steps++) {
      const type = this.#btf.typeById(id);
      if (type.kind !== 'CONST' && type.kind !== 'VOLATILE' && type.kind !== 'RESTRICT') break;
      id = type.typeId;
    }
    return id;
  }

  array(elemTypeId: number, at: number, count: number, depth: number): BtfValue {
    const elemSize = this.#btf.trySizeOf(elemTypeId);
    if (typeof elemSize !== 'number') return null;
    const items: BtfValue[] = [];
    for (let i = 0; i < count && this.#parts <= MAX_PARTS; i++) {
      items.push(this.read(elemTypeId, at + i * elemSize, depth + 1));
      if (elemSize === 0 && i > 1000) break;
    }
    return items;
  }

  isSigned(typeId: number): boolean {
    const type = this.#btf.typeById(this.#btf.skipModifiers(typeId));
    return (type.kind === 'INT' || type.kind === 'ENUM' || type.kind === 'ENUM64') && type.signed;
  }
  nameOf(typeId: number): string {
    return this.#btf.nameOf(typeId);
  }
}

type Reader = (reader: BtfValueReader, type: BtfType, at: number, depth: number, size: number) => BtfValue;
type OfKind<Kind> = BtfType extends infer T
  ? T extends { kind: infer Kinds }
    ? Kind extends Kinds
      ? T
      : never
    : never
  : never;
type Readers = {
  readonly [Kind in BtfType['kind']]: (
    reader: BtfValueReader,
    type: OfKind<Kind>,
    at: number,
    depth: number,
    size: number,
  ) => BtfValue;
};

function readInt(reader: BtfValueReader, type: BtfInt, at: number): BtfValue {
  if (type.bits !== 8 * type.sizeBytes || type.bitOffset !== 0) {
    return reader.bits(8 * at + type.bitOffset, type.bits, type.signed);
  }
  if (type.bool) return type.sizeBytes === 1 ? reader.unsigned(at, 1) !== 0n : reader.number(at, type.sizeBytes, false);
  return reader.number(at, type.sizeBytes, type.signed);
}

/** Any member name is an ordinary one, `__proto__` too. */
const newMembers = (): Record<string, BtfValue> => Object.create(null) as Record<string, BtfValue>;

const composite: Readers['STRUCT'] = (reader, type, at, depth) => {
  const members = newMembers();
  for (const { name, typeId, bitOffset, bitSize } of type.members) {
    const value =
      bitSize > 0
        ? reader.bits(8 * at + bitOffset, bitSize, reader.isSigned(typeId))
        : reader.read(typeId, at + Math.floor(bitOffset / 8), depth + 1);
    if (name !== '') members[name] = value;
    // What anonymous structs and unions hold belongs to the one around them, as in C.
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) Object.assign(members, value);
  }
  return members;
};

const enumerator: Readers['ENUM'] & Readers['ENUM64'] = (reader, type, at, _depth, size) => {
  const value = BigInt(reader.number(at, size, type.signed));
  for (const item of type.values) if (BigInt(item.value) === value) return item.name;
  return size <= 4 ? Number(value) : value;
};

const nothing = (): BtfValue => null;

const READERS: Readers = {
  VOID: nothing,
  INT: readInt,
  PTR: (reader, _type, at, _depth, size) => `0x${reader.unsigned(at, size).toString(16)}`,
  ARRAY: (reader, type, at, depth) =>
    reader.text(type.typeId, at, type.nelems) ?? reader.array(type.typeId, at, type.nelems, depth),
  STRUCT: composite,
  UNION: composite,
  ENUM: enumerator,
  ENUM64: enumerator,
  FWD: nothing,
  TYPEDEF: nothing,
  VOLATILE: nothing,
  CONST: nothing,
  RESTRICT: nothing,
  FUNC: nothing,
  FUNC_PROTO: nothing,
  VAR: nothing,
  DATASEC: (reader, type, _at, depth) => {
    // A list, since static variables of several files may share a name.
    const vars = type.vars.map(({ typeId, offBytes }) => {
      const item = newMembers();
      item[reader.nameOf(typeId)] = reader.read(typeId, offBytes, depth + 1);
      return item;
    });
    const section = newMembers();
    section[type.name] = vars;
    return section;
  },
  FLOAT: (reader, _type, at, _depth, size) => reader.float(at, size),
  DECL_TAG: nothing,
  TYPE_TAG: nothing,
  UNKNOWN: nothing,
};
