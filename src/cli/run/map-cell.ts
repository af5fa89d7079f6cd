import type { Btf } from '../../btf/index.ts';
import { type ByteOrder, FarcallError, fromHex } from '../../util/index.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { BtfValueWriter, fitsBits, integerOf } from '../format/btf-value-writer.ts';
import type { MapView } from './map-view.ts';

/** What a key or value must look like, and how it was given. */
export interface CellShape {
  /** For errors: `the key`. */
  readonly what: string;
  readonly sizeBytes: number;
  readonly btf: Btf | undefined;
  /** 0 where nothing is known. */
  readonly typeId: number;
  readonly order: ByteOrder;
  /** Given by a dump: text is hex without a prefix, and numbers are as stored. */
  readonly dumped: boolean;
}

/** Sizes an integer may fill. */
const INTEGER_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8]);

export function keyShape({ map, source, btf, order }: MapView, dumped = false): CellShape {
  return { what: 'the key', sizeBytes: map.def.keySizeBytes, btf, typeId: source?.keyTypeId ?? 0, order, dumped };
}
export function valueShape({ map, source, btf, order }: MapView, dumped = false): CellShape {
  return { what: 'the value', sizeBytes: map.def.valueSizeBytes, btf, typeId: source?.valueTypeId ?? 0, order, dumped };
}

/** Bytes as dumps have them: `"0a00"` or `["0x0a","0x00"]`. */
function dumpedBytes(value: BtfValue, sizeBytes: number): Uint8Array | undefined {
  if (typeof value === 'string') {
    const fits = value.length === 2 * sizeBytes && !/[^0-9a-f]/i.test(value);
    return fits ? fromHex(value) : undefined;
  }
  if (!Array.isArray(value) || value.length !== sizeBytes) return undefined;
  const items = value as readonly BtfValue[];
  const all = items.every(item => typeof item === 'string' && /^0x[0-9a-f]{2}$/i.test(item));
  return all ? Uint8Array.from(items as readonly string[], Number) : undefined;
}

function isTyped({ btf, typeId, sizeBytes }: CellShape): boolean {
  return btf !== undefined && typeId !== 0 && btf.trySizeOf(typeId) === sizeBytes;
}

/**
 * The bytes of a key or value: by its type, or from an integer, or from `hex:…`.
 *
 * @param base what it holds where nothing is given; default zeros
 * Throws `map.value`.
 */
export function cellBytes(value: BtfValue, shape: CellShape, base?: Uint8Array): Uint8Array {
  const { what, sizeBytes, btf, typeId, order, dumped } = shape;
  const known = dumped ? dumpedBytes(value, sizeBytes) : undefined;
  if (known !== undefined) return known;
  const bytes = base?.slice() ?? new Uint8Array(sizeBytes);
  if (btf !== undefined && isTyped(shape)) {
    new BtfValueWriter(btf, bytes, order, !dumped).write(typeId, value, what);
    return bytes;
  }
  const bad = (expected: string, found: string): FarcallError =>
    new FarcallError({ code: 'map.value', message: `${what} does not fit`, expected, found });
  if (typeof value === 'string' && value.startsWith('hex:')) {
    const given = fromHex(value.slice('hex:'.length));
    if (given.length !== sizeBytes) throw bad(`${sizeBytes} bytes`, `${given.length} bytes`);
    return given;
  }
  const integer = integerOf(value);
  const wanted = INTEGER_SIZES.has(sizeBytes)
    ? `an integer of ${8 * sizeBytes} bits or hex:…`
    : `hex: and ${sizeBytes} bytes`;
  const found = typeof value === 'object' ? 'JSON, but the type is not known' : `'${value}'`;
  if (integer === undefined || !INTEGER_SIZES.has(sizeBytes)) throw bad(wanted, found);
  if (!fitsBits(integer, 8 * sizeBytes)) throw bad(wanted, found);
  for (let i = 0, rest = BigInt.asUintN(64, integer); i < sizeBytes; i++, rest >>= 8n) {
    bytes[order === 'little' ? i : sizeBytes - 1 - i] = Number(rest & 0xffn);
  }
  return bytes;
}
