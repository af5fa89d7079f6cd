import type { Btf, BtfComposite, BtfEnum, BtfEnum64, BtfInt, BtfType } from '../../btf/index.ts';
import { type ByteOrder, encodeText, FarcallError, fromHex } from '../../util/index.ts';
import { parseInteger } from '../options.ts';
import { addressBytes } from './addresses.ts';
import { type BtfPlace, bareType, memberNames, memberPlace } from './btf-place.ts';
import type { BtfValue } from './btf-value.ts';

const MAX_DEPTH = 64;
/** Names an error lists. */
const MAX_NAMES = 20;

type Members = Readonly<Record<string, BtfValue>>;
const isList = (value: BtfValue): value is readonly BtfValue[] => Array.isArray(value);
const isMembers = (value: BtfValue): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A given value for errors, cut short; lists and objects may be nested to any depth and are not shown. */
export function shownValue(value: BtfValue): string {
  if (isList(value)) return `a list of ${value.length} item${value.length === 1 ? '' : 's'}`;
  if (isMembers(value)) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** The integer a value stands for: numbers, booleans, and digits as text. */
export function integerOf(value: BtfValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === 'string' ? parseInteger(value) : undefined;
}

/** Whether an integer can be stored in so many bits, signed or not. */
export function fitsBits(value: bigint, bits: number): boolean {
  return value >= -(1n << BigInt(bits - 1)) && value < 1n << BigInt(bits);
}

/**
 * Writes values as `BtfValueReader` shows them into typed bytes: the inverse of it. Also takes addresses as people write
 * them (IPv4, IPv6, MAC) for anything of their size, `hex:…` for the bytes of any part, and an integer for a struct or
 * array of 1, 2, 4 or 8 bytes. Members that are not named, and array items beyond those given, keep their bytes.
 *
 * What does not fit throws `map.value`, which says which part.
 */
export class BtfValueWriter {
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  readonly #little: boolean;
  readonly #network: boolean;

  /** @param network numbers for `__be16` and `__be32` are in host order, as people write them */
  constructor(btf: Btf, bytes: Uint8Array, order: ByteOrder, network = false) {
    this.#btf = btf;
    this.#bytes = bytes;
    this.#little = order === 'little';
    this.#network = network;
  }

  /** @param path names the part in errors */
  write(typeId: number, value: BtfValue, path: string, at = 0, depth = 0): void {
    const id = bareType(this.#btf, typeId);
    const type = this.#btf.typeById(id);
    const size = this.#btf.trySizeOf(id);
    if (typeof size !== 'number' || depth > MAX_DEPTH || at + size > this.#bytes.length) {
      throw this.problem(path, 'a type with a layout', type.kind.toLowerCase());
    }
    if (value === null) return;
    const network = this.#isNetworkOrder(typeId, size) ? integerOf(value) : undefined;
    if (typeof value === 'string' && value.startsWith('hex:')) this.#hex(value, at, size, path);
    else if (network !== undefined) this.integer(at, size, network, path, false);
    else (WRITERS[type.kind] as Writer)(this, type, value, { at, size, path, depth });
  }

  /** Writes one place of a value that begins at `at`, which may be a bitfield. */
  writePlace(place: BtfPlace, value: BtfValue, path: string, at = 0, depth = 0): void {
    if (place.bitSize === 0) {
      this.write(place.typeId, value, path, at + Math.floor(place.bitOffset / 8), depth);
      return;
    }
    if (value === null) return;
    const type = this.#btf.typeById(bareType(this.#btf, place.typeId));
    const named = typeof value === 'string' && 'values' in type ? enumValue(type, value) : undefined;
    this.bits(8 * at + place.bitOffset, place.bitSize, named ?? this.needInteger(value, path), path);
  }

  problem(path: string, expected: string, found: string): FarcallError {
    return new FarcallError({ code: 'map.value', message: `${path} does not fit its type`, expected, found });
  }
  mismatch(path: string, expected: string, value: BtfValue): FarcallError {
    return this.problem(path, expected, shownValue(value));
  }
  needInteger(value: BtfValue, path: string): bigint {
    const number = integerOf(value);
    if (number === undefined) throw this.mismatch(path, 'an integer', value);
    return number;
  }

  #isNetworkOrder(typeId: number, size: number): boolean {
    if (!this.#network || (size !== 2 && size !== 4)) return false;
    let type = this.#btf.typeById(typeId);
    for (let steps = 0; steps < 8 && 'typeId' in type && type.kind !== 'PTR' && type.kind !== 'ARRAY'; steps++) {
      if (type.name === '__be16' || type.name === '__be32') return true;
      type = this.#btf.typeById(type.typeId);
    }
    return false;
  }

  #hex(text: string, at: number, size: number, path: string): void {
    const bytes = fromHex(text.slice('hex:'.length));
    if (bytes.length !== size) throw this.problem(path, `${size} bytes`, `${bytes.length} bytes`);
    this.put(at, bytes);
  }

  put(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  integer(at: number, size: number, value: bigint, path: string, little = this.#little): void {
    if (!fitsBits(value, 8 * size)) throw this.problem(path, `an integer of ${8 * size} bits`, String(value));
    let rest = BigInt.asUintN(8 * size, value);
    for (let i = 0; i < size; i++, rest >>= 8n) this.#bytes[little ? at + i : at + size - 1 - i] = Number(rest & 0xffn);
  }

  bits(bitOffset: number, bits: number, value: bigint, path: string): void {
    if (!fitsBits(value, bits)) throw this.problem(path, `an integer of ${bits} bits`, String(value));
    const raw = BigInt.asUintN(bits, value);
    for (let i = 0; i < bits; i++) {
      // Big-endian counts from the top of each byte, most significant bit first.
      const bit = bitOffset + (this.#little ? i : bits - 1 - i);
      const mask = this.#little ? 1 << (bit & 7) : 0x80 >> (bit & 7);
      const byte = bit >> 3;
      if (byte >= this.#bytes.length) throw this.problem(path, 'a bitfield inside its struct', `bit ${bit}`);
      this.#bytes[byte] = ((raw >> BigInt(i)) & 1n) === 1n ? this.#bytes[byte] | mask : this.#bytes[byte] & ~mask;
    }
  }

  float(at: number, size: number, value: number): void {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    if (size === 4) view.setFloat32(at, value, this.#little);
    else view.setFloat64(at, value, this.#little);
  }

  /** Whether items of this type make text: `char` under qualifiers. */
  isChar(typeId: number): boolean {
    const type = this.#btf.typeById(bareType(this.#btf, typeId));
    return type.kind === 'INT' && type.sizeBytes === 1 && (type.char || type.name === 'char');
  }

  /** An address or an integer in place of a whole struct or array. True when it was one. */
  whole(value: BtfValue, { at, size, path }: Spot): boolean {
    if (typeof value === 'string') {
      const bytes = addressBytes(value, size) ?? exactHex(value, size);
      if (bytes !== undefined) this.put(at, bytes);
      return bytes !== undefined;
    }
    if (typeof value !== 'number' && typeof value !== 'bigint') return false;
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8) return false;
    this.integer(at, size, this.needInteger(value, path), path);
    return true;
  }

  items(typeId: number, count: number, items: readonly BtfValue[], { at, path, depth }: Spot): void {
    if (items.length > count) throw this.problem(path, `at most ${count} items`, `${items.length} items`);
    const size = this.#btf.sizeOf(typeId);
    for (const [i, item] of items.entries()) this.write(typeId, item, `${path}[${i}]`, at + i * size, depth + 1);
  }

  members(type: BtfComposite, values: Members, { at, path, depth }: Spot): void {
    for (const [name, value] of Object.entries(values)) {
      const place = memberPlace(this.#btf, type, name);
      if (place === undefined) {
        const names = memberNames(this.#btf, type, MAX_NAMES).join(', ') || 'none';
        throw this.problem(`${path}.${name}`, `one of the members ${names}`, `'${name}'`);
      }
      this.writePlace(place, value, `${path}.${name}`, at, depth + 1);
    }
  }

  variable(vars: readonly { typeId: number; offBytes: number }[], name: string, value: BtfValue, spot: Spot): void {
    const found = vars.find(({ typeId }) => this.#btf.nameOf(typeId) === name);
    if (found === undefined) throw this.problem(name, 'the name of a variable', `'${name}'`);
    this.write(found.typeId, value, name, spot.at + found.offBytes, spot.depth + 1);
  }
}

/** Where a part lies, and what errors call it. */
interface Spot {
  readonly at: number;
  readonly size: number;
  readonly path: string;
  readonly depth: number;
}

type Writer = (writer: BtfValueWriter, type: BtfType, value: BtfValue, spot: Spot) => void;
type OfKind<Kind> = BtfType extends infer T
  ? T extends { kind: infer Kinds }
    ? Kind extends Kinds
      ? T
      : never
    : never
  : never;
type Writers = {
  readonly [Kind in BtfType['kind']]: (writer: BtfValueWriter, type: OfKind<Kind>, value: BtfValue, spot: Spot) => void;
};

/** `0x` and every byte, as the reader shows what it cannot lay out. */
function exactHex(text: string, size: number): Uint8Array | undefined {
  return text.length === 2 + 2 * size && /^0x[0-9a-f]*$/i.test(text) ? fromHex(text) : undefined;
}

function writeInt(writer: BtfValueWriter, type: BtfInt, value: BtfValue, { at, size, path }: Spot): void {
  const partial = type.bits !== 8 * type.sizeBytes || type.bitOffset !== 0;
  const number = integerOf(value);
  if (number !== undefined) {
    if (partial) writer.bits(8 * at + type.bitOffset, type.bits, number, path);
    else writer.integer(at, size, number, path);
    return;
  }
  const text = typeof value === 'string' ? value : '';
  const address = addressBytes(text, size);
  if (address !== undefined) writer.put(at, address);
  else if (size === 1 && /^[\x20-\x7e]$/.test(text)) writer.integer(at, 1, BigInt(text.charCodeAt(0)), path);
  else throw writer.mismatch(path, type.bool ? 'true or false' : `an integer of ${8 * size} bits`, value);
}

function enumValue(type: BtfEnum | BtfEnum64, name: string): bigint | undefined {
  const found = (type.values as readonly { name: string; value: number | bigint }[]).find(item => item.name === name);
  return found === undefined ? undefined : BigInt(found.value);
}

const enumerator = (writer: BtfValueWriter, type: BtfEnum | BtfEnum64, value: BtfValue, spot: Spot): void => {
  const named = typeof value === 'string' ? enumValue(type, value) : undefined;
  const number = named ?? integerOf(value);
  if (number === undefined) {
    const names = type.values.slice(0, MAX_NAMES).map(item => item.name);
    throw writer.mismatch(spot.path, `an integer or one of ${names.join(', ')}`, value);
  }
  writer.integer(spot.at, spot.size, number, spot.path);
};

const composite: Writers['STRUCT'] = (writer, type, value, spot) => {
  if (isMembers(value)) writer.members(type, value, spot);
  else if (!writer.whole(value, spot)) throw writer.mismatch(spot.path, 'an object with its members', value);
};

const array: Writers['ARRAY'] = (writer, type, value, spot) => {
  if (isList(value)) return writer.items(type.typeId, type.nelems, value, spot);
  if (writer.isChar(type.typeId) && !isMembers(value)) {
    const bytes = encodeText(String(value));
    if (bytes.length > type.nelems) {
      throw writer.problem(spot.path, `text of at most ${type.nelems} bytes`, `${bytes.length} bytes`);
    }
    const padded = new Uint8Array(type.nelems);
    padded.set(bytes);
    return writer.put(spot.at, padded);
  }
  if (!writer.whole(value, spot)) throw writer.mismatch(spot.path, `a list of at most ${type.nelems} items`, value);
};

const datasec: Writers['DATASEC'] = (writer, type, value, spot) => {
  // Either { name: value } or, as the reader shows it, { ".data": [ { name: value } ] }.
  const inner = isMembers(value) && Object.hasOwn(value, type.name) ? value[type.name] : value;
  for (const item of isList(inner) ? inner : [inner]) {
    if (!isMembers(item)) throw writer.mismatch(spot.path, 'an object with variables', item);
    for (const [name, of] of Object.entries(item)) writer.variable(type.vars, name, of, spot);
  }
};

const unwritable: Writer = (writer, type, _value, { path }) => {
  throw writer.problem(path, 'a type that holds data', type.kind.toLowerCase());
};

const WRITERS: Writers = {
  VOID: unwritable,
  INT: writeInt,
  PTR: (writer, _type, value, { at, size, path }) => writer.integer(at, size, writer.needInteger(value, path), path),
  ARRAY: array,
  STRUCT: composite,
  UNION: composite,
  ENUM: enumerator,
  ENUM64: enumerator,
  FWD: unwritable,
  TYPEDEF: unwritable,
  VOLATILE: unwritable,
  CONST: unwritable,
  RESTRICT: unwritable,
  FUNC: unwritable,
  FUNC_PROTO: unwritable,
  VAR: unwritable,
  DATASEC: datasec,
  FLOAT: (writer, _type, value, { at, size, path }) => {
    const number = typeof value === 'number' ? value : Number(integerOf(value) ?? Number.NaN);
    if (Number.isNaN(number) || (size !== 4 && size !== 8)) throw writer.mismatch(path, 'a number', value);
    writer.float(at, size, number);
  },
  DECL_TAG: unwritable,
  TYPE_TAG: unwritable,
  UNKNOWN: unwritable,
};
