import type { Btf } from '../../btf/index.ts';
import { type BpfMap, isProgArrayMap, isQueueStackMap, isStackTraceMap } from '../../maps/index.ts';
import type { ObjectMap } from '../../object/index.ts';
import { BPF_FLAGS, mapTypeName, bpf_map_type as TYPE } from '../../uapi/index.ts';
import { type ByteOrder, ByteView } from '../../util/index.ts';
import { type BtfValue, BtfValueReader } from '../format/btf-value.ts';

/** A living map with what the object knows of its types. */
export interface MapView {
  readonly map: BpfMap;
  /** What names it for people: the section where the map is one and its own name is cut. */
  readonly name: string;
  readonly source: ObjectMap | undefined;
  readonly btf: Btf | undefined;
  readonly order: ByteOrder;
  /** The name of what an element's id stands for: a program of a prog array, a map of a map of maps. */
  readonly nameOfId: (id: number) => string | undefined;
  /** The way back. */
  readonly idOfName: (name: string) => number | undefined;
}

/** One element. `values` has one item a CPU for per-CPU maps, else one. The keys of queues and stacks are empty. */
export interface MapEntry {
  readonly key: Uint8Array;
  readonly values: readonly Uint8Array[];
}

const PER_CPU: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_PERCPU_HASH,
  TYPE.BPF_MAP_TYPE_PERCPU_ARRAY,
  TYPE.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  TYPE.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
]);

/** Maps whose elements exist from the start, as zeroes. */
const PREFILLED: ReadonlySet<number> = new Set([TYPE.BPF_MAP_TYPE_ARRAY, TYPE.BPF_MAP_TYPE_PERCPU_ARRAY]);

/** Maps whose contents nobody can list. */
const UNLISTED: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_RINGBUF,
  TYPE.BPF_MAP_TYPE_USER_RINGBUF,
  TYPE.BPF_MAP_TYPE_BLOOM_FILTER,
  TYPE.BPF_MAP_TYPE_ARENA,
  TYPE.BPF_MAP_TYPE_STRUCT_OPS,
]);

export function isPerCpu(map: BpfMap): boolean {
  return PER_CPU.has(map.def.type);
}
export function isPrefilled(map: BpfMap): boolean {
  return PREFILLED.has(map.def.type);
}
export function canList(map: BpfMap): boolean {
  return !UNLISTED.has(map.def.type);
}
/** Whether elements are ids of other maps. */
export function isMapOfMaps(map: BpfMap): boolean {
  return map.def.type === TYPE.BPF_MAP_TYPE_ARRAY_OF_MAPS || map.def.type === TYPE.BPF_MAP_TYPE_HASH_OF_MAPS;
}
export function mapTypeOf(view: MapView): string {
  return mapTypeName(view.map.def.type);
}

function splitPerCpu(map: BpfMap, value: Uint8Array): Uint8Array[] {
  const stride = Math.ceil(map.def.valueSizeBytes / 8) * 8;
  const values: Uint8Array[] = [];
  for (let at = 0; at < value.length; at += stride) values.push(value.subarray(at, at + map.def.valueSizeBytes));
  return values;
}

const NO_KEY = new Uint8Array(0);

/**
 * The elements in the order `BPF_MAP_GET_NEXT_KEY` gives, of queues and stacks in the order they would be popped. Elements
 * that cannot be looked up (absent slots) are left out.
 */
export function* mapEntries(map: BpfMap): Generator<MapEntry> {
  if (!canList(map)) return;
  if (isQueueStackMap(map)) {
    for (const value of map.contents()) yield { key: NO_KEY, values: [value] };
    return;
  }
  let key = map.userNextKey(null);
  // A map cannot hold more; the bound is against endless iteration, come what may.
  for (let left = map.def.maxEntries + 1; key instanceof Uint8Array && left > 0; left--) {
    const value = map.userLookup(key);
    if (value instanceof Uint8Array) yield { key, values: isPerCpu(map) ? splitPerCpu(map, value) : [value] };
    key = map.userNextKey(key);
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0);

/** Whether an element of an array is as it was before anything ran. */
export function isUntouched(map: BpfMap, entry: MapEntry): boolean {
  return isPrefilled(map) && entry.values.every(isZero);
}

/** Bytes of a frame with build id; the address, where there is no build id, is at its end. */
const BUILD_ID_BYTES = 32;

/** The addresses of a stack trace, innermost first; undefined for maps that hold none. */
export function stackFrames({ map, order }: MapView, value: Uint8Array): string[] | undefined {
  if (!isStackTraceMap(map)) return undefined;
  const stride = (map.def.flags & BPF_FLAGS.BPF_F_STACK_BUILD_ID) === 0 ? 8 : BUILD_ID_BYTES;
  const view = new ByteView(value, order);
  const frames: string[] = [];
  for (let at = stride - 8; at + 8 <= value.length; at += stride) {
    const ip = view.u64(at);
    if (ip === 0n) break;
    frames.push(`0x${ip.toString(16)}`);
  }
  return frames;
}

/** What an element of ids leads to, by name; undefined for other maps. */
export function targetName({ map, order, nameOfId }: MapView, value: Uint8Array): string | undefined {
  if (!isProgArrayMap(map) && !isMapOfMaps(map)) return undefined;
  return nameOfId(new ByteView(value, order).u32(0));
}

/** Reads the keys and values of a map by their BTF types. */
export class MapTypes {
  readonly #view: MapView;
  readonly #network: boolean;

  /** @param network values of `__be16` and `__be32` as people write them */
  constructor(view: MapView, network = false) {
    this.#view = view;
    this.#network = network;
  }

  get hasKey(): boolean {
    return this.#has(this.#view.source?.keyTypeId);
  }
  get hasValue(): boolean {
    return this.#has(this.#view.source?.valueTypeId);
  }
  #has(typeId: number | undefined): boolean {
    return typeId !== undefined && typeId !== 0 && this.#view.btf !== undefined;
  }
  #read(typeId: number | undefined, bytes: Uint8Array): BtfValue | undefined {
    const { btf, order } = this.#view;
    if (btf === undefined || typeId === undefined || typeId === 0) return undefined;
    return new BtfValueReader(btf, bytes, order, this.#network).read(typeId);
  }

  key(bytes: Uint8Array): BtfValue | undefined {
    return this.#read(this.#view.source?.keyTypeId, bytes);
  }
  value(bytes: Uint8Array): BtfValue | undefined {
    return this.#read(this.#view.source?.valueTypeId, bytes);
  }
}
