import { BPF_FLAGS, ERRNO, bpf_map_type as T } from '../uapi/index.ts';
import { checkFdArray, FdArrayMap } from './fd-array.ts';
import { checkHash, HashMap } from './hashtab.ts';
import { MAP_HANDLE } from './layout.ts';
import type { BpfMap, MapDef, MapField, MapHost } from './types.ts';

/** Types without `map_meta_equal`, which cannot be inner maps. */
const NEVER_INNER: ReadonlySet<number> = new Set([
  T.BPF_MAP_TYPE_PROG_ARRAY,
  T.BPF_MAP_TYPE_CGROUP_STORAGE,
  T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
  T.BPF_MAP_TYPE_STRUCT_OPS,
]);

/** Types whose maps must agree in max_entries too: programs are verified, or redirect, with the template's. */
const SAME_MAX_ENTRIES: ReadonlySet<number> = new Set([T.BPF_MAP_TYPE_ARRAY, T.BPF_MAP_TYPE_XSKMAP]);

const isOuter = (type: number): boolean =>
  type === T.BPF_MAP_TYPE_ARRAY_OF_MAPS || type === T.BPF_MAP_TYPE_HASH_OF_MAPS;

/** `kernel/bpf/map_in_map.c: bpf_map_meta_alloc` */
function checkInner(def: MapDef): number {
  const { inner } = def;
  if (inner === undefined) return -ERRNO.EBADF;
  if (isOuter(inner.type)) return -ERRNO.EINVAL;
  return NEVER_INNER.has(inner.type) ? -ERRNO.ENOTSUPP : 0;
}

/** `array_of_map_alloc`, `htab_of_map_alloc` */
export function checkMapInMap(def: MapDef): number {
  if (def.type === T.BPF_MAP_TYPE_ARRAY_OF_MAPS) return checkFdArray(def) || checkInner(def);
  // fd_htab_map_alloc_check
  if (def.valueSizeBytes !== 4) return -ERRNO.EINVAL;
  return checkHash(def) || checkInner(def);
}

function sameFields(a: readonly MapField[] = [], b: readonly MapField[] = []): boolean {
  return (
    a.length === b.length &&
    a.every((field, i) => {
      const other = b[i];
      return field.kind === other.kind && field.offBytes === other.offBytes && field.sizeBytes === other.sizeBytes;
    })
  );
}

/** `map_meta_equal`: whether a map may stand where `template` is expected. */
export function mapMetaEqual(template: MapDef, def: MapDef): boolean {
  const same =
    template.type === def.type &&
    template.keySizeBytes === def.keySizeBytes &&
    template.valueSizeBytes === def.valueSizeBytes &&
    template.flags === def.flags &&
    sameFields(template.fields, def.fields);
  if (!same || !SAME_MAX_ENTRIES.has(def.type)) return same;
  if (def.type === T.BPF_MAP_TYPE_ARRAY && (template.flags & BPF_FLAGS.BPF_F_INNER_MAP) !== 0) return true;
  return template.maxEntries === def.maxEntries;
}

/** `bpf_map_fd_get_ptr`: the handle of the map of that id, or -EBADF or -EINVAL. */
function handleOf(host: MapHost, def: MapDef, id: number): number {
  const inner: BpfMap | undefined = host.mapById(id);
  if (inner === undefined) return -ERRNO.EBADF;
  return def.inner !== undefined && mapMetaEqual(def.inner, inner.def) ? inner.addr : -ERRNO.EINVAL;
}

/**
 * `BPF_MAP_TYPE_ARRAY_OF_MAPS`: elements are handles' addresses; user space writes and reads ids.
 *
 * Differs from Linux: ids stand in place of descriptors, and the map does not keep its inner maps alive; whoever frees
 * maps must see to that.
 */
export class ArrayOfMapsMap extends FdArrayMap {
  override lookup(keyAddr: number): number {
    return this.ops.array_of_maps_lookup(this.addr, keyAddr);
  }
  protected override take(id: number): number {
    return handleOf(this.host, this.def, id);
  }
  protected override give(handle: number): number {
    return this.load(handle + MAP_HANDLE.id);
  }
}

/** `BPF_MAP_TYPE_HASH_OF_MAPS`: values are handles' addresses; otherwise as {@link ArrayOfMapsMap}. */
export class HashOfMapsMap extends HashMap {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, false);
  }

  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  override forEach(_callback: (keyAddr: number, valueAddr: number) => number): number {
    return -ERRNO.EOPNOTSUPP;
  }

  // bpf_fd_htab_map_lookup_elem
  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const handle = this.lookup(keyAddr);
    if (handle === 0) return null;
    const at = this.valueScratch();
    this.store(at, this.load(handle + MAP_HANDLE.id));
    return this.mem.read(at, 4);
  }
  protected override sysLookupAndDelete(_keyAddr: number): number {
    return -ERRNO.ENOTSUPP;
  }
  // bpf_fd_htab_map_update_elem
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    const handle = handleOf(this.host, this.def, this.loadU32(valueAddr));
    if (handle < 0) return handle;
    this.store(valueAddr, handle);
    return this.ops.hash_update(this.addr, keyAddr, valueAddr, flags);
  }
}
