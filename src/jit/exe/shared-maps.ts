import { type ProgramBuilder, R0, R1, R2, R3, R4, R5 } from '../../isa/index.ts';
import type { MapDef } from '../../maps/index.ts';
import { bpf_map_type, ERRNO } from '../../uapi/index.ts';
import { alignUp, type ByteOrder, encodeText } from '../../util/index.ts';
import type { XlatedMap } from '../../verifier/index.ts';

/** A map of a shared object. */
export interface SharedMap
  extends Pick<MapDef, 'name' | 'type' | 'keySizeBytes' | 'valueSizeBytes' | 'maxEntries' | 'flags'> {
  /** Of an array: what its values begin with, as far as that is not 0. Values of other maps whoever embeds it keeps. */
  readonly data?: Uint8Array;
}

/** `struct farcall_map`, by byte offset. */
export const SHARED_MAP = {
  type: 0,
  keySize: 4,
  valueSize: 8,
  maxEntries: 12,
  flags: 16,
  index: 20,
  /** s64: from the struct to the values; 0 for none. */
  values: 24,
  /** A pointer for whoever embeds it. */
  user: 32,
  name: 40,
  nameBytes: 24,
  sizeBytes: 64,
} as const;

/** Values of an array are at multiples of this, as in Linux. */
const VALUE_ALIGN = 8;
const ARRAY_ALIGN = 64;

export const isArray = ({ type }: SharedMap): boolean => type === bpf_map_type.BPF_MAP_TYPE_ARRAY;

/** Bytes of all values; 0 for maps that have none in the object. */
export const valueBytesOf = (map: SharedMap): number =>
  isArray(map) ? alignUp(map.valueSizeBytes, VALUE_ALIGN) * map.maxEntries : 0;

/** Where maps are in the data. */
export interface MapPlaces {
  /** Byte offset of each `struct farcall_map`, and of its values. */
  readonly structs: readonly number[];
  readonly values: readonly number[];
  readonly endBytes: number;
}

/** Lays maps out from `from` on: the structs, then the values of each array. */
export function placeMaps(maps: readonly SharedMap[], from: number): MapPlaces {
  const first = alignUp(from, ARRAY_ALIGN);
  const structs = maps.map((_, n) => first + n * SHARED_MAP.sizeBytes);
  let at = first + maps.length * SHARED_MAP.sizeBytes;
  const values = maps.map(map => {
    const start = alignUp(at, ARRAY_ALIGN);
    const bytes = valueBytesOf(map);
    if (bytes > 0) at = start + bytes;
    return start;
  });
  return { structs, values, endBytes: at };
}

export function writeMaps(data: Uint8Array, order: ByteOrder, maps: readonly SharedMap[], places: MapPlaces): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = order === 'little';
  maps.forEach((map, index) => {
    const at = places.structs[index];
    const put = (off: number, value: number): void => view.setUint32(at + off, value, little);
    put(SHARED_MAP.type, map.type);
    put(SHARED_MAP.keySize, map.keySizeBytes);
    put(SHARED_MAP.valueSize, map.valueSizeBytes);
    put(SHARED_MAP.maxEntries, map.maxEntries);
    put(SHARED_MAP.flags, map.flags);
    put(SHARED_MAP.index, index);
    data.set(encodeText(map.name).subarray(0, SHARED_MAP.nameBytes - 1), at + SHARED_MAP.name);
    if (!isArray(map)) return;
    view.setBigInt64(at + SHARED_MAP.values, BigInt(places.values[index] - at), little);
    if (map.data !== undefined) data.set(map.data, places.values[index]);
  });
}

/*
 * Addresses that stand for maps in programs until they are compiled: far from any address there is, the value's half of a
 * map's range behind its own.
 */
const MARK = 0x5eed000000000000n;
const MARK_BITS = 33n;
const VALUES = 1n << 32n;

/** What `ld_imm64` of map `index` holds meanwhile. */
export const markOf = (index: number): bigint => MARK + (BigInt(index) << MARK_BITS);
/** … and of a byte of its values. */
export const valueMarkOf = (index: number, offBytes: number): bigint => markOf(index) + VALUES + BigInt(offBytes);

/** The marks, as a program knows its maps. */
export function markedMaps(maps: readonly SharedMap[]): XlatedMap[] {
  return maps.map((map, index) => ({
    id: index + 1,
    name: map.name,
    addr: markOf(index),
    values: { start: valueMarkOf(index, 0), sizeBytes: valueBytesOf(map) },
  }));
}

/** What a mark stands for: a map's struct, or a byte of its values. */
export function markedPlace(value: bigint, maps: number): { readonly map: number; readonly off?: number } | undefined {
  if (value < MARK || value >= markOf(maps)) return undefined;
  const map = Number((value - MARK) >> MARK_BITS);
  const rest = value - markOf(map);
  return rest === 0n ? { map } : rest >= VALUES ? { map, off: Number(rest - VALUES) } : undefined;
}

/**
 * What arrays answer themselves of these helpers, as BPF. What is asked of other maps is handed on by a call of helper 0,
 * where there are any.
 */
export const ARRAY_HELPERS: Readonly<Record<string, (b: ProgramBuilder, othersToo: boolean) => void>> = {
  /** `kernel/bpf/arraymap.c: array_map_lookup_elem` */
  bpf_map_lookup_elem(b, othersToo) {
    element(b);
    b.mov(R0, R1).alu64('add', R0, R4).alu64('add', R0, R3).exit();
    b.label('beyond').mov(R0, 0).exit();
    leave(b, othersToo, 0);
  },
  /** `kernel/bpf/arraymap.c: array_map_update_elem` */
  bpf_map_update_elem(b, othersToo) {
    b.load('dw', R5, R1, SHARED_MAP.values).jumpIf('jeq', R5, 0, 'other');
    b.mov(R0, -ERRNO.EINVAL).jumpIf('jgt', R4, 2, 'out');
    b.load('w', R2, R2).load('w', R0, R1, SHARED_MAP.maxEntries);
    b.jumpIf('jge', R2, R0, 'beyond');
    b.mov(R0, -ERRNO.EEXIST).jumpIf('jeq', R4, 1, 'out');
    b.load('w', R4, R1, SHARED_MAP.valueSize).mov(R0, R4).alu64('add', R0, 7).alu64('and', R0, -8);
    // R1 = the value, R4 its bytes left, R3 the new ones.
    b.alu64('mul', R2, R0).alu64('add', R1, R5).alu64('add', R1, R2);
    b.label('next').jumpIf('jlt', R4, 8, 'bytes');
    b.load('dw', R0, R3).store('dw', R1, 0, R0).alu64('add', R1, 8).alu64('add', R3, 8).alu64('sub', R4, 8);
    b.jump('next');
    b.label('bytes').mov(R0, 0).jumpIf('jeq', R4, 0, 'out');
    b.load('b', R0, R3).store('b', R1, 0, R0).alu64('add', R1, 1).alu64('add', R3, 1).alu64('sub', R4, 1);
    b.jump('bytes');
    b.label('beyond').mov(R0, -ERRNO.E2BIG).label('out').exit();
    leave(b, othersToo, -ERRNO.EINVAL);
  },
  /** `kernel/bpf/arraymap.c: array_map_delete_elem` */
  bpf_map_delete_elem(b, othersToo) {
    b.load('dw', R4, R1, SHARED_MAP.values).jumpIf('jeq', R4, 0, 'other').mov(R0, -ERRNO.EINVAL).exit();
    leave(b, othersToo, -ERRNO.EINVAL);
  },
};

/** R3 = offset of the element in the values, R4 = where those are; or on to `beyond` or `other`. */
function element(b: ProgramBuilder): void {
  b.load('dw', R4, R1, SHARED_MAP.values).jumpIf('jeq', R4, 0, 'other');
  b.load('w', R3, R2).load('w', R5, R1, SHARED_MAP.maxEntries).jumpIf('jge', R3, R5, 'beyond');
  b.load('w', R5, R1, SHARED_MAP.valueSize).alu64('add', R5, 7).alu64('and', R5, -8).alu64('mul', R3, R5);
}

function leave(b: ProgramBuilder, othersToo: boolean, otherwise: number): void {
  b.label('other');
  if (othersToo) b.helper(0).exit();
  else b.mov(R0, otherwise).exit();
}
