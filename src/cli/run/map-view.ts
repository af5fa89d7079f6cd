import type { Btf } from '../../btf/index.ts';
import type { BpfMap } from '../../maps/index.ts';
import type { ObjectMap } from '../../object/index.ts';
import { mapTypeName, bpf_map_type as TYPE } from '../../uapi/index.ts';
import type { ByteOrder } from '../../util/index.ts';
import { type BtfValue, BtfValueReader } from '../format/btf-value.ts';

/** A living map with what the object knows of its types. */
export interface MapView {
  readonly map: BpfMap;
  /** What names it for people: the section where the map is one and its own name is cut. */
  readonly name: string;
  readonly source: ObjectMap | undefined;
  readonly btf: Btf | undefined;
  readonly order: ByteOrder;
}

/** One element. `values` has one item a CPU for per-CPU maps, else one; empty where the type has no look-up. */
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

/** Maps that nothing can be looked up in: they carry events, or are emptied by reading. */
const WITHOUT_KEYS: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_RINGBUF,
  TYPE.BPF_MAP_TYPE_USER_RINGBUF,
  TYPE.BPF_MAP_TYPE_QUEUE,
  TYPE.BPF_MAP_TYPE_STACK,
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
export function hasKeys(map: BpfMap): boolean {
  return !WITHOUT_KEYS.has(map.def.type);
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

/** The elements in the order `BPF_MAP_GET_NEXT_KEY` gives. Elements that cannot be looked up (absent slots) are left out. */
export function* mapEntries(map: BpfMap): Generator<MapEntry> {
  if (!hasKeys(map)) return;
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
